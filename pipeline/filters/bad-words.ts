/**
 * Drops texts with words of a list in C4's format: one entry a line, in lower case, some of several words. An entry counts where
 * nothing that makes words stands beside it; in languages written without spaces wherever it occurs. No list ships
 * with curate: which words are bad is the user's to say.
 */
import { UserError } from "../../lib/errors.ts";
import { integer, type Options, table, text } from "../../lib/options.ts";
import type { Rejection, Stage } from "../stage.ts";
import { isWordCharacter } from "../text/characters.ts";
import { splitLines, strip } from "../text/lines.ts";

const options = {
  lists: table<string>(
    {},
    "files with one word or phrase a line, by language: en: lists/en.txt",
    text("", ""),
  ),
  defaultLanguage: text("en", "language of documents that do not say theirs"),
  maxBadWords: integer(0, "drops above this many occurrences", { min: 0 }),
} satisfies Options;

const unspaced = new Set(["ja", "th", "zh"]);

export type BadWords = { count(lower: string): number };

/** `lower` in `count` is the text in lower case. */
export function badWordsOf(list: string, language: string): BadWords {
  const entries = splitLines(list)
    .map(line => strip(line).toLowerCase())
    .filter(entry => entry !== "");
  if (unspaced.has(language))
    return { count: lower => entries.reduce((sum, entry) => sum + anywhere(lower, entry), 0) };
  const byFirst = new Map<string, string[]>();
  const odd: string[] = [];
  for (const entry of entries) {
    const end = wordEnd(entry, 0);
    if (end === 0) odd.push(entry);
    else byFirst.set(entry.slice(0, end), [...(byFirst.get(entry.slice(0, end)) ?? []), entry]);
  }
  const count = (lower: string): number => {
    let n = odd.reduce((sum, entry) => sum + apart(lower, entry), 0);
    for (let at = 0; at < lower.length; ) {
      if (!isWordAt(lower, at)) {
        at += widthAt(lower, at);
        continue;
      }
      const end = wordEnd(lower, at);
      const candidates = byFirst.get(lower.slice(at, end));
      if (candidates?.some(entry => lower.startsWith(entry, at) && isFree(lower, at + entry.length))) n++;
      at = end;
    }
    return n;
  };
  return { count };
}

const widthAt = (text: string, at: number): number => (text.codePointAt(at)! > 0xffff ? 2 : 1);
const isWordAt = (text: string, at: number): boolean => isWordCharacter(text.codePointAt(at)!);
/** Whether what begins at `at` does not continue a word. */
const isFree = (text: string, at: number): boolean => at >= text.length || !isWordAt(text, at);

function wordEnd(text: string, from: number): number {
  let at = from;
  while (at < text.length && isWordAt(text, at)) at += widthAt(text, at);
  return at;
}

function anywhere(text: string, entry: string): number {
  let n = 0;
  for (let at = text.indexOf(entry); at >= 0; at = text.indexOf(entry, at + entry.length)) n++;
  return n;
}

/** Occurrences of an entry that begins with a sign. */
function apart(text: string, entry: string): number {
  let n = 0;
  for (let at = text.indexOf(entry); at >= 0; at = text.indexOf(entry, at + entry.length)) {
    const before = at === 0 || !isWordCharacter(text.charCodeAt(at - 1));
    if (before && isFree(text, at + entry.length)) n++;
  }
  return n;
}

function reject(found: number, maxBadWords: number): Rejection | null {
  return found > maxBadWords ? { reason: "bad-words", value: found, threshold: maxBadWords } : null;
}

export const badWords: Stage<typeof options> = {
  name: "bad-words",
  kind: "filter",
  about: "drops texts with words of a list that the recipe names",
  source:
    "Raffel et al. 2020 (C4), section 2.2; datatrove, pipeline/filters/c4_filters.py; lists in the format of LDNOOBW",
  options,
  reasons: ["bad-words"],
  measures: ["bad_words"],
  measuring: ["lists", "defaultLanguage"],
  reject: (measures, values) => reject(measures["bad_words"]!, values.maxBadWords),
  marks: ({ maxBadWords }) => [
    { measure: "bad_words", at: maxBadWords, drops: "above", reason: "bad-words" },
  ],
  async build(values, { load }) {
    const languages = Object.entries(values.lists);
    if (languages.length === 0)
      throw new UserError(
        "bad-words: expected a list for at least one language, got none",
        "Name one, for example  - bad-words: { lists: { en: lists/en.txt } }",
      );
    const lists = new Map<string, BadWords>();
    for (const [language, path] of languages) {
      const list = new TextDecoder().decode(await load(path));
      if (strip(list) === "") throw new UserError(`bad-words: the list ${path} is empty`);
      lists.set(language, badWordsOf(list, language));
    }
    return document => {
      const language = String(document.meta["language"] ?? values.defaultLanguage);
      const found = lists.get(language)?.count(document.text.toLowerCase()) ?? 0;
      const measures = { bad_words: found };
      const rejection = reject(found, values.maxBadWords);
      return rejection
        ? { drop: rejection.reason, value: rejection.value, threshold: rejection.threshold, measures }
        : { keep: document, measures };
    };
  },
};
