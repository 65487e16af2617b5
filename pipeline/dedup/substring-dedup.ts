/**
 * Removes every run of words that occurred before anywhere in the corpus and is at least `minWords` long: exact
 * substring deduplication. The runs are those that a suffix array of the whole corpus would find, found without one:
 * two texts share a run of n words or more exactly where they share all its windows of n words, so windows are hashed
 * as they pass (96 bits, rolling), sorted on disk and looked up. 20 bytes a word on disk (about 3.5 times the text; a
 * suffix array takes 8 to 10 times) and none of the corpus in memory. Off unless the recipe lists it.
 */
import { integer, type Options } from "../../lib/options.ts";
import { hash32 } from "../../lib/random.ts";
import type { CorpusStage } from "../corpus-stage.ts";
import { strip } from "../text/lines.ts";
import { createLineKeys, partitions, readRepeated, writeRepeated } from "./line-keys.ts";
import { unspacedCharacter } from "./normalise.ts";

const options = {
  minWords: integer(
    50,
    "shorter runs of words are never repetitions; a character counts as a word in Chinese, Japanese, Thai and the like",
    {
      min: 2,
      max: 10_000,
    },
  ),
} satisfies Options;

/** Where each word of a text begins and ends; in scripts without spaces every character is a word. */
export function wordSpans(text: string): Uint32Array {
  const spans: number[] = [];
  for (const match of text.matchAll(/\S+/gu)) {
    const [word, start] = [match[0], match.index];
    if (!unspacedCharacter.test(word)) {
      spans.push(start, start + word.length);
      continue;
    }
    let from = 0;
    for (let i = 0; i < word.length; ) {
      const width = word.codePointAt(i)! > 0xffff ? 2 : 1;
      if (unspacedCharacter.test(word.slice(i, i + width))) {
        if (from < i) spans.push(start + from, start + i);
        spans.push(start + i, start + i + width);
        from = i + width;
      }
      i += width;
    }
    if (from < word.length) spans.push(start + from, start + word.length);
  }
  return Uint32Array.from(spans);
}

const bases = [0x01000193, 0x9e3779b1, 0x85ebca77] as const;

/** Calls `visit` with three words of hash for every window of `n` words, by the number of its first word. */
export function eachWindow(
  text: string,
  spans: Uint32Array,
  n: number,
  visit: (hash: Uint32Array, first: number) => void,
): void {
  const words = spans.length / 2;
  if (words < n) return;
  const hashes = new Uint32Array(words * 3);
  for (let i = 0; i < words; i++) {
    const word = text.slice(spans[2 * i]!, spans[2 * i + 1]!);
    for (let k = 0; k < 3; k++) hashes[3 * i + k] = hash32(k + 1, word);
  }
  const window = new Uint32Array(3);
  const powers = bases.map(base => {
    let power = 1;
    for (let i = 1; i < n; i++) power = Math.imul(power, base);
    return power;
  });
  const result = new Uint32Array(3);
  for (let i = 0; i < words; i++) {
    for (let k = 0; k < 3; k++) {
      let sum = window[k]!;
      if (i >= n) sum -= Math.imul(hashes[3 * (i - n) + k]!, powers[k]!);
      window[k] = Math.imul(sum, bases[k]!) + hashes[3 * i + k]!;
    }
    if (i < n - 1) continue;
    // The sums' low bits depend on low bits only; the first word's high bits choose the partition.
    for (let k = 0; k < 3; k++) result[k] = finish(window[k]!);
    visit(result, i - n + 1);
  }
}

function finish(h: number): number {
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** The text without the words of the windows that begin at `repeated`; what is between two removed words goes too. */
export function withoutWindows(
  text: string,
  spans: Uint32Array,
  n: number,
  repeated: ReadonlySet<number>,
): { readonly text: string; readonly words: number } {
  const parts: string[] = [];
  let [words, kept, until] = [0, 0, -1];
  let removing = false;
  for (let i = 0; i < spans.length / 2; i++) {
    if (repeated.has(i)) until = i + n;
    const repeats = i < until;
    if (repeats) words++;
    if (repeats === removing) continue;
    if (repeats) parts.push(text.slice(kept, spans[2 * i]!));
    else kept = spans[2 * i]!;
    removing = repeats;
  }
  parts.push(removing ? text.slice(spans[spans.length - 1]!) : text.slice(kept));
  return { text: strip(parts.join("")), words };
}

export const substringDedup: CorpusStage<typeof options> = {
  name: "substring-dedup",
  kind: "dedup",
  about: "removes runs of words that occurred before anywhere in the corpus, to the word",
  source: "Lee et al. 2022, section 4.1: exact substrings of 50 tokens; here of 50 words",
  options,
  reasons: ["only-repeated-text"],
  measures: [],
  collect({ minWords }, { dir, task, memory }) {
    const keys = createLineKeys(dir, task, Math.floor(memory / 4));
    let documents = 0;
    return {
      add({ text }, index) {
        if (index !== documents++)
          throw new Error(`document ${index} came where ${documents - 1} was expected`);
        eachWindow(text, wordSpans(text), minWords, (hash, first) => keys.add(hash, index, first));
      },
      finish: () => [keys.commit(documents)],
    };
  },
  rounds: (_, tasks) => [
    {
      name: "lines",
      jobs: partitions,
      run: (job, context) => writeRepeated(job, tasks, 2, true, context),
    },
  ],
  async apply({ minWords }, { dir, task }) {
    const repeatedIn = readRepeated(dir, task);
    return (document, index) => {
      const repeated = repeatedIn(index);
      if (!repeated) return { verdict: { keep: document }, membership: null };
      const { text, words } = withoutWindows(document.text, wordSpans(document.text), minWords, repeated);
      const verdict =
        text === ""
          ? { drop: "only-repeated-text", value: words, threshold: 0 }
          : { keep: { ...document, text, meta: { ...document.meta, substring_dedup_removed: words } } };
      return { verdict, membership: null };
    };
  },
};
