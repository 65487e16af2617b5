/**
 * Classes of code points as the filters of FineWeb see them: Python's whitespace, letters, digits, punctuation, and
 * the symbols that do not make a word. JavaScript's `\s` and `trim` differ from Python's (they lack U+001C–U+001F
 * and U+0085 and have U+FEFF), so nothing in pipeline/ that compares with Python may use them.
 * Classes are found once per code point from the engine's Unicode tables and remembered: a look-up costs a quarter of a test by
 * regular expression.
 */

const known = 1;
const whitespace = 2;
const letter = 4;
const lower = 8;
const upper = 16;
const digit = 32;
const punctuation = 64;
const symbol = 128;
const icon = 256;
const terminal = 512;
const wordCharacter = 1024;

const properties: readonly (readonly [RegExp, number])[] = [
  [/^[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]$/, whitespace],
  [/^\p{L}$/u, letter],
  [/^[\p{Ll}\p{Lo}]$/u, lower],
  [/^[\p{Lu}\p{Lo}]$/u, upper],
  [/^\p{Nd}$/u, digit],
  [/^\p{P}$/u, punctuation],
  [/^\p{So}$/u, icon],
  [/^\p{Sentence_Terminal}$/u, terminal],
  [/^[\p{L}\p{N}_]$/u, wordCharacter],
];

/** The 66 signs datatrove calls punctuation, without its ranges of control characters. U+FF11 is a digit and belongs here all the same. */
const signs =
  "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~" +
  "\u00ab\u00b4\u00bb\u2013\u2014\u2019\u201c\u201d\u201e\u2026\u2236\u2501\u25ba" +
  "\u3001\u3002\u3008\u3009\u300a\u300b\u300c\u300d\u3010\u3011\uff01\uff05\uff08\uff09\uff0c\uff0e\uff11\uff1a\uff1b\uff1f\uff5e";

function isSign(point: number): boolean {
  return (
    (point < 32 && point !== 9 && point !== 10) ||
    (point >= 127 && point < 160) ||
    signs.includes(String.fromCodePoint(point))
  );
}

const table = new Uint16Array(0x10000);
const beyond = new Map<number, number>();

function classify(point: number): number {
  const character = String.fromCodePoint(point);
  let classes = known;
  for (const [property, bit] of properties) if (property.test(character)) classes |= bit;
  if (isSign(point)) classes |= symbol;
  if (point < 0x10000) table[point] = classes;
  else if (beyond.size < 65536) beyond.set(point, classes);
  return classes;
}

function classes(point: number): number {
  const found = point < 0x10000 ? table[point]! : (beyond.get(point) ?? 0);
  return found === 0 ? classify(point) : found;
}

/** Python's `str.isspace` and `\s`. */
export const isWhitespace = (point: number): boolean => (classes(point) & whitespace) !== 0;
/** Python's `str.isalpha`: general category L. */
export const isLetter = (point: number): boolean => (classes(point) & letter) !== 0;
/** Lower case or without case. */
export const isLower = (point: number): boolean => (classes(point) & lower) !== 0;
/** Upper case or without case. */
export const isUpper = (point: number): boolean => (classes(point) & upper) !== 0;
/** Python's `\d`: general category Nd. */
export const isDigit = (point: number): boolean => (classes(point) & digit) !== 0;
/** General category P. */
export const isPunctuation = (point: number): boolean => (classes(point) & punctuation) !== 0;
/** General category So: arrows, emoji, ©, °. */
export const isIcon = (point: number): boolean => (classes(point) & icon) !== 0;
/** Ends a sentence in some script: Unicode's Sentence_Terminal. */
export const isTerminal = (point: number): boolean => (classes(point) & terminal) !== 0;
/** One of datatrove's PUNCTUATION: 66 signs and the control characters besides tab and newline. */
export const isSymbol = (point: number): boolean => (classes(point) & symbol) !== 0;
/** A letter, a number or the underscore. */
export const isWordCharacter = (point: number): boolean => (classes(point) & wordCharacter) !== 0;

/** Length in Unicode code points, as Python's `len` counts. A lone surrogate counts as one. */
export function codePoints(text: string): number {
  let n = text.length;
  for (let i = 0; i + 1 < text.length; i++) {
    if ((text.charCodeAt(i) & 0xfc00) === 0xd800 && (text.charCodeAt(i + 1) & 0xfc00) === 0xdc00) {
      n--;
      i++;
    }
  }
  return n;
}
