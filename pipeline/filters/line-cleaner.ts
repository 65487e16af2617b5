/**
 * Removes lines that are furniture, as DCLM does: shouted, numeric, counters of likes, single words, buttons of shops and
 * teasers. A text that loses more than a twentieth of its words that way was furniture itself and is dropped.
 */
import { flag, fraction, integer, type Options, switchable, texts, type Values } from "../../lib/options.ts";
import type { Rejection, Stage } from "../stage.ts";
import { isDigit, isLetter } from "../text/characters.ts";
import { splitWhitespace, strip } from "../text/lines.ts";
import { ratio } from "../text/n-grams.ts";

const options = {
  maxUppercase: switchable(
    fraction(0.5, "removes a line with more than this share of its characters in upper case"),
  ),
  maxNumeric: switchable(
    fraction(0.999999, "removes a line with more than this share of its characters digits"),
  ),
  minWords: switchable(integer(2, "removes a line of fewer words, blank lines excepted", { min: 1 })),
  removeCounters: flag(true, "removes lines such as 3 likes or 12 comments"),
  phrases: texts(
    ["items in cart", "read more...", "sign-in"],
    "removes short lines with one of these in them, in any case",
  ),
  maxPhraseWords: integer(10, "a line of at most this many words is short", { min: 1 }),
  maxRemovedWords: switchable(fraction(0.05, "drops a text that lost more than this share of its words")),
} satisfies Options;

type Settings = Values<typeof options>;

const measureNames = [
  "removed_words",
  "lines_uppercase",
  "lines_numeric",
  "lines_few_words",
  "lines_counter",
  "lines_phrase",
  "words_left",
] as const;
type Cleaned = Readonly<Record<(typeof measureNames)[number], number>>;

const counter =
  /^\W*\d[\d.,]*\s*[kKmM]?\s+(?:likes?|shares?|comments?|retweets?|reposts?|quotes?|bookmarks?|upvotes?|downvotes?|downloads?|views?|followers?)\W*$/iu;

export type CleanedLine = "kept" | "uppercase" | "numeric" | "few_words" | "counter" | "phrase";

/** What becomes of a line; a blank one stays. */
export function cleanLine(line: string, settings: Settings): CleanedLine {
  const stripped = strip(line);
  if (stripped === "") return "kept";
  let [upper, digits, characters] = [0, 0, 0];
  for (const character of stripped) {
    const point = character.codePointAt(0)!;
    characters++;
    if (isDigit(point)) digits++;
    else if (isLetter(point) && character !== character.toLowerCase()) upper++;
  }
  const { maxUppercase, maxNumeric, minWords } = settings;
  if (maxUppercase !== null && upper / characters > maxUppercase) return "uppercase";
  if (maxNumeric !== null && digits / characters > maxNumeric) return "numeric";
  const words = splitWhitespace(stripped).length;
  if (minWords !== null && words < minWords) return "few_words";
  if (settings.removeCounters && counter.test(stripped)) return "counter";
  if (words > settings.maxPhraseWords) return "kept";
  const lower = stripped.toLowerCase();
  return settings.phrases.some(phrase => lower.includes(phrase.toLowerCase())) ? "phrase" : "kept";
}

function clean(text: string, settings: Settings): { readonly text: string; readonly measures: Cleaned } {
  const counts = { uppercase: 0, numeric: 0, few_words: 0, counter: 0, phrase: 0 };
  const kept: string[] = [];
  let [left, removed] = [0, 0];
  for (const line of text.split("\n")) {
    const fate = cleanLine(line, settings);
    const words = splitWhitespace(line).length;
    if (fate === "kept") {
      kept.push(line);
      left += words;
    } else {
      counts[fate]++;
      removed += words;
    }
  }
  const measures = {
    removed_words: ratio(removed, removed + left),
    lines_uppercase: counts.uppercase,
    lines_numeric: counts.numeric,
    lines_few_words: counts.few_words,
    lines_counter: counts.counter,
    lines_phrase: counts.phrase,
    words_left: left,
  };
  return { text: kept.join("\n"), measures };
}

function reject(measures: Cleaned, { maxRemovedWords }: Settings): Rejection | null {
  if (measures.words_left === 0) return { reason: "nothing-left", value: 0, threshold: 1 };
  if (maxRemovedWords !== null && measures.removed_words > maxRemovedWords)
    return { reason: "too-much-removed", value: measures.removed_words, threshold: maxRemovedWords };
  return null;
}

export const lineCleaner: Stage<typeof options> = {
  name: "line-cleaner",
  kind: "filter",
  about: "removes lines of buttons, counters and capitals, and drops texts that are mostly such lines",
  source:
    "Li et al. 2024 (DCLM), appendix on heuristic cleaning; dclm, baselines/baselines_configs/dclm_baseline_refinedweb.yaml",
  options,
  reasons: ["too-much-removed", "nothing-left"],
  measures: measureNames,
  measuring: ["maxUppercase", "maxNumeric", "minWords", "removeCounters", "phrases", "maxPhraseWords"],
  presets: { "dclm-heuristics": {} },
  reject: (measures, values) => reject(measures as Cleaned, values),
  marks: ({ maxRemovedWords: at }) =>
    at === null ? [] : [{ measure: "removed_words", at, drops: "above", reason: "too-much-removed" }],
  build: values => document => {
    const { text, measures } = clean(document.text, values);
    const rejection = reject(measures, values);
    if (rejection)
      return { drop: rejection.reason, value: rejection.value, threshold: rejection.threshold, measures };
    return { keep: text === document.text ? document : { ...document, text }, measures };
  },
};
