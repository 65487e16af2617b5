/**
 * Which kernel variants and shapes an adapter gets. Knows adapters' classes and limits, not tensors.
 *
 * Software adapters (lavapipe) run an invocation as one lane of an 8-wide SIMD vector: a workgroup of 8 needs no
 * coroutines for its barriers, workgroup memory is plain memory, and register tiles are all that counts (14 against
 * 2.5 GFLOP/s, two cores, 512³). GPUs want many lanes and tiles in workgroup memory.
 */
import type { Connection } from "./adapter.ts";

export type Tuning = {
  /** Workgroup sizes: kernels with a workgroup per row, elementwise kernels, kernels with a lane per column. */
  readonly rowLanes: number;
  readonly elementLanes: number;
  readonly columnLanes: number;
  readonly matmul:
    | { readonly kernel: "register" }
    | { readonly kernel: "tile"; readonly BM: number; readonly BN: number; readonly BK: number };
};

export const softwareTuning: Tuning = {
  rowLanes: 8,
  elementLanes: 64,
  columnLanes: 64,
  matmul: { kernel: "register" },
};

export const gpuTuning: Tuning = {
  rowLanes: 256,
  elementLanes: 256,
  columnLanes: 64,
  matmul: { kernel: "tile", BM: 64, BN: 64, BK: 16 },
};

export function tuningFor(connection: Connection): Tuning {
  return connection.adapter.kind === "software" ? softwareTuning : gpuTuning;
}
