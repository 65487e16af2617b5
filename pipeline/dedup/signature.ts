/**
 * Text to MinHash signature: normalise, hash every n-gram of tokens, keep the minima; then fold each bucket's rows into
 * a key of 96 bits, because only their equality matters from here on: 16 bytes a document and bucket on disk instead
 * of 68, and among 10^10 documents a chance of 10^-9 that two different buckets fall together.
 * One signer has one kernel and is not shared between threads. Equal to datatrove's signatures bit for bit.
 */
import { createKernel, entryBytes, familyTable, minimiseRoom, minimumOffset, slack } from "./kernel.ts";
import { stateWords } from "./kernel-text.ts";
import {
  classifyCharacter,
  isInert,
  kinds,
  type Normalisation,
  normaliseTokens,
  type Tokenisation,
} from "./normalise.ts";
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
  /** The latest text's tokens, joined by spaces. */
  tokens(): string;
  /** The lower half of the hashes of the latest text's n-grams, ascending and distinct. */
  shingles(): Uint32Array;
};

/** u32 words of a bucket's key. */
export const keyWords = 3;

const pageSize = 65536;

/** Entries of the kernel's table of characters, and of the side table of what is longer than three bytes. */
const tableBytes = 0x10000 * 4;
const sequenceBytes = 16;
const mostSequences = 1 << 14;

