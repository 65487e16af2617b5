/**
 * Counts different pieces exactly: bytes, how often, and where first. Knows no patterns and no disk.
 * Pieces of up to 8 bytes, nine of ten in any language with spaces, are compared as two 32-bit words that lie in the
 * slot itself; longer ones by hash and bytes. Everything is a typed array, so ten million pieces are a few arrays
 * and not ten million objects.
 */

import { slack } from "../text-feed.ts";

/** Different pieces with their counts: piece i is `arena` from starts[i] to starts[i + 1], with `slack` to spare. */
export type Words = {
  readonly size: number;
  readonly arena: Uint8Array<ArrayBuffer>;
  readonly starts: Uint32Array<ArrayBuffer>;
  readonly counts: Float64Array<ArrayBuffer>;
  /** Byte position in the corpus of the first occurrence. */
  readonly firsts: Float64Array<ArrayBuffer>;
};

export type WordTable = {
  /**
   * Counts the piece of `length` bytes at `start`, `times` times. `view` covers the same bytes and `slack` more.
   */
  add(bytes: Uint8Array, view: DataView, start: number, length: number, first: number, times: number): void;
  readonly size: number;
  /** Bytes held in arrays. */
  memory(): number;
  /** The words as they are, in order of entry; valid until the next `add`. */
  words(): Words;
  clear(): void;
};

const masks = Int32Array.of(0, 0xff, 0xffff, 0xffffff, -1);

