/**
 * Counts different pieces exactly: bytes, how often, and where first. Knows no patterns and no disk.
 * Pieces of up to 8 bytes, nine of ten in any language with spaces, are compared as two 32-bit words that lie in the
 * slot itself; longer ones by hash and bytes. Everything is a typed array, so ten million pieces are a few arrays
 * and not ten million objects.
 */

import { asciiWord, asciiWordOn, isCasedWord } from "../pretokenizer/ascii-word.ts";
import type { Scan } from "../pretokenizer/patterns.ts";
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
  /** Counts the pieces of bytes [start, end), cut by `scan`; `position` is that of `bytes` in the corpus. Positions rise. */
  addPieces(cut: Cut, bytes: Uint8Array, view: DataView, start: number, end: number, position: number): void;
  /** Pieces counted by `addPieces`, and those that were longer than the cap. */
  readonly pieces: number;
  readonly cutPieces: number;
  /** The words as they are, in order of entry; valid until the next `add`. */
  words(): Words;
  clear(): void;
};

/** How text is cut into pieces: the scanner, whether it ends words where case changes, the longest piece in bytes. */
export type Cut = { readonly scan: Scan; readonly cased: boolean; readonly cap: number };

/** Bits of the first and the second little-endian word that belong to a piece of up to 8 bytes. */
const firstMask = Int32Array.of(0, 0xff, 0xffff, 0xffffff, -1, -1, -1, -1, -1);
const secondMask = Int32Array.of(0, 0, 0, 0, 0, 0xff, 0xffff, 0xffffff, -1);

