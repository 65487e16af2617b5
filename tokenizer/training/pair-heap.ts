/**
 * The pair to merge next: a four-way heap of pairs by count, ties by a rule. Knows no words.
 * Lazy: counts fall while a pair waits, and a pair is put right only when it comes to the top. That is sound since a
 * waiting pair can only get worse: its count falls and its first place moves back, never the other way.
 * Most pairs are rare and never merge, so those below a floor stay outside, and the floor is lowered when nothing above
 * it is left: of a million pairs some tens of thousands are ever in the heap.
 */

export type PairHeap = {
  push(pair: number): void;
  /** The pair that is first now, or -1 where none occurs `least` times; it leaves the heap. */
  pop(): number;
};

/** What a pair is ordered by besides its count; the smaller first. */
export type Tie = {
  /** A number taken when the pair is pushed and again when it comes to the top; 0 where there is none. */
  key(pair: number): number;
  /** Between pairs of equal count and key: whether `a` comes before `b`. */
  before(a: number, b: number): boolean;
};

/** `pairs` are those that have existed; `least` is the count below which none is wanted. */
export function createPairHeap(
  source: { readonly size: number; count(pair: number): number },
  tie: Tie,
  least: number,
): PairHeap {
  const { count } = source;
  let size = 0;
  let floor = Number.POSITIVE_INFINITY;
  let pairs = new Int32Array(1 << 16);
  let counts = new Float64Array(1 << 16);
  let keys = new Float64Array(1 << 16);

  const comesBefore = (pair: number, pairCount: number, key: number, at: number): boolean => {
    if (pairCount !== counts[at]!) return pairCount > counts[at]!;
    if (key !== keys[at]!) return key < keys[at]!;
    return tie.before(pair, pairs[at]!);
  };
  const move = (from: number, to: number) => {
    pairs[to] = pairs[from]!;
    counts[to] = counts[from]!;
    keys[to] = keys[from]!;
  };
  const set = (at: number, pair: number, pairCount: number, key: number) => {
    pairs[at] = pair;
    counts[at] = pairCount;
    keys[at] = key;
  };
  /** Puts a pair into the hole at the top. */
  const sink = (pair: number, pairCount: number, key: number) => {
    let hole = 0;
    for (;;) {
      const child = 4 * hole + 1;
      if (child >= size) break;
      let best = child;
      const end = Math.min(child + 4, size);
      for (let other = child + 1; other < end; other++)
        if (comesBefore(pairs[other]!, counts[other]!, keys[other]!, best)) best = other;
      if (comesBefore(pair, pairCount, key, best)) break;
      move(best, hole);
      hole = best;
    }
    set(hole, pair, pairCount, key);
  };

  const enter = (pair: number, pairCount: number) => {
    if (size === pairs.length) {
      const room = size + (size >> 1);
      const old = [pairs, counts, keys] as const;
      pairs = new Int32Array(room);
      counts = new Float64Array(room);
      keys = new Float64Array(room);
      pairs.set(old[0]);
      counts.set(old[1]);
      keys.set(old[2]);
    }
    const key = tie.key(pair);
    let hole = size++;
    while (hole > 0) {
      const parent = (hole - 1) >> 2;
      if (!comesBefore(pair, pairCount, key, parent)) break;
      move(parent, hole);
      hole = parent;
    }
    set(hole, pair, pairCount, key);
  };

  /** Lowers the floor to an eighth of the greatest count below it, and enters what is above it now; false at the end. */
  const lower = (): boolean => {
    let greatest = 0;
    for (let pair = 0; pair < source.size; pair++) {
      const pairCount = count(pair);
      if (pairCount < floor && pairCount > greatest) greatest = pairCount;
    }
    if (greatest < least) return false;
    const above = floor;
    floor = Math.max(least, Math.floor(greatest / 8));
    for (let pair = 0; pair < source.size; pair++) {
      const pairCount = count(pair);
      if (pairCount >= floor && pairCount < above) enter(pair, pairCount);
    }
    return true;
  };

  return {
    push(pair) {
      const pairCount = count(pair);
      if (pairCount >= floor) enter(pair, pairCount);
    },
    pop() {
      for (;;) {
        if (size === 0 && !lower()) return -1;
        const pair = pairs[0]!;
        const pairCount = count(pair);
        if (pairCount < floor) {
          if (--size > 0) sink(pairs[size]!, counts[size]!, keys[size]!);
          continue;
        }
        const key = tie.key(pair);
        if (pairCount === counts[0]! && key === keys[0]!) {
          size--;
          if (size > 0) sink(pairs[size]!, counts[size]!, keys[size]!);
          return pair;
        }
        sink(pair, pairCount, key);
      }
    },
  };
}
