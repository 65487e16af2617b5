/**
 * fastText classification in plain TypeScript: labels and scores of the C++ program, at twice the speed of its
 * WebAssembly build. Two things make it so: a word that occurs often is taken apart once, and a row that is hit often
 * is added once with its weight. For language identification and for quality classifiers alike.
 * Source: facebookresearch/fastText, src/dictionary.cc, loss.cc.
 */
import { readModel } from "./model.ts";
import { openScorer } from "./scores.ts";

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

const fnvOffset = 0x811c9dc5 | 0;
const fnvPrime = 0x01000193;
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

  let utf8 = new Uint8Array(1 << 16);
  let framed = new Uint8Array(256);
  const tokens = openTokens();
  const hashes: number[] = [];

  const addRow = (row: number, weight: number) => {
    if (weights[row] === 0) touched[touchedCount++] = row;
    weights[row]! += weight;
    total += weight;
  };
  const addBucket = (bucket: number, weight: number) => {
    const index = pruned === null ? bucket : pruned[bucket]!;
    if (index >= 0) addRow(words.length + index, weight);
  };

  /** Character n-grams of `<word>`, lengths minn to maxn, as fastText hashes them: bytes sign-extended. */
  const addSubwords = (start: number, end: number, weight: number) => {
    const length = end - start + 2;
    if (framed.length < length) framed = new Uint8Array(length * 2);
    framed[0] = opening;
    framed.set(utf8.subarray(start, end), 1);
    framed[length - 1] = closing;
    for (let i = 0; i < length; i++) {
      if ((framed[i]! & 0xc0) === 0x80) continue;
      let h = fnvOffset;
      let j = i;
      for (let n = 1; j < length && n <= maxn; n++) {
        do {
          h = Math.imul(h ^ ((framed[j++]! << 24) >> 24), fnvPrime);
        } while (j < length && (framed[j]! & 0xc0) === 0x80);
        if (n >= minn && !(n === 1 && (i === 0 || j === length))) addBucket((h >>> 0) % buckets, weight);
      }
    }
  };

  /** Word n-grams in 64-bit arithmetic; hashes are sign-extended, as the C++ program has them. */
  const addWordNgrams = () => {
    const size = BigInt(buckets);
    for (let i = 0; i < hashes.length; i++) {
      let h = BigInt(hashes[i]!);
      for (let j = i + 1; j < hashes.length && j < i + wordNgrams; j++) {
        h = BigInt.asUintN(64, h * 116049371n + BigInt(hashes[j]!));
        addBucket(Number(h % size), 1);
      }
    }
  };

  const read = (text: string) => {
    if (utf8.length < text.length * 3) utf8 = new Uint8Array(text.length * 3);
    const { written } = encoder.encodeInto(text, utf8);
    tokens.start(utf8, written);
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
      tokens.add(start, at, h);
      if (wordNgrams > 1) hashes.push(h);
    }
    for (let i = 0; i < tokens.count; i++) {
      const [start, end, weight] = [tokens.starts[i]!, tokens.ends[i]!, tokens.weights[i]!];
      const word = findWord(utf8, start, end, tokens.hashes[i]!);
      if (word >= 0) addRow(word, weight);
      if (maxn > 0) addSubwords(start, end, weight);
    }
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

function fnv(bytes: Uint8Array): number {
  let h = fnvOffset;
  for (const byte of bytes) h = Math.imul(h ^ ((byte << 24) >> 24), fnvPrime);
  return h;
}

function equalBytes(a: Uint8Array, start: number, b: Uint8Array, from: number, length: number): boolean {
  for (let i = 0; i < length; i++) if (a[start + i] !== b[from + i]) return false;
  return true;
}

/** Word to row, -1 for a word the model does not know. */
function openDictionary(words: readonly Uint8Array[]) {
  const mask = 2 ** Math.ceil(Math.log2(words.length * 2 + 2)) - 1;
  const table = new Int32Array(mask + 1).fill(-1);
  const hashes = Int32Array.from(words, fnv);
  words.forEach((_, i) => {
    let slot = hashes[i]! & mask;
    while (table[slot]! >= 0) slot = (slot + 1) & mask;
    table[slot] = i;
  });
  return (bytes: Uint8Array, start: number, end: number, hash: number): number => {
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const word = table[slot]!;
      if (word < 0) return -1;
      const known = words[word]!;
      if (
        hashes[word] === hash &&
        known.length === end - start &&
        equalBytes(bytes, start, known, 0, known.length)
      )
        return word;
    }
  };
}

/** The distinct words of a text with how often each occurs. */
function openTokens() {
  let bytes = new Uint8Array(0);
  let mask = 1023;
  let slots = new Int32Array(mask + 1);
  let stamps = new Uint32Array(mask + 1);
  let stamp = 0;
  const tokens = {
    count: 0,
    starts: new Int32Array(1024),
    ends: new Int32Array(1024),
    hashes: new Int32Array(1024),
    weights: new Int32Array(1024),
    /** Begins a text of `length` bytes. */
    start(of: Uint8Array<ArrayBuffer>, length: number) {
      bytes = of;
      tokens.count = 0;
      const most = (length >>> 1) + 1;
      if (most * 2 > mask) {
        mask = 2 ** Math.ceil(Math.log2(most * 2 + 2)) - 1;
        slots = new Int32Array(mask + 1);
        stamps = new Uint32Array(mask + 1);
        stamp = 0;
        tokens.starts = new Int32Array(most);
        tokens.ends = new Int32Array(most);
        tokens.hashes = new Int32Array(most);
        tokens.weights = new Int32Array(most);
      }
      stamp++;
    },
    add(start: number, end: number, hash: number) {
      const length = end - start;
      let slot = hash & mask;
      for (; stamps[slot] === stamp; slot = (slot + 1) & mask) {
        const i = slots[slot]!;
        if (
          tokens.hashes[i] === hash &&
          tokens.ends[i]! - tokens.starts[i]! === length &&
          equalBytes(bytes, tokens.starts[i]!, bytes, start, length)
        ) {
          tokens.weights[i]!++;
          return;
        }
      }
      const i = tokens.count++;
      stamps[slot] = stamp;
      slots[slot] = i;
      tokens.starts[i] = start;
      tokens.ends[i] = end;
      tokens.hashes[i] = hash;
      tokens.weights[i] = 1;
    },
  };
  return tokens;
}
