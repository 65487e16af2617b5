/**
 * Which words of a training run's samples exist: those that stand in the curated corpus. Most words are a token of
 * their own and exist from the first step on (measured: 95 % at step 20); what tells a speller are words put together
 * from several tokens, of which none exist at first and a third to a half later. The corpus is read until 8 M
 * characters, so rare words of a large corpus may be called unknown: the share is a little low, its rise is not.
 */
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { openTable } from "../../lib/parquet.ts";
import type { SampleSpelling, Spelling } from "../api.ts";
import { readLines } from "./training.ts";
import { markOf, partsOf } from "./workdir.ts";

const mostCharacters = 8_000_000;
const word = /\p{L}[\p{L}\p{M}]*(?:['’]\p{L}+)*/gu;
/** So many samples together must have so many words put together, and this share of them must exist. */
const [steady, fewest, enough] = [5, 5, 1 / 3];

export const wordsOf = (text: string): string[] => (text.match(word) ?? []).map(one => one.toLowerCase());

/** The first step from which on five samples together put a third of their words together rightly; null: never. */
export function spellsFrom(samples: readonly SampleSpelling[]): number | null {
  for (let i = 0; i + steady <= samples.length; i++) {
    const next = samples.slice(i, i + steady);
    const made = next.reduce((sum, one) => sum + one.made, 0);
    const right = next.reduce((sum, one) => sum + one.right, 0);
    if (made >= fewest && right / made >= enough) return samples[i]!.step;
  }
  return null;
}

async function corpusWords(paths: readonly string[]): Promise<Set<string>> {
  const known = new Set<string>();
  let left = mostCharacters;
  for (const path of paths) {
    const table = await openTable(path);
    try {
      for await (const { text } of table.read({ columns: ["text"] })) {
        for (const one of wordsOf(String(text))) known.add(one);
        left -= String(text).length;
        if (left <= 0) return known;
      }
    } finally {
      table.close();
    }
    await setImmediate();
  }
  return known;
}

/** `tokensIn`: how many tokens a text is. */
export function openSpelling(workdir: string, tokensIn: (text: string) => number): () => Promise<Spelling> {
  let held: { mark: string; known: Promise<Set<string>> } | null = null;
  return async () => {
    const paths = partsOf(join(workdir, "documents"));
    const mark = markOf(paths);
    if (held?.mark !== mark) held = { mark, known: corpusWords(paths) };
    const known = await held.known;
    const lines = readLines<{ step: number; text: string }>(join(workdir, "model", "samples.jsonl"));
    const samples = lines.map(({ step, text }): SampleSpelling => {
      const words = wordsOf(text);
      const strange = known.size === 0 ? [] : words.filter(one => !known.has(one));
      const made = (text.match(word) ?? []).filter(one => tokensIn(one) > 1 && tokensIn(` ${one}`) > 1);
      const right = made.filter(one => known.has(one.toLowerCase()));
      return {
        ...{ step, words: words.length, unknown: strange.length, strange: [...new Set(strange)] },
        ...{ made: made.length, right: right.length },
      };
    });
    return { known: known.size, samples, from: known.size === 0 ? null : spellsFrom(samples) };
  };
}
