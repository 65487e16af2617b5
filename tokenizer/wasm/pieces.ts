/**
 * From one piece to the next: ids out of a cache, merged where it has none. Knows no patterns.
 * Three tables of fixed size, for pieces of up to 8, 16 and 32 bytes, which are compared by words of 64 bits. Two slots
 * for each hash, in one cache line for the first two tables: a new piece takes the second slot and changes places with
 * the first when it is met again, so that the first, where the loop looks, keeps what is frequent. Nearly all pieces have
 * one or two ids, which stand in the slot itself.
 */
import { take } from "./memory";
import { mergeMiddle, mergeShort } from "./merge";
import { idOf } from "./pairs";
import { encodeLong } from "./windows";

/** Encodes a piece outside: from byte to byte, ids from an address on; returns where they end. */
// @ts-ignore: decorator
@external("env", "encodePiece")
declare function encodeOutside(at: usize, end: usize, to: usize): usize;

const MULTIPLIER: u64 = 0x9e3779b97f4a7c15;

/**
 * Up to 8 bytes, 16 a slot: the bytes; length | LISTED | MORE | second id << 6; first id.
 * Up to 16 bytes, 32 a slot: the bytes; length | LISTED | count << 6; three ids.
 * Up to 32 bytes, 128 a slot: the bytes; length | count << 6; 23 ids.
 * Where LISTED, the ids stand in a list of the slot: their count, then up to 7 or 15.
 */
const LISTED: i32 = 32;
const MORE: i32 = 16;

let short: usize = 0;
let shortLists: usize = 0;
let shortShift: u64 = 0;
let middle: usize = 0;
let middleLists: usize = 0;
let middleShift: u64 = 0;
let long: usize = 0;
let longShift: u64 = 0;

/** Whether every piece that is merged goes outside, and whether long ones need not. */
let outside: bool = false;
let ordered: bool = false;

export function takeCache(bits: i32, everyPieceOutside: bool, longInside: bool): void {
  bits = max(bits, 5);
  outside = everyPieceOutside;
  ordered = longInside;
  short = take(<usize>16 << bits);
  shortLists = take(<usize>32 << bits);
  shortShift = 65 - bits;
  middle = take(<usize>16 << bits);
  middleLists = take(<usize>32 << bits);
  middleShift = 66 - bits;
  long = take(<usize>16 << bits);
  longShift = 68 - bits;
}

/** Writes the ids of any piece to `to` and returns where they end. */
export function merged(at: usize, n: i32, to: usize): usize {
  if (!outside) {
    if (n == 1) {
      store<i32>(to, idOf(load<u8>(at)));
      return to + 4;
    }
    if (n <= 64) return mergeShort(at, n, to);
    if (n <= 256) return mergeMiddle(at, n, to, false);
    if (ordered) return encodeLong(at, n, to);
  }
  return encodeOutside(at, at + <usize>n, to);
}

// @ts-ignore: decorator
@inline
function swap(a: usize, b: usize): void {
  const held = v128.load(a);
  v128.store(a, v128.load(b));
  v128.store(b, held);
}

/** Copies a list of up to 15 ids. */
// @ts-ignore: decorator
@inline
function copyList(list: usize, to: usize): usize {
  const count = load<i32>(list);
  for (let i = 0; i < count; i += 4) v128.store(to + (<usize>i << 2), v128.load(list + (<usize>i << 2), 4));
  return to + (<usize>count << 2);
}

// @ts-ignore: decorator
@inline
function enterList(list: usize, from: usize, count: i32): void {
  store<i32>(list, count);
  memory.copy(list + 4, from, <usize>count << 2);
}

function copyShort(slot: usize, to: usize): usize {
  const about = load<i32>(slot, 8);
  if (about & LISTED) return copyList(shortLists + ((slot - short) << 1), to);
  store<i32>(to, load<i32>(slot, 12));
  store<i32>(to, about >>> 6, 4);
  return to + 4 + (<usize>(about & MORE) >> 2);
}

/** A piece of up to 8 bytes whose ids are not in the first of its slots. */
function shortOn(at: usize, n: i32, bytes: u64, slot: usize, to: usize): usize {
  if (load<u64>(slot) == bytes && (load<i32>(slot, 8) & 15) == n) return copyShort(slot, to);
  const other = slot + 16;
  if (load<u64>(other) == bytes && (load<i32>(other, 8) & 15) == n) {
    if ((load<i32>(slot, 8) | load<i32>(other, 8)) & LISTED) {
      const list = shortLists + ((slot - short) << 1);
      swap(list, list + 32);
      swap(list + 16, list + 48);
    }
    swap(slot, other);
    return copyShort(slot, to);
  }
  const stop = merged(at, n, to);
  const count = <i32>(stop - to) >> 2;
  if (count > 7) return stop;
  store<u64>(other, bytes);
  if (count > 2) {
    store<i32>(other, n | LISTED, 8);
    enterList(shortLists + ((other - short) << 1), to, count);
  } else {
    store<i32>(other, count == 2 ? n | MORE | (load<i32>(to, 4) << 6) : n, 8);
    store<i32>(other, load<i32>(to), 12);
  }
  return stop;
}

function copyMiddle(slot: usize, to: usize): usize {
  const about = load<i32>(slot, 16);
  if (about & LISTED) return copyList(middleLists + ((slot - middle) << 1), to);
  store<u64>(to, load<u64>(slot, 20));
  store<i32>(to, load<i32>(slot, 28), 8);
  return to + (<usize>(about >>> 6) << 2);
}

// @ts-ignore: decorator
@inline
function isMiddle(slot: usize, first: u64, second: u64, n: i32): bool {
  return load<u64>(slot) == first && load<u64>(slot, 8) == second && (load<i32>(slot, 16) & 31) == n;
}

