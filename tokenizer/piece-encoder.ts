/**
 * The inner loop of encoding, in plain JavaScript (kernel.ts has it in WebAssembly): from one piece to the next, ids copied from a cache, merged where it has none. Knows
 * neither strings nor files.
 *
 * The cache is typed arrays of fixed size, so memory is bounded and nothing is ever flushed. Bytes of a piece are
 * read as two or four 32-bit words and compared as such. Two slots for each hash: a new piece takes the second,
 * and changes places with the first when it is met again, so that the first slot, where the loop looks, keeps what is
 * frequent, and the long tail of words that occur once passes through the second. Nine of
 * ten pieces have one id, which stands in the slot itself, so that what is touched most is small: 16 bytes a word
 * took half the time of 32 on web pages. Cache and loop are one function: a call costs as much as the look-up.
 */
import { asciiWord, asciiWordOn, isCasedWord } from "./pretokenizer/ascii-word.ts";
import type { Scan } from "./pretokenizer/patterns.ts";

export type PieceEncoder = {
  /** Encodes bytes [0, end), a text of its own, and returns how many ids that makes. `view` is of the same bytes. */
  encode(bytes: Uint8Array, view: DataView, end: number): number;
  /** Begins with the ids of what was encoded last. */
  readonly ids: Int32Array;
  /** Enters a piece that has one id, unless its slots are taken. */
  learn(bytes: Uint8Array, id: number): void;
};

/** Writes the ids of one piece to `out` at `at` and returns where they end. */
export type EncodePiece = (
  bytes: Uint8Array,
  start: number,
  end: number,
  out: Int32Array,
  at: number,
) => number;

/** A slot for pieces of up to 8 bytes: two words of bytes, length, id or `several`. */
const shortSlot = 4;
/** For pieces of 9 to 16 bytes: four words of bytes, length, id or `several`. */
const longSlot = 8;
/** In place of an id: the piece has several, which stand in another array with their count, at the slot's number. */
const several = -1;
/** Count and ids of a piece of several. */
const shortIds = 8;
const longIds = 16;

/** Bits of the first and the second little-endian word that belong to a piece of up to 8 bytes. */
const firstMask = Int32Array.of(0, 0xff, 0xffff, 0xffffff, -1, -1, -1, -1, -1);
const secondMask = Int32Array.of(0, 0, 0, 0, 0, 0xff, 0xffff, 0xffffff, -1);

/** `cased`: the pattern ends words where case changes. `bits`: the cache has 2^bits slots for pieces of up to 8 bytes, 48 bytes each, and half as many for longer ones, 96. */
export function createPieceEncoder(
  scan: Scan,
  encodePiece: EncodePiece,
  { bits, cased }: { readonly bits: number; readonly cased: boolean },
): PieceEncoder {
  const short = createTwoWay(shortSlot, shortIds, bits);
  const long = createTwoWay(longSlot, longIds, bits - 1);
  const { slots } = short;
  const shortShift = 33 - bits;
  const longShift = 34 - bits;

  /** A piece of up to 8 bytes that is not the one id of its first slot. */
  const encodeShort: EncodeFurther = (bytes, view, start, end, out, at) => {
    const length = end - start;
    const word0 = view.getInt32(start, true) & firstMask[length]!;
    const word1 = view.getInt32(start + 4, true) & secondMask[length]!;
    const place = shortPlace(word0, word1, length, shortShift);
    if (slots[place] === word0 && slots[place + 1] === word1 && slots[place + 2] === length)
      return short.copy(place, out, at);
    const other = place + shortSlot;
    if (slots[other] === word0 && slots[other + 1] === word1 && slots[other + 2] === length) {
      short.exchange(place);
      return short.copy(place, out, at);
    }
    const stop = encodePiece(bytes, start, end, out, at);
    if (!short.enter(other, out, at, stop)) return stop;
    slots[other] = word0;
    slots[other + 1] = word1;
    slots[other + 2] = length;
    return stop;
  };

  const encodeLong: EncodeFurther = (bytes, view, start, end, out, at) => {
    const length = end - start;
    if (length > 16) return encodePiece(bytes, start, end, out, at);
    const word0 = view.getInt32(start, true);
    const word1 = view.getInt32(start + 4, true);
    const word2 = view.getInt32(start + 8, true) & firstMask[length - 8]!;
    const word3 = view.getInt32(start + 12, true) & secondMask[length - 8]!;
    const place = longPlace(word0, word1, word2, word3, length, longShift);
    const table = long.slots;
    for (let way = place; way <= place + longSlot; way += longSlot) {
      if (table[way] !== word0 || table[way + 1] !== word1 || table[way + 2] !== word2) continue;
      if (table[way + 3] !== word3 || table[way + 4] !== length) continue;
      if (way !== place) long.exchange(place);
      return long.copy(place, out, at);
    }
    const stop = encodePiece(bytes, start, end, out, at);
    const other = place + longSlot;
    if (!long.enter(other, out, at, stop)) return stop;
    table[other] = word0;
    table[other + 1] = word1;
    table[other + 2] = word2;
    table[other + 3] = word3;
    table[other + 4] = length;
    return stop;
  };

  let ids = new Int32Array(0);

  const encode = (bytes: Uint8Array, view: DataView, end: number): number => {
    if (ids.length < end) ids = new Int32Array(Math.max(end, 1 << 16));
    const out = ids;
    let n = 0;
    let stop = 0;
    for (let at = 0; at < end; at = stop) {
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
      if (length > 8) {
        n = encodeLong(bytes, view, at, stop, out, n);
        continue;
      }
      word0 &= firstMask[length]!;
      word1 &= secondMask[length]!;
      const place = shortPlace(word0, word1, length, shortShift);
      const id = slots[place + 3]!;
      if (id >= 0 && slots[place] === word0 && slots[place + 1] === word1 && slots[place + 2] === length)
        out[n++] = id;
      else n = encodeShort(bytes, view, at, stop, out, n);
    }
    return n;
  };
  const learn = (bytes: Uint8Array, id: number): void => {
    const length = bytes.length;
    if (length === 0 || length > 16) return;
    const padded = new Uint8Array(16);
    padded.set(bytes);
    const view = new DataView(padded.buffer);
    const words = [0, 4, 8, 12].map(at => view.getInt32(at, true)) as [number, number, number, number];
    const [table, size, place] =
      length <= 8
        ? [slots, shortSlot, shortPlace(words[0], words[1], length, shortShift)]
        : [long.slots, longSlot, longPlace(...words, length, longShift)];
    const lengthAt = length <= 8 ? 2 : 4;
    for (let slot = place; slot <= place + size; slot += size) {
      if (table[slot + lengthAt] !== 0) continue;
      for (let i = 0; i < lengthAt; i++) table[slot + i] = words[i]!;
      table[slot + lengthAt] = length;
      table[slot + size - 1] = id;
      return;
    }
  };
  return {
    encode,
    learn,
    get ids() {
      return ids;
    },
  };
}

