/**
 * Launcher of matrix products. Chooses the kernel by shape and adapter: `matmul-vector` for a few rows (sampling),
 * the adapter's fast kernel where every row is a whole number of vec4s, and `matmul`, which takes any shape.
 *
 * Operands larger than a binding are passed in pieces: rows of out (and a), for NT rows of b (columns of out), and for
 * NN and TN, where the rows of b run along K, partial sums that are added one after another.
 */
import type { Device, Tensor } from "../device.ts";
import type { Slice } from "./buffers.ts";
import { chunkRows, floats, type Gpu, grid, rowsOf } from "./launch.ts";
import type { Constants } from "./pipelines.ts";
import {
  type Choice,
  type MatrixShape,
  type MatrixUnits,
  matrixTile,
  type Precision,
  productName,
  type TileShape,
} from "./tuning.ts";

type Of<Op extends keyof Device> = Device[Op] extends (p: infer P) => void ? P : never;

/** One product of pieces: columns are offsets into rows of lda, ldo elements. */
export type Product = {
  layout: "NT" | "NN" | "TN";
  out: Slice;
  a: Slice;
  b: Slice;
  bias: Slice | null;
  M: number;
  N: number;
  K: number;
  lda: number;
  ldb: number;
  ldo: number;
  aColumn: number;
  outColumn: number;
  accumulate: boolean;
  /** What is done to out in the same pass: 0 nothing, 1 other is added, 2 activated = gelu(out), 3 times gelu's slope at other. */
  epilogue: 0 | 1 | 2 | 3;
  other: Slice | null;
  activated: Slice | null;
  precision: Precision;
  /** The tile that was measured for the whole product. */
  choice: Choice | null;
};

export function matmul(gpu: Gpu, p: Of<"matmul">): void {
  const { layout, M, N, K } = p;
  const name = `matmul ${layout}`;
  const out = floats(name, "out", p.out, M * N);
  const a = floats(name, "a", p.a, M * K);
  const b = floats(name, "b", p.b, N * K);
  const bias = p.bias && floats(name, "bias", p.bias, N);
  const optional = (what: string, tensor: Tensor | null | undefined) =>
    tensor ? floats(name, what, tensor, M * N) : null;
  const residual = optional("residual", p.residual);
  const activated = optional("gelu", p.gelu);
  const geluInput = optional("geluInput", p.geluInput);
  const lda = layout === "TN" ? M : K;
  const ldb = layout === "NT" ? K : N;
  const precision = p.exact ? "f32" : gpu.tuning.precision;
  const { chosen } = gpu.tuning;
  const choice =
    (precision === gpu.tuning.precision && chosen.size > 0 && chosen.get(productName(p))) || null;

  const rows = pieces(chunkRows(gpu, name, M, layout === "TN" ? [N] : [N, K]), M);
  const columns = pieces(layout === "NT" ? chunkRows(gpu, name, N, [K]) : N, N);
  const depth = pieces(layout === "NT" ? K : chunkRows(gpu, name, K, layout === "TN" ? [M, N] : [N]), K);
  for (let m = 0; m < M; m += rows) {
    const mCount = Math.min(rows, M - m);
    for (let n = 0; n < N; n += columns) {
      const nCount = Math.min(columns, N - n);
      for (let k = 0; k < K; k += depth) {
        const kCount = Math.min(depth, K - k);
        const part = (whole: Slice | null, now: boolean) =>
          whole && now ? rowsOf(whole, m, mCount, N) : null;
        const [first, last] = [k === 0, k + kCount === K];
        const epilogue = residual && first ? 1 : activated && last ? 2 : geluInput && last ? 3 : 0;
        product(gpu, {
          layout,
          out: rowsOf(out, m, mCount, N),
          a: layout === "TN" ? rowsOf(a, k, kCount, M) : rowsOf(a, m, mCount, K),
          b: layout === "NT" ? rowsOf(b, n, nCount, K) : rowsOf(b, k, kCount, N),
          bias: first ? bias : null,
          epilogue,
          other: part(residual, first) ?? part(geluInput, last),
          activated: part(activated, last),
          M: mCount,
          N: nCount,
          K: kCount,
          lda,
          ldb,
          ldo: N,
          aColumn: layout === "TN" ? m : k,
          outColumn: n,
          accumulate: p.accumulate || !first,
          precision,
          choice,
        });
      }
    }
  }
}

