/**
 * The hash family of MinHash as datatrove draws it: NumPy's legacy RandomState, that is MT19937 seeded by
 * init_genrand, 64-bit draws of two words (high word first), masked to 61 bits and redrawn while too large.
 * Sources: Matsumoto & Nishimura 1998; datatrove, pipeline/dedup/minhash.py.
 */

/** The prime that the family is taken modulo: 2^61 − 1. */
export const mersenne61 = (1n << 61n) - 1n;

/** MT19937: whole numbers in [0, 2^32). */
export function mersenneTwister(seed: number): () => number {
  const state = new Uint32Array(624);
  state[0] = seed;
  for (let i = 1; i < 624; i++) {
    const before = state[i - 1]! ^ (state[i - 1]! >>> 30);
    state[i] = Math.imul(1812433253, before) + i;
  }
  let at = 624;
  const refill = () => {
    for (let i = 0; i < 624; i++) {
      const y = (state[i]! & 0x80000000) | (state[(i + 1) % 624]! & 0x7fffffff);
      state[i] = state[(i + 397) % 624]! ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
    }
    at = 0;
  };
  return () => {
    if (at === 624) refill();
    let y = state[at++]!;
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  };
}

export type Permutations = { readonly a: readonly bigint[]; readonly b: readonly bigint[] };

/** `n` pairs, a in [1, 2^61 − 1), b in [0, 2^61 − 1): first all a, then all b. */
export function permutations(n: number, seed: number): Permutations {
  const next = mersenneTwister(seed);
  const below = (count: bigint): bigint => {
    for (;;) {
      const high = BigInt(next());
      const drawn = ((high << 32n) | BigInt(next())) & mersenne61;
      if (drawn < count) return drawn;
    }
  };
  const a = Array.from({ length: n }, () => 1n + below(mersenne61 - 1n));
  const b = Array.from({ length: n }, () => below(mersenne61));
  return { a, b };
}
