/**
 * Seeded randomness, the only kind there is here. Two forms: `randomOf` turns (seed, key) into a number and has no
 * state, so its result does not depend on order or on the number of workers; `Random` is a stream whose whole
 * state is four integers, so that it can stand in a checkpoint.
 * Sources: FNV-1a with the MurmurHash3 finaliser; sfc32 (Chris Doty-Humphrey, PractRand).
 */

function mix(h: number): number {
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** A 32-bit hash of `key` under `seed`. Not cryptographic. */
export function hash32(seed: number, key: string): number {
  let h = (0x811c9dc5 ^ Math.imul(seed | 0, 0x9e3779b1)) >>> 0;
  for (let i = 0; i < key.length; i++) h = Math.imul(h ^ key.charCodeAt(i), 0x01000193);
  return mix(h);
}

/** A number in [0, 1) that depends only on `seed` and `key`; 53 bits. */
export function randomOf(seed: number, key: string): number {
  const high = hash32(seed, key) >>> 5;
  const low = hash32(seed ^ 0x5bd1e995, key) >>> 6;
  return (high * 67108864 + low) / 9007199254740992;
}

export type RandomState = readonly [number, number, number, number];

export type Random = {
  /** A whole number in [0, 2^32). */
  next(): number;
  /** A number in [0, 1). */
  uniform(): number;
  /** A whole number in [0, n). */
  below(n: number): number;
  /** Standard normal, Box-Muller. */
  normal(): number;
  state(): RandomState;
};

export function random(from: number | RandomState): Random {
  let [a, b, c, d] =
    typeof from === "number"
      ? [0, from | 0, Math.floor(from / 4294967296) | 0, 1]
      : (from.map(x => x | 0) as [number, number, number, number]);
  const next = () => {
    const t = (a + b + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + t) | 0;
    return t >>> 0;
  };
  if (typeof from === "number") for (let i = 0; i < 15; i++) next();
  const uniform = () => ((next() >>> 5) * 67108864 + (next() >>> 6)) / 9007199254740992;
  const below = (n: number) => Math.floor(uniform() * n);
  const normal = () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
  return { next, uniform, below, normal, state: () => [a, b, c, d] };
}