export function createWordTable(): WordTable {
  let size = 0;
  let arena: Uint8Array<ArrayBuffer>;
  let starts: Uint32Array<ArrayBuffer>;
  let counts: Float64Array<ArrayBuffer>;
  let firsts: Float64Array<ArrayBuffer>;
  /** word 0, word 1, length, entry + 1 */
  let short: Int32Array;
  let shortUsed = 0;
  let shortMask = 0;
  /** hash, entry + 1 */
  let long: Int32Array;
  let longUsed = 0;
  let longMask = 0;

  const clear = () => {
    size = 0;
    arena = new Uint8Array(1 << 16);
    starts = new Uint32Array(1 << 12);
    counts = new Float64Array(1 << 12);
    firsts = new Float64Array(1 << 12);
    shortMask = (1 << 13) - 1;
    longMask = (1 << 11) - 1;
    short = new Int32Array(4 * (shortMask + 1));
    long = new Int32Array(2 * (longMask + 1));
    shortUsed = longUsed = 0;
  };
  clear();

  const shortPlace = (word0: number, word1: number, length: number): number => {
    let hash = Math.imul(word0, 0x9e3779b1) ^ Math.imul(word1 + length, 0x85ebca6b);
    hash ^= hash >>> 15;
    return (hash & shortMask) << 2;
  };

  const growShort = () => {
    const old = short;
    shortMask = 2 * shortMask + 1;
    short = new Int32Array(4 * (shortMask + 1));
    for (let from = 0; from < old.length; from += 4) {
      if (old[from + 3] === 0) continue;
      let at = shortPlace(old[from]!, old[from + 1]!, old[from + 2]!);
      while (short[at + 3] !== 0) at = (at + 4) & ((shortMask << 2) | 3);
      for (let i = 0; i < 4; i++) short[at + i] = old[from + i]!;
    }
  };

  const growLong = () => {
    const old = long;
    longMask = 2 * longMask + 1;
    long = new Int32Array(2 * (longMask + 1));
    for (let from = 0; from < old.length; from += 2) {
      if (old[from + 1] === 0) continue;
      let at = (old[from]! & longMask) << 1;
      while (long[at + 1] !== 0) at = (at + 2) & ((longMask << 1) | 1);
      long[at] = old[from]!;
      long[at + 1] = old[from + 1]!;
    }
  };

  const enter = (bytes: Uint8Array, start: number, length: number, first: number): number => {
    const from = starts[size]!;
    if (from + length + slack > arena.length) {
      const larger = new Uint8Array(Math.max(2 * arena.length, from + length + slack));
      larger.set(arena.subarray(0, from));
      arena = larger;
    }
    if (size + 1 >= starts.length) {
      starts = resized(starts, new Uint32Array(2 * starts.length));
      counts = resized(counts, new Float64Array(2 * counts.length));
      firsts = resized(firsts, new Float64Array(2 * firsts.length));
    }
    for (let i = 0; i < length; i++) arena[from + i] = bytes[start + i]!;
    starts[size + 1] = from + length;
    counts[size] = 0;
    firsts[size] = first;
    return size++;
  };

  const findLong = (bytes: Uint8Array, start: number, length: number, first: number): number => {
    let hash = length;
    for (let i = start; i < start + length; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
    hash ^= hash >>> 15;
    let at = (hash & longMask) << 1;
    for (;;) {
      const entry = long[at + 1]! - 1;
      if (entry < 0) break;
      if (long[at] === hash) {
        const from = starts[entry]!;
        let i = starts[entry + 1]! - from === length ? 0 : length + 1;
        while (i < length && arena[from + i] === bytes[start + i]) i++;
        if (i === length) return entry;
      }
      at = (at + 2) & ((longMask << 1) | 1);
    }
    const entry = enter(bytes, start, length, first);
    long[at] = hash;
    long[at + 1] = entry + 1;
    if (++longUsed * 2 > longMask) growLong();
    return entry;
  };

  return {
    get size() {
      return size;
    },
    add(bytes, view, start, length, first, times) {
      let entry: number;
      if (length <= 8) {
        let word0 = view.getInt32(start, true);
        let word1 = 0;
        if (length < 4) word0 &= masks[length]!;
        else word1 = view.getInt32(start + 4, true) & masks[length - 4]!;
        let at = shortPlace(word0, word1, length);
        for (;;) {
          entry = short[at + 3]! - 1;
          if (entry < 0) break;
          if (short[at] === word0 && short[at + 1] === word1 && short[at + 2] === length) break;
          at = (at + 4) & ((shortMask << 2) | 3);
        }
        if (entry < 0) {
          entry = enter(bytes, start, length, first);
          short[at] = word0;
          short[at + 1] = word1;
          short[at + 2] = length;
          short[at + 3] = entry + 1;
          if (++shortUsed * 2 > shortMask) growShort();
        }
      } else entry = findLong(bytes, start, length, first);
      counts[entry]! += times;
      if (first < firsts[entry]!) firsts[entry] = first;
    },
    memory: () =>
      arena.byteLength +
      starts.byteLength +
      counts.byteLength +
      firsts.byteLength +
      short.byteLength +
      long.byteLength,
    words: () => ({ size, arena, starts, counts, firsts }),
    clear,
  };
}

function resized<T extends { set(from: T): void }>(old: T, larger: T): T {
  larger.set(old);
  return larger;
}

/** Entries in the order of their bytes, shorter first where one begins the other. Three-way radix quicksort. */
export function sortedByBytes({ size, arena, starts }: Words): Uint32Array {
  const order = Uint32Array.from({ length: size }, (_, i) => i);
  const byteAt = (entry: number, depth: number): number => {
    const at = starts[entry]! + depth;
    return at < starts[entry + 1]! ? arena[at]! : -1;
  };
  const swap = (i: number, j: number) => {
    const kept = order[i]!;
    order[i] = order[j]!;
    order[j] = kept;
  };
  const ranges: number[] = [0, size, 0];
  while (ranges.length > 0) {
    const depth = ranges.pop()!;
    const end = ranges.pop()!;
    const start = ranges.pop()!;
    if (end - start < 2) continue;
    const pivot = byteAt(order[(start + end) >> 1]!, depth);
    let less = start;
    let greater = end;
    for (let i = start; i < greater; ) {
      const byte = byteAt(order[i]!, depth);
      if (byte < pivot) swap(less++, i++);
      else if (byte > pivot) swap(i, --greater);
      else i++;
    }
    ranges.push(start, less, depth, greater, end, depth);
    if (pivot >= 0) ranges.push(less, greater, depth + 1);
  }
  return order;
}
