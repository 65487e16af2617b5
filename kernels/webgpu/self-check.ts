/**
 * Are the matrix units to be trusted? Products on them are held against the f32 tiles, once, when the device opens:
 * the extension is experimental, and drivers have listed configurations that give NaN. Knows products and tolerances,
 * not what they are used for.
 */
import { random } from "../../lib/random.ts";
import type { Device } from "../device.ts";
import { type MatrixShape, matrixTile, type Tuning } from "./tuning.ts";

export type Tunable = Device & { readonly tuning: Tuning; retune(tuning: Tuning): void };

/** More than one tile each way, and no whole number of them. */
const shape = { M: 140, N: 264, K: 72 };

/** Errors allowed, relative to the root mean square of the product; rounding operands to f16 makes about 3e-4. */
const tolerances = { f16: 5e-3, f32: 1e-4 };

/** null, or why the matrix units of the device's tuning cannot be used. The tuning is left as it was. */
export async function matrixFault(device: Tunable, gpu: GPUDevice): Promise<string | null> {
  const { tuning } = device;
  gpu.pushErrorScope("internal");
  gpu.pushErrorScope("validation");
  let fault: string | null = null;
  try {
    for (const one of tuning.matrix?.shapes ?? []) {
      const { BM, BN } = matrixTile(tuning.matrix!.config, one);
      const found = await productsFault(device, one);
      if (found) fault ??= `tiles of ${BM}×${BN}: ${found}`;
    }
  } catch (error) {
    fault = error instanceof Error ? error.message : String(error);
  }
  for (let i = 0; i < 2; i++) {
    const error = await gpu.popErrorScope();
    if (error) fault = error.message.trim().split("\n")[0]!;
  }
  device.retune(tuning);
  return fault;
}

/** null, or how products on matrix units in tiles of this shape differ from those in f32. The tuning is left as it was. */
export async function productsFault(device: Tunable, one: MatrixShape): Promise<string | null> {
  const before = device.tuning;
  const chosen = new Map();
  const tuning: Tuning = { ...before, chosen, matrix: { ...before.matrix!, shapes: [one] } };
  try {
    return await compare(device, tuning, { ...tuning, precision: "f32", matrix: null });
  } finally {
    device.retune(before);
  }
}

async function compare(device: Tunable, tuning: Tuning, plain: Tuning): Promise<string | null> {
  const { M, N, K } = shape;
  for (const layout of ["NT", "NN", "TN"] as const) {
    const results: Float32Array[] = [];
    for (const one of [tuning, plain]) {
      device.retune(one);
      const source = random(11);
      const filled = (label: string, length: number, size: number) => {
        const tensor = device.alloc(`self-check ${label}`, length);
        device.write(
          tensor,
          Float32Array.from({ length }, () => (source.uniform() - 0.5) * size),
        );
        return tensor;
      };
      const size = layout === "NT" ? 1 : 0.01; // a gradient in the other two
      const out = filled("out", M * N, size);
      const a = filled("a", M * K, size);
      const b = filled("b", N * K, 1);
      const bias = layout === "NT" ? filled("bias", N, size) : null;
      device.matmul({ layout, out, a, b, bias, M, N, K, accumulate: layout !== "NN" });
      results.push(await device.read(out));
      for (const tensor of [out, a, b, bias]) if (tensor) device.free(tensor);
    }
    const [actual, expected] = results as [Float32Array, Float32Array];
    const scale = Math.sqrt(expected.reduce((sum, x) => sum + x * x, 0) / expected.length);
    const worst = expected.reduce((most, x, i) => {
      const error = Math.abs(actual[i]! - x) / scale;
      return error <= most ? most : error;
    }, 0);
    if (!(worst <= tolerances[tuning.precision])) {
      return `${layout} products are wrong by ${worst.toExponential(1)} of their root mean square`;
    }
  }
  return null;
}
