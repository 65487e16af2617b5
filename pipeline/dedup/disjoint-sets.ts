/**
 * Union-find over whole numbers, without recursion: a chain of a million unions needs no stack. The root of a set is
 * its smallest member, whatever the order of the unions.
 */
export type DisjointSets = {
  /** The smallest member of the set that holds `x`. */
  find(x: number): number;
  union(x: number, y: number): void;
};

export function disjointSets(n: number): DisjointSets {
  const parent = new Uint32Array(n);
  for (let i = 0; i < n; i++) parent[i] = i;
  const find = (x: number): number => {
    while (parent[x] !== x) {
      parent[x] = parent[parent[x]!]!;
      x = parent[x]!;
    }
    return x;
  };
  const union = (x: number, y: number) => {
    const [a, b] = [find(x), find(y)];
    if (a < b) parent[b] = a;
    else parent[a] = b;
  };
  return { find, union };
}

/** A set of whole numbers below `n` that also numbers its members in ascending order: n/8 + n/128 bytes. */
export function rankedSet(n: number) {
  const bits = new Uint32Array(Math.ceil(n / 32) + 1);
  const wordsPerBlock = 16;
  let ranks = new Uint32Array(0);
  let size = 0;
  return {
    add(x: number) {
      const word = Math.floor(x / 32);
      bits[word] = bits[word]! | (1 << (x & 31));
    },
    /** Counts the members; call it when all are added. */
    seal(): number {
      ranks = new Uint32Array(Math.ceil(bits.length / wordsPerBlock) + 1);
      size = 0;
      for (let word = 0; word < bits.length; word++) {
        if (word % wordsPerBlock === 0) ranks[word / wordsPerBlock] = size;
        size += ones(bits[word]!);
      }
      return size;
    },
    /** How many members are smaller than member `x`. */
    rank(x: number): number {
      const word = Math.floor(x / 32);
      const block = Math.floor(word / wordsPerBlock);
      let rank = ranks[block]!;
      for (let w = block * wordsPerBlock; w < word; w++) rank += ones(bits[w]!);
      return rank + ones(bits[word]! & ((1 << (x & 31)) - 1));
    },
    has: (x: number): boolean => ((bits[Math.floor(x / 32)]! >>> (x & 31)) & 1) === 1,
  };
}

function ones(word: number): number {
  word -= (word >>> 1) & 0x55555555;
  word = (word & 0x33333333) + ((word >>> 2) & 0x33333333);
  word = (word + (word >>> 4)) & 0x0f0f0f0f;
  return Math.imul(word, 0x01010101) >>> 24;
}
