/**
 * BPE of a piece of up to 256 bytes. The lowest of all ranks is searched four at a time, the position in the lower bits of
 * each, so that the leftmost of equals comes out. Nothing is ever moved: up to 64 bytes, which symbols are left is one
 * word of 64 bits; above, symbols are a list, and each sixteen ranks keep their lowest.
 */
import { BYTE_PAIRS, MIDDLE_SCRATCH, SCRATCH } from "./memory";
import { idOf, madeBy, NONE, rankOf } from "./pairs";

/** Up to 64 bytes: keys, rank << 6 | position, of the pair that begins at a position; four more are written. Then the symbols. */
const KEYS: usize = SCRATCH;
const SYMBOLS: usize = SCRATCH + 512;

// @ts-ignore: decorator
@inline
function symbolAt(position: i64): i32 {
  return load<i32>(SYMBOLS + (<usize>position << 2));
}

// @ts-ignore: decorator
@inline
function lowestOf(four: v128): i32 {
  four = i32x4.min_s(four, v128.shuffle<i32>(four, four, 2, 3, 0, 1));
  return i32x4.extract_lane(i32x4.min_s(four, v128.shuffle<i32>(four, four, 1, 0, 3, 2)), 0);
}

/** 2 to 64 bytes: writes the ids of bytes [at, at + n) to `to` and returns where they end. */
export function mergeShort(at: usize, n: i32, to: usize): usize {
  let before = <i32>load<u8>(at);
  store<i32>(SYMBOLS, before);
  for (let i = 1; i < n; i++) {
    const byte = <i32>load<u8>(at + <usize>i);
    store<i32>(SYMBOLS + (<usize>i << 2), byte);
    const key = load<i32>(BYTE_PAIRS + (<usize>((before << 8) | byte) << 2)) | (i - 1);
    store<i32>(KEYS + (<usize>(i - 1) << 2), key);
    before = byte;
  }
  v128.store(KEYS + (<usize>(n - 1) << 2), i32x4.splat(NONE));
  const stop = KEYS + (<usize>(n + 2) >> 2 << 4);
  let left: u64 = <u64>-1 >> <u64>(64 - n);
  while (true) {
    let lowest = v128.load(KEYS);
    for (let from = KEYS + 16; from < stop; from += 16) lowest = i32x4.min_s(lowest, v128.load(from));
    const key = lowestOf(lowest);
    if (key == NONE) break;
    const position = <i64>(key & 63);
    const symbol = madeBy(key >> 6);
    let behind = left & (<u64>-2 << <u64>position);
    const gone = ctz(behind);
    behind &= behind - 1;
    left &= ~(<u64>1 << gone);
    store<i32>(SYMBOLS + (<usize>position << 2), symbol);
    store<i32>(KEYS + (<usize>gone << 2), NONE);
    store<i32>(
      KEYS + (<usize>position << 2),
      behind ? rankOf(symbol, symbolAt(ctz(behind))) | <i32>position : NONE,
    );
    const ahead = left & (((<u64>1) << <u64>position) - 1);
    if (ahead) {
      const previous = 63 - clz(ahead);
      store<i32>(KEYS + (<usize>previous << 2), rankOf(symbolAt(previous), symbol) | <i32>previous);
    }
  }
  while (left) {
    store<i32>(to, idOf(symbolAt(ctz(left))));
    left &= left - 1;
    to += 4;
  }
  return to;
}

/** For pieces of up to 256 bytes: rank << 8 | position by position; the lowest of each 16; symbols; neighbours. */
const MIDDLE_KEYS: usize = MIDDLE_SCRATCH;
const GROUPS: usize = MIDDLE_SCRATCH + 1024;
const MIDDLE_SYMBOLS: usize = MIDDLE_SCRATCH + 2048;
const NEXT: usize = MIDDLE_SCRATCH + 4096;
const PREVIOUS: usize = MIDDLE_SCRATCH + 6144;

// @ts-ignore: decorator
@inline
function middleSymbol(position: i32): i32 {
  return load<i32>(MIDDLE_SYMBOLS + (<usize>position << 2));
}

// @ts-ignore: decorator
@inline
function setKey(position: i32, rank: i32): void {
  store<i32>(MIDDLE_KEYS + (<usize>position << 2), rank == NONE ? NONE : (rank << 2) | position);
}

// @ts-ignore: decorator
@inline
function setGroup(group: i32): void {
  const keys = MIDDLE_KEYS + (<usize>group << 6);
  const left = i32x4.min_s(v128.load(keys), v128.load(keys, 16));
  const right = i32x4.min_s(v128.load(keys, 32), v128.load(keys, 48));
  store<i32>(GROUPS + (<usize>group << 2), lowestOf(i32x4.min_s(left, right)));
}

/** 1 to 256 bytes; symbols are written instead of ids if `asSymbols`. */
export function mergeMiddle(at: usize, n: i32, to: usize, asSymbols: bool): usize {
  for (let i = 0; i < n; i++) {
    const byte = <i32>load<u8>(at + <usize>i);
    store<i32>(MIDDLE_SYMBOLS + (<usize>i << 2), byte);
    store<i32>(NEXT + (<usize>i << 2), i + 1);
    store<i32>(PREVIOUS + (<usize>i << 2), i - 1);
  }
  for (let i = 0; i < n - 1; i++)
    setKey(i, load<i32>(BYTE_PAIRS + (<usize>((middleSymbol(i) << 8) | middleSymbol(i + 1)) << 2)));
  const groups = (n + 15) >> 4;
  for (let i = n - 1; i < groups << 4; i++) setKey(i, NONE);
  for (let group = 0; group < (groups + 3 & ~3); group++)
    if (group < groups) setGroup(group);
    else store<i32>(GROUPS + (<usize>group << 2), NONE);
  const stop = GROUPS + (<usize>(groups + 3) >> 2 << 4);
  while (true) {
    let lowest = v128.load(GROUPS);
    for (let from = GROUPS + 16; from < stop; from += 16) lowest = i32x4.min_s(lowest, v128.load(from));
    const key = lowestOf(lowest);
    if (key == NONE) break;
    const position = key & 255;
    const symbol = madeBy(key >> 8);
    const gone = load<i32>(NEXT + (<usize>position << 2));
    const behind = load<i32>(NEXT + (<usize>gone << 2));
    const ahead = load<i32>(PREVIOUS + (<usize>position << 2));
    store<i32>(MIDDLE_SYMBOLS + (<usize>position << 2), symbol);
    store<i32>(NEXT + (<usize>position << 2), behind);
    setKey(gone, NONE);
    if (behind < n) {
      store<i32>(PREVIOUS + (<usize>behind << 2), position);
      setKey(position, rankOf(symbol, middleSymbol(behind)));
    } else setKey(position, NONE);
    if (ahead >= 0) {
      setKey(ahead, rankOf(middleSymbol(ahead), symbol));
      if (ahead >> 4 != position >> 4) setGroup(ahead >> 4);
    }
    setGroup(position >> 4);
    if (gone >> 4 != position >> 4) setGroup(gone >> 4);
  }
  for (let i = 0; i < n; i = load<i32>(NEXT + (<usize>i << 2))) {
    store<i32>(to, asSymbols ? middleSymbol(i) : idOf(middleSymbol(i)));
    to += 4;
  }
  return to;
}
