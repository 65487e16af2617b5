/**
 * Drops texts that repeat themselves: lines, paragraphs and n-grams of words. Thirteen shares are measured on every
 * text, in the order in which they are tested; a share above its threshold drops. A text without lines or words has
 * shares of 0 and is left to gopher-quality.
 */
import { choice, fraction, type Options, switchable } from "../../lib/options.ts";
import { filter, type Measures, type Rejection } from "../stage.ts";
import { codePoints } from "../text/characters.ts";
import { splitLines, strip } from "../text/lines.ts";
import { duplicates, nGrams, ratio } from "../text/n-grams.ts";
import { splitWords } from "../text/words.ts";
import { languageMeasure, settingsAt, settingsNumber, withLanguages } from "./by-language.ts";
import { repetition2 } from "./fineweb-2.ts";

const share = (threshold: number, of: string) =>
  switchable(fraction(threshold, `drops above this share of ${of}`));

const options = withLanguages({
  maxDuplicateParagraphs: share(0.3, "paragraphs that occurred before"),
  maxDuplicateParagraphChars: share(0.2, "characters in paragraphs that occurred before"),
  maxDuplicateLines: share(0.3, "lines that occurred before"),
  maxDuplicateLineChars: share(0.2, "characters in lines that occurred before"),
  maxTop2Gram: share(0.2, "characters in the most frequent pair of words"),
  maxTop3Gram: share(0.18, "characters in the most frequent 3-gram"),
  maxTop4Gram: share(0.16, "characters in the most frequent 4-gram"),
  maxDuplicate5Grams: share(0.15, "characters in repeated 5-grams"),
  maxDuplicate6Grams: share(0.14, "characters in repeated 6-grams"),
  maxDuplicate7Grams: share(0.13, "characters in repeated 7-grams"),
  maxDuplicate8Grams: share(0.12, "characters in repeated 8-grams"),
  maxDuplicate9Grams: share(0.11, "characters in repeated 9-grams"),
  maxDuplicate10Grams: share(0.1, "characters in repeated 10-grams"),
  blankLines: choice("count", "whether a blank line is a line, so that a second one is a duplicate", [
    "count",
    "skip",
  ] as const),
} satisfies Options);

/** Reason, measure and option of each rule, in the order of the published code. */
const rules = [
  ["duplicate-paragraphs", "duplicate_paragraphs", "maxDuplicateParagraphs"],
  ["duplicate-paragraph-chars", "duplicate_paragraph_chars", "maxDuplicateParagraphChars"],
  ["duplicate-lines", "duplicate_lines", "maxDuplicateLines"],
  ["duplicate-line-chars", "duplicate_line_chars", "maxDuplicateLineChars"],
  ["top-2-gram", "top_2_gram", "maxTop2Gram"],
  ["top-3-gram", "top_3_gram", "maxTop3Gram"],
  ["top-4-gram", "top_4_gram", "maxTop4Gram"],
  ["duplicate-5-grams", "duplicate_5_grams", "maxDuplicate5Grams"],
  ["duplicate-6-grams", "duplicate_6_grams", "maxDuplicate6Grams"],
  ["duplicate-7-grams", "duplicate_7_grams", "maxDuplicate7Grams"],
  ["duplicate-8-grams", "duplicate_8_grams", "maxDuplicate8Grams"],
  ["duplicate-9-grams", "duplicate_9_grams", "maxDuplicate9Grams"],
  ["duplicate-10-grams", "duplicate_10_grams", "maxDuplicate10Grams"],
] as const;

/** The shares of one text, by the names of the measures. */
export function measureRepetition(text: string, blankLines: "count" | "skip"): Measures {
  const length = codePoints(text);
  const paragraphs = strip(text).split(/\n{2,}/);
  const lines = blankLines === "count" ? splitLines(text) : text.split(/\n+/);
  const repeatedParagraphs = duplicates(paragraphs);
  const repeatedLines = duplicates(lines);
  const grams = nGrams(splitWords(text));
  const measures: Record<string, number> = {
    duplicate_paragraphs: ratio(repeatedParagraphs.count, paragraphs.length),
    duplicate_paragraph_chars: ratio(repeatedParagraphs.characters, length),
    duplicate_lines: ratio(repeatedLines.count, lines.length),
    duplicate_line_chars: ratio(repeatedLines.characters, length),
  };
  for (const n of [2, 3, 4]) measures[`top_${n}_gram`] = ratio(grams.top(n), length);
  for (const n of [5, 6, 7, 8, 9, 10]) measures[`duplicate_${n}_grams`] = ratio(grams.duplicated(n), length);
  return measures;
}

export const gopherRepetition = filter({
  name: "gopher-repetition",
  about: "drops texts with too many repeated lines, paragraphs or n-grams",
  source:
    "Rae et al. 2021 (Gopher), table A1; datatrove, pipeline/filters/gopher_repetition_filter.py; differences of the presets: FineWeb as released counts blank lines; fineweb-2: fineweb-2-pipeline.py and configs/*.yml",
  options,
  reasons: rules.map(([reason]) => reason),
  measures: [...rules.map(([, measure]) => measure), languageMeasure],
  measuring: ["blankLines", "languages"],
  presets: {
    "fineweb@2024-04": {},
    "fineweb@0.10": { blankLines: "skip" },
    gopher: { blankLines: "skip" },
    "dclm-heuristics": { blankLines: "skip" },
    "fineweb-2": repetition2,
  },
  marks: values =>
    rules.flatMap(([reason, measure, option]) => {
      const at = values[option];
      return at === null ? [] : [{ reason, measure, at, drops: "above" as const }];
    }),
  measure(document, values): Measures {
    const number = settingsNumber(values, document);
    const { blankLines } = settingsAt(values, number);
    return { ...measureRepetition(document.text, blankLines), [languageMeasure]: number };
  },
  reject(measures, all): Rejection | null {
    const values = settingsAt(all, measures[languageMeasure] ?? 0);
    for (const [reason, measure, option] of rules) {
      const threshold = values[option];
      const value = measures[measure]!;
      if (threshold !== null && value > threshold) return { reason, value, threshold };
    }
    return null;
  },
});
