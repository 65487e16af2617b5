/**
 * Part "kernels": GB/s and GFLOP/s of every operation at the sizes of a GPT-2 124M step, from the bytes that it must
 * read and write at least and the operations of its formula, by the GPU's clock. Kernels of an operation are timed
 * together; the share of the copy rate (part "peak") says how far from the memory's limit it is.
 */
import type { Device, Tensor } from "../../kernels/device.ts";
import { digits, gpuMs, kernelsOf, open, type Part, printTable, sayReduced } from "./part.ts";

type Bench = {
  readonly op: string;
  readonly bytes: number;
  readonly flops: number;
  readonly run: () => void;
};

type Size = {
  readonly B: number;
  readonly T: number;
  readonly C: number;
  readonly H: number;
  readonly V: number;
  /** Parameters of the optimizers: more than a cache holds. */
  readonly P: number;
};

export const kernelsPart: Part = async ({ quick }) => {
  const opened = await open();
  const { device, small } = opened;
  sayReduced(opened);
  const size: Size = small
    ? { B: 2, T: 64, C: 64, H: 2, V: 320, P: 1 << 16 }
    : { B: quick ? 4 : 8, T: 1024, C: 768, H: 12, V: 50304, P: 1 << 24 };
  const { B, T, C, H, V } = size;
  console.log(`  ${B} × ${T} tokens, width ${C}, ${H} heads, vocabulary ${V}`);
  const length = small ? 1 << 20 : 1 << 26;
  const [from, to] = [device.alloc("from", length), device.alloc("to", length)];
  const copyRate = (8 * length) / (await gpuMs(opened, () => device.copy(to, from), 3)) / 1e6;
  for (const tensor of [from, to]) device.free(tensor);
  const rows: (string | number)[][] = [];
  const results: object[] = [];
  for (const make of benches) {
    const tensors: Tensor[] = [];
    const alloc = (length: number, value: number | null = 0.01) => {
      const tensor = device.alloc("bench", length);
      if (value !== null) device.fill(tensor, value);
      tensors.push(tensor);
      return tensor;
    };
    const ids = (count: number) => {
      const tensor = device.alloc("ids", count, "u32");
      device.write(
        tensor,
        Uint32Array.from({ length: count }, (_, i) => (i * 7919) % V),
      );
      tensors.push(tensor);
      return tensor;
    };
    const { op, bytes, flops, run } = make(device, size, alloc, ids);
    const ms = await gpuMs(opened, run, small || quick ? 2 : 5);
    const kernels = [...new Set(await kernelsOf(opened, run))];
    const rate = bytes / ms / 1e6;
    results.push({ op, kernels, ms, bytes, flops, gigabytes: rate, gigaflops: flops / ms / 1e6 });
    rows.push([
      op,
      digits(ms),
      digits(rate),
      `${((100 * rate) / copyRate).toFixed(0)} %`,
      digits(flops / ms / 1e6),
      kernels.join(" "),
    ]);
    for (const tensor of tensors) device.free(tensor);
    await device.finish();
  }
  printTable(["operation", "ms", "GB/s", "of copy", "GFLOP/s", "kernels"], rows);
  await device.destroy();
  return { size, copyRate, operations: results };
};

type Make = (
  device: Device,
  size: Size,
  alloc: (length: number, value?: number | null) => Tensor,
  ids: (count: number) => Tensor,
) => Bench;

