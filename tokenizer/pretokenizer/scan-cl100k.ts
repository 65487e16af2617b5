/**
 * The family of cl100k, llama-3, nanochat and qwen-2 as a scanner. Knows no vocabulary.
 *
 *   '(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,D}| ?[^\s\p{L}\p{N}]+[\r\n]*
 *   |\s+$|\s*[\r\n]+|\s+(?!\S)|\s+                               (`\s+$` where `wholeTail`)
 *
 * `D` is 3 for cl100k and llama-3, 2 for nanochat, 1 for qwen-2. Only cl100k has `\s+$`: white space at the end of
 * the text stays one piece even with line feeds in it.
 */
import type { ClassTable } from "../unicode.ts";
import { classReader, kindsOfBytes } from "./character.ts";
import type { Scan } from "./patterns.ts";
import { lastCharacter } from "./scan-gpt2.ts";

const REST = 0;
const LETTER = 1;
const DIGIT = 2;
const BLANK = 3;
const BREAK = 4;
const WIDE = 5;
const kindOfClass = [REST, LETTER, LETTER, LETTER, REST, DIGIT, BLANK, BREAK];

export function cl100kScanner(
  table: ClassTable,
  { digits, wholeTail }: { readonly digits: number; readonly wholeTail: boolean },
): Scan {
  const classAt = classReader(table);
  const kinds = kindsOfBytes(table, kindOfClass, WIDE);

  const runEnd = (bytes: Uint8Array, at: number, end: number, kind: number): number => {
    for (;;) {
      while (at < end && kinds[bytes[at]!] === kind) at++;
      if (at === end || bytes[at]! < 0x80) return at;
      const read = classAt(bytes, at, end);
      if (kindOfClass[read & 15] !== kind) return at;
      at += read >> 4;
    }
  };

  const digitsEnd = (bytes: Uint8Array, at: number, end: number): number => {
    for (let n = 0; n < digits && at < end; n++) {
      const read = classAt(bytes, at, end);
      if (kindOfClass[read & 15] !== DIGIT) break;
      at += read >> 4;
    }
    return at;
  };

  /** Symbols from `at` on, then line ends. */
  const symbolsEnd = (bytes: Uint8Array, at: number, end: number): number => {
    at = runEnd(bytes, at, end, REST);
    while (at < end && kinds[bytes[at]!] === BREAK) at++;
    return at;
  };

  const blanksEnd = (bytes: Uint8Array, start: number, end: number): number => {
    let afterBreak = 0;
    let at = start;
    for (;;) {
      at = runEnd(bytes, at, end, BLANK);
      if (at === end || kinds[bytes[at]!] !== BREAK) break;
      afterBreak = ++at;
    }
    if (at === end && wholeTail) return end;
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
      kind = kindOfClass[read & 15]!;
      width = read >> 4;
    }
    if (kind === LETTER) return runEnd(bytes, start + width, end, LETTER);
    if (kind === DIGIT) return digitsEnd(bytes, start, end);
    if (kind === BREAK) return blanksEnd(bytes, start, end);
    if (first === 0x27) {
      const length = contraction(bytes, start + 1, end);
      if (length > 0) return start + 1 + length;
    }
    const next = start + width;
    if (next < end) {
      let nextKind = kinds[bytes[next]!]!;
      if (nextKind === WIDE) nextKind = kindOfClass[classAt(bytes, next, end) & 15]!;
      if (nextKind === LETTER) return runEnd(bytes, next, end, LETTER);
      if (nextKind === REST && first === 0x20) return symbolsEnd(bytes, next, end);
    }
    return kind === REST ? symbolsEnd(bytes, start, end) : blanksEnd(bytes, start, end);
  };
}

/**
 * Bytes of s, d, m, t, ll, ve or re at `at` in either case, 0 where there is none. U+017F, the long s, folds to s
 * and counts as one, as it does in the regular expressions of tiktoken and of tokenizers.
 */
export function contraction(bytes: Uint8Array, at: number, end: number): number {
  if (at >= end) return 0;
  const first = bytes[at]! | 0x20;
  if (first === 0x73 || first === 0x64 || first === 0x6d || first === 0x74) return 1;
  if (at + 1 >= end) return 0;
  if (bytes[at] === 0xc5) return bytes[at + 1] === 0xbf ? 2 : 0;
  const second = bytes[at + 1]! | 0x20;
  if (first === 0x6c) return second === 0x6c ? 2 : 0;
  return (first === 0x76 || first === 0x72) && second === 0x65 ? 2 : 0;
}
