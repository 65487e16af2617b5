/**
 * Reads a supervised fastText model, .bin or .ftz, from its bytes. Product-quantised matrices (.ftz) are expanded once:
 * lid.176 becomes 3 MB of floats, which is what makes prediction a walk over plain rows. Knows the file format, not
 * what to do with the model. Format: facebookresearch/fastText, version 12 (and 11, which has no subwords).
 */
import { UserError } from "../../../lib/errors.ts";

export type Loss = "hierarchical-softmax" | "negative-sampling" | "softmax" | "one-vs-all";

export type Matrix = { readonly rows: number; readonly columns: number; readonly values: Float32Array };

export type Model = {
  readonly dim: number;
  readonly wordNgrams: number;
  /** Shortest and longest character n-gram; 0 where the model has none. */
  readonly minn: number;
  readonly maxn: number;
  readonly loss: Loss;
  /** Hash buckets of n-grams. */
  readonly buckets: number;
  /** UTF-8 of each word. Word i has row i. */
  readonly words: readonly Uint8Array[];
  /** Without `__label__`, in the model's order. */
  readonly labels: readonly string[];
  readonly labelCounts: Float64Array;
  /** Row behind the words for each bucket, -1 for none; null where every bucket has its own row. */
  readonly pruned: Int32Array | null;
  readonly input: Matrix;
  readonly output: Matrix;
};

const magic = 793712314;
const losses: readonly (Loss | null)[] = [
  null,
  "hierarchical-softmax",
  "negative-sampling",
  "softmax",
  "one-vs-all",
];
const supervised = 3;
const labelPrefix = "__label__";

/** Throws UserError for bytes that are no supervised fastText model, and for one that is not whole. */
export function readModel(bytes: Uint8Array): Model {
  try {
    return parse(reader(bytes));
  } catch (error) {
    if (error instanceof RangeError)
      throw new UserError(
        `the fastText model ends too early: ${bytes.length} bytes are not all of it`,
        "Download it again.",
      );
    throw error;
  }
}

type Reader = ReturnType<typeof reader>;

function reader(bytes: Uint8Array) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  const advance = (count: number) => {
    if (count < 0 || at + count > bytes.length) throw new RangeError("outside the model");
    at += count;
    return at - count;
  };
  return {
    int8: () => view.getInt8(advance(1)),
    int32: () => view.getInt32(advance(4), true),
    int64: () => Number(view.getBigInt64(advance(8), true)),
    double: () => view.getFloat64(advance(8), true),
    bytes: (count: number) => bytes.subarray(advance(count), at),
    floats(count: number): Float32Array {
      const from = advance(count * 4);
      // Not bytes.slice: a Buffer's slice is a view, and floats must lie at a multiple of 4.
      const floats = new Float32Array(count);
      new Uint8Array(floats.buffer).set(bytes.subarray(from, at));
      return floats;
    },
    word(): Uint8Array {
      const end = bytes.indexOf(0, at);
      const from = advance((end < 0 ? bytes.length + 1 : end) - at);
      advance(1);
      return bytes.subarray(from, end);
    },
  };
}

function parse(from: Reader): Model {
  if (from.int32() !== magic)
    throw new UserError(
      "not a fastText model: its first four bytes are others",
      "Expected a .bin or .ftz file as fastText writes it.",
    );
  const version = from.int32();
  if (version > 12 || version < 11)
    throw new UserError(`a fastText model of version ${version}, expected 11 or 12`);
  const dim = from.int32();
  for (let i = 0; i < 4; i++) from.int32();
  const wordNgrams = from.int32();
  const loss = losses[from.int32()];
  const kind = from.int32();
  const buckets = from.int32();
  const minn = from.int32();
  const maxn = version === 11 ? 0 : from.int32();
  if (version === 11) from.int32();
  from.int32();
  from.double();
  if (kind !== supervised || !loss)
    throw new UserError(
      "a fastText model of word vectors, expected a classifier",
      "Train it with `fasttext supervised`.",
    );
  const dictionary = readDictionary(from, buckets);
  const quantised = from.int8() !== 0;
  const input = quantised ? readQuantised(from) : readDense(from);
  const quantisedOutput = from.int8() !== 0;
  const output = quantised && quantisedOutput ? readQuantised(from) : readDense(from);
  return { dim, wordNgrams, minn, maxn, loss, buckets, ...dictionary, input, output };
}

function readDictionary(from: Reader, buckets: number) {
  const size = from.int32();
  from.int32();
  from.int32();
  from.int64();
  const prunedSize = from.int64();
  const words: Uint8Array[] = [];
  const labels: string[] = [];
  const labelCounts: number[] = [];
  for (let i = 0; i < size; i++) {
    const word = from.word();
    const count = from.int64();
    if (from.int8() === 0) words.push(word);
    else {
      const label = new TextDecoder().decode(word);
      labels.push(label.startsWith(labelPrefix) ? label.slice(labelPrefix.length) : label);
      labelCounts.push(count);
    }
  }
  let pruned: Int32Array | null = null;
  if (prunedSize >= 0) {
    pruned = new Int32Array(buckets).fill(-1);
    for (let i = 0; i < prunedSize; i++) {
      const bucket = from.int32();
      pruned[bucket] = from.int32();
    }
  }
  return { words, labels, labelCounts: Float64Array.from(labelCounts), pruned };
}

function readDense(from: Reader): Matrix {
  const rows = from.int64();
  const columns = from.int64();
  return { rows, columns, values: from.floats(rows * columns) };
}

const centroidsPerPart = 256;

type Quantizer = {
  readonly parts: number;
  readonly width: number;
  readonly lastWidth: number;
  readonly centroids: Float32Array;
};

function readQuantizer(from: Reader): Quantizer {
  const dim = from.int32();
  const parts = from.int32();
  const width = from.int32();
  const lastWidth = from.int32();
  return { parts, width, lastWidth, centroids: from.floats(dim * centroidsPerPart) };
}

function readQuantised(from: Reader): Matrix {
  const hasNorms = from.int8() !== 0;
  const rows = from.int64();
  const columns = from.int64();
  const codes = from.bytes(from.int32());
  const { parts, width, lastWidth, centroids } = readQuantizer(from);
  const normCodes = hasNorms ? from.bytes(rows) : null;
  const norms = hasNorms ? readQuantizer(from).centroids : null;
  const values = new Float32Array(rows * columns);
  for (let row = 0; row < rows; row++) {
    const norm = normCodes ? norms![normCodes[row]!]! : 1;
    for (let part = 0; part < parts; part++) {
      const last = part === parts - 1;
      const code = codes[row * parts + part]!;
      const from = last
        ? part * centroidsPerPart * width + code * lastWidth
        : (part * centroidsPerPart + code) * width;
      const wide = last ? lastWidth : width;
      for (let i = 0; i < wide; i++) values[row * columns + part * width + i] = norm * centroids[from + i]!;
    }
  }
  return { rows, columns, values };
}
