/**
 * Prefix codes of DEFLATE (RFC 1951, 3.2) as tables that are read with the next bits of the input: 11 bits for literals and
 * lengths, 8 for distances, 7 for the header; longer codes go on in a second table behind the first. An entry of 32 bits:
 *   0-5   bits to drop, the extra ones included
 *   8-11  bits of the code alone; bits to read next where a second table follows
 *   13-15 the block ends · a second table follows · neither literal nor length nor distance (the two others set it too)
 *   16-30 the literal, the smallest length or distance, or where the second table begins
 *   31    a literal
 * Stricter than zlib nowhere that matters: a code that is incomplete is refused, but for none or one distance.
 */
import {
  COUNTS,
  DISTANCE_MEANINGS,
  FIXED_DISTANCE_TABLE,
  FIXED_LITERAL_TABLE,
  HEADER_MEANINGS,
  LENGTHS,
  LITERAL_MEANINGS,
  PATTERNS,
  SORTED,
  STARTS,
} from "./layout";

export const LITERAL_BITS: u32 = 11;
export const DISTANCE_BITS: u32 = 8;
export const HEADER_BITS: u32 = 7;

export const LITERAL: u32 = 1 << 31;
export const SPECIAL: u32 = 1 << 15;
export const LONGER: u32 = 1 << 14;
export const END: u32 = 1 << 13;

const longestCode: u32 = 15;

/** What the symbols mean, the patterns of short distances, and the fixed codes: once. */
export function prepareCodes(): void {
  for (let i: u32 = 0; i < 256; i++) store<u32>(LITERAL_MEANINGS + (i << 2), LITERAL | (i << 16));
  store<u32>(LITERAL_MEANINGS + (256 << 2), SPECIAL | END);
  let base: u32 = 3;
  for (let i: u32 = 0; i < 28; i++) {
    const extra: u32 = i < 8 ? 0 : (i >> 2) - 1;
    store<u32>(LITERAL_MEANINGS + ((257 + i) << 2), (base << 16) | extra);
    base += 1 << extra;
  }
  store<u32>(LITERAL_MEANINGS + (285 << 2), 258 << 16);
  for (let i: u32 = 286; i < 288; i++) store<u32>(LITERAL_MEANINGS + (i << 2), SPECIAL);
  base = 1;
  for (let i: u32 = 0; i < 30; i++) {
    const extra: u32 = i < 4 ? 0 : (i >> 1) - 1;
    store<u32>(DISTANCE_MEANINGS + (i << 2), (base << 16) | extra);
    base += 1 << extra;
  }
  for (let i: u32 = 30; i < 32; i++) store<u32>(DISTANCE_MEANINGS + (i << 2), SPECIAL);
  for (let i: u32 = 0; i < 19; i++) store<u32>(HEADER_MEANINGS + (i << 2), i << 16);
  for (let distance: u32 = 1; distance < 16; distance++)
    for (let i: u32 = 0; i < 16; i++) store<u8>(PATTERNS + (distance << 4) + i, <u8>(i % distance));
  for (let i: u32 = 0; i < 288; i++) store<u8>(LENGTHS + i, i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8);
  buildTable(FIXED_LITERAL_TABLE, LENGTHS, 288, LITERAL_MEANINGS, LITERAL_BITS);
  for (let i: u32 = 0; i < 32; i++) store<u8>(LENGTHS + i, 5);
  buildTable(FIXED_DISTANCE_TABLE, LENGTHS, 32, DISTANCE_MEANINGS, DISTANCE_BITS);
}

// @ts-ignore: decorator
@inline
function entry(symbol: u32, meanings: usize, length: u32): u32 {
  const meaning = load<u32>(meanings + (symbol << 2));
  return (meaning & ~31) | ((meaning & 31) + length) | (length << 8);
}

// @ts-ignore: decorator
@inline
function countOf(length: u32): u32 {
  return load<u32>(COUNTS + (length << 2));
}

/** The next code of `length` bits, which are read from the last to the first. */
// @ts-ignore: decorator
@inline
function following(code: u32, length: u32): u32 {
  const bit: u32 = 1 << (31 - clz(code ^ ((1 << length) - 1)));
  return (code & (bit - 1)) | bit;
}

