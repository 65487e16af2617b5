/**
 * Measures tile shapes for products on this adapter and remembers the best, in one file for all adapters:
 * $XDG_CACHE_HOME/curate/webgpu-tuning.json (~/.cache without it). Needs timestamp queries. Which tile is fastest
 * differs between adapters (llama.cpp's defaults reach 59-80 % of each GPU's own best), so a remembered choice is
 * taken over the built-in one whenever the device opens.
 */
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { writeAtomic } from "../../lib/atomic.ts";
import type { Adapter } from "../device.ts";
import type { KernelTime } from "./queue.ts";
import type { Tunable } from "./self-check.ts";
import { type MatrixShape, matrixMemory, matrixTile, type TileShape, type Tuning } from "./tuning.ts";

export type Measurable = Tunable & {
  beginProfile(): void;
  endProfile(): Promise<KernelTime[]>;
};

/** teraflops: over the three layouts together, by the GPU's clock. */
export type Trial = { readonly name: string; readonly tuning: Tuning; readonly teraflops: number };

/** Rows (tokens), inputs and outputs of the layer that is measured; the default is GPT-2 124M's widest. */
export type Layer = { readonly rows: number; readonly inputs: number; readonly outputs: number };

const layerOfGpt2: Layer = { rows: 8192, inputs: 768, outputs: 3072 };
const rounds = 3;

/** Tries every candidate on one layer's three products; the fastest first. The device keeps its tuning. */
export async function trials(
  device: Measurable,
  limits: GPUSupportedLimits,
  { rows, inputs, outputs }: Layer = layerOfGpt2,
): Promise<Trial[]> {
  const { tuning } = device;
  const [x, y, w] = [rows * inputs, rows * outputs, inputs * outputs].map((length, i) => {
    const tensor = device.alloc(`tuning ${i}`, length);
    device.fill(tensor, 0.01);
    return tensor;
  }) as [never, never, never];
  const layer = () => {
    const shared = { bias: null, accumulate: false };
    device.matmul({ layout: "NT", out: y, a: x, b: w, M: rows, N: outputs, K: inputs, ...shared });
    device.matmul({ layout: "NN", out: x, a: y, b: w, M: rows, N: inputs, K: outputs, ...shared });
    device.matmul({ layout: "TN", out: w, a: y, b: x, M: outputs, N: inputs, K: rows, ...shared });
  };
  const results: Trial[] = [];
  for (const { name, candidate } of candidates(tuning, limits)) {
    device.retune(candidate);
    layer();
    await device.finish();
    let best = Number.POSITIVE_INFINITY;
    for (let i = 0; i < rounds; i++) {
      device.beginProfile();
      layer();
      const times = await device.endProfile();
      best = Math.min(
        best,
        times.reduce((sum, { ms }) => sum + ms, 0),
      );
    }
    results.push({ name, tuning: candidate, teraflops: (6 * rows * inputs * outputs) / best / 1e9 });
  }
  device.retune(tuning);
  for (const tensor of [x, y, w]) device.free(tensor);
  return results.sort((a, b) => b.teraflops - a.teraflops);
}

function candidates(tuning: Tuning, limits: GPUSupportedLimits): { name: string; candidate: Tuning }[] {
  const { maxComputeWorkgroupStorageSize: memory, maxComputeInvocationsPerWorkgroup: threads } = limits;
  const { matrix } = tuning;
  if (matrix) {
    const shapes: MatrixShape[] = [];
    for (const [WM, WN] of [
      [2, 2],
      [4, 2],
      [2, 4],
      [4, 4],
    ] as const) {
      for (const [TM, TN] of [
        [2, 2],
        [2, 4],
        [4, 2],
        [4, 4],
      ] as const) {
        for (const BK of [32, 64]) shapes.push({ WM, WN, TM, TN, BK });
      }
    }
    return shapes
      .filter(
        shape =>
          matrixMemory(matrix.config, shape) <= memory && shape.WM * shape.WN * matrix.lanes <= threads,
      )
      .map(shape => {
        const { BM, BN } = matrixTile(matrix.config, shape);
        const name = `matrices, ${BM}×${BN}×${shape.BK}, ${shape.WM}×${shape.WN} subgroups`;
        return { name, candidate: { ...tuning, matrix: { ...matrix, shapes: [shape] } } };
      });
  }
  const bytes = tuning.precision === "f16" ? 2 : 4;
  const tiles: TileShape[] = [];
  for (const [BM, BN] of [
    [32, 32],
    [64, 32],
    [64, 64],
    [128, 64],
    [64, 128],
    [128, 128],
  ] as const) {
    for (const BK of [8, 16, 32]) tiles.push({ BM, BN, BK });
  }
  return tiles
    .filter(({ BM, BN, BK }) => BK * (BM + BN + 8) * bytes <= memory && (BM * BN) / 64 <= threads)
    .map(tile => ({ name: `tile ${tile.BM}×${tile.BN}×${tile.BK}`, candidate: { ...tuning, tile } }));
}

type Remembered = { readonly tile: TileShape | null; readonly matrix: readonly MatrixShape[] | null };

function tuningFile(): string {
  return join(process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "curate", "webgpu-tuning.json");
}

function load(): Record<string, Remembered> {
  try {
    return JSON.parse(readFileSync(tuningFile(), "utf8")) as Record<string, Remembered>;
  } catch {
    return {}; // absent or damaged: it only ever holds what can be measured again
  }
}

const keyOf = (adapter: Adapter, { precision }: Tuning) => `${adapter.name}, ${precision}`;

/** `tuning` with what was measured on this adapter before, if anything was. */
export function withRemembered(adapter: Adapter, tuning: Tuning): Tuning {
  const known = load()[keyOf(adapter, tuning)];
  if (!known) return tuning;
  const { matrix } = tuning;
  return {
    ...tuning,
    tile: tuning.tile && (known.tile ?? tuning.tile),
    matrix: matrix && { ...matrix, shapes: known.matrix ?? matrix.shapes },
  };
}

/** Keeps the shape of the best trial; the built-in smaller tiles of matrix units stay behind it for small products. */
export function remember(adapter: Adapter, { tuning }: Trial, before: Tuning): string {
  const smaller = before.matrix?.shapes.slice(1) ?? [];
  const kept: Remembered = {
    tile: tuning.tile,
    matrix: tuning.matrix && [...tuning.matrix.shapes, ...smaller],
  };
  writeAtomic(tuningFile(), `${JSON.stringify({ ...load(), [keyOf(adapter, tuning)]: kept }, null, 2)}\n`);
  return tuningFile();
}