/** 9 to 16 bytes. */
function middlePiece(at: usize, n: i32, to: usize): usize {
  const first = load<u64>(at);
  const second = load<u64>(at, 8) & (<u64>-1 >> <u64>(128 - (n << 3)));
  const hash = (first * MULTIPLIER ^ (first >> 32) ^ second) * MULTIPLIER;
  const slot = middle + <usize>(hash >> middleShift << 6);
  if (isMiddle(slot, first, second, n)) return copyMiddle(slot, to);
  const other = slot + 32;
  if (isMiddle(other, first, second, n)) {
    if ((load<i32>(slot, 16) | load<i32>(other, 16)) & LISTED) {
      const list = middleLists + ((slot - middle) << 1);
      for (let i: usize = 0; i < 64; i += 16) swap(list + i, list + 64 + i);
    }
    swap(slot, other);
    swap(slot + 16, other + 16);
    return copyMiddle(slot, to);
  }
  const stop = merged(at, n, to);
  const count = <i32>(stop - to) >> 2;
  if (count > 15) return stop;
  store<u64>(other, first);
  store<u64>(other, second, 8);
  if (count > 3) {
    store<i32>(other, n | LISTED, 16);
    enterList(middleLists + ((other - middle) << 1), to, count);
  } else {
    store<i32>(other, n | (count << 6), 16);
    store<u64>(other, load<u64>(to), 20);
    store<i32>(other, load<i32>(to, 8), 28);
  }
  return stop;
}

// @ts-ignore: decorator
@inline
function isLong(slot: usize, first: v128, second: v128, n: i32): bool {
  const differ = v128.or(v128.xor(v128.load(slot), first), v128.xor(v128.load(slot, 16), second));
  return !v128.any_true(differ) && (load<i32>(slot, 32) & 63) == n;
}

/** 17 to 32 bytes. */
function longPiece(at: usize, n: i32, to: usize): usize {
  const a = load<u64>(at);
  const b = load<u64>(at, 8);
  let c = load<u64>(at, 16);
  let d = load<u64>(at, 24);
  if (n <= 24) {
    c &= <u64>-1 >> <u64>(192 - (n << 3));
    d = 0;
  } else d &= <u64>-1 >> <u64>(256 - (n << 3));
  let hash = (a * MULTIPLIER ^ (a >> 32) ^ b) * MULTIPLIER;
  hash = (hash ^ (hash >> 32) ^ c) * MULTIPLIER;
  hash = (hash ^ (hash >> 32) ^ d) * MULTIPLIER;
  const slot = long + <usize>(hash >> longShift << 8);
  const first = i64x2.replace_lane(i64x2.splat(a), 1, b);
  const second = i64x2.replace_lane(i64x2.splat(c), 1, d);
  const other = slot + 128;
  if (isLong(other, first, second, n)) for (let i: usize = 0; i < 128; i += 16) swap(slot + i, other + i);
  if (isLong(slot, first, second, n)) {
    const count = load<i32>(slot, 32) >>> 6;
    for (let i = 0; i < count; i += 4) v128.store(to + (<usize>i << 2), v128.load(slot + (<usize>i << 2), 36));
    return to + (<usize>count << 2);
  }
  const stop = merged(at, n, to);
  const count = <i32>(stop - to) >> 2;
  if (count > 23) return stop;
  v128.store(other, first);
  v128.store(other, second, 16);
  store<i32>(other, n | (count << 6), 32);
  memory.copy(other + 36, to, <usize>count << 2);
  return stop;
}

/** Writes the ids of a piece to `to` and returns where they end; up to 16 more may be written. */
// @ts-ignore: decorator
@inline
export function encodePiece(at: usize, n: i32, to: usize): usize {
  if (n > 8) {
    if (n <= 16) return middlePiece(at, n, to);
    return n <= 32 ? longPiece(at, n, to) : merged(at, n, to);
  }
  const bytes = load<u64>(at) & (<u64>-1 >> <u64>(64 - (n << 3)));
  const slot = short + <usize>((bytes * MULTIPLIER) >> shortShift << 5);
  const about = load<i32>(slot, 8);
  if (load<u64>(slot) != bytes || (about & 47) != n) return shortOn(at, n, bytes, slot, to);
  store<i32>(to, load<i32>(slot, 12));
  store<i32>(to, about >>> 6, 4);
  return to + 4 + (<usize>(about & MORE) >> 2);
}

/** Enters a piece of one id whose bytes stand at `at`, unless its slots are taken. */
export function learn(at: usize, n: i32, id: i32): void {
  if (n > 16 || n == 0) return;
  const first = load<u64>(at) & (n >= 8 ? <u64>-1 : <u64>-1 >> <u64>(64 - (n << 3)));
  if (n <= 8) {
    let slot = short + <usize>((first * MULTIPLIER) >> shortShift << 5);
    if (load<i32>(slot, 8) != 0) slot += 16;
    if (load<i32>(slot, 8) != 0) return;
    store<u64>(slot, first);
    store<i32>(slot, n, 8);
    store<i32>(slot, id, 12);
    return;
  }
  const second = load<u64>(at, 8) & (<u64>-1 >> <u64>(128 - (n << 3)));
  const hash = (first * MULTIPLIER ^ (first >> 32) ^ second) * MULTIPLIER;
  let slot = middle + <usize>(hash >> middleShift << 6);
  if (load<i32>(slot, 16) != 0) slot += 32;
  if (load<i32>(slot, 16) != 0) return;
  store<u64>(slot, first);
  store<u64>(slot, second, 8);
  store<i32>(slot, n | (1 << 6), 16);
  store<i32>(slot, id, 20);
}
