/**
 * fastText classification in plain TypeScript: labels and scores of the C++ program, at two to three times the speed of its
 * WebAssembly build. Two things make it so: a word is taken apart once, not each time it occurs, and a row that is hit
 * often is added once with its weight. For language identification and for quality classifiers alike.
 * Source: facebookresearch/fastText, src/dictionary.cc, loss.cc.
 */

import { openBuckets } from "./buckets.ts";
import { readModel } from "./model.ts";
import { openScorer } from "./scores.ts";
import { fnv, fnvOffset, fnvPrime, openDictionary, openWordMemo } from "./words.ts";

export type Prediction = { readonly label: string; readonly score: number };

export type FastText = {
  /** Without `__label__`. */
  readonly labels: readonly string[];
  /**
   * A score for each label, as 32-bit floats that may exceed 1 by 1e-5; all 0 for a text without a known word. Line
   * ends count as blanks (fastText would stop at the first) and the end-of-line token as given once, at the end, which
   * is what its Python binding does. The array is reused by the next call.
   */
  scores(text: string): Float32Array;
  /** The `k` best labels, best first; ties in the model's order. */
  predict(text: string, k: number): Prediction[];
};

const endOfLine = "</s>";
const labelPrefix = "__label__";
const opening = 0x3c;
const closing = 0x3e;

/** Opens a supervised model, .bin or .ftz. Throws UserError where the bytes are none. */
export function openFastText(bytes: Uint8Array): FastText {
  const model = readModel(bytes);
  const { words, labels, dim, input, minn, maxn, buckets, pruned, wordNgrams } = model;
  const score = openScorer(model);
  const findWord = openDictionary(words);
  const encoder = new TextEncoder();
  const eos = findWord(encoder.encode(endOfLine), 0, endOfLine.length, fnv(encoder.encode(endOfLine)));

  const hidden = new Float32Array(dim);
  const sums = new Float64Array(dim);
  const scores = new Float32Array(labels.length);
  const weights = new Int32Array(input.rows);
  const touched = new Int32Array(input.rows);
  let touchedCount = 0;
  let total = 0;

  const addRow = (row: number, weight: number) => {
    if (weights[row] === 0) touched[touchedCount++] = row;
    weights[row]! += weight;
    total += weight;
  };
  const index = pruned === null ? null : openBuckets(pruned);
  const rowOfBucket = (bucket: number): number => {
    if (index === null) return words.length + bucket;
    const row = index(bucket);
    return row < 0 ? -1 : words.length + row;
  };

  let utf8 = new Uint8Array(1 << 16);
  let framed = new Uint8Array(256);

  /** Rows of a word: its own, and its character n-grams' of lengths minn to maxn. Hashed as fastText does: bytes sign-extended. */
  const takeApart = (start: number, end: number, hash: number, push: (row: number) => void) => {
    const word = findWord(utf8, start, end, hash);
    if (word >= 0) push(word);
    if (maxn <= 0) return;
    const length = end - start + 2;
    if (framed.length < length) framed = new Uint8Array(length * 2);
    framed[0] = opening;
    for (let i = start; i < end; i++) framed[i - start + 1] = utf8[i]!;
    framed[length - 1] = closing;
    for (let i = 0; i < length; i++) {
      if ((framed[i]! & 0xc0) === 0x80) continue;
      let h = fnvOffset;
      let j = i;
      for (let n = 1; j < length && n <= maxn; n++) {
        do {
          h = Math.imul(h ^ ((framed[j++]! << 24) >> 24), fnvPrime);
        } while (j < length && (framed[j]! & 0xc0) === 0x80);
        if (n < minn || (n === 1 && (i === 0 || j === length))) continue;
        // h mod buckets in doubles: `%` on numbers beyond 31 bits goes through the C library.
        const unsigned = h >>> 0;
        const row = rowOfBucket(unsigned - Math.floor(unsigned / buckets) * buckets);
        if (row >= 0) push(row);
      }
    }
  };
  const memo = openWordMemo(takeApart);
  const hashes: number[] = [];

  /** Word n-grams in 64-bit arithmetic; hashes are sign-extended, as the C++ program has them. */
  const addWordNgrams = () => {
    const size = BigInt(buckets);
    for (let i = 0; i < hashes.length; i++) {
      let h = BigInt(hashes[i]!);
      for (let j = i + 1; j < hashes.length && j < i + wordNgrams; j++) {
        h = BigInt.asUintN(64, h * 116049371n + BigInt(hashes[j]!));
        const row = rowOfBucket(Number(h % size));
        if (row >= 0) addRow(row, 1);
      }
    }
  };

  const read = (text: string) => {
    if (utf8.length < text.length * 3) utf8 = new Uint8Array(text.length * 3);
    const { written } = encoder.encodeInto(text, utf8);
    memo.begin();
    hashes.length = 0;
    let closed = false;
    for (let at = 0; at < written && !closed; ) {
      if (isBlank(utf8[at]!)) {
        at++;
        continue;
      }
      const start = at;
      let h = fnvOffset;
      do {
        h = Math.imul(h ^ ((utf8[at++]! << 24) >> 24), fnvPrime);
      } while (at < written && !isBlank(utf8[at]!));
      closed = at - start === endOfLine.length && holds(utf8, start, endOfLine);
      if (closed || holds(utf8, start, labelPrefix)) continue;
      memo.count(utf8, start, at, h);
      if (wordNgrams > 1) hashes.push(h);
    }
    memo.finish(addRow);
    if (eos >= 0) addRow(eos, 1);
    if (wordNgrams > 1) {
      hashes.push(fnv(encoder.encode(endOfLine)));
      addWordNgrams();
    }
  };

  const average = () => {
    sums.fill(0);
    const { values } = input;
    for (let i = 0; i < touchedCount; i++) {
      const row = touched[i]!;
      const weight = weights[row]!;
      weights[row] = 0;
      const from = row * dim;
      for (let d = 0; d < dim; d++) sums[d]! += weight * values[from + d]!;
    }
    for (let d = 0; d < dim; d++) hidden[d] = sums[d]! / total;
  };

  return {
    labels,
    scores(text) {
      touchedCount = total = 0;
      read(text);
      if (total === 0) return scores.fill(0);
      average();
      score(hidden, scores);
      return scores;
    },
    predict(text, k) {
      return best(this.scores(text), labels, k);
    },
  };
}

function best(scores: Float32Array, labels: readonly string[], k: number): Prediction[] {
  const order = [...scores.keys()]
    .filter(i => scores[i]! > 0)
    .sort((a, b) => scores[b]! - scores[a]! || a - b);
  return order.slice(0, k).map(i => ({ label: labels[i]!, score: scores[i]! }));
}

/** What fastText separates words by. */
function isBlank(byte: number): boolean {
  return byte === 0x20 || (byte >= 0x09 && byte <= 0x0d) || byte === 0;
}

function holds(bytes: Uint8Array, at: number, text: string): boolean {
  for (let i = 0; i < text.length; i++) if (bytes[at + i] !== text.charCodeAt(i)) return false;
  return true;
}
