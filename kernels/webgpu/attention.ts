/**
 * Launchers of attention, RoPE and the sampler's cache. Sequences are independent, so tensors larger than a binding
 * are passed in pieces of whole sequences. Heads that are no whole number of vec4s are padded with zeros on the way in
 * and cut on the way out: a zero column changes neither a score nor a sum.
 */
import type { Device } from "../device.ts";
import type { Slice } from "./buffers.ts";
import { floats, type Gpu, grid, rowChunks, rowsOf } from "./launch.ts";

type Of<Op extends keyof Device> = Device[Op] extends (p: infer P) => void ? P : never;

export function rope(gpu: Gpu, p: Of<"rope">): void {
  const { B, T, H, KV, D, position } = p;
  const width = (H + 2 * KV) * D;
  const qkv = floats("rope", "qkv", p.qkv, B * T * width);
  const frequencies = floats("rope", "frequencies", p.frequencies, D / 2);
  for (const { row, count } of rowChunks(gpu, "rope", B, [T * width])) {
    gpu.run({
      kernel: "rope",
      bindings: { qkv: rowsOf(qkv, row, count, T * width), frequencies },
      params: { N: count * T, T, heads: H + KV, D, width, position, sign: p.inverse ? -1 : 1 },
      constants: { WG: gpu.tuning.columnLanes },
      groups: grid(Math.ceil((count * T * D) / 2 / gpu.tuning.columnLanes)),
    });
  }
}

export function attention(gpu: Gpu, p: Of<"attention">): void {
  const { B, T, H, KV, D } = p;
  const width = (H + 2 * KV) * D;
  const out = floats("attention", "out", p.out, B * T * H * D);
  const lse = floats("attention", "lse", p.lse, B * H * T);
  const qkv = floats("attention", "qkv", p.qkv, B * T * width);
  const DP = Math.ceil(D / 4) * 4;
  const padded = (width / D) * DP;
  for (const { row, count } of rowChunks(gpu, "attention", B, [
    T * padded,
    T * H * DP,
    T * width,
    T * H * D,
    T * H,
  ])) {
    const target = rowsOf(out, row, count, T * H * D);
    const o = DP === D ? target : gpu.scratch("padded out", count * T * H * DP);
    const { kernel, constants, span } = plan(gpu, "attention", DP / 4);
    gpu.run({
      kernel,
      bindings: {
        out: o,
        lse: rowsOf(lse, row, count, H * T),
        qkv: padHeads(gpu, "padded qkv", rowsOf(qkv, row, count, T * width), D, DP),
      },
      params: { T, H, KV, D4: DP / 4, scale: 1 / Math.sqrt(D) },
      constants,
      groups: [Math.ceil(T / span), H, count],
    });
    if (DP !== D) repack(gpu, o, target, count * T * H, DP, D);
  }
}

export function attentionBackward(gpu: Gpu, p: Of<"attentionBackward">): void {
  const { B, T, H, KV, D } = p;
  const width = (H + 2 * KV) * D;
  const dqkv = floats("attentionBackward", "dqkv", p.dqkv, B * T * width);
  const dout = floats("attentionBackward", "dout", p.dout, B * T * H * D);
  const out = floats("attentionBackward", "out", p.out, B * T * H * D);
  const lse = floats("attentionBackward", "lse", p.lse, B * H * T);
  const qkv = floats("attentionBackward", "qkv", p.qkv, B * T * width);
  const DP = Math.ceil(D / 4) * 4;
  const padded = (width / D) * DP;
  for (const { row, count } of rowChunks(gpu, "attention", B, [
    T * padded,
    T * H * DP,
    T * width,
    T * H * D,
    T * H,
  ])) {
    const target = rowsOf(dqkv, row, count, T * width);
    const gradient = DP === D ? target : gpu.scratch("padded dqkv", count * T * padded);
    const d = padHeads(gpu, "padded dout", rowsOf(dout, row, count, T * H * D), D, DP);
    const delta = gpu.scratch("attention delta", count * H * T);
    gpu.run({
      kernel: "attention-delta",
      bindings: {
        delta,
        dout: d,
        out: padHeads(gpu, "padded out", rowsOf(out, row, count, T * H * D), D, DP),
      },
      params: { N: count * T * H, T, H, D4: DP / 4 },
      constants: { WG: gpu.tuning.columnLanes },
      groups: grid(Math.ceil((count * T * H) / gpu.tuning.columnLanes)),
    });
    const shared = {
      bindings: {
        dqkv: gradient,
        qkv: padHeads(gpu, "padded qkv", rowsOf(qkv, row, count, T * width), D, DP),
        dout: d,
        lse: rowsOf(lse, row, count, H * T),
        delta,
      },
      params: { T, H, KV, D4: DP / 4, scale: 1 / Math.sqrt(D) },
    };
    const query = plan(gpu, "query-backward", DP / 4);
    gpu.run({
      kernel: query.kernel,
      constants: query.constants,
      ...shared,
      groups: [Math.ceil(T / query.span), H, count],
    });
    const key = plan(gpu, "key-backward", DP / 4);
    gpu.run({
      kernel: key.kernel,
      constants: key.constants,
      ...shared,
      groups: [Math.ceil(T / key.span), KV, count],
    });
    if (DP !== D) repack(gpu, gradient, target, (count * T * width) / D, DP, D);
  }
}

