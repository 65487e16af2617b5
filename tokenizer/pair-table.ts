/**
 * Which pairs of ids merge: (left, right) to rank and resulting id, in one open-addressed typed array, four numbers
 * a slot. Knows no bytes. A JavaScript Map keyed by strings or combined numbers costs several times as much for each
 * look-up and most of encoding a new word is look-ups.
 */

/** The rank of a pair that does not merge: greater than every rank. */
export const noMerge = 0x7fffffff;

export type PairTable = {
  /** Number of merges. */
  readonly size: number;
  add(left: number, right: number, rank: number, id: number): void;
  /** Rank of the merge, or `noMerge`. */
  rank(left: number, right: number): number;
  /** Id that a pair with a rank makes. */
  id(left: number, right: number): number;
};

export function createPairTable(capacity: number): PairTable {
  let size = 0;
  let mask = 1023;
  while (mask < 2 * capacity) mask = 2 * mask + 1;
  let slots = new Int32Array(4 * (mask + 1)).fill(-1);

  const place = (left: number, right: number): number => {
    let hash = Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b);
    hash ^= hash >>> 15;
    let at = (hash & mask) << 2;
    while (slots[at] !== -1 && (slots[at] !== left || slots[at + 1] !== right))
      at = (at + 4) & ((mask << 2) | 3);
    return at;
  };

  const add = (left: number, right: number, rank: number, id: number): void => {
    if (2 * (size + 1) > mask) {
      const old = slots;
      mask = 2 * mask + 1;
      slots = new Int32Array(4 * (mask + 1)).fill(-1);
      size = 0;
      for (let at = 0; at < old.length; at += 4)
        if (old[at] !== -1) add(old[at]!, old[at + 1]!, old[at + 2]!, old[at + 3]!);
    }
    const at = place(left, right);
    if (slots[at] !== -1) return;
    slots[at] = left;
    slots[at + 1] = right;
    slots[at + 2] = rank;
    slots[at + 3] = id;
    size++;
  };

  return {
    get size() {
      return size;
    },
    add,
    rank(left, right) {
      const at = place(left, right);
      return slots[at] === -1 ? noMerge : slots[at + 2]!;
    },
    id: (left, right) => slots[place(left, right) + 3]!,
  };
}
