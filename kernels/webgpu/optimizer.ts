/**
 * Launchers of the global gradient norm and of the optimizers, which read that norm on the device: a step needs no
 * readback.
 */
import type { Device } from "../device.ts";
import { own, slice } from "./buffers.ts";
import { floats, type Gpu, grid, rowChunks, same } from "./launch.ts";

type Of<Op extends keyof Device> = Device[Op] extends (p: infer P) => void ? P : never;

/** Elements summed by one workgroup: a constant, so that the order of sums is the same on every adapter. */
const span = 16384;

export function globalNorm(gpu: Gpu, p: Of<"globalNorm">): void {
  const norm = floats("globalNorm", "norm", p.norm, 1);
  let count = 0;
  for (const { length } of p.tensors)
    count += Math.ceil(length / span) + Math.ceil(length / gpu.bindingLength);
  const partials = gpu.scratch("norm partials", Math.max(1, count));
  let first = 0;
  for (const tensor of p.tensors) {
    const inp = floats("globalNorm", tensor.label, tensor, tensor.length);
    for (const chunk of rowChunks(gpu, "globalNorm", inp.length, [1])) {
      const spans = Math.ceil(chunk.count / span);
      gpu.run({
        kernel: "sum-squares",
        bindings: { partials, inp: slice(inp, chunk.row, chunk.count) },
        params: { N: chunk.count, span, first },
        constants: { WG: gpu.tuning.rowLanes },
        groups: grid(spans),
      });
      first += spans;
    }
  }
  gpu.run({
    kernel: "global-norm",
    bindings: { norm, partials },
    params: { count: first, scale: p.scale ?? 1 },
    constants: { WG: gpu.tuning.rowLanes },
    groups: [1, 1, 1],
  });
}

export function adamw(gpu: Gpu, p: Of<"adamw">): void {
  const { N, step } = p;
  if (step < 1) throw new Error(`adamw: step counts from 1, got ${step}`);
  const param = floats("adamw", "param", p.param, N);
  const grad = floats("adamw", "grad", p.grad, N);
  const m = floats("adamw", "m", p.m, N);
  const v = floats("adamw", "v", p.v, N);
  const norm = floats("adamw", "norm", own(p.norm), 1);
  for (const { row, count } of rowChunks(gpu, "adamw", N, [1])) {
    gpu.run({
      kernel: "adamw",
      bindings: {
        param: slice(param, row, count),
        grad: slice(grad, row, count),
        m: slice(m, row, count),
        v: slice(v, row, count),
        norm,
      },
      params: {
        N: count,
        lr: p.lr,
        beta1: p.beta1,
        beta2: p.beta2,
        correction1: 1 / (1 - p.beta1 ** step),
        correction2: 1 / (1 - p.beta2 ** step),
        eps: p.eps,
        decay: p.weightDecay,
        clip: p.clip,
        grad_scale: p.gradScale ?? 1,
      },
      constants: { WG: gpu.tuning.elementLanes },
      groups: grid(Math.ceil(count / 4 / gpu.tuning.elementLanes)),
    });
  }
}

export function momentum(gpu: Gpu, p: Of<"momentum">): void {
  const out = floats("momentum", "out", p.out, p.N);
  const m = floats("momentum", "m", p.m, p.N);
  const grad = floats("momentum", "grad", p.grad, p.N);
  const norm = floats("momentum", "norm", p.norm, 1);
  for (const { row, count } of rowChunks(gpu, "momentum", p.N, [1])) {
    gpu.run({
      kernel: "momentum",
      bindings: { out: slice(out, row, count), m: slice(m, row, count), grad: slice(grad, row, count), norm },
      params: { N: count, beta: p.beta, clip: p.clip, grad_scale: p.gradScale ?? 1 },
      constants: { WG: gpu.tuning.elementLanes },
      groups: grid(Math.ceil(count / 4 / gpu.tuning.elementLanes)),
    });
  }
}

export function combine(gpu: Gpu, p: Of<"combine">): void {
  const out = floats("combine", "out", p.out, p.N);
  const a = floats("combine", "a", p.a, p.N);
  const b = floats("combine", "b", p.b, p.N);
  const [aInPlace, bInPlace] = [same(out, a), same(out, b)];
  const divisor = p.divisor && floats("combine", "divisor", p.divisor, 1);
  const norm = p.norm && floats("combine", "norm", p.norm, 1);
  for (const { row, count } of rowChunks(gpu, "combine", p.N, [1])) {
    gpu.run({
      kernel: "combine",
      bindings: {
        out: slice(out, row, count),
        a: aInPlace ? null : slice(a, row, count),
        b: bInPlace ? null : slice(b, row, count),
        divisor,
        norm,
      },
      params: { N: count, alpha: p.alpha, beta: p.beta },
      constants: {
        WG: gpu.tuning.elementLanes,
        ...{ DIVIDE: Number(divisor !== null), GUARD: Number(norm !== null) },
        ...{ A_IN_PLACE: Number(aInPlace), B_IN_PLACE: Number(bInPlace) },
      },
      groups: grid(Math.ceil(count / 4 / gpu.tuning.elementLanes)),
    });
  }
}