export function createWordTable(): WordTable {
  let size = 0;
  let arena: Uint8Array<ArrayBuffer>;
  let starts: Uint32Array<ArrayBuffer>;
  let counts: Float64Array<ArrayBuffer>;
  let firsts: Float64Array<ArrayBuffer>;
  /** word 0, word 1, length, occurrences not yet in `counts`; and beside it the entry. */
  let short: Int32Array;
  let shortEntry: Int32Array;
  let shortUsed = 0;
  let shortMask = 0;
  /** hash, entry + 1 */
  let long: Int32Array;
  let longUsed = 0;
  let longMask = 0;

  let pieces = 0;
  let cutPieces = 0;

  const clear = () => {
    size = 0;
    arena = new Uint8Array(1 << 16);
    starts = new Uint32Array(1 << 12);
    counts = new Float64Array(1 << 12);
    firsts = new Float64Array(1 << 12);
    shortMask = (1 << 13) - 1;
    longMask = (1 << 11) - 1;
    short = new Int32Array(4 * (shortMask + 1));
    shortEntry = new Int32Array(shortMask + 1);
    long = new Int32Array(2 * (longMask + 1));
    shortUsed = longUsed = 0;
  };
  clear();

  const shortPlace = (word0: number, word1: number, length: number): number => {
    const hash = Math.imul(Math.imul(word0, 0x9e3779b1) ^ (word1 + length), 0x85ebca6b);
    return ((hash ^ (hash >>> 15)) & shortMask) << 2;
  };

  const growShort = () => {
    const old = short;
    const oldEntry = shortEntry;
    shortMask = 2 * shortMask + 1;
    short = new Int32Array(4 * (shortMask + 1));
    shortEntry = new Int32Array(shortMask + 1);
    for (let from = 0; from < old.length; from += 4) {
      if (old[from + 2] === 0) continue;
      let at = shortPlace(old[from]!, old[from + 1]!, old[from + 2]!);
      while (short[at + 2] !== 0) at = (at + 4) & ((shortMask << 2) | 3);
      for (let i = 0; i < 4; i++) short[at + i] = old[from + i]!;
      shortEntry[at >> 2] = oldEntry[from >> 2]!;
    }
  };

  /** Moves the occurrences held in slots to `counts`. */
  const settle = () => {
    for (let at = 0; at < short.length; at += 4) {
      if (short[at + 3] === 0) continue;
      counts[shortEntry[at >> 2]!]! += short[at + 3]!;
      short[at + 3] = 0;
    }
  };

  /** The slot of a short piece, entered where it was not there. */
  const findShort = (
    bytes: Uint8Array,
    word0: number,
    word1: number,
    start: number,
    length: number,
    first: number,
  ): number => {
    let at = shortPlace(word0, word1, length);
    while (short[at + 2] !== 0) {
      if (short[at] === word0 && short[at + 1] === word1 && short[at + 2] === length) return at;
      at = (at + 4) & ((shortMask << 2) | 3);
    }
    if (2 * ++shortUsed > shortMask) {
      growShort();
      at = shortPlace(word0, word1, length);
      while (short[at + 2] !== 0) at = (at + 4) & ((shortMask << 2) | 3);
    }
    short[at] = word0;
    short[at + 1] = word1;
    short[at + 2] = length;
    const entry = enter(bytes, start, length, first);
    shortEntry[at >> 2] = entry;
    return at;
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

  /** The entry of a piece. Tables may be replaced meanwhile, so none is looked into before this returns. */
  const find = (bytes: Uint8Array, view: DataView, start: number, length: number, first: number): number => {
    if (length > 8) return findLong(bytes, start, length, first);
    const word0 = view.getInt32(start, true) & firstMask[length]!;
    const word1 = view.getInt32(start + 4, true) & secondMask[length]!;
    const place = findShort(bytes, word0, word1, start, length, first);
    return shortEntry[place >> 2]!;
  };

  const add: WordTable["add"] = (bytes, view, start, length, first, times) => {
    const entry = find(bytes, view, start, length, first);
    counts[entry]! += times;
    if (first < firsts[entry]!) firsts[entry] = first;
  };

  /** Counts a piece longer than the cap as several, cut at characters, and returns how many. */
  const addCut = (
    bytes: Uint8Array,
    view: DataView,
    start: number,
    end: number,
    cap: number,
    position: number,
  ): number => {
    cutPieces++;
    let parts = 0;
    for (let at = start; at < end; parts++) {
      let stop = Math.min(end, at + cap);
      while (stop < end && stop > at + 1 && (bytes[stop]! & 0xc0) === 0x80) stop--;
      add(bytes, view, at, stop - at, position + at, 1);
      at = stop;
    }
    return parts;
  };

  return {
    get size() {
      return size;
    },
    add,
    addPieces({ scan, cased, cap }, bytes, view, start, end, position) {
      let stop = 0;
      let count = 0;
      for (let at = start; at < end; at = stop) {
        let word0 = view.getInt32(at, true);
        let word1 = view.getInt32(at + 4, true);
        let length = asciiWord(word0, word1);
        if (length === 8 && !cased)
          length = asciiWordOn(view.getInt32(at + 8, true), view.getInt32(at + 12, true));
        stop = at + length;
        if (
          length === 0 ||
          stop >= end ||
          bytes[stop]! >= 0x80 ||
          (cased && !isCasedWord(word0, word1, length, bytes[stop]!))
        ) {
          stop = scan(bytes, at, end);
          length = stop - at;
        }
        count++;
        if (length > 8) {
          if (length > cap) count += addCut(bytes, view, at, stop, cap, position) - 1;
          else {
            const entry = findLong(bytes, at, length, position + at);
            counts[entry]!++;
          }
          continue;
        }
        word0 &= firstMask[length]!;
        word1 &= secondMask[length]!;
        let place = shortPlace(word0, word1, length);
        if (short[place] !== word0 || short[place + 1] !== word1 || short[place + 2] !== length)
          place = findShort(bytes, word0, word1, at, length, position + at);
        if (++short[place + 3]! === 0x7fffffff) settle();
      }
      pieces += count;
    },
    get pieces() {
      return pieces;
    },
    get cutPieces() {
      return cutPieces;
    },
    memory: () =>
      arena.byteLength +
      starts.byteLength +
      counts.byteLength +
      firsts.byteLength +
      short.byteLength +
      shortEntry.byteLength +
      long.byteLength,
    words() {
      settle();
      return { size, arena, starts, counts, firsts };
    },
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