const benches: readonly Make[] = [
  (d, { B, T, C, V }, alloc, ids) => {
    const p = {
      out: alloc(B * T * C),
      ids: ids(B * T),
      wte: alloc(V * C),
      wpe: alloc(T * C),
      B,
      T,
      C,
      position: 0,
    };
    return { op: "embed", bytes: 4 * (3 * B * T * C + B * T), flops: B * T * C, run: () => d.embed(p) };
  },
  (d, { B, T, C, V }, alloc, ids) => {
    const p = { dwte: alloc(V * C), dwpe: alloc(T * C), ids: ids(B * T), dout: alloc(B * T * C), B, T, C, V };
    const bytes = 4 * (4 * B * T * C + 2 * T * C);
    return { op: "embedBackward", bytes, flops: 2 * B * T * C, run: () => d.embedBackward(p) };
  },
  (d, { B, T, C }, alloc) => {
    const N = B * T;
    const p = { out: alloc(N * C), mean: alloc(N), rstd: alloc(N), inp: alloc(N * C), weight: alloc(C) };
    const run = () => d.layerNorm({ ...p, bias: p.weight, N, C, eps: 1e-5 });
    return { op: "layerNorm", bytes: 8 * N * C, flops: 8 * N * C, run };
  },
  (d, { B, T, C }, alloc) => {
    const N = B * T;
    const p = {
      dinp: alloc(N * C),
      dweight: alloc(C),
      dbias: alloc(C),
      dout: alloc(N * C),
      inp: alloc(N * C),
    };
    const saved = { weight: alloc(C), mean: alloc(N), rstd: alloc(N, 1) };
    const run = () => d.layerNormBackward({ ...p, ...saved, N, C });
    return { op: "layerNormBackward", bytes: 16 * N * C, flops: 16 * N * C, run };
  },
  (d, { B, T, C }, alloc) => {
    const N = B * T;
    const p = { out: alloc(N * C), rstd: alloc(N), inp: alloc(N * C), weight: alloc(C), N, C, eps: 1e-5 };
    return { op: "rmsNorm", bytes: 8 * N * C, flops: 5 * N * C, run: () => d.rmsNorm(p) };
  },
  (d, { B, T, C }, alloc) => {
    const N = B * T;
    const p = {
      dinp: alloc(N * C),
      dweight: alloc(C),
      dout: alloc(N * C),
      inp: alloc(N * C),
      weight: alloc(C),
    };
    const rstd = alloc(N, 1);
    const run = () => d.rmsNormBackward({ ...p, rstd, N, C });
    return { op: "rmsNormBackward", bytes: 16 * N * C, flops: 10 * N * C, run };
  },
  (d, { B, T, C }, alloc) => {
    const p = { dbias: alloc(3 * C), dout: alloc(B * T * 3 * C), N: B * T, C: 3 * C };
    return { op: "biasBackward", bytes: 12 * B * T * C, flops: 3 * B * T * C, run: () => d.biasBackward(p) };
  },
  (d, { B, T, C }, alloc) => {
    const N = B * T * 4 * C;
    const p = { out: alloc(N), inp: alloc(N), N };
    return { op: "gelu", bytes: 8 * N, flops: 14 * N, run: () => d.gelu(p) };
  },
  (d, { B, T, C }, alloc) => {
    const N = B * T * 4 * C;
    const dout = alloc(N);
    const p = { dinp: dout, dout, inp: alloc(N), N };
    return { op: "geluBackward", bytes: 12 * N, flops: 22 * N, run: () => d.geluBackward(p) };
  },
  (d, { B, T, C }, alloc) => {
    const p = { out: alloc(B * T * 2 * C), inp: alloc(B * T * 4 * C), N: B * T, F: 2 * C };
    return { op: "swiglu", bytes: 24 * B * T * C, flops: 12 * B * T * C, run: () => d.swiglu(p) };
  },
  (d, { B, T, C }, alloc) => {
    const [dinp, inp] = [alloc(B * T * 4 * C), alloc(B * T * 4 * C)];
    const p = { dinp, dout: alloc(B * T * 2 * C), inp, N: B * T, F: 2 * C };
    return {
      op: "swigluBackward",
      bytes: 40 * B * T * C,
      flops: 24 * B * T * C,
      run: () => d.swigluBackward(p),
    };
  },
  (d, { B, T, C }, alloc) => {
    const N = B * T * C;
    const p = { out: alloc(N), a: alloc(N), b: alloc(N), N };
    return { op: "add", bytes: 12 * N, flops: N, run: () => d.add(p) };
  },
  (d, { B, T, C, H }, alloc) => {
    const D = C / H;
    const p = { qkv: alloc(B * T * 3 * C), frequencies: alloc(D / 2), B, T, H, KV: H, D, position: 0 };
    const run = () => d.rope({ ...p, inverse: false });
    return { op: "rope", bytes: 16 * B * T * C, flops: 6 * B * T * C, run };
  },
  (d, { B, T, C, H }, alloc) => {
    const p = {
      out: alloc(B * T * C),
      lse: alloc(B * H * T),
      qkv: alloc(B * T * 3 * C),
      B,
      T,
      H,
      KV: H,
      D: C / H,
    };
    return { op: "attention", bytes: 16 * B * T * C, flops: 2 * B * T * T * C, run: () => d.attention(p) };
  },
  (d, { B, T, C, H }, alloc) => {
    const p = {
      out: alloc(B * T * C),
      lse: alloc(B * H * T, 5),
      qkv: alloc(B * T * 3 * C),
      B,
      T,
      H,
      KV: H,
      D: C / H,
    };
    const gradients = { dqkv: alloc(B * T * 3 * C), dout: alloc(B * T * C) };
    const run = () => d.attentionBackward({ ...p, ...gradients });
    return { op: "attentionBackward", bytes: 32 * B * T * C, flops: 5 * B * T * T * C, run };
  },
  (d, { B, T, C, H }, alloc) => {
    const [kcache, vcache] = [alloc(B * T * C), alloc(B * T * C)];
    const p = { out: alloc(B * C), qkv: alloc(B * 3 * C), kcache, vcache, B, T: 1, H, KV: H, D: C / H };
    const run = () => d.attentionCached({ ...p, position: T - 1, maxT: T });
    return { op: "attentionCached", bytes: 8 * B * T * C, flops: 4 * B * T * C, run };
  },
  (d, { V }, alloc, ids) => {
    const N = 512;
    const p = {
      losses: alloc(N),
      logits: alloc(N * V),
      targets: ids(N),
      weights: null,
      N,
      V,
      Vp: V,
      scale: 1 / N,
    };
    const run = () => d.crossEntropy({ ...p, gradient: true });
    return { op: "crossEntropy", bytes: 8 * N * V, flops: 8 * N * V, run };
  },
  (d, { P }, alloc) => {
    const p = { norm: alloc(1), tensors: [alloc(P)] };
    return { op: "globalNorm", bytes: 4 * P, flops: 2 * P, run: () => d.globalNorm(p) };
  },
  (d, { P }, alloc) => {
    const state = { param: alloc(P), grad: alloc(P), m: alloc(P), v: alloc(P) };
    const rates = { lr: 1e-4, beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0.1, step: 1, clip: 1 };
    const norm = alloc(1);
    const run = () => d.adamw({ ...state, norm, N: P, ...rates });
    return { op: "adamw", bytes: 28 * P, flops: 14 * P, run };
  },
  (d, { P }, alloc) => {
    const p = { out: alloc(P), m: alloc(P), grad: alloc(P), norm: alloc(1) };
    const run = () => d.momentum({ ...p, N: P, beta: 0.95, clip: 1 });
    return { op: "momentum", bytes: 16 * P, flops: 5 * P, run };
  },
  (d, { P }, alloc) => {
    const p = { out: alloc(P), a: alloc(P), b: alloc(P), divisor: null, norm: null };
    const run = () => d.combine({ ...p, alpha: 1, beta: 2, N: P });
    return { op: "combine", bytes: 12 * P, flops: 3 * P, run };
  },
  (d, { P }, alloc) => {
    const p = { out: alloc(P) };
    return { op: "fill", bytes: 4 * P, flops: 0, run: () => d.fill(p.out, 1) };
  },
  (d, { C, V }, alloc) => {
    const p = {
      out: alloc(V),
      a: alloc(C),
      b: alloc(V * C),
      bias: null,
      M: 1,
      N: V,
      K: C,
      accumulate: false,
    };
    const run = () => d.matmul({ layout: "NT", ...p });
    return { op: "matmul, one row", bytes: 4 * V * C, flops: 2 * V * C, run };
  },
];
