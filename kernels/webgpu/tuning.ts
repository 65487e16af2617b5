/**
 * Which kernel variants and shapes an adapter gets. Knows adapters' classes and limits, not tensors.
 *
 * Software adapters (lavapipe) run an invocation as one lane of an 8-wide SIMD vector: a workgroup of 8 needs no
 * coroutines for its barriers, workgroup memory is plain memory, and register tiles are all that counts (14 against
 * 2.5 GFLOP/s, two cores, 512³). GPUs want many lanes and tiles in workgroup memory.
 */
import type { Connection } from "./adapter.ts";

/** A BM × BN tile of the product to a workgroup, in slices of BK. */
export type TileShape = {
  readonly kernel: "tile";
  readonly BM: number;
  readonly BN: number;
  readonly BK: number;
};

export type Tuning = {
  /** Workgroup sizes: kernels with a workgroup per row, elementwise kernels, kernels with a lane per column. */
  readonly rowLanes: number;
  readonly elementLanes: number;
  readonly columnLanes: number;
  readonly matmul: { readonly kernel: "register" } | TileShape;
  /** Workgroups that a product should have at least: one with fewer tiles is cut along K. */
  readonly workgroups: number;
  /** Rows of a tile (32, 16 or 8; 0: one row to a lane) and the bytes of workgroup memory that tiles may take. */
  readonly attention: { readonly tile: number; readonly memory: number };
};

export const softwareTuning: Tuning = {
  rowLanes: 8,
  elementLanes: 64,
  columnLanes: 64,
  matmul: { kernel: "register" },
  workgroups: 1,
  attention: { tile: 0, memory: 0 },
};

export const gpuTuning: Tuning = {
  rowLanes: 256,
  elementLanes: 256,
  columnLanes: 64,
  matmul: { kernel: "tile", BM: 64, BN: 64, BK: 16 },
  workgroups: 512,
  attention: { tile: 32, memory: 16384 },
};

export function tuningFor(connection: Connection): Tuning {
  if (connection.adapter.kind === "software") return softwareTuning;
  const memory = connection.device.limits.maxComputeWorkgroupStorageSize;
  return { ...gpuTuning, attention: { ...gpuTuning.attention, memory } };
}
