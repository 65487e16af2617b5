/**
 * Which class a code point has, for a chosen Unicode version: the only thing a pretokenizer knows of Unicode.
 * Knows no patterns. The version is part of a tokenizer, since the same text gives other ids under another one;
 * 16.0.0 is what tokenizers 0.23 and tiktoken 1.0.22 answer to (both tested), so it is the one to choose unless a
 * file says otherwise.
 */
import { differences, newestUnicode, runs } from "./classes.gen.ts";

/** Not a letter, mark, number or white space; also unassigned, surrogates and bytes that are not UTF-8. */
export const OTHER = 0;
/** Lu, Lt */
export const UPPER = 1;
/** Ll */
export const LOWER = 2;
/** Lm, Lo: letters without case. */
export const UNCASED = 3;
/** M */
export const MARK = 4;
/** N */
export const NUMBER = 5;
/** White_Space (U+0085 is in, U+FEFF is not) other than carriage return and line feed. */
export const SPACE = 6;
/** Carriage return and line feed. */
export const NEWLINE = 7;

export const defaultUnicode = "16.0.0";

export const unicodeVersions: readonly string[] = [...Object.keys(differences), newestUnicode].sort();

/**
 * Two levels: code point c has class `blocks[index[c >> 8] << 8 | c & 255]`. About 60 KB a version, where a flat
 * table would be 1.1 MB.
 */
export type ClassTable = {
  readonly index: Uint16Array;
  readonly blocks: Uint8Array;
  readonly version: string;
};

const built = new Map<string, ClassTable>();

/** The table of a version. Throws a RangeError for one that is not in `unicodeVersions`. */
export function classTable(version: string = defaultUnicode): ClassTable {
  const known = built.get(version);
  if (known) return known;
  if (!unicodeVersions.includes(version)) throw new RangeError(`Unicode ${version} is not here`);
  const table = compressed(version, flatClasses(version));
  built.set(version, table);
  return table;
}

/** The class of every code point. */
export function flatClasses(version: string): Uint8Array {
  const classes = new Uint8Array(0x110000);
  let at = 0;
  for (const [, letter, length] of runs.matchAll(/([a-z])(\d+)/g)) {
    classes.fill("oulbmnsr".indexOf(letter!), at, at + Number(length));
    at += Number(length);
  }
  for (const [, letter, first, more] of (differences[version] ?? "").matchAll(/([a-z])(\d+)\+(\d+)/g))
    classes.fill("oulbmnsr".indexOf(letter!), Number(first), Number(first) + Number(more) + 1);
  return classes;
}

function compressed(version: string, flat: Uint8Array): ClassTable {
  const index = new Uint16Array(flat.length >> 8);
  const places = new Map<string, number>();
  const blocks: Uint8Array[] = [];
  for (let block = 0; block < index.length; block++) {
    const classes = flat.subarray(block << 8, (block + 1) << 8);
    const key = Buffer.from(classes).toString("latin1");
    let place = places.get(key);
    if (place === undefined) {
      place = blocks.push(classes) - 1;
      places.set(key, place);
    }
    index[block] = place;
  }
  return { index, blocks: new Uint8Array(Buffer.concat(blocks)), version };
}

export function classOf(table: ClassTable, codePoint: number): number {
  return table.blocks[(table.index[codePoint >> 8]! << 8) | (codePoint & 255)]!;
}
