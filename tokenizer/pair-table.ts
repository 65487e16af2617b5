/**
 * Which pairs of ids merge, and with which rank: open addressing in one typed array. Knows no bytes.
 * Encoding a new word is little else than asking this table, and two of three questions are answered no. A bit for
 * each hash, a quarter of the table's size, answers most of those from the near cache: it more than halved the
 * time of a new word, where the table itself is megabytes and every question a miss.
 */

/** The rank of a pair that does not merge: greater than every rank. */
export const noMerge = 0x7fffffff;

export type PairTable = {
  /** Number of merges. */
  readonly size: number;
  /** Ranks count from 0; the first of two merges of one pair holds. */
  add(left: number, right: number, rank: number, id: number): void;
  /** Rank of the merge, or `noMerge`. */
  rank(left: number, right: number): number;
  /** Id that the merge of a rank makes. */
  id(rank: number): number;
};

export function createPairTable(capacity: number): PairTable {
  let size = 0;
  let mask = 0;
  /** left in 20 bits, right in 20, rank in 24, as two words; the first is -1 where empty. */
  let slots = new Int32Array(0);
  /** Whether any pair has a hash. */
  let bits = new Int32Array(0);
  let bitMask = 0;
  let ids = new Int32Array(Math.max(16, capacity));

  const allocate = (slotMask: number) => {
    mask = slotMask;
    slots = new Int32Array(2 * (mask + 1)).fill(-1);
    bits = new Int32Array(Math.max(1, (mask + 1) >> 1));
    bitMask = bits.length - 1;
    size = 0;
  };

  const hashOf = (left: number, right: number): number => {
    const hash = Math.imul(Math.imul(left, 0x9e3779b1) ^ right, 0x85ebca6b);
    return hash ^ (hash >>> 15);
  };

  const insert = (left: number, right: number, rank: number): void => {
    const hash = hashOf(left, right);
    const high = (left << 12) | (right >> 8);
    const low = right << 24;
    let at = hash & mask;
    while (slots[2 * at] !== -1) {
      if (slots[2 * at] === high && ((slots[2 * at + 1]! ^ low) & 0xff000000) === 0) return;
      at = (at + 1) & mask;
    }
    slots[2 * at] = high;
    slots[2 * at + 1] = low | rank;
    bits[(hash >>> 5) & bitMask]! |= 1 << hash;
    size++;
  };

  let start = 1023;
  while (4 * start < 5 * capacity) start = 2 * start + 1;
  allocate(start);

  return {
    get size() {
      return size;
    },
    add(left, right, rank, id) {
      if (5 * (size + 1) > 4 * mask) {
        const old = slots;
        allocate(2 * mask + 1);
        for (let at = 0; at < old.length; at += 2) {
          const [high, low] = [old[at]!, old[at + 1]!];
          if (high !== -1) insert(high >>> 12, ((high & 0xfff) << 8) | (low >>> 24), low & 0xffffff);
        }
      }
      if (rank >= ids.length) {
        const larger = new Int32Array(2 * rank);
        larger.set(ids);
        ids = larger;
      }
      ids[rank] = id;
      insert(left, right, rank);
    },
    rank(left, right) {
      const hash = hashOf(left, right);
      if ((bits[(hash >>> 5) & bitMask]! & (1 << hash)) === 0) return noMerge;
      const high = (left << 12) | (right >> 8);
      const low = right << 24;
      for (let at = hash & mask; ; at = (at + 1) & mask) {
        const found = slots[2 * at]!;
        if (found === -1) return noMerge;
        if (found !== high) continue;
        const rank = slots[2 * at + 1]! ^ low;
        if ((rank & 0xff000000) === 0) return rank;
      }
    },
    id: rank => ids[rank]!,
  };
}
