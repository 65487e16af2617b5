/**
 * o200k's pattern as a scanner. Knows no vocabulary.
 *
 *   P U* L+ S? | P U+ L* S? | \p{N}{1,3} |  ?[^\s\p{L}\p{N}]+[\r\n/]* | \s*[\r\n]+ | \s+(?!\S) | \s+
 *   P = [^\r\n\p{L}\p{N}]?   U = [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]   L = [\p{Ll}\p{Lm}\p{Lo}\p{M}]
 *   S = (?i:'s|'t|'re|'ve|'m|'ll|'d)
 *
 * Letters without case and marks are in both U and L, which is where a regular expression would go back: U* takes
 * them all and gives them up one by one until L+ finds one. The scanner remembers the last of them instead.
 */
import type { ClassTable } from "../unicode.ts";
import { classReader, kindsOfBytes } from "./character.ts";
import type { Scan } from "./patterns.ts";
import { contraction } from "./scan-cl100k.ts";
import { lastCharacter } from "./scan-gpt2.ts";

const REST = 0;
const UPPER = 1;
const LOWER = 2;
const UNCASED = 3;
const MARK = 4;
const DIGIT = 5;
const BLANK = 6;
const BREAK = 7;
const WIDE = 8;
const kindOfClass = [REST, UPPER, LOWER, UNCASED, MARK, DIGIT, BLANK, BREAK];

export function o200kScanner(table: ClassTable): Scan {
  const classAt = classReader(table);
  const kinds = kindsOfBytes(table, kindOfClass, WIDE);

  const kindAt = (bytes: Uint8Array, at: number, end: number): number => {
    const kind = kinds[bytes[at]!]!;
    return kind === WIDE ? kindOfClass[classAt(bytes, at, end) & 15]! : kind;
  };

  const lowerEnd = (bytes: Uint8Array, at: number, end: number): number => {
    for (;;) {
      while (at < end && kinds[bytes[at]!] === LOWER) at++;
      if (at === end || bytes[at]! < 0x80) return at;
      const read = classAt(bytes, at, end);
      const kind = read & 15;
      if (kind !== LOWER && kind !== UNCASED && kind !== MARK) return at;
      at += read >> 4;
    }
  };

  /** End of the letters from `at` on by the first alternative; the negative of it by the second; 0 where neither fits. */
  const wordEnd = (bytes: Uint8Array, start: number, end: number): number => {
    let at = start;
    let afterUncased = 0;
    for (;;) {
      while (at < end && kinds[bytes[at]!] === UPPER) at++;
      if (at === end || bytes[at]! < 0x80) break;
      const read = classAt(bytes, at, end);
      const kind = read & 15;
      if (kind !== UPPER && kind !== UNCASED && kind !== MARK) break;
      at += read >> 4;
      if (kind !== UPPER) afterUncased = at;
    }
    if (at < end && kindAt(bytes, at, end) === LOWER) return lowerEnd(bytes, at, end);
    if (afterUncased > 0) return afterUncased;
    return at > start ? -at : 0;
  };

  const withSuffix = (bytes: Uint8Array, at: number, end: number): number => {
    if (at >= end || bytes[at] !== 0x27) return at;
    const length = contraction(bytes, at + 1, end);
    return length > 0 ? at + 1 + length : at;
  };

  const digitsEnd = (bytes: Uint8Array, at: number, end: number): number => {
    for (let n = 0; n < 3 && at < end; n++) {
      const read = classAt(bytes, at, end);
      if ((read & 15) !== DIGIT) break;
      at += read >> 4;
    }
    return at;
  };

  const symbolsEnd = (bytes: Uint8Array, at: number, end: number): number => {
    while (at < end) {
      const kind = kinds[bytes[at]!]!;
      if (kind === REST) at++;
      else if (kind !== WIDE) break;
      else {
        const read = classAt(bytes, at, end);
        if ((read & 15) !== REST && (read & 15) !== MARK) break;
        at += read >> 4;
      }
    }
    while (at < end && (kinds[bytes[at]!] === BREAK || bytes[at] === 0x2f)) at++;
    return at;
  };

  const blanksEnd = (bytes: Uint8Array, start: number, end: number): number => {
    let afterBreak = 0;
    let at = start;
    while (at < end) {
      const read = classAt(bytes, at, end);
      if ((read & 15) === BREAK) afterBreak = at + 1;
      else if ((read & 15) !== BLANK) break;
      at += read >> 4;
    }
    if (afterBreak > 0) return afterBreak;
    if (at === end) return end;
    const last = lastCharacter(bytes, at);
    return last > start ? last : at;
  };

  return (bytes, start, end) => {
    const first = bytes[start]!;
    let kind = kinds[first]!;
    let width = 1;
    if (kind === WIDE) {
      const read = classAt(bytes, start, end);
      kind = read & 15;
      width = read >> 4;
    }
    if (kind === UPPER || kind === LOWER || kind === UNCASED)
      return withSuffix(bytes, Math.abs(wordEnd(bytes, start, end)), end);
    if (kind === DIGIT) return digitsEnd(bytes, start, end);
    if (kind === BREAK) return blanksEnd(bytes, start, end);
    const next = start + width;
    const after = next < end ? wordEnd(bytes, next, end) : 0;
    if (after > 0) return withSuffix(bytes, after, end);
    if (kind === MARK) return withSuffix(bytes, wordEnd(bytes, start, end), end);
    if (after < 0) return withSuffix(bytes, -after, end);
    if (kind === REST) return symbolsEnd(bytes, start, end);
    if (first === 0x20 && next < end && kindAt(bytes, next, end) === REST)
      return symbolsEnd(bytes, next, end);
    return blanksEnd(bytes, start, end);
  };
}
