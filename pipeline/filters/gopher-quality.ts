/**
 * Drops texts that do not look like prose: too short or long, odd word lengths, too many hashes, ellipses and
 * bullets, too few words with letters, too few stop words. Words are those of text/words.ts, punctuation marks
 * included; a word of symbols only does not count towards the length of the text, but it does count in the
 * shares, so much punctuation drops a text by the share of words with letters.
 */
import {
  choice,
  fraction,
  integer,
  number,
  type Options,
  switchable,
  texts,
  type Values,
} from "../../lib/options.ts";
import { filter, type Rejection } from "../stage.ts";
import { codePoints, isLetter, isSymbol, isTerminal } from "../text/characters.ts";
import { countOf, splitLines, stripEnd, stripStart } from "../text/lines.ts";
import { ratio } from "../text/n-grams.ts";
import { splitWords } from "../text/words.ts";
import { languageMeasure, settingsAt, settingsNumber, withLanguages } from "./by-language.ts";
import { quality2 } from "./fineweb-2.ts";

const options = withLanguages({
  minWords: switchable(integer(50, "drops below this many words that are not only symbols", { min: 0 })),
  maxWords: switchable(integer(100_000, "drops above this many words that are not only symbols", { min: 0 })),
  minMeanWordLength: switchable(
    number(3, "drops below this mean length of a word, in characters", { min: 0 }),
  ),
  maxMeanWordLength: switchable(
    number(10, "drops above this mean length of a word, in characters", { min: 0 }),
  ),
  maxHashes: switchable(number(0.1, "drops above this many # for each word", { min: 0 })),
  maxEllipses: switchable(number(0.1, "drops above this many ellipses for each word", { min: 0 })),
  maxBulletLines: switchable(fraction(0.9, "drops above this share of lines that begin with • or -")),
  maxEllipsisLines: switchable(fraction(0.3, "drops above this share of lines that end with an ellipsis")),
  minAlphabeticWords: switchable(fraction(0.8, "drops below this share of words with a letter in them")),
  minStopWords: switchable(integer(2, "drops below this many stop words", { min: 0 })),
  stopWords: texts(
    ["the", "be", "to", "of", "and", "that", "have", "with"],
    "the stop words, compared as written: The is none",
  ),
  countStopWords: choice("occurrences", "whether a stop word counts each time or once", [
    "occurrences",
    "distinct",
  ] as const),
  symbols: choice(
    "released",
    "which signs make no word: the 66 of FineWeb as released, or also the terminal marks of all scripts",
    ["released", "all-scripts"] as const,
  ),
} satisfies Options);

const measures = [
  "words",
  "mean_word_length",
  "hashes",
  "ellipses",
  "bullet_lines",
  "ellipsis_lines",
  "alphabetic_words",
  "stop_words",
  "distinct_stop_words",
] as const;

type Quality = Readonly<Record<(typeof measures)[number], number>>;

const reasons = [
  "short-document",
  "long-document",
  "short-words",
  "long-words",
  "too-many-hashes",
  "too-many-ellipses",
  "too-many-bullets",
  "too-many-ellipsis-lines",
  "too-few-alphabetic-words",
  "too-few-stop-words",
] as const;

function some(word: string, test: (point: number) => boolean): boolean {
  for (let i = 0; i < word.length; i++) {
    const point = word.codePointAt(i)!;
    if (test(point)) return true;
    if (point > 0xffff) i++;
  }
  return false;
}

/** Whether the word begins with an ASCII letter, as nearly all do: it has a letter then and is more than symbols. */
function beginsPlainly(word: string): boolean {
  const unit = word.charCodeAt(0) | 0x20;
  return unit >= 0x61 && unit <= 0x7a;
}

