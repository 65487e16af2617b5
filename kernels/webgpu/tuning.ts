/**
 * Which kernel variants and shapes an adapter gets. Knows adapters' classes and limits, not tensors.
 *
 * Software adapters (lavapipe) run an invocation as one lane of an 8-wide SIMD vector: a workgroup of 8 needs no
 * coroutines for its barriers, workgroup memory is plain memory, and tiles in registers are all that counts. GPUs want
 * many lanes, tiles in workgroup memory, and their matrix units where WGSL can name them.
 */
import type { Connection, MatrixConfig } from "./adapter.ts";

/** A BM × BN tile of the product to a workgroup, in slices of BK. BM, BN: multiples of 8, BK of 4. */
export type TileShape = { readonly BM: number; readonly BN: number; readonly BK: number };

/** WM × WN subgroups to a workgroup, TM × TN matrices to a subgroup, in slices of BK. */
export type MatrixShape = {
  readonly WM: number;
  readonly WN: number;
  readonly TM: number;
  readonly TN: number;
  readonly BK: number;
};

export type MatrixUnits = {
  readonly config: MatrixConfig;
  /** Of a subgroup. `sized`: the kernel must ask for that many, for the adapter's subgroups vary in size. */
  readonly lanes: number;
  readonly sized: boolean;
  /** From the largest tile to the smallest. */
  readonly shapes: readonly MatrixShape[];
};

/** One product by its shape, as Device.matmul takes it. */
export type ProductShape = {
  readonly layout: "NT" | "NN" | "TN";
  readonly M: number;
  readonly N: number;
  readonly K: number;
};

export const productName = ({ layout, M, N, K }: ProductShape) => `${layout} ${M}×${N}×${K}`;

/** The tile of one product: for matrix units, or for `matmul-tile`. */
export type Choice =
  | { readonly tile: null; readonly matrix: MatrixShape }
  | { readonly tile: TileShape; readonly matrix: null };

export type Precision = "f32" | "f16";

export type Tuning = {
  /** Workgroup sizes: kernels with a workgroup per row, elementwise kernels, kernels with a lane per column. */
  readonly rowLanes: number;
  readonly elementLanes: number;
  readonly columnLanes: number;
  /** Of the operands of products; sums are f32 always. */
  readonly precision: Precision;
  /** Tiles for `matmul-tile`; null: `matmul-register`. */
  readonly tile: TileShape | null;
  /** Matrix units, used for products where they are. */
  readonly matrix: MatrixUnits | null;
  /** By product name: what was measured to be fastest. */
  readonly chosen: ReadonlyMap<string, Choice>;
  /** Workgroups that a product should have at least: one with fewer tiles is cut along K. */
  readonly workgroups: number;
  /** Rows of a tile (32, 16 or 8; 0: one row to a lane) and the bytes of workgroup memory that tiles may take. */
  readonly attention: { readonly tile: number; readonly memory: number };
};

export const softwareTuning: Tuning = {
  rowLanes: 8,
  elementLanes: 64,
  columnLanes: 64,
  precision: "f32",
  tile: null,
  matrix: null,
  chosen: new Map(),
  workgroups: 1,
  attention: { tile: 0, memory: 0 },
};

export const gpuTuning: Tuning = {
  rowLanes: 256,
  elementLanes: 256,
  columnLanes: 64,
  precision: "f32",
  tile: { BM: 64, BN: 64, BK: 16 },
  matrix: null,
  chosen: new Map(),
  workgroups: 512,
  attention: { tile: 32, memory: 16384 },
};

/** The starting point for an adapter: what its class is known to like, within its limits. */
export function tuningFor(connection: Connection, precision: Precision = "f32"): Tuning {
  if (connection.adapter.kind === "software") return softwareTuning;
  const memory = connection.device.limits.maxComputeWorkgroupStorageSize;
  const half = precision === "f16" && connection.features.has("shader-f16");
  return {
    ...gpuTuning,
    precision: half ? "f16" : "f32",
    matrix: matrixUnits(connection, half ? "f16" : "f32"),
    attention: { ...gpuTuning.attention, memory },
  };
}

/** Lanes of the subgroups that work on matrices; 0 where they have no fixed size. */
function matrixLanes({ adapter, features, subgroupSize: { min, max } }: Connection): number {
  if (min === max) return max;
  if (!features.has("subgroup-size-control")) return 0;
  const wanted = adapter.details["vendor"] === "intel" ? 16 : 32;
  return Math.min(max, Math.max(min, wanted));
}

/**
 * The adapter's matrix units for operands of `precision` and sums in f32, with tiles that fit its workgroup memory.
 * null where it has none, or where its subgroups have no fixed size and take none.
 */
export function matrixUnits(connection: Connection, precision: Precision): MatrixUnits | null {
  const lanes = matrixLanes(connection);
  const sized = connection.subgroupSize.min !== connection.subgroupSize.max;
  if (!connection.features.has("chromium-experimental-subgroup-matrix") || lanes === 0) return null;
  const fitting = connection.matrixConfigs.filter(
    ({ componentType, resultComponentType, M, N, K }) =>
      componentType === precision &&
      resultComponentType === "f32" &&
      [M, N, K].every(x => x % 4 === 0) &&
      32 % K === 0,
  );
  const config = fitting.sort((a, b) => b.M * b.N * b.K - a.M * a.N * a.K)[0];
  if (!config) return null;
  const { maxComputeWorkgroupStorageSize, maxComputeInvocationsPerWorkgroup } = connection.device.limits;
  const wide = config.M >= 16 ? 1 : 2;
  const shapes = [
    { WM: 4, WN: 2, TM: 2 * wide, TN: 4 * wide, BK: 32 },
    { WM: 2, WN: 2, TM: 2 * wide, TN: 2 * wide, BK: 32 },
    { WM: 2, WN: 1, TM: 1, TN: 2, BK: 32 },
  ].filter(
    shape =>
      matrixMemory(config, shape) <= maxComputeWorkgroupStorageSize &&
      shape.WM * shape.WN * lanes <= maxComputeInvocationsPerWorkgroup,
  );
  return shapes.length === 0 ? null : { config, lanes, sized, shapes };
}

/** Rows and columns of a workgroup's tile. */
export function matrixTile(
  { M, N }: MatrixConfig,
  { WM, WN, TM, TN }: MatrixShape,
): { BM: number; BN: number } {
  return { BM: WM * TM * M, BN: WN * TN * N };
}

/** Bytes of workgroup memory that `matmul-matrix` takes. */
export function matrixMemory(config: MatrixConfig, shape: MatrixShape): number {
  const { BM, BN } = matrixTile(config, shape);
  const { BK } = shape;
  const vec4 = config.componentType === "f16" ? 8 : 16;
  const a = Math.max(BM * (BK / 4 + 2), BK * (BM / 4 + 2));
  const b = Math.max(BN * (BK / 4 + 2), BK * (BN / 4 + 2));
  return (a + b) * vec4 + config.M * BN * 4;
}
