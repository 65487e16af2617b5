/**
 * Text to MinHash signature: normalise, hash every n-gram of tokens, keep the minima; then fold each bucket's rows into
 * a key of 96 bits, because only their equality matters from here on: 16 bytes a document and bucket on disk instead
 * of 68, and among 10^10 documents a chance of 10^-9 that two different buckets fall together.
 * One signer has one kernel and is not shared between threads. Equal to datatrove's signatures bit for bit.
 */
import { createKernel, groupSize, slack } from "./kernel.ts";
import { createNormaliser, type Normalisation, type Tokenisation } from "./normalise.ts";
import { permutations } from "./permutations.ts";

export type SignatureOptions = {
  readonly ngram: number;
  readonly buckets: number;
  readonly rows: number;
  readonly seed: number;
  readonly hash: "sha1" | "xxhash64";
  readonly normalisation: Normalisation;
  readonly tokens: Tokenisation;
};

export type Signer = {
  /** Number of n-grams; 0 for a text of fewer than `ngram` tokens, which has no signature. */
  sign(text: string): number;
  /** The latest signature, buckets × rows. */
  signature(): BigUint64Array;
  /** The latest signature as `keyWords` u32 for each bucket. */
  keys(into: Uint32Array): void;
  /** The lower half of the hashes of the latest text's n-grams, ascending and distinct. */
  shingles(): Uint32Array;
};

/** u32 words of a bucket's key. */
export const keyWords = 3;

const pageSize = 65536;
const columns = 6;

/** The kernel's table: groups of columns (8a, 8b + 64, limit, a, b, minimum). */
function familyTable(n: number, seed: number): Uint8Array {
  const { a, b } = permutations(n, seed);
  const groups = Math.ceil(n / groupSize);
  const table = new BigUint64Array(groups * columns * groupSize);
  const mask = (1n << 64n) - 1n;
  for (let i = 0; i < groups * groupSize; i++) {
    const at = Math.floor(i / groupSize) * columns * groupSize + (i % groupSize);
    const [ai, bi] = [a[i] ?? 0n, b[i] ?? 0n];
    table[at] = (ai << 3n) & mask;
    table[at + groupSize] = ((bi << 3n) + 64n) & mask;
    table[at + 2 * groupSize] = mask;
    table[at + 3 * groupSize] = ai;
    table[at + 4 * groupSize] = bi;
    table[at + 5 * groupSize] = 1n << 61n;
  }
  return new Uint8Array(table.buffer);
}

export function createSigner(options: SignatureOptions): Signer {
  const { ngram, buckets, rows } = options;
  const kernel = createKernel();
  const normaliser = createNormaliser(options.normalisation, options.tokens);
  const fresh = familyTable(buckets * rows, options.seed);
  const groups = fresh.length / (columns * groupSize * 8);
  const textAt = fresh.length;
  const kind = options.hash === "sha1" ? 0 : 1;
  let bytes = new Uint8Array(kernel.memory.buffer);
  let words32 = new Uint32Array(kernel.memory.buffer);
  let hashesAt = 0;
  let count = 0;

  const reserve = (end: number) => {
    if (end > bytes.length) {
      kernel.memory.grow(Math.ceil((end - bytes.length) / pageSize) + 16);
      bytes = new Uint8Array(kernel.memory.buffer);
      words32 = new Uint32Array(kernel.memory.buffer);
    }
  };
  reserve(textAt + pageSize);

  /** Where the minimum of hash i lies, in u32 words. */
  const minimumAt = (i: number): number =>
    2 * (Math.floor(i / groupSize) * columns * groupSize + (columns - 1) * groupSize + (i % groupSize));

  const sign = (text: string): number => {
    reserve(textAt + normaliser.room(text.length));
    const length = normaliser.write(text, bytes, textAt) - textAt;
    const startsAt = (textAt + length + slack + 7) & ~7;
    reserve(startsAt + 4 * (length / 2 + 8));
    const tokens = kernel.tokens(textAt, length, startsAt);
    hashesAt = (startsAt + 4 * (tokens + 8) + 15) & ~15;
    reserve(hashesAt + 8 * (tokens + 8));
    count = kernel.shingles(startsAt, tokens, ngram, hashesAt, kind);
    bytes.set(fresh, 0);
    if (count > 0) kernel.minimise(hashesAt, hashesAt + 8 * count, 0, groups);
    return count;
  };

  const signature = (): BigUint64Array => {
    const table = new BigUint64Array(kernel.memory.buffer);
    return BigUint64Array.from({ length: buckets * rows }, (_, i) => table[minimumAt(i) / 2]!);
  };

  const keys = (into: Uint32Array): void => {
    for (let bucket = 0; bucket < buckets; bucket++) {
      let [x, y, z] = [0x9e3779b9, 0x85ebca6b, 0xc2b2ae35];
      for (let row = 0; row < rows; row++) {
        const at = minimumAt(bucket * rows + row);
        const [low, high] = [words32[at]!, words32[at + 1]!];
        x = Math.imul(x ^ low, 0xcc9e2d51);
        x = Math.imul((x ^ (x >>> 15)) + high, 0x1b873593);
        y = Math.imul(y ^ high, 0x239b961b);
        y = Math.imul((y ^ (y >>> 14)) + low, 0xab0e9789);
        z = Math.imul(z + low, 0x38b34ae5);
        z = Math.imul(z ^ (z >>> 16) ^ high, 0xa1e38b93);
      }
      into[keyWords * bucket] = finish(x ^ (y >>> 7));
      into[keyWords * bucket + 1] = finish(y ^ (z >>> 9));
      into[keyWords * bucket + 2] = finish(z ^ (x >>> 11));
    }
  };

  const shingles = (): Uint32Array => {
    const lower = new Uint32Array(count);
    for (let i = 0; i < count; i++) lower[i] = words32[hashesAt / 4 + 2 * i]!;
    lower.sort();
    let distinct = 0;
    for (let i = 0; i < count; i++) if (i === 0 || lower[i] !== lower[i - 1]) lower[distinct++] = lower[i]!;
    return lower.slice(0, distinct);
  };

  return { sign, signature, keys, shingles };
}

function finish(h: number): number {
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
