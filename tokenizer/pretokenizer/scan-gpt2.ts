/**
 * GPT-2's pattern as a scanner: where the piece that begins at a position ends. Knows no vocabulary.
 *
 *   '(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
 *
 * The lookahead costs one position: white space before anything else gives its last character back, which then
 * stands before the next piece if it is a space and alone if it is not. Every piece is read at most twice, so time
 * is linear in any text, and no text is refused.
 */
import type { ClassTable } from "../unicode.ts";
import { classReader, kindsOfBytes } from "./character.ts";
import type { Scan } from "./patterns.ts";

const REST = 0;
const LETTER = 1;
const DIGIT = 2;
const BLANK = 3;
const WIDE = 4;
const kindOfClass = [REST, LETTER, LETTER, LETTER, REST, DIGIT, BLANK, BLANK];

export function gpt2Scanner(table: ClassTable): Scan {
  const classAt = classReader(table);
  const kinds = kindsOfBytes(table, kindOfClass, WIDE);

  /** End of the run of `kind` that goes on at `at`. */
  const runEnd = (bytes: Uint8Array, at: number, end: number, kind: number): number => {
    for (;;) {
      while (at < end && kinds[bytes[at]!] === kind) at++;
      if (at === end || bytes[at]! < 0x80) return at;
      const read = classAt(bytes, at, end);
      if (kindOfClass[read & 15] !== kind) return at;
      at += read >> 4;
    }
  };

  const blanksEnd = (bytes: Uint8Array, start: number, end: number): number => {
    const stop = runEnd(bytes, start, end, BLANK);
    if (stop === end) return stop;
    const last = lastCharacter(bytes, stop);
    return last > start ? last : stop;
  };

  return (bytes, start, end) => {
    let at = start;
    let kind = kinds[bytes[at]!]!;
    if (kind === WIDE) kind = kindOfClass[classAt(bytes, at, end) & 15]!;
    if (bytes[at] === 0x20) {
      at++;
      if (at === end) return at;
      kind = kinds[bytes[at]!]!;
      if (kind === WIDE) kind = kindOfClass[classAt(bytes, at, end) & 15]!;
    } else if (bytes[at] === 0x27) {
      const length = contraction(bytes, at + 1, end);
      if (length > 0) return at + 1 + length;
    }
    return kind === BLANK ? blanksEnd(bytes, start, end) : runEnd(bytes, at, end, kind);
  };
}

/** Bytes of s, d, m, t, ll, ve or re at `at`, 0 where there is none. */
function contraction(bytes: Uint8Array, at: number, end: number): number {
  if (at >= end) return 0;
  const first = bytes[at];
  if (first === 0x73 || first === 0x64 || first === 0x6d || first === 0x74) return 1;
  if (at + 1 >= end) return 0;
  const second = bytes[at + 1];
  if (first === 0x6c) return second === 0x6c ? 2 : 0;
  return (first === 0x76 || first === 0x72) && second === 0x65 ? 2 : 0;
}

/** Where the character that ends before `stop` begins. */
export function lastCharacter(bytes: Uint8Array, stop: number): number {
  let at = stop - 1;
  while ((bytes[at]! & 0xc0) === 0x80) at--;
  return at;
}
