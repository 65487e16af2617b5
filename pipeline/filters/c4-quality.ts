/**
 * C4's rules, line by line: drops lines that are no text, edits citation marks out of others, drops the page for
 * lorem ipsum, a curly bracket or too few sentences. The order of the rules matters: a curly bracket in a line that
 * was dropped before does not drop the page. Everything is measured whichever page rule is switched on, so page
 * rules replay exactly from the measures; line rules change the text and cannot be replayed without it.
 */
import { flag, integer, type Options, switchable, type Values } from "../../lib/options.ts";
import type { Rejection, Stage } from "../stage.ts";
import { measureWords, splitLines, strip } from "../text/lines.ts";
import { countSentences } from "../text/sentences.ts";

const options = {
  maxWordLength: switchable(
    integer(1000, "drops a line with a word of more characters than this", { min: 1 }),
  ),
  removeCitations: flag(true, "removes [1], [], [edit] and [citation needed]"),
  filterNoTerminalPunct: flag(
    false,
    "drops a line that does not end with . ? ! \" or ' or that ends with ...; FineWeb does not: it cost 30 % of the tokens",
  ),
  minWordsPerLine: switchable(integer(3, "drops a line of fewer words", { min: 1 })),
  filterLoremIpsum: flag(true, "drops a page with lorem ipsum in it"),
  filterJavascript: flag(true, "drops a line that mentions javascript"),
  filterCurlyBracket: flag(true, "drops a page with a { in it: nearly every page that shows code"),
  filterPolicy: flag(true, "drops a line about cookies, privacy policies or terms of use"),
  minSentences: switchable(integer(5, "drops a page whose remaining lines have fewer sentences", { min: 0 })),
} satisfies Options;

const reasons = ["lorem-ipsum", "curly-bracket", "too-few-sentences"] as const;

const measureNames = [
  "sentences",
  "lorem_ipsum_line",
  "curly_bracket_line",
  "lines",
  "lines_long_word",
  "lines_no_terminal_punct",
  "lines_few_words",
  "lines_javascript",
  "lines_policy",
] as const;

export type C4Measures = Readonly<Record<(typeof measureNames)[number], number>>;

const citation = /\[\p{Nd}*\]|\[edit\]|\[citation needed\]/gu;
const terminals = [".", "?", "!", '"', "'"];
const cookiePolicies = ["cookie policy", "uses cookies", "use of cookies", "use cookies"];

function isPolicy(lower: string): boolean {
  if (lower.includes("terms of use") || lower.includes("privacy policy")) return true;
  return lower.includes("cookie") && cookiePolicies.some(policy => lower.includes(policy));
}

export type LineFate = "kept" | "long-word" | "no-terminal-punct" | "few-words" | "javascript" | "policy";

/** What becomes of one line, and the line as edited. `trouble` is what would drop the whole page, whether that rule is on or not. */
export function judgeLine(
  raw: string,
  values: Values<typeof options>,
): { readonly fate: LineFate; readonly line: string; readonly lorem: boolean; readonly curly: boolean } {
  const stripped = strip(raw);
  const words = measureWords(stripped);
  const dropped = (fate: LineFate, lorem = false) => ({ fate, line: stripped, lorem, curly: false });
  const { maxWordLength, minWordsPerLine } = values;
  if (maxWordLength !== null && words.longest > maxWordLength) return dropped("long-word");
  const line = values.removeCitations && stripped.includes("[") ? stripped.replace(citation, "") : stripped;
  if (values.filterNoTerminalPunct) {
    const ends = terminals.includes(line.slice(-1)) && !line.endsWith("...");
    if (!ends) return dropped("no-terminal-punct");
  }
  if (minWordsPerLine !== null && words.count < minWordsPerLine) return dropped("few-words");
  const lower = line.toLowerCase();
  const lorem = lower.includes("lorem ipsum");
  if (values.filterJavascript && lower.includes("javascript")) return dropped("javascript", lorem);
  const curly = line.includes("{");
  if (values.filterPolicy && isPolicy(lower)) return { fate: "policy", line, lorem, curly };
  return { fate: "kept", line, lorem, curly };
}

const counter: Readonly<Record<LineFate, keyof C4Measures | null>> = {
  kept: null,
  "long-word": "lines_long_word",
  "no-terminal-punct": "lines_no_terminal_punct",
  "few-words": "lines_few_words",
  javascript: "lines_javascript",
  policy: "lines_policy",
};

/** The remaining text and the measures; lines are numbered from 1 and 0 means none. */
export function measureC4(
  text: string,
  values: Values<typeof options>,
): { readonly text: string; readonly measures: C4Measures } {
  const measures = Object.fromEntries(measureNames.map(name => [name, 0])) as Record<
    keyof C4Measures,
    number
  >;
  const kept: string[] = [];
  const lines = splitLines(text);
  measures.lines = lines.length;
  lines.forEach((raw, i) => {
    const { fate, line, lorem, curly } = judgeLine(raw, values);
    if (lorem && measures.lorem_ipsum_line === 0) measures.lorem_ipsum_line = i + 1;
    if (curly && measures.curly_bracket_line === 0) measures.curly_bracket_line = i + 1;
    const counted = counter[fate];
    if (counted) measures[counted]++;
    else {
      measures.sentences += countSentences(line);
      kept.push(line);
    }
  });
  return { text: strip(kept.join("\n")), measures };
}

function reject(measures: C4Measures, values: Values<typeof options>): Rejection | null {
  const lorem = values.filterLoremIpsum ? measures.lorem_ipsum_line : 0;
  const curly = values.filterCurlyBracket ? measures.curly_bracket_line : 0;
  if (lorem > 0 && (curly === 0 || lorem <= curly))
    return { reason: "lorem-ipsum", value: `line ${lorem}`, threshold: "" };
  if (curly > 0) return { reason: "curly-bracket", value: `line ${curly}`, threshold: "" };
  const { minSentences } = values;
  if (minSentences !== null && measures.sentences < minSentences)
    return { reason: "too-few-sentences", value: measures.sentences, threshold: minSentences };
  return null;
}

export const c4Quality: Stage<typeof options> = {
  name: "c4-quality",
  kind: "filter",
  about: "drops lines that are no text and pages with lorem ipsum, curly brackets or fewer than 5 sentences",
  source:
    "Raffel et al. 2020 (C4), section 2.2; datatrove, pipeline/filters/c4_filters.py; terminal punctuation is not asked for in FineWeb",
  options,
  reasons,
  measures: measureNames,
  measuring: [
    "maxWordLength",
    "removeCitations",
    "filterNoTerminalPunct",
    "minWordsPerLine",
    "filterJavascript",
    "filterPolicy",
  ],
  presets: {
    "fineweb@2024-04": {},
    "fineweb@0.10": {},
    c4: { filterNoTerminalPunct: true },
  },
  reject: (measures, values) => reject(measures as C4Measures, values),
  marks: ({ minSentences: at }) =>
    at === null ? [] : [{ measure: "sentences", at, drops: "below", reason: "too-few-sentences" }],
  build: values => document => {
    const { text, measures } = measureC4(document.text, values);
    const rejection = reject(measures, values);
    if (rejection)
      return { drop: rejection.reason, value: rejection.value, threshold: rejection.threshold, measures };
    return { keep: text === document.text ? document : { ...document, text }, measures };
  },
};
