/**
 * fastText model files with random weights, written from the format's description, so that readers can be compared on
 * every kind of model and not only on the one that ships. Used by tests only.
 */
import { random } from "../../../../lib/random.ts";

export type ModelKind = {
  readonly loss: "hierarchical-softmax" | "negative-sampling" | "softmax" | "one-vs-all";
  readonly dim: number;
  readonly wordNgrams: number;
  readonly minn: number;
  readonly maxn: number;
  readonly quantised: false | { readonly width: number; readonly norms: boolean; readonly output: boolean };
  /** Share of the buckets that keep a row; 1 for a model that was not pruned. */
  readonly kept: number;
};

export const modelWords = ["</s>", "the", "of", "und", "der", "les", "naïve", "слово", "言葉", "a", "-"];
export const modelLabels = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta"];
const losses = { "hierarchical-softmax": 1, "negative-sampling": 2, softmax: 3, "one-vs-all": 4 };

export function writeModel(kind: ModelKind, seed: number): Buffer {
  const rng = random(seed);
  const parts: Buffer[] = [];
  const int32 = (...values: number[]) => {
    for (const value of values) {
      const bytes = Buffer.alloc(4);
      bytes.writeInt32LE(value);
      parts.push(bytes);
    }
  };
  const int64 = (value: number) => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(BigInt(value));
    parts.push(bytes);
  };
  const byte = (value: number) => parts.push(Buffer.from([value]));
  const floats = (count: number, scale = 1) => {
    const values = Float32Array.from({ length: count }, () => rng.normal() * scale);
    parts.push(Buffer.from(values.buffer));
  };
  const buckets = kind.maxn > 0 || kind.wordNgrams > 1 ? 997 : 0;
  int32(
    793712314,
    12,
    kind.dim,
    5,
    5,
    1,
    5,
    kind.wordNgrams,
    losses[kind.loss],
    3,
    buckets,
    kind.minn,
    kind.maxn,
    100,
  );
  parts.push(Buffer.alloc(8));
  int32(modelWords.length + modelLabels.length, modelWords.length, modelLabels.length);
  int64(1000);
  const pruned =
    kind.kept < 1
      ? Array.from({ length: buckets }, (_, i) => i).filter(() => rng.uniform() < kind.kept)
      : null;
  int64(pruned ? pruned.length : -1);
  for (const word of modelWords) {
    parts.push(Buffer.from(`${word}\0`));
    int64(1 + rng.below(100));
    byte(0);
  }
  for (const label of modelLabels) {
    parts.push(Buffer.from(`__label__${label}\0`));
    int64(1 + rng.below(100));
    byte(1);
  }
  pruned?.forEach((bucket, row) => {
    int32(bucket, row);
  });
  const matrix = (rows: number, quantised: boolean, norms: boolean, width: number) => {
    if (!quantised) {
      int64(rows);
      int64(kind.dim);
      floats(rows * kind.dim);
      return;
    }
    byte(norms ? 1 : 0);
    const subquantisers = Math.ceil(kind.dim / width);
    int64(rows);
    int64(kind.dim);
    int32(rows * subquantisers);
    parts.push(Buffer.from(Array.from({ length: rows * subquantisers }, () => rng.below(256))));
    const last = kind.dim % width === 0 ? width : kind.dim % width;
    int32(kind.dim, subquantisers, width, last);
    floats(kind.dim * 256);
    if (!norms) return;
    parts.push(Buffer.from(Array.from({ length: rows }, () => rng.below(256))));
    int32(1, 1, 1, 1);
    floats(256);
  };
  const { quantised } = kind;
  const rows = modelWords.length + (pruned ? pruned.length : buckets);
  byte(quantised ? 1 : 0);
  matrix(rows, quantised !== false, quantised ? quantised.norms : false, quantised ? quantised.width : 1);
  byte((quantised ? quantised.output : false) ? 1 : 0);
  matrix(
    modelLabels.length,
    quantised ? quantised.output : false,
    quantised ? quantised.norms : false,
    quantised ? quantised.width : 1,
  );
  return Buffer.concat(parts);
}
