/**
 * How a matrix product is cut up. K in blocks that keep a panel of B (K x 8 floats) in half of a 32 KiB L1 cache;
 * N in blocks so that the packed B stays in the L3 cache; then pieces of 64 rows (a block of A in L2) by a run of
 * columns. The cut depends on the shape alone, never on the number of threads.
 */
import type { Tensor } from "../device.ts";
import type { Threads } from "./threads.ts";

export type Product = {
  readonly layout: "NT" | "NN" | "TN";
  readonly out: Tensor;
  readonly a: Tensor;
  readonly b: Tensor;
  readonly bias: Tensor | null;
  readonly M: number;
  readonly N: number;
  readonly K: number;
  readonly accumulate: boolean;
  /** Other than out. */
  readonly residual?: Tensor | null;
  readonly symmetric?: boolean;
};

const deepest = 512;
const packedBytes = 2 << 20;
const rowsOfPiece = 64;
const columnsOfPiece = { least: 128, most: 512 };
/** Pieces that a product is cut into where it has the columns: a weight's gradient has few rows. */
const wantedPieces = 16;
const panelsOfPacking = 16;
/** Rows of a piece where one half of out is computed: a side of 128 then has four, of which two threads have equal shares. */
const rowsOfHalf = 32;
/** Up to here reading B once is what costs, and packing it would cost more than it gives. */
const fewRows = 32;

const [bias, accumulate] = [1, 2];
const roundUp8 = (n: number) => Math.ceil(n / 8) * 8;

export function product(
  threads: Threads,
  address: (tensor: Tensor) => number,
  packed: (bytes: number) => number,
  p: Product,
) {
  const { layout, M, N, K } = p;
  const [a, b, out] = [address(p.a), address(p.b), address(p.out)];
  const biasAt = p.bias ? address(p.bias) : 0;
  const adds = p.accumulate || Boolean(p.residual);
  const modeOf = (first: boolean) => (first && p.bias ? bias : 0) | (adds || !first ? accumulate : 0);
  const before = p.residual ? address(p.residual) : out;
  if (layout === "NT" && M <= fewRows) {
    const columns = 64;
    threads.run("productOfFewRows", Math.ceil(N / columns), [
      a,
      b,
      out,
      biasAt,
      modeOf(true),
      M,
      N,
      K,
      columns,
      before,
    ]);
    return;
  }
  const [aRow, aStep] = layout === "TN" ? [4, 4 * M] : [4 * K, 4];
  const [kStride, nStride] = layout === "NT" ? [4, 4 * K] : [4 * N, 4];
  const depth = Math.ceil(K / Math.ceil(K / deepest));
  const widest = Math.max(8, Math.floor(packedBytes / (4 * depth) / 8) * 8);
  const width = roundUp8(Math.ceil(N / Math.ceil(N / widest)));
  const half = p.symmetric === true && !adds && !p.bias && width >= N;
  const rows = half ? rowsOfHalf : rowsOfPiece;
  threads.needScratch(128 + rows * depth * 4);
  const packedAt = packed(roundUp8(Math.min(N, width)) * depth * 4);
  for (let n = 0; n < N; n += width) {
    const columns = Math.min(width, N - n);
    const wanted = Math.ceil(columns / Math.ceil(wantedPieces / Math.ceil(M / rows)));
    const { least, most } = columnsOfPiece;
    const blockColumns = half ? roundUp8(N) : roundUp8(Math.min(most, Math.max(least, wanted)));
    for (let k = 0; k < K; k += depth) {
      const steps = Math.min(depth, K - k);
      const bAt = b + k * kStride + n * nStride;
      const packing = Math.ceil(columns / 8 / panelsOfPacking);
      threads.run("packB", packing, [bAt, kStride, nStride, steps, columns, packedAt, panelsOfPacking]);
      threads.run("product", Math.ceil(M / rows) * Math.ceil(columns / blockColumns), [
        ...[a + k * aStep, aRow, aStep, packedAt, out + 4 * n, 4 * N, biasAt + 4 * n],
        ...[modeOf(k === 0), M, columns, steps, rows, blockColumns, Math.ceil(columns / blockColumns)],
        ...[(k === 0 ? before : out) + 4 * n, half ? 1 : 0],
      ]);
    }
  }
  if (half) threads.run("mirror", Math.ceil(N / rows), [out, N, rows]);
}