export function attentionCached(gpu: Gpu, p: Of<"attentionCached">): void {
  const { B, T, H, KV, D, position, maxT } = p;
  if (position + T > maxT) {
    throw new Error(`attentionCached: positions ${position}..${position + T} do not fit a cache of ${maxT}`);
  }
  const width = (H + 2 * KV) * D;
  const out = floats("attentionCached", "out", p.out, B * T * H * D);
  const qkv = floats("attentionCached", "qkv", p.qkv, B * T * width);
  const kcache = floats("attentionCached", "kcache", p.kcache, B * maxT * KV * D);
  const vcache = floats("attentionCached", "vcache", p.vcache, B * maxT * KV * D);
  for (const { row, count } of rowChunks(gpu, "attentionCached", B, [T * width, T * H * D, maxT * KV * D])) {
    const pieces = {
      qkv: rowsOf(qkv, row, count, T * width),
      kcache: rowsOf(kcache, row, count, maxT * KV * D),
      vcache: rowsOf(vcache, row, count, maxT * KV * D),
    };
    const N = count * T * KV * D;
    gpu.run({
      kernel: "cache-append",
      bindings: pieces,
      params: { N, T, before: H * D, width: KV * D, position, maxT },
      constants: { WG: gpu.tuning.columnLanes },
      groups: grid(Math.ceil(N / gpu.tuning.columnLanes)),
    });
    gpu.run({
      kernel: "attention-cached",
      bindings: { ...pieces, out: rowsOf(out, row, count, T * H * D) },
      params: { T, H, KV, position, maxT, D, scale: 1 / Math.sqrt(D) },
      constants: { WG: Math.min(64, gpu.tuning.rowLanes), SPACE: Math.ceil(D / 256) * 256 },
      groups: [T, H, count],
    });
  }
}

/**
 * The kernel for one pass: in tiles where workgroup memory holds a tile of the head, else one row to a lane.
 * `span` is the rows of one workgroup.
 */
function plan(gpu: Gpu, pass: "attention" | "query-backward" | "key-backward", D4: number) {
  const { tile, memory } = gpu.tuning.attention;
  const Scalar = gpu.tuning.precision === "f16" ? 16 : 32;
  const suffix = pass === "attention" ? "" : `-${pass}`;
  const SPACE = Math.ceil(D4 / 16) * 16;
  for (let TILE = tile; TILE >= 8; TILE /= 2) {
    const TX = TILE / 4;
    const [operands, scores] =
      pass === "attention" ? [2 * SPACE * TILE + TX, TILE * TX + TX * TX] : [3 * SPACE * TILE, TILE * TX];
    if ((operands * Scalar) / 2 + scores * 16 > memory) continue;
    const constants = { TILE, SPACE, COLUMNS: Math.ceil(D4 / TX), Scalar };
    return { kernel: `attention-tile${suffix}`, constants, span: TILE };
  }
  const lanes = 8;
  return {
    kernel: `attention${suffix}`,
    constants: { WG: lanes, SPACE: Math.ceil(D4 / 32) * 32 },
    span: lanes,
  };
}

function padHeads(gpu: Gpu, name: string, from: Slice, D: number, DP: number): Slice {
  if (D === DP) return from;
  const heads = from.length / D;
  const to = gpu.scratch(name, heads * DP);
  repack(gpu, from, to, heads, D, DP);
  return to;
}

function repack(gpu: Gpu, from: Slice, to: Slice, rows: number, inpWidth: number, outWidth: number): void {
  gpu.run({
    kernel: "repack",
    bindings: { out: to, inp: from },
    params: { rows, out_width: outWidth, inp_width: inpWidth },
    constants: { WG: gpu.tuning.elementLanes },
    groups: grid(Math.ceil((rows * outWidth) / gpu.tuning.elementLanes)),
  });
}