/** Sorts the symbols by length; the sum of what their codes take up, 2^15 where they are complete. */
function sortSymbols(lengths: usize, symbols: u32): u32 {
  memory.fill(COUNTS, 0, (longestCode + 1) << 2);
  for (let i: u32 = 0; i < symbols; i++) {
    const at = COUNTS + (<usize>load<u8>(lengths + i) << 2);
    store<u32>(at, load<u32>(at) + 1);
  }
  let start: u32 = 0;
  let taken: u32 = 0;
  for (let length: u32 = 1; length <= longestCode; length++) {
    store<u32>(STARTS + (length << 2), start);
    start += countOf(length);
    taken = (taken << 1) + countOf(length);
  }
  for (let i: u32 = 0; i < symbols; i++) {
    const length = <u32>load<u8>(lengths + i);
    if (length == 0) continue;
    const at = STARTS + (length << 2);
    const place = load<u32>(at);
    store<u16>(SORTED + (place << 1), <u16>i);
    store<u32>(at, place + 1);
  }
  return taken;
}

/** A table for no distance at all, or for one of a single bit; false where the code is anything else. */
function buildSparse(table: usize, symbols: u32, meanings: usize, bits: u32): bool {
  const used = symbols - countOf(0);
  if (meanings != DISTANCE_MEANINGS || used > 1 || used != countOf(1)) return false;
  const only = used == 1 ? entry(load<u16>(SORTED), meanings, 1) : SPECIAL;
  for (let i: u32 = 0; i < 1 << bits; i += 2) {
    store<u32>(table + (i << 2), only);
    store<u32>(table + (i << 2), SPECIAL, 4);
  }
  return true;
}

/** Builds the table of the code that these lengths make; false where they make none. */
export function buildTable(table: usize, lengths: usize, symbols: u32, meanings: usize, bits: u32): bool {
  if (sortSymbols(lengths, symbols) != 1 << longestCode) return buildSparse(table, symbols, meanings, bits);
  let next = SORTED;
  let length: u32 = 1;
  while (countOf(length) == 0) length++;
  let left = countOf(length);
  let code: u32 = 0;
  // The table of codes of up to `length` bits, doubled for each further bit.
  let size: u32 = 1 << length;
  while (length <= bits) {
    store<u32>(table + (code << 2), entry(load<u16>(next), meanings, length));
    next += 2;
    if (code == size - 1) {
      for (; length < bits; length++) {
        memory.copy(table + (size << 2), table, size << 2);
        size <<= 1;
      }
      return true;
    }
    code = following(code, length);
    left--;
    while (left == 0) {
      length++;
      if (length <= bits) {
        memory.copy(table + (size << 2), table, size << 2);
        size <<= 1;
      }
      left = countOf(length);
    }
  }
  buildLonger(table, next, meanings, bits, length, left, code);
  return true;
}

/** Codes of more than `bits` bits, from the first one on: a table for each beginning that they share. */
function buildLonger(
  table: usize,
  next: usize,
  meanings: usize,
  bits: u32,
  length: u32,
  left: u32,
  code: u32,
): void {
  const mask: u32 = (1 << bits) - 1;
  let end: u32 = 1 << bits;
  let start: u32 = 0;
  let beginning: u32 = ~0;
  for (;;) {
    if ((code & mask) != beginning) {
      beginning = code & mask;
      start = end;
      let more = length - bits;
      for (let room = left; room < 1 << more; ) {
        more++;
        room = (room << 1) + countOf(bits + more);
      }
      end = start + (1 << more);
      store<u32>(table + (beginning << 2), (start << 16) | SPECIAL | LONGER | (more << 8) | bits);
    }
    const one = entry(load<u16>(next), meanings, length - bits);
    next += 2;
    const stride: u32 = 1 << (length - bits);
    for (let i = start + (code >> bits); i < end; i += stride) store<u32>(table + (i << 2), one);
    if (code == (1 << length) - 1) return;
    code = following(code, length);
    left--;
    while (left == 0) left = countOf(++length);
  }
}
