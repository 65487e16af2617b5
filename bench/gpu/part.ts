/** What the parts of the GPU benchmark share: how they are called, the adapter they open, how they time and print. */
import { type Connection, connect, type MatrixConfig } from "../../kernels/webgpu/adapter.ts";
import { type WebgpuDevice, webgpuDevice } from "../../kernels/webgpu/device.ts";
import { matrixFault } from "../../kernels/webgpu/self-check.ts";
import { withRemembered } from "../../kernels/webgpu/tune.ts";
import { type Precision, type Tuning, tuningFor } from "../../kernels/webgpu/tuning.ts";

export type Setting = {
  readonly batch: number;
  readonly quick: boolean;
  readonly out: string;
  /** Keeps what there is so far: a part may be ended by its time limit. */
  readonly save: (result: unknown) => void;
};

/** Set once, from --backend. */
let backend: string | undefined;

export function useBackend(name: string | undefined) {
  backend = name;
}

/** Prints its tables and gives what goes into the results. */
export type Part = (setting: Setting) => Promise<unknown>;

/** The exit code of a part that found no adapter and said so. */
export const noAdapter = 3;

export type Opened = {
  readonly connection: Connection;
  readonly device: WebgpuDevice;
  readonly software: boolean;
  /** Reduced sizes: a software adapter, or none. */
  readonly small: boolean;
};

/** What the null backend, which lists none, is given in place of a GPU's. */
const pretended: readonly MatrixConfig[] = [
  { componentType: "f16", resultComponentType: "f16", M: 16, N: 16, K: 16 },
  { componentType: "f16", resultComponentType: "f32", M: 16, N: 16, K: 16 },
  { componentType: "f16", resultComponentType: "f32", M: 16, N: 8, K: 16 },
];

/** The adapter with the tuning that training would give it. Ends the process where there is none. */
export async function open(precision: Precision = "f32"): Promise<Opened> {
  const found = await connect({ allowSoftware: true, ...(backend && { backend }) });
  if ("unavailable" in found) {
    console.log(`skipped: ${found.unavailable}`);
    process.exit(noAdapter);
  }
  const connection = backend === "null" ? { ...found, matrixConfigs: pretended } : found;
  const tuning = withRemembered(connection.adapter, tuningFor(connection, precision));
  const device = webgpuDevice(connection, tuning);
  const software = connection.adapter.kind === "software";
  if (tuning.matrix) {
    const fault = await faultOf({ connection, device });
    if (fault) {
      console.log(`matrix units (${precision}) are not used: ${fault}`);
      device.retune({ ...tuning, matrix: null });
    }
  }
  return { connection, device, software, small: software || backend === "null" };
}

export function sayReduced({ software, small }: Opened) {
  if (software) console.log("software adapter: reduced sizes, which say nothing about a GPU");
  else if (small) console.log("null backend: reduced sizes, everything is checked and nothing computed");
}

/** Why the adapter's matrix units cannot be used; nothing is computed on the null backend that could be wrong. */
export async function faultOf({
  connection,
  device,
}: Omit<Opened, "software" | "small">): Promise<string | null> {
  return backend === "null" ? null : await matrixFault(device, connection.device);
}

/**
 * Milliseconds of the GPU for what `run` queues: the best of `rounds` by timestamp queries, or by the clock from
 * submission to the end where the adapter has none.
 */
export async function gpuMs({ device }: Opened, run: () => void, rounds: number): Promise<number> {
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i <= rounds; i++) {
    let ms: number;
    if (device.profiler) {
      device.profiler.begin();
      run();
      ms = (await device.profiler.end()).reduce((sum, time) => sum + time.ms, 0);
    } else {
      await device.finish();
      const began = performance.now();
      run();
      await device.finish();
      ms = performance.now() - began;
    }
    if (i > 0 && ms > 0) best = Math.min(best, ms); // the first compiles
    if (i > 0 && ms > 500) break; // once is enough
  }
  return best;
}

/** Which kernels `run` launches, by name. */
export async function kernelsOf({ device }: Opened, run: () => void): Promise<string[]> {
  if (!device.profiler) return [];
  device.profiler.begin();
  run();
  return (await device.profiler.end()).map(({ kernel }) => kernel.split(" ")[0]!);
}

export function plainTuning(tuning: Tuning): Tuning {
  return { ...tuning, chosen: new Map() };
}

/** Columns padded to their widest cell; the first is text, the others numbers. */
export function printTable(head: readonly string[], rows: readonly (readonly (string | number)[])[]) {
  const cells = [head, ...rows].map(row => row.map(String));
  const widths = head.map((_, i) => Math.max(...cells.map(row => (row[i] ?? "").length)));
  for (const row of cells) {
    const line = row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)));
    console.log(`  ${line.join("  ").trimEnd()}`);
  }
}

/** What rates are shown in: a software adapter reaches thousandths of a TFLOP/s. */
export const unitOf = (software: boolean) =>
  software ? { name: "GFLOP/s", factor: 1000 } : { name: "TFLOP/s", factor: 1 };

export const tera = (flops: number, ms: number) => flops / ms / 1e9;
/** Three digits, whatever the size. */
export const digits = (x: number) =>
  Number.isFinite(x) && x > 0 ? Number(x.toPrecision(3)).toString() : "-";
