/**
 * FineWeb's own rules: too few lines that end as sentences do, too many short lines, too much text in repeated
 * lines, lists. As released and datatrove 0.10 differ in three ways, each an option here: whether blank lines count,
 * which marks end a line, and whether a value equal to its threshold drops.
 */
import { choice, flag, fraction, integer, number, type Options, switchable } from "../../lib/options.ts";
import { filter, type Rejection } from "../stage.ts";
import { codePoints, isTerminal } from "../text/characters.ts";
import { countOf, strip } from "../text/lines.ts";
import { duplicates, ratio } from "../text/n-grams.ts";
import { countWords } from "../text/words.ts";
import { languageMeasure, settingsAt, settingsNumber, withLanguages } from "./by-language.ts";
import { finewebQuality2 } from "./fineweb-2.ts";

const options = withLanguages({
  minPunctuatedLines: switchable(
    fraction(0.12, "drops below this share of lines that end as a sentence does"),
  ),
  allowNoPunctuatedLine: flag(false, "keeps a text in which no line at all ends as a sentence does"),
  maxShortLines: switchable(fraction(0.67, "drops above this share of short lines")),
  shortLineLength: integer(30, "a line of at most this many characters is short", { min: 0 }),
  maxDuplicateLineChars: switchable(fraction(0.01, "drops above this share of characters in repeated lines")),
  maxNewlinesPerWord: switchable(number(0.3, "drops above this many newlines for each word", { min: 0 })),
  blankLines: choice("count", "whether blank lines are lines when punctuated and short lines are counted", [
    "count",
    "skip",
  ] as const),
  lineEnds: choice(
    "released",
    "what ends a sentence: . ' \" ! ? as released, or the terminal marks of all scripts",
    ["released", "all-scripts"] as const,
  ),
  atThreshold: choice("drop", "what happens when a value equals its threshold, newlines per word excepted", [
    "drop",
    "keep",
  ] as const),
} satisfies Options);

const measures = [
  "lines",
  "punctuated_lines",
  "short_lines",
  "duplicate_line_chars",
  "newlines_per_word",
] as const;
type Quality = Readonly<Record<(typeof measures)[number], number>>;

function endsSentence(line: string, ends: "released" | "all-scripts"): boolean {
  const last = line.slice(-1);
  if (ends === "released") return last !== "" && ".'\"!?".includes(last);
  const point = line.slice(-2).codePointAt(0) ?? 0;
  return isTerminal(point > 0xffff ? point : (last.codePointAt(0) ?? 0));
}

/** The measures of one text; shares of nothing are 0. */
export function measureFinewebQuality(
  text: string,
  {
    blankLines,
    lineEnds,
    shortLineLength,
  }: {
    readonly blankLines: "count" | "skip";
    readonly lineEnds: "released" | "all-scripts";
    readonly shortLineLength: number;
  },
): Quality {
  const all = text.split("\n");
  const filled = all.filter(line => strip(line) !== "");
  const lines = blankLines === "count" ? all : filled;
  const newlines = all.length - 1;
  return {
    lines: filled.length,
    punctuated_lines: ratio(lines.filter(line => endsSentence(line, lineEnds)).length, lines.length),
    short_lines: ratio(lines.filter(line => codePoints(line) <= shortLineLength).length, lines.length),
    duplicate_line_chars: ratio(duplicates(filled).characters, codePoints(text) - countOf(text, "\n")),
    newlines_per_word: ratio(newlines, countWords(text)),
  };
}

export const finewebQuality = filter({
  name: "fineweb-quality",
  about: "drops texts of short, unpunctuated or repeated lines, and lists",
  source:
    "Penedo et al. 2024 (FineWeb), section 3.5 and table 2; datatrove, pipeline/filters/fineweb_quality_filter.py at 05194d39 (as released) and 0.10; fineweb-2: configs/*.yml",
  options,
  reasons: ["empty", "too-few-punctuated-lines", "too-many-short-lines", "duplicate-line-chars", "list"],
  measures: [...measures, languageMeasure],
  measuring: ["shortLineLength", "blankLines", "lineEnds", "languages"],
  presets: {
    "fineweb@2024-04": {},
    "fineweb@0.10": { blankLines: "skip", lineEnds: "all-scripts", atThreshold: "keep" },
    "fineweb-2": finewebQuality2,
  },
  marks: values =>
    (
      [
        ["too-few-punctuated-lines", "punctuated_lines", "below", values.minPunctuatedLines],
        ["too-many-short-lines", "short_lines", "above", values.maxShortLines],
        ["duplicate-line-chars", "duplicate_line_chars", "above", values.maxDuplicateLineChars],
        ["list", "newlines_per_word", "above", values.maxNewlinesPerWord],
      ] as const
    ).flatMap(([reason, measure, drops, at]) => (at === null ? [] : [{ reason, measure, drops, at }])),
  measure(document, values) {
    const number = settingsNumber(values, document);
    return {
      ...measureFinewebQuality(document.text, settingsAt(values, number)),
      [languageMeasure]: number,
    };
  },
  reject(quality, all): Rejection | null {
    const values = settingsAt(all, quality[languageMeasure]);
    if (quality.lines === 0) return { reason: "empty", value: 0, threshold: 1 };
    const drops = values.atThreshold === "drop";
    const { minPunctuatedLines, maxShortLines, maxDuplicateLineChars, maxNewlinesPerWord } = values;
    const punctuated = quality.punctuated_lines;
    if (
      minPunctuatedLines !== null &&
      (punctuated < minPunctuatedLines || (drops && punctuated === minPunctuatedLines)) &&
      !(punctuated === 0 && values.allowNoPunctuatedLine)
    )
      return { reason: "too-few-punctuated-lines", value: punctuated, threshold: minPunctuatedLines };
    const above = (value: number, threshold: number) => value > threshold || (drops && value === threshold);
    if (maxShortLines !== null && above(quality.short_lines, maxShortLines))
      return { reason: "too-many-short-lines", value: quality.short_lines, threshold: maxShortLines };
    const repeated = quality.duplicate_line_chars;
    if (maxDuplicateLineChars !== null && above(repeated, maxDuplicateLineChars))
      return { reason: "duplicate-line-chars", value: repeated, threshold: maxDuplicateLineChars };
    const newlines = quality.newlines_per_word;
    if (maxNewlinesPerWord !== null && newlines > maxNewlinesPerWord)
      return { reason: "list", value: newlines, threshold: maxNewlinesPerWord };
    return null;
  },
});