export function createSigner(options: SignatureOptions): Signer {
  const { ngram, buckets, rows, normalisation, tokens: tokenisation } = options;
  const kernel = createKernel();
  const encoder = new TextEncoder();
  const { a, b } = permutations(buckets * rows, options.seed);
  const family = familyTable(a, b);
  const stateAt = (family.length + 63) & ~63;
  const tableAt = stateAt + 64;
  const sequencesAt = tableAt + tableBytes;
  const textAt = sequencesAt + mostSequences * sequenceBytes;
  const kind = options.hash === "sha1" ? 0 : 1;
  const keeps = normalisation === "fineweb@2024-04" ? 1 : 0;
  let bytes = new Uint8Array(kernel.memory.buffer);
  let words32 = new Uint32Array(kernel.memory.buffer);
  let sequences = 0;
  let hashesAt = 0;
  let count = 0;
  let startsFound = 0;
  let tokenCount = 0;

  const reserve = (end: number) => {
    if (end > bytes.length) {
      kernel.memory.grow(Math.ceil((end - bytes.length) / pageSize) + 16);
      bytes = new Uint8Array(kernel.memory.buffer);
      words32 = new Uint32Array(kernel.memory.buffer);
    }
  };
  reserve(textAt + pageSize);
  bytes.set(family, 0);
  // Stands for all that lies beyond the first plane.
  words32[tableAt / 4 + 0xffff] = kinds.context;

  /** Where the minimum of hash i lies, in u32 words. */
  const minimumAt = (i: number): number => (i * entryBytes + minimumOffset) / 4;

  const enter = (unit: number) => {
    const entry = tableAt / 4 + unit;
    if (words32[entry] !== 0) return;
    const { kind: kindOf, bytes: into } = classifyCharacter(unit, normalisation, tokenisation);
    if ((kindOf & 0x7f) !== kinds.sequence) {
      words32[entry] = kindOf | ((into[0] ?? 0) << 8) | ((into[1] ?? 0) << 16) | ((into[2] ?? 0) << 24);
    } else if (sequences === mostSequences) words32[entry] = kinds.context;
    else {
      const at = sequencesAt + sequences * sequenceBytes;
      bytes[at] = into.length;
      bytes.set(into, at + 1);
      words32[entry] = kindOf | (sequences++ << 8);
    }
  };
  const pointAt = (at: number): number => {
    const first = bytes[at]!;
    const low = (k: number) => bytes[at + k]! & 0x3f;
    if (first < 0x80) return first;
    if (first < 0xe0) return ((first & 0x1f) << 6) | low(1);
    if (first < 0xf0) return ((first & 0x0f) << 12) | (low(1) << 6) | low(2);
    return ((first & 0x07) << 18) | (low(1) << 12) | (low(2) << 6) | low(3);
  };
  const pointBytes = (at: number): number => {
    const first = bytes[at]!;
    return first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  };

  /** Copies the character beyond the first plane at which the kernel stopped; false where only the definition knows what it becomes. */
  const copyInert = (): boolean => {
    const at = stateWords;
    const state = stateAt / 4;
    const source = words32[state + at.source]!;
    if (pointBytes(source) < 4 || !isInert(pointAt(source), tokenisation)) return false;
    const target = words32[state + at.target]!;
    if (words32[state + at.inside] === 0) {
      words32[words32[state + at.starts]! / 4] = target;
      words32[state + at.starts]! += 4;
      words32[state + at.inside] = 1;
    }
    bytes.copyWithin(target, source, source + 4);
    words32[state + at.source] = source + 4;
    words32[state + at.target] = target + 4;
    words32[state + at.number] = 0;
    return true;
  };

  /** Lays token starts at `startsAt`; their number, or -1 where only the definition knows the tokens. */
  const tokensByTable = (end: number, startsAt: number, targetAt: number): number => {
    const state = stateAt / 4;
    words32.set([textAt, end, targetAt, startsAt, 0, 0], state);
    for (;;) {
      const status = kernel.normalise(stateAt, tableAt, sequencesAt, keeps);
      if (status === 0) break;
      const source = words32[state + stateWords.source]!;
      if (status === 1) {
        for (const at of [source, source + pointBytes(source)]) {
          if (at < end && pointBytes(at) < 4) enter(pointAt(at));
        }
      } else if (!copyInert()) return -1;
    }
    const found = (words32[state + stateWords.starts]! - startsAt) / 4;
    const inside = words32[state + stateWords.inside]!;
    words32[startsAt / 4 + found] = words32[state + stateWords.target]! + inside;
    return found;
  };

  const sign = (text: string): number => {
    reserve(textAt + text.length * 3 + slack);
    let found = -1;
    let startsAt = 0;
    if (tokenisation !== "words") {
      const { written } = encoder.encodeInto(text, bytes.subarray(textAt));
      startsAt = (textAt + written + slack + 7) & ~7;
      const targetAt = startsAt + 4 * (written + 8);
      reserve(targetAt + 3 * written + slack);
      found = tokensByTable(textAt + written, startsAt, targetAt);
      hashesAt = (words32[stateAt / 4 + stateWords.target]! + slack + 15) & ~15;
    }
    if (found < 0) {
      const exact = normaliseTokens(text, normalisation, tokenisation);
      reserve(textAt + exact.length * 3 + slack);
      const { written } = encoder.encodeInto(exact, bytes.subarray(textAt));
      startsAt = (textAt + written + slack + 7) & ~7;
      reserve(startsAt + 4 * (written / 2 + 8));
      found = kernel.tokens(textAt, written, startsAt);
      hashesAt = (startsAt + 4 * (found + 8) + 15) & ~15;
    }
    reserve(hashesAt + minimiseRoom(found + 8));
    startsFound = startsAt;
    tokenCount = found;
    count = kernel.shingles(startsAt, found, ngram, hashesAt, kind);
    if (count > 0) kernel.minimise(hashesAt, count, 0, buckets * rows);
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

  const tokens = (): string =>
    tokenCount === 0
      ? ""
      : new TextDecoder("utf-8", { ignoreBOM: true }).decode(
          bytes.slice(words32[startsFound / 4]!, words32[startsFound / 4 + tokenCount]! - 1),
        );

  const shingles = (): Uint32Array => {
    const lower = new Uint32Array(count);
    for (let i = 0; i < count; i++) lower[i] = words32[hashesAt / 4 + 2 * i]!;
    lower.sort();
    let distinct = 0;
    for (let i = 0; i < count; i++) if (i === 0 || lower[i] !== lower[i - 1]) lower[distinct++] = lower[i]!;
    return lower.slice(0, distinct);
  };

  return { sign, signature, keys, tokens, shingles };
}

function finish(h: number): number {
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
