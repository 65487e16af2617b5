/**
 * What of a text counts when near-duplicates are sought: case, accents, punctuation, digits and spacing do not. Two
 * published ways: as FineWeb was released punctuation is deleted, in datatrove 0.10 it becomes a space and decimals
 * fold into one 0. This file is the definition. The kernel does the same from a table of single
 * characters, without making a string, where no character depends on its neighbours (final sigma, reordered marks).
 */
import { isDigit, isSymbol, isWhitespace } from "../text/characters.ts";
import { splitWords } from "../text/words.ts";

export const normalisations = ["fineweb@2024-04", "fineweb@0.10"] as const;
export type Normalisation = (typeof normalisations)[number];

/** whitespace: pieces between spaces; script-aware: also every character of scripts without spaces; words: as text/words.ts splits. */
export const tokenisations = ["whitespace", "script-aware", "words"] as const;
export type Tokenisation = (typeof tokenisations)[number];

function withoutMarks(text: string): string {
  return text.normalize("NFD").replace(/\p{Mn}+/gu, "");
}

/** Replaces symbols by `by` and each run of whitespace by one space, at the ends by none. */
function replaceSymbols(text: string, by: string): string {
  let result = "";
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    result += isSymbol(unit) ? by : text[i]!;
  }
  return result;
}

function collapseWhitespace(text: string): string {
  let result = "";
  let gap = false;
  for (let i = 0; i < text.length; i++) {
    if (isWhitespace(text.charCodeAt(i))) gap = true;
    else {
      if (gap && result !== "") result += " ";
      gap = false;
      result += text[i]!;
    }
  }
  return result;
}

const number = /\p{Nd}+(?:[.,\u060c\u066b\u2396\u2397\u2398]\p{Nd}+)?/gu;

const outer = /^ +| +$/g;

export function normaliseText(text: string, normalisation: Normalisation): string {
  const lower = text.toLowerCase();
  if (normalisation === "fineweb@0.10")
    return withoutMarks(collapseWhitespace(replaceSymbols(lower.replace(number, "0"), " "))).replace(
      outer,
      "",
    );
  const bare = withoutMarks(replaceSymbols(collapseWhitespace(lower), ""));
  return bare.replace(/\p{Nd}+/gu, "0").replace(outer, "");
}

const unspacedScripts =
  /^[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}\p{Script=Tibetan}]$/u;

/** Whether there is a character of a script that is written without spaces. */
export const unspacedCharacter = new RegExp(unspacedScripts.source.slice(1, -1), "u");

/** A space around every character of a script that is written without spaces. */
function separateUnspaced(text: string): string {
  let result = "";
  for (const character of text) result += unspacedScripts.test(character) ? ` ${character} ` : character;
  return result;
}

/** The definition of tokens, separated by spaces: slow, for any text. */
export function normaliseTokens(
  text: string,
  normalisation: Normalisation,
  tokenisation: Tokenisation,
): string {
  const normalised = normaliseText(text, normalisation);
  if (tokenisation === "words") return splitWords(normalised).join(" ");
  return tokenisation === "script-aware" ? separateUnspaced(normalised) : normalised;
}

/** What a character turns into, as the kernel's table holds it: 1, 2 or 3 bytes, or one of these. */
export const kinds = {
  space: 0x10,
  nothing: 0x11,
  digit: 0x12,
  /** More than three bytes. */
  sequence: 0x13,
  /** Depends on its neighbours, or lies beyond the first plane. */
  context: 0x14,
  /** Three bytes that are a token of their own. */
  alone: 0x15,
} as const;
/** Added to the kind of a character that may stand inside a number. */
export const separator = 0x80;

export type CharacterClass = { readonly kind: number; readonly bytes: Uint8Array };

const none = new Uint8Array(0);

/** What a character of the first plane turns into wherever it stands. */
export function classifyCharacter(
  unit: number,
  normalisation: Normalisation,
  tokenisation: Tokenisation,
): CharacterClass {
  const spaced = normalisation === "fineweb@0.10";
  const character = String.fromCharCode(unit);
  const mark = spaced && ".,\u060c\u066b\u2396\u2397\u2398".includes(character) ? separator : 0;
  const only = (kind: number) => ({ kind: kind | mark, bytes: none });
  if (isWhitespace(unit)) return only(kinds.space);
  if (unit >= 0xd800 && unit < 0xe000) return only(kinds.context);
  if (unit === 0x3a3 || reorders(character)) return only(kinds.context);
  // The full-width 1 is a digit and among the symbols; which comes first differs.
  if (spaced && isDigit(unit)) return only(kinds.digit);
  if (isSymbol(unit)) return only(spaced ? kinds.space : kinds.nothing);
  if (isDigit(unit)) return only(kinds.digit);
  const plain = withoutMarks(character.toLowerCase());
  if (plain === "") return only(kinds.nothing);
  const bytes = new TextEncoder().encode(plain);
  if (tokenisation === "script-aware" && unspacedScripts.test(plain))
    return { kind: bytes.length === 3 ? kinds.alone : kinds.context, bytes };
  return { kind: (bytes.length <= 3 ? bytes.length : kinds.sequence) | mark, bytes };
}

/** Whether canonical order may move a part of this character that is not dropped. */
function reorders(character: string): boolean {
  if (/^\p{Mn}$/u.test(character)) return false;
  const last = "\u0345";
  const ordered = (last + character).normalize("NFD");
  return ordered[0] !== last;
}

const inert = new Map<number, boolean>();

/** Whether a character beyond the first plane stays as it is wherever it stands. */
export function isInert(point: number, tokenisation: Tokenisation): boolean {
  let known = inert.get(point);
  if (known === undefined) {
    const character = String.fromCodePoint(point);
    known =
      character.toLowerCase() === character &&
      character.normalize("NFD") === character &&
      !/^[\p{Nd}\p{M}]$/u.test(character);
    if (inert.size < 65536) inert.set(point, known);
  }
  return known && !(tokenisation === "script-aware" && unspacedScripts.test(String.fromCodePoint(point)));
}
