/**
 * Remembers the ids of pieces already encoded, up to 16 bytes long, in typed arrays of fixed size: memory is bounded
 * and nothing is ever flushed. Knows neither patterns nor merges.
 * A piece's bytes are read as two or four 32-bit words and compared as such, not byte by byte. Two places for each
 * hash: a new piece takes the first and moves what was there to the second, so that frequent words survive the long
 * tail of words that occur once.
 */

export type PieceCache = {
  /**
   * Copies the ids of the piece of `length` <= 16 bytes at `start` to `out` at `at` and returns where they end, or
   * -1 where the piece is not known. `view` covers the same bytes and can be read 16 bytes past the piece.
   */
  get(view: DataView, start: number, length: number, out: Int32Array, at: number): number;
  /** Remembers ids [from, to) of `ids` for a piece that `get` has just not found. */
  put(view: DataView, start: number, length: number, ids: Int32Array, from: number, to: number): void;
};

/** Longest piece that is remembered, in bytes. */
export const cachedPiece = 16;

const shortSlot = 8;
const shortIds = 5;
const longSlot = 16;
const longIds = 11;

/** Bits of a little-endian word that belong to a piece with that many bytes in it. */
const masks = Int32Array.of(0, 0xff, 0xffff, 0xffffff, -1);

/** `size` is the number of pieces of up to 8 bytes it can hold, a power of two; a quarter as many longer ones. */
export function createPieceCache(size: number): PieceCache {
  const short = new Int32Array(size * shortSlot);
  const long = new Int32Array((size / 4) * longSlot);
  const shortMask = size / 2 - 1;
  const longMask = size / 8 - 1;

  const shortPlace = (word0: number, word1: number, length: number): number => {
    let hash = Math.imul(word0, 0x9e3779b1) ^ Math.imul(word1 + length, 0x85ebca6b);
    hash ^= hash >>> 15;
    return (hash & shortMask) * (2 * shortSlot);
  };
  const longPlace = (word0: number, word1: number, word2: number, word3: number): number => {
    let hash = Math.imul(word0, 0x9e3779b1) ^ Math.imul(word1, 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13) ^ word2, 0xc2b2ae35) ^ Math.imul(word3, 0x27d4eb2f);
    hash ^= hash >>> 15;
    return (hash & longMask) * (2 * longSlot);
  };

  return {
    get(view, start, length, out, at) {
      if (length <= 8) {
        let word0 = view.getInt32(start, true);
        let word1 = 0;
        if (length < 4) word0 &= masks[length]!;
        else word1 = view.getInt32(start + 4, true) & masks[length - 4]!;
        let place = shortPlace(word0, word1, length);
        for (let way = 0; way < 2; way++, place += shortSlot) {
          const meta = short[place + 2]!;
          if (short[place] !== word0 || short[place + 1] !== word1 || (meta & 31) !== length) continue;
          const count = meta >> 5;
          out[at] = short[place + 3]!;
          for (let i = 1; i < count; i++) out[at + i] = short[place + 3 + i]!;
          return at + count;
        }
        return -1;
      }
      const word0 = view.getInt32(start, true);
      const word1 = view.getInt32(start + 4, true);
      const word2 = view.getInt32(start + 8, true) & (length < 12 ? masks[length - 8]! : -1);
      const word3 = length > 12 ? view.getInt32(start + 12, true) & masks[length - 12]! : 0;
      let place = longPlace(word0, word1, word2, word3);
      for (let way = 0; way < 2; way++, place += longSlot) {
        const meta = long[place + 4]!;
        if (long[place] !== word0 || long[place + 1] !== word1 || long[place + 2] !== word2) continue;
        if (long[place + 3] !== word3 || (meta & 31) !== length) continue;
        const count = meta >> 5;
        for (let i = 0; i < count; i++) out[at + i] = long[place + 5 + i]!;
        return at + count;
      }
      return -1;
    },
    put(view, start, length, ids, from, to) {
      const count = to - from;
      if (length <= 8) {
        if (count > shortIds) return;
        let word0 = view.getInt32(start, true);
        let word1 = 0;
        if (length < 4) word0 &= masks[length]!;
        else word1 = view.getInt32(start + 4, true) & masks[length - 4]!;
        const place = shortPlace(word0, word1, length);
        short.copyWithin(place + shortSlot, place, place + shortSlot);
        short[place] = word0;
        short[place + 1] = word1;
        short[place + 2] = length | (count << 5);
        for (let i = 0; i < count; i++) short[place + 3 + i] = ids[from + i]!;
        return;
      }
      if (count > longIds) return;
      const word0 = view.getInt32(start, true);
      const word1 = view.getInt32(start + 4, true);
      const word2 = view.getInt32(start + 8, true) & (length < 12 ? masks[length - 8]! : -1);
      const word3 = length > 12 ? view.getInt32(start + 12, true) & masks[length - 12]! : 0;
      const place = longPlace(word0, word1, word2, word3);
      long.copyWithin(place + longSlot, place, place + longSlot);
      long[place] = word0;
      long[place + 1] = word1;
      long[place + 2] = word2;
      long[place + 3] = word3;
      long[place + 4] = length | (count << 5);
      for (let i = 0; i < count; i++) long[place + 5 + i] = ids[from + i]!;
    },
  };
}