/** Pieces whose borders fall between vec4s, where there is more than one. */
function pieces(count: number, total: number): number {
  return count >= total || count < 4 ? count : count - (count % 4);
}

function product(gpu: Gpu, p: Product): void {
  const depthInRows = p.layout === "TN";
  const wholeVec4s = [p.lda, p.ldb, p.aColumn, depthInRows ? p.M : p.K].every(x => x % 4 === 0);
  if (p.layout === "NT" && p.M <= 4 && wholeVec4s) {
    vectorProduct(gpu, p);
  } else if (wholeVec4s && [p.ldo, p.outColumn, p.N].every(x => x % 4 === 0)) {
    const { matrix } = gpu.tuning;
    const tile = p.choice?.tile ?? gpu.tuning.tile;
    const onMatrices = matrix && (matrix.config.componentType === "f32" || p.precision === "f16");
    if (onMatrices && !p.choice?.tile) matrixProduct(gpu, p, matrix);
    else if (tile) tileProduct(gpu, p, tile);
    else registerProduct(gpu, p);
  } else {
    scalarProduct(gpu, p);
  }
}

function scalarProduct(gpu: Gpu, p: Product): void {
  const lanes = gpu.tuning.columnLanes;
  gpu.run({
    kernel: "matmul",
    note: productName(p),
    bindings: { out: p.out, a: p.a, b: p.b, bias: p.bias, other: p.other, activated: p.activated },
    params: {
      M: p.M,
      N: p.N,
      K: p.K,
      lda: p.lda,
      ldb: p.ldb,
      ldo: p.ldo,
      a_column: p.aColumn,
      out_column: p.outColumn,
      has_bias: Number(p.bias !== null),
      accumulate: Number(p.accumulate),
      epilogue: p.epilogue,
    },
    constants: { WG: lanes, ...layoutConstants(p) },
    groups: [Math.ceil(p.N / lanes), Math.ceil(p.M / 4), 1],
  });
}

function layoutConstants(p: Product): { A_T: number; B_T: number } {
  return { A_T: Number(p.layout === "TN"), B_T: Number(p.layout === "NT") };
}

function vec4Params(p: Product): Record<string, number> {
  return {
    M: p.M,
    N: p.N,
    K: p.K,
    lda4: p.lda / 4,
    ldb4: p.ldb / 4,
    ldo4: p.ldo / 4,
    a_column4: p.aColumn / 4,
    out_column4: p.outColumn / 4,
    has_bias: Number(p.bias !== null),
    accumulate: Number(p.accumulate),
    epilogue: p.epilogue,
  };
}

function vectorProduct(gpu: Gpu, p: Product): void {
  gpu.run({
    kernel: "matmul-vector",
    note: productName(p),
    bindings: { out: p.out, a: p.a, b: p.b, bias: p.bias, other: p.other, activated: p.activated },
    params: {
      M: p.M,
      N: p.N,
      K: p.K,
      lda4: p.lda / 4,
      ldb4: p.ldb / 4,
      ldo: p.ldo,
      out_column: p.outColumn,
      has_bias: Number(p.bias !== null),
      accumulate: Number(p.accumulate),
      epilogue: p.epilogue,
    },
    constants: { WG: Math.min(64, gpu.tuning.rowLanes) },
    groups: grid(Math.ceil(p.N / 4)),
  });
}

function registerProduct(gpu: Gpu, p: Product): void {
  gpu.run({
    kernel: "matmul-register",
    note: productName(p),
    bindings: { out: p.out, a: p.a, b: p.b, bias: p.bias, other: p.other, activated: p.activated },
    params: vec4Params(p),
    constants: { WG: 8, ...layoutConstants(p) },
    groups: [Math.ceil(p.N / 64), Math.ceil(p.M / 4), 1],
  });
}