type TwoWay = {
  /** Pairs of slots; the last number of a slot is an id or `several`. */
  readonly slots: Int32Array;
  /** Copies the ids of a slot and returns where they end. */
  copy(slot: number, out: Int32Array, at: number): number;
  /** Exchanges the two slots of a pair. */
  exchange(place: number): void;
  /** Puts ids [from, to) of `out` into a slot; false where they are too many. */
  enter(slot: number, out: Int32Array, from: number, to: number): boolean;
};

/** 2^bits slots of `size` numbers, and lists of up to `most` - 1 ids for those with several. */
function createTwoWay(size: number, most: number, bits: number): TwoWay {
  const slots = new Int32Array(size << bits);
  const lists = new Int32Array(most << bits);
  const swap = (numbers: Int32Array, from: number, length: number) => {
    for (let i = from; i < from + length; i++) {
      const kept = numbers[i]!;
      numbers[i] = numbers[i + length]!;
      numbers[i + length] = kept;
    }
  };
  return {
    slots,
    copy(slot, out, at) {
      const id = slots[slot + size - 1]!;
      if (id !== several) {
        out[at] = id;
        return at + 1;
      }
      const list = (slot / size) * most;
      const count = lists[list]!;
      for (let i = 0; i < count; i++) out[at + i] = lists[list + 1 + i]!;
      return at + count;
    },
    exchange(place) {
      if (slots[place + size - 1] === several || slots[place + 2 * size - 1] === several)
        swap(lists, (place / size) * most, most);
      swap(slots, place, size);
    },
    enter(slot, out, from, to) {
      if (to - from >= most) return false;
      if (to - from === 1) {
        slots[slot + size - 1] = out[from]!;
        return true;
      }
      slots[slot + size - 1] = several;
      const list = (slot / size) * most;
      lists[list] = to - from;
      for (let i = from; i < to; i++) lists[list + 1 + i - from] = out[i]!;
      return true;
    },
  };
}

type EncodeFurther = (
  bytes: Uint8Array,
  view: DataView,
  start: number,
  end: number,
  out: Int32Array,
  at: number,
) => number;

function shortPlace(word0: number, word1: number, length: number, shift: number): number {
  const hash = Math.imul(Math.imul(word0, 0x9e3779b1) ^ (word1 + length), 0x85ebca6b);
  return ((hash ^ (hash >>> 15)) >>> shift) << 3;
}

function longPlace(
  word0: number,
  word1: number,
  word2: number,
  word3: number,
  length: number,
  shift: number,
): number {
  let hash = Math.imul(Math.imul(word0, 0x9e3779b1) ^ word1, 0x85ebca6b) ^ word2;
  hash = Math.imul(Math.imul(hash ^ (hash >>> 15), 0x9e3779b1) ^ (word3 + length), 0x85ebca6b);
  return ((hash ^ (hash >>> 15)) >>> shift) << 4;
}
