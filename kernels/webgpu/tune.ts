/**
 * The autotuner: measures tile shapes for one product after the other on this adapter and remembers the best, in one
 * file for all adapters, $XDG_CACHE_HOME/curate/webgpu-tuning.json (~/.cache without it). Needs timestamp queries.
 * Which tile is fastest differs between adapters (llama.cpp's defaults reach 59-80 % of each GPU's own best) and between
 * shapes, so a remembered choice is taken over the built-in one whenever that product runs.
 */
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { writeAtomic } from "../../lib/atomic.ts";
import type { Adapter, Profiler } from "../device.ts";
import { productsFault, type Tunable } from "./self-check.ts";
import {
  type Choice,
  type MatrixShape,
  matrixMemory,
  matrixTile,
  type ProductShape,
  productName,
  type TileShape,
  type Tuning,
} from "./tuning.ts";

export type Measurable = Tunable & {
  readonly profiler: Profiler | null;
};

/** teraflops by the GPU's clock, the best of three. */
export type Trial = { readonly name: string; readonly choice: Choice; readonly teraflops: number };

const rounds = 3;
const errorKinds = ["internal", "validation", "out-of-memory"] as const;

/**
 * Tries every candidate on one product, the fastest first; what the driver does not compile is left out (Metal is known
 * to refuse large tiles now and then). The device keeps its tuning.
 */
export async function trials(device: Measurable, gpu: GPUDevice, product: ProductShape): Promise<Trial[]> {
  const { tuning } = device;
  const { layout, M, N, K } = product;
  const [out, a, b] = [M * N, M * K, N * K].map((length, i) => {
    const tensor = device.alloc(`tuning ${i}`, length);
    device.fill(tensor, 0.01);
    return tensor;
  }) as [never, never, never];
  // As training runs them: the gradient of a weight is added to.
  const shared = { bias: null, accumulate: layout === "TN" };
  const results: Trial[] = [];
  for (const { name, choice } of candidates(tuning, gpu.limits)) {
    for (const kind of errorKinds) gpu.pushErrorScope(kind);
    device.retune({ ...tuning, chosen: new Map([[productName(product), choice]]) });
    let best = Number.POSITIVE_INFINITY;
    for (let i = 0; i < rounds + 1; i++) {
      device.profiler!.begin();
      device.matmul({ layout, out, a, b, M, N, K, ...shared });
      const times = await device.profiler!.end();
      await device.finish();
      const ms = times.reduce((sum, { ms }) => sum + ms, 0);
      if (i > 0 && ms > 0) best = Math.min(best, ms); // the first compiles; clocks have been seen to run backwards
    }
    let failed = false;
    for (const _ of errorKinds) if (await gpu.popErrorScope()) failed = true;
    if (!failed) results.push({ name, choice, teraflops: (2 * M * N * K) / best / 1e9 });
  }
  device.retune(tuning);
  for (const tensor of [out, a, b]) device.free(tensor);
  return results.sort((a, b) => b.teraflops - a.teraflops);
}

export function candidates(
  { matrix, precision }: Tuning,
  limits: Pick<GPUSupportedLimits, "maxComputeWorkgroupStorageSize" | "maxComputeInvocationsPerWorkgroup">,
): { readonly name: string; readonly choice: Choice }[] {
  const { maxComputeWorkgroupStorageSize: memory, maxComputeInvocationsPerWorkgroup: threads } = limits;
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
    const fits = (shape: MatrixShape) =>
      matrixMemory(matrix.config, shape) <= memory && shape.WM * shape.WN * matrix.lanes <= threads;
    return shapes.filter(fits).map(shape => {
      const { BM, BN } = matrixTile(matrix.config, shape);
      const name = `matrices, ${BM}×${BN}×${shape.BK}, ${shape.WM}×${shape.WN} subgroups`;
      return { name, choice: { tile: null, matrix: shape } };
    });
  }
  const bytes = precision === "f16" ? 2 : 4;
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
    .map(tile => ({ name: `tile ${tile.BM}×${tile.BN}×${tile.BK}`, choice: { tile, matrix: null } }));
}

type Remembered = Record<string, Record<string, Choice>>;

function tuningFile(): string {
  return join(process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "curate", "webgpu-tuning.json");
}

function load(): Remembered {
  try {
    return JSON.parse(readFileSync(tuningFile(), "utf8")) as Remembered;
  } catch {
    return {}; // absent or damaged: it only ever holds what can be measured again
  }
}

/** A driver's version is part of an adapter's name; what may run depends on precision and matrix units. */
const keyOf = ({ name }: Adapter, { precision, matrix }: Tuning) =>
  `${name}, ${precision}${matrix ? `, matrices of ${matrix.config.M}×${matrix.config.N}×${matrix.config.K}` : ""}`;

/** `tuning` with what was measured on this adapter before, if anything was. */
export function withRemembered(adapter: Adapter, tuning: Tuning): Tuning {
  const known = load()[keyOf(adapter, tuning)];
  return known ? { ...tuning, chosen: new Map(Object.entries(known)) } : tuning;
}

/** Keeps the choices of `tuning` for the next time; the file's path. */
export function remember(adapter: Adapter, tuning: Tuning): string {
  const all: Remembered = { ...load(), [keyOf(adapter, tuning)]: Object.fromEntries(tuning.chosen) };
  writeAtomic(tuningFile(), `${JSON.stringify(all, null, 2)}\n`);
  return tuningFile();
}

/**
 * Measures the products that are not known yet, retunes the device and remembers; a line to `log` for each. About a
 * second for a product on a GPU, most of it compilation, and nothing the next time.
 */
export async function tuneProducts(
  device: Measurable,
  gpu: GPUDevice,
  products: readonly ProductShape[],
  log: (line: string) => void,
): Promise<void> {
  const chosen = new Map(device.tuning.chosen);
  const before = chosen.size;
  const sound = new Map<string, boolean>();
  for (const product of products) {
    const name = productName(product);
    if (chosen.has(name)) continue;
    const best = await firstSound(device, await trials(device, gpu, product), sound);
    if (!best) continue;
    chosen.set(name, best.choice);
    log(`webgpu: ${name}: ${best.name}, ${best.teraflops.toFixed(1)} TFLOP/s`);
  }
  if (chosen.size === before) return;
  device.retune({ ...device.tuning, chosen });
  remember(device.adapter, device.tuning);
}

/** The fastest that computes what the f32 tiles do: matrix units of a driver may be wrong in one tile and right in another. */
async function firstSound(
  device: Measurable,
  tried: readonly Trial[],
  known: Map<string, boolean>,
): Promise<Trial | null> {
  for (const trial of tried) {
    const { matrix } = trial.choice;
    if (!matrix) return trial;
    const key = JSON.stringify(matrix);
    let sound = known.get(key);
    if (sound === undefined) known.set(key, (sound = (await productsFault(device, matrix)) === null));
    if (sound) return trial;
  }
  return null;
}