function tileProduct(gpu: Gpu, p: Product, { BM, BN, BK }: TileShape): void {
  tiledProduct(
    gpu,
    p,
    "matmul-tile",
    { BM, BN, BK },
    { BM, BN, BK, Scalar: p.precision === "f16" ? 16 : 32 },
  );
}

/** The tile that was measured; else the largest that leaves no workgroup idle, or the smallest. */
function matrixProduct(gpu: Gpu, p: Product, { config, lanes, sized, shapes }: MatrixUnits): void {
  const tiles = (shape: MatrixShape) => {
    const { BM, BN } = matrixTile(config, shape);
    return Math.ceil(p.M / BM) * Math.ceil(p.N / BN);
  };
  const longK = p.K >= 4096;
  const shape =
    p.choice?.matrix ??
    shapes.find(one => longK || tiles(one) * 4 >= gpu.tuning.workgroups) ??
    shapes.at(-1)!;
  tiledProduct(
    gpu,
    p,
    "matmul-matrix",
    { ...matrixTile(config, shape), BK: shape.BK },
    {
      ...shape,
      ...{ MATRIX_M: config.M, MATRIX_N: config.N, MATRIX_K: config.K, LANES: lanes, SIZED: Number(sized) },
      Scalar: config.componentType === "f16" ? 16 : 32,
    },
  );
}

function tiledProduct(
  gpu: Gpu,
  p: Product,
  kernel: string,
  { BM, BN, BK }: TileShape,
  shape: Constants,
): void {
  const tiles = Math.ceil(p.M / BM) * Math.ceil(p.N / BN);
  const { depth, splits } = splitDepth(gpu, p, tiles, BK);
  const split = splits > 1;
  const { has_bias, accumulate, epilogue, ...params } = vec4Params(p);
  const partials = split ? gpu.scratch("matmul partials", splits * p.M * p.N) : p.out;
  gpu.run({
    kernel,
    note: productName(p),
    bindings: {
      ...{ out: partials, a: p.a, b: p.b, bias: split ? null : p.bias },
      ...{ other: split ? null : p.other, activated: split ? null : p.activated },
    },
    params: { ...params, depth, plane4: (p.M * p.N) / 4 },
    constants: {
      ...{ ...shape, ...layoutConstants(p) },
      ...{ HAS_BIAS: split ? 0 : has_bias!, ACCUMULATE: split ? 0 : accumulate! },
      EPILOGUE: split ? 0 : epilogue!,
    },
    groups: [Math.ceil(p.N / BN), Math.ceil(p.M / BM), splits],
  });
  if (split) sumPartials(gpu, p, partials, splits);
}

/**
 * A weight's gradient has few tiles and a long K (all tokens): its sum is cut into parts that run side by side and are
 * added in a fixed order. `depth` is the K of one part, a multiple of BK.
 */
function splitDepth(gpu: Gpu, p: Product, tiles: number, BK: number): { depth: number; splits: number } {
  const most = Math.floor(gpu.bindingLength / (p.M * p.N));
  const wanted = Math.min(Math.floor(gpu.tuning.workgroups / tiles), Math.floor(p.K / (8 * BK)), most);
  if (p.ldo !== p.N || wanted < 2) return { depth: Math.ceil(p.K / BK) * BK, splits: 1 };
  const depth = Math.ceil(p.K / wanted / BK) * BK;
  return { depth, splits: Math.ceil(p.K / depth) };
}

function sumPartials(gpu: Gpu, p: Product, partials: Slice, splits: number): void {
  const lanes = gpu.tuning.columnLanes;
  gpu.run({
    kernel: "reduce-partials",
    bindings: { out: p.out, partials, bias: p.bias, other: p.other, activated: p.activated },
    params: {
      C: p.M * p.N,
      first: 0,
      count: splits,
      width: p.bias ? p.N : 0,
      accumulate: Number(p.accumulate),
      epilogue: p.epilogue,
    },
    constants: { WG: lanes },
    groups: grid(Math.ceil((p.M * p.N) / lanes)),
  });
}