/** The measures of one text. Shares of a text without words or lines are 0. */
export function measureQuality(
  text: string,
  stopWords: readonly string[],
  symbols: "released" | "all-scripts",
): Quality {
  const notSymbol =
    symbols === "released"
      ? (point: number) => !isSymbol(point)
      : (point: number) => !isSymbol(point) && !isTerminal(point);
  const stops = new Set(stopWords);
  const found = new Set<string>();
  const all = splitWords(text);
  let real = 0;
  let characters = 0;
  let alphabetic = 0;
  let occurrences = 0;
  const shortest = Math.min(...stopWords.map(word => word.length));
  const longest = Math.max(...stopWords.map(word => word.length));
  for (const word of all) {
    const plain = beginsPlainly(word);
    if (plain || some(word, isLetter)) alphabetic++;
    if (plain || some(word, notSymbol)) {
      real++;
      characters += codePoints(word);
    }
    if (word.length >= shortest && word.length <= longest && stops.has(word)) {
      occurrences++;
      found.add(word);
    }
  }
  const lines = splitLines(text);
  let bullets = 0;
  let ellipsisEnds = 0;
  for (const line of lines) {
    const first = stripStart(line)[0];
    if (first === "•" || first === "-") bullets++;
    const end = stripEnd(line);
    if (end.endsWith("...") || end.endsWith("…")) ellipsisEnds++;
  }
  return {
    words: real,
    mean_word_length: ratio(characters, real),
    hashes: ratio(countOf(text, "#"), all.length),
    ellipses: ratio(countOf(text, "...") + countOf(text, "…"), all.length),
    bullet_lines: ratio(bullets, lines.length),
    ellipsis_lines: ratio(ellipsisEnds, lines.length),
    alphabetic_words: ratio(alphabetic, all.length),
    stop_words: occurrences,
    distinct_stop_words: found.size,
  };
}

type Rule = readonly [(typeof reasons)[number], keyof Quality, "below" | "above", number | null];

/** The rules in the order of the published code. */
function rulesOf(values: Values<typeof options>): readonly Rule[] {
  const stops = values.countStopWords === "distinct" ? "distinct_stop_words" : "stop_words";
  return [
    ["short-document", "words", "below", values.minWords],
    ["long-document", "words", "above", values.maxWords],
    ["short-words", "mean_word_length", "below", values.minMeanWordLength],
    ["long-words", "mean_word_length", "above", values.maxMeanWordLength],
    ["too-many-hashes", "hashes", "above", values.maxHashes],
    ["too-many-ellipses", "ellipses", "above", values.maxEllipses],
    ["too-many-bullets", "bullet_lines", "above", values.maxBulletLines],
    ["too-many-ellipsis-lines", "ellipsis_lines", "above", values.maxEllipsisLines],
    ["too-few-alphabetic-words", "alphabetic_words", "below", values.minAlphabeticWords],
    ["too-few-stop-words", stops, "below", values.minStopWords],
  ];
}

export const gopherQuality = filter({
  name: "gopher-quality",
  about: "drops texts that are too short, too long or do not look like prose",
  source:
    "Rae et al. 2021 (Gopher), section A.1.1; datatrove, pipeline/filters/gopher_quality_filter.py; FineWeb as released counts every stop word, datatrove 0.10 distinct ones; fineweb-2: configs/*.yml",
  options,
  reasons,
  measures: [...measures, languageMeasure],
  measuring: ["stopWords", "symbols", "languages"],
  presets: {
    "fineweb@2024-04": {},
    "fineweb@0.10": { countStopWords: "distinct", symbols: "all-scripts" },
    gopher: { countStopWords: "distinct" },
    "dclm-heuristics": {},
    "fineweb-2": quality2,
  },
  marks: values =>
    rulesOf(values).flatMap(([reason, measure, drops, at]) =>
      at === null ? [] : [{ reason, measure, drops, at }],
    ),
  measure(document, values) {
    const number = settingsNumber(values, document);
    const { stopWords, symbols } = settingsAt(values, number);
    return { ...measureQuality(document.text, stopWords, symbols), [languageMeasure]: number };
  },
  reject(quality, all): Rejection | null {
    for (const [reason, measure, side, threshold] of rulesOf(settingsAt(all, quality[languageMeasure]))) {
      if (threshold === null) continue;
      const value = quality[measure];
      if (side === "below" ? value < threshold : value > threshold) return { reason, value, threshold };
    }
    return null;
  },
});
