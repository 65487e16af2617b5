/** Launchers of elementwise kernels: fill, copy, gelu, swiglu, add and their backward passes. */
import type { Device, Tensor } from "../device.ts";
import { own, type Slice, slice } from "./buffers.ts";
import { floats, type Gpu, grid, rowChunks, rowsOf, same } from "./launch.ts";

type Of<Op extends keyof Device> = Device[Op] extends (p: infer P) => void ? P : never;

function elements(gpu: Gpu, N: number, vector: number): [number, number, number] {
  return grid(Math.ceil(N / vector / gpu.tuning.elementLanes));
}

export function fillWords(gpu: Gpu, out: Slice, word: number): void {
  for (const { row, count } of rowChunks(gpu, "fill", out.length, [1])) {
    gpu.run({
      kernel: "fill",
      bindings: { out: slice(out, row, count) },
      params: { N: count, value: word },
      constants: { WG: gpu.tuning.elementLanes },
      groups: elements(gpu, count, 4),
    });
  }
}

export function copy(gpu: Gpu, out: Tensor, inp: Tensor): void {
  const to = own(out);
  const from = own(inp);
  if (to.length !== from.length) {
    throw new Error(`copy: ${out.label} has ${to.length} elements, ${inp.label} ${from.length}`);
  }
  if (same(to, from)) return;
  for (const { row, count } of rowChunks(gpu, "copy", to.length, [1])) {
    gpu.run({
      kernel: "copy",
      bindings: { out: slice(to, row, count), inp: slice(from, row, count) },
      params: { N: count },
      constants: { WG: gpu.tuning.elementLanes },
      groups: elements(gpu, count, 4),
    });
  }
}

export function gelu(gpu: Gpu, p: Of<"gelu">): void {
  const out = floats("gelu", "out", p.out, p.N);
  const inp = floats("gelu", "inp", p.inp, p.N);
  for (const { row, count } of rowChunks(gpu, "gelu", p.N, [1])) {
    gpu.run({
      kernel: "gelu",
      bindings: { out: slice(out, row, count), inp: slice(inp, row, count) },
      params: { N: count },
      constants: { WG: gpu.tuning.elementLanes },
      groups: elements(gpu, count, 4),
    });
  }
}

export function geluBackward(gpu: Gpu, p: Of<"geluBackward">): void {
  const dinp = floats("geluBackward", "dinp", p.dinp, p.N);
  const dout = floats("geluBackward", "dout", p.dout, p.N);
  const inp = floats("geluBackward", "inp", p.inp, p.N);
  const inPlace = same(dinp, dout);
  for (const { row, count } of rowChunks(gpu, "geluBackward", p.N, [1])) {
    gpu.run({
      kernel: "gelu-backward",
      bindings: {
        dinp: slice(dinp, row, count),
        dout: inPlace ? null : slice(dout, row, count),
        inp: slice(inp, row, count),
      },
      params: { N: count },
      constants: { WG: gpu.tuning.elementLanes, IN_PLACE: Number(inPlace) },
      groups: elements(gpu, count, 4),
    });
  }
}

export function swiglu(gpu: Gpu, p: Of<"swiglu">): void {
  const { N, F } = p;
  const out = floats("swiglu", "out", p.out, N * F);
  const inp = floats("swiglu", "inp", p.inp, N * 2 * F);
  for (const { row, count } of rowChunks(gpu, "swiglu", N, [F, 2 * F])) {
    gpu.run({
      kernel: "swiglu",
      bindings: { out: rowsOf(out, row, count, F), inp: rowsOf(inp, row, count, 2 * F) },
      params: { N: count, F },
      constants: { WG: gpu.tuning.elementLanes },
      groups: elements(gpu, count * F, 1),
    });
  }
}

export function swigluBackward(gpu: Gpu, p: Of<"swigluBackward">): void {
  const { N, F } = p;
  const dinp = floats("swigluBackward", "dinp", p.dinp, N * 2 * F);
  const dout = floats("swigluBackward", "dout", p.dout, N * F);
  const inp = floats("swigluBackward", "inp", p.inp, N * 2 * F);
  for (const { row, count } of rowChunks(gpu, "swigluBackward", N, [F, 2 * F])) {
    gpu.run({
      kernel: "swiglu-backward",
      bindings: {
        dinp: rowsOf(dinp, row, count, 2 * F),
        dout: rowsOf(dout, row, count, F),
        inp: rowsOf(inp, row, count, 2 * F),
      },
      params: { N: count, F },
      constants: { WG: gpu.tuning.elementLanes },
      groups: elements(gpu, count * F, 1),
    });
  }
}

export function add(gpu: Gpu, p: Of<"add">): void {
  const out = floats("add", "out", p.out, p.N);
  const a = floats("add", "a", p.a, p.N);
  const b = floats("add", "b", p.b, p.N);
  const aInPlace = same(out, a);
  const bInPlace = same(out, b);
  for (const { row, count } of rowChunks(gpu, "add", p.N, [1])) {
    gpu.run({
      kernel: "add",
      bindings: {
        out: slice(out, row, count),
        a: aInPlace ? null : slice(a, row, count),
        b: bInPlace ? null : slice(b, row, count),
      },
      params: { N: count },
      constants: { WG: gpu.tuning.elementLanes, A_IN_PLACE: Number(aInPlace), B_IN_PLACE: Number(bInPlace) },
      groups: elements(gpu, count, 4),
    });
  }
}
