/**
 * What a test puts in tensors and how it compares them: inputs seeded by name, outputs filled with NaN so that an
 * element that nobody wrote cannot pass for a result.
 */
import assert from "node:assert/strict";
import type { Device, Tensor } from "../../kernels/device.ts";
import { hash32, random } from "../../lib/random.ts";

export type Content = {
  readonly role: "input" | "output" | "accumulated";
  readonly data: Float32Array | Uint32Array;
};

function normals(length: number, scale: number, offset: number, seed: string): Float32Array {
  const source = random(hash32(length, seed));
  return Float32Array.from({ length }, () => source.normal() * scale + offset);
}

/** Standard normal times `scale` plus `offset`. `seed` tells tensors of one length apart. */
export const input = (length: number, scale = 1, seed = "input", offset = 0): Content => ({
  role: "input",
  data: normals(length, scale, offset, seed),
});

export const given = (data: Float32Array | Uint32Array): Content => ({ role: "input", data });

/** Whole numbers below `below`. */
export const ids = (length: number, below: number): Content => {
  const source = random(hash32(length, "ids"));
  return { role: "input", data: Uint32Array.from({ length }, () => source.below(below)) };
};

/** Overwritten by the op: NaN before. */
export const output = (length: number): Content => ({
  role: "output",
  data: new Float32Array(length).fill(Number.NaN),
});

/** Added to by the op, or changed in place: random before. */
export const accumulated = (length: number, seed = "accumulated"): Content => ({
  role: "accumulated",
  data: normals(length, 0.5, 0, seed),
});

export type Contents = Readonly<Record<string, Content>>;
export type Tensors<C extends Contents> = { readonly [K in keyof C]: Tensor };
export type Results<C extends Contents> = { readonly [K in keyof C]: Float32Array | Uint32Array };

/** Writes the contents to new tensors, runs, reads everything back and frees. */
export async function compute<C extends Contents>(
  device: Device,
  contents: C,
  run: (device: Device, tensors: Tensors<C>) => void,
): Promise<Results<C>> {
  const tensors: Record<string, Tensor> = {};
  for (const [name, { data }] of Object.entries(contents)) {
    tensors[name] = device.alloc(name, data.length, data instanceof Uint32Array ? "u32" : "f32");
    device.write(tensors[name], data);
  }
  run(device, tensors as Tensors<C>);
  const results: Record<string, Float32Array | Uint32Array> = {};
  for (const [name, tensor] of Object.entries(tensors)) {
    results[name] = tensor.dtype === "u32" ? await device.readInts(tensor) : await device.read(tensor);
    device.free(tensor);
  }
  return results as Results<C>;
}

/** Every element within tolerance · (|expected| + root mean square of expected); where one is NaN both are. */
export function assertNear(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: number,
  what: string,
) {
  assert.equal(actual.length, expected.length, `${what}: length`);
  let squares = 0;
  for (let i = 0; i < expected.length; i++) squares += Number.isFinite(expected[i]) ? expected[i]! ** 2 : 0;
  const rms = Math.sqrt(squares / Math.max(1, expected.length));
  let worst = -1;
  let excess = 0;
  for (let i = 0; i < expected.length; i++) {
    if (Object.is(actual[i], expected[i]) || actual[i] === expected[i]) continue;
    const error = Math.abs(actual[i]! - expected[i]!) / (tolerance * (Math.abs(expected[i]!) + rms));
    if (error <= 1) continue;
    if (worst < 0 || error > excess) [worst, excess] = [i, error];
    if (Number.isNaN(error)) break;
  }
  if (worst < 0) return;
  assert.fail(
    `${what}[${worst}] of ${expected.length}: expected ${expected[worst]}, got ${actual[worst]}` +
      ` (tolerance ${tolerance}, root mean square ${rms})`,
  );
}
