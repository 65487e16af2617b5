/**
 * The `cpu` device: WebAssembly SIMD on threads that share one memory. Needs nothing but Node.js.
 * Results are the same bits for any number of threads: every op is cut into pieces by its shape alone, each piece
 * is computed by one thread in one order, and sums over pieces are made in the order of the pieces.
 */
import { availableParallelism, cpus } from "node:os";
import { UserError } from "../../lib/errors.ts";
import type { Device, Tensor } from "../device.ts";
import { product } from "./matmul.ts";
import { openMemory } from "./memory.ts";
import { type Build, hasRelaxedSimd, loadModule } from "./module.ts";
import { withProfiler } from "./profiler.ts";
import { double, float, startThreads } from "./threads.ts";

export type CpuOptions = {
  /** Threads that compute, the calling one included; by default as many as the machine has to offer. */
  readonly threads?: number | null;
  /** The build of the kernels; by default the fastest that this engine compiles. */
  readonly build?: Build | null;
};

const rowsOfPiece = 16;
const columnsOfPiece = 32;
const elementsOfPiece = 16384;
/** Muon's matrices are of this order, and a piece keeps only one thread busy. */
const elementsOfMuon = 8192;
/** Query rows that attention handles at a time (BLOCK in kernels/wasm/attention.ts). */
const attentionRows = 32;

const pieces = (n: number, size: number) => Math.max(1, Math.ceil(n / size));

type CpuTensor = Tensor & { readonly address: number };
const address = (tensor: Tensor) => (tensor as CpuTensor).address;

export async function openCpu({ threads: wanted, build: chosen }: CpuOptions = {}): Promise<Device> {
  const count = wanted ?? availableParallelism();
  if (!Number.isInteger(count) || count < 1 || count > 256) {
    throw new UserError(`threads: expected a whole number from 1 to 256, got ${count}`);
  }
  const build = chosen ?? (hasRelaxedSimd() ? "relaxed" : "simd");
  if (build === "relaxed" && !hasRelaxedSimd()) {
    throw new UserError("this Node.js cannot compile relaxed SIMD", 'use the build "simd"');
  }
  const shared = openMemory();
  const threads = await startThreads(loadModule(build), shared, count);
  const { run, needScratch } = threads;
  const model = cpus()[0]?.model.trim() || process.arch;
  const tensors = new Set<number>();
  let temporary = 0;
  let temporaryBytes = 0;

  /** Memory shared by the threads for the length of one op: packed matrices, partial sums. */
  function borrow(bytes: number): number {
    if (bytes > temporaryBytes) {
      if (temporary) shared.free(temporary);
      temporary = shared.alloc(bytes, "packed matrices and partial sums");
      temporaryBytes = bytes;
    }
    return temporary;
  }

  const floats = (tensor: Tensor) => new Float32Array(shared.memory.buffer, address(tensor), tensor.length);
  const whole = (tensor: Tensor) => new Uint32Array(shared.memory.buffer, address(tensor), tensor.length);
  const orZero = (tensor: Tensor | null) => (tensor ? address(tensor) : 0);

  function elementwise(
    kernel: "add" | "gelu" | "geluBackward",
    out: Tensor,
    a: Tensor,
    b: Tensor,
    N: number,
  ) {
    const parameters = [address(out), address(a), address(b), N, elementsOfPiece];
    run(kernel, pieces(N, elementsOfPiece), parameters);
  }

  function normBackward(p: {
    dinp: Tensor;
    dweight: Tensor;
    dbias: Tensor | null;
    dout: Tensor;
    inp: Tensor;
    weight: Tensor;
    mean: Tensor | null;
    rstd: Tensor;
    N: number;
    C: number;
  }) {
    const blocks = pieces(p.N, rowsOfPiece);
    const partials = borrow(blocks * 2 * p.C * 4);
    run("normBackward", blocks, [
      ...[address(p.dinp), partials, address(p.dout), address(p.inp), address(p.weight), orZero(p.mean)],
      ...[address(p.rstd), p.N, p.C, rowsOfPiece],
    ]);
    run("normReduce", pieces(p.C, 64), [address(p.dweight), orZero(p.dbias), partials, blocks, p.C, 64]);
  }

  return withProfiler({
    kind: "cpu",
    about:
      `cpu: WebAssembly SIMD${build === "relaxed" ? " with fused multiply-add" : ""}, ` +
      `${count} thread${count === 1 ? "" : "s"} (${model})`,
    adapter: { name: model, kind: "cpu", details: { threads: count, build } },

    alloc(label, length, dtype = "f32") {
      const at = shared.alloc(length * 4, label);
      tensors.add(at);
      const tensor: CpuTensor = { label, dtype, offset: 0, length, address: at };
      new Uint8Array(shared.memory.buffer, at, length * 4).fill(0);
      return tensor;
    },
    view(base, offset, length) {
      const view: CpuTensor = {
        ...{ ...base, offset: base.offset + offset, length },
        address: address(base) + 4 * offset,
      };
      return view;
    },
    free(tensor) {
      if (tensor.offset === 0 && tensors.delete(address(tensor))) shared.free(address(tensor));
    },
    write(tensor, data) {
      if (tensor.dtype === "u32") whole(tensor).set(data);
      else floats(tensor).set(data);
    },
    read: async tensor => floats(tensor).slice(),
    readInts: async tensor => whole(tensor).slice(),
    fill(tensor, value) {
      const number = tensor.dtype === "u32" ? value : float(value);
      run("fill", pieces(tensor.length, elementsOfPiece), [
        ...[address(tensor), number, tensor.length, elementsOfPiece],
      ]);
    },
    copy(out, inp) {
      const parameters = [address(out), address(inp), inp.length, elementsOfPiece];
      run("copy", pieces(inp.length, elementsOfPiece), parameters);
    },
    finish: async () => {},
    memory: shared.usage,
    async destroy() {
      await threads.stop();
    },

    embed({ out, ids, wte, wpe, B, T, C, position }) {
      run("embed", pieces(B * T, rowsOfPiece), [
        ...[address(out), address(ids), address(wte), orZero(wpe), B * T, T, C, position, rowsOfPiece],
      ]);
    },
    embedBackward({ dwte, dwpe, ids, dout, B, T, C }) {
      run("embedBackward", pieces(C, columnsOfPiece), [
        ...[address(dwte), orZero(dwpe), address(ids), address(dout), B * T, T, C, columnsOfPiece],
      ]);
    },

    layerNorm({ out, mean, rstd, inp, weight, bias, N, C, eps }) {
      run("layerNorm", pieces(N, rowsOfPiece), [
        ...[address(out), address(mean), address(rstd), address(inp), address(weight), address(bias)],
        ...[N, C, float(eps), rowsOfPiece],
      ]);
    },
    layerNormBackward: normBackward,
    rmsNorm({ out, rstd, inp, weight, N, C, eps }) {
      run("rmsNorm", pieces(N, rowsOfPiece), [
        ...[address(out), address(rstd), address(inp), address(weight), N, C, float(eps), rowsOfPiece],
      ]);
    },
    rmsNormBackward: p => normBackward({ ...p, mean: null, dbias: null }),

    matmul(p) {
      product(threads, address, borrow, p);
      const [out, N] = [p.out, p.M * p.N];
      if (p.gelu) elementwise("gelu", p.gelu, out, out, N);
      if (p.geluInput) elementwise("geluBackward", out, p.geluInput, out, N);
    },
    biasBackward({ dbias, dout, N, C }) {
      run("biasBackward", pieces(C, columnsOfPiece), [address(dbias), address(dout), N, C, columnsOfPiece]);
    },

    gelu: ({ out, inp, N }) => elementwise("gelu", out, inp, inp, N),
    geluBackward: ({ dinp, dout, inp, N }) => elementwise("geluBackward", dinp, inp, dout, N),
    add: ({ out, a, b, N }) => elementwise("add", out, a, b, N),
    swiglu({ out, inp, N, F }) {
      run("swiglu", pieces(N, rowsOfPiece), [address(out), address(inp), N, F, rowsOfPiece]);
    },
    swigluBackward({ dinp, dout, inp, N, F }) {
      const parameters = [address(dinp), address(dout), address(inp), N, F, rowsOfPiece];
      run("swigluBackward", pieces(N, rowsOfPiece), parameters);
    },

    rope({ qkv, frequencies, B, T, H, KV, D, position, inverse }) {
      const table = borrow(T * D * 4);
      const angles = new Float32Array(shared.memory.buffer, table, T * D);
      const steps = floats(frequencies);
      for (let t = 0; t < T; t++) {
        for (let i = 0; i < D / 2; i++) {
          const angle = (position + t) * steps[i]!;
          angles[t * D + i] = Math.cos(angle);
          angles[t * D + D / 2 + i] = inverse ? -Math.sin(angle) : Math.sin(angle);
        }
      }
      run("rope", B * T, [address(qkv), table, T, H + KV, (H + 2 * KV) * D, D]);
    },

    attention({ out, lse, qkv, B, T, H, KV, D }) {
      const wide = Math.ceil(T / 8) * 8;
      needScratch(128 + 4 * attentionRows + 8 * wide * D + 4 * attentionRows * wide + 64);
      const parameters = [address(out), address(lse), address(qkv), B, T, H, KV, D, float(1 / Math.sqrt(D))];
      run("attention", B * H, parameters);
    },
    attentionBackward({ dqkv, dout, out, lse, qkv, B, T, H, KV, D }) {
      const wide = Math.ceil(T / 8) * 8;
      needScratch(128 + 20 * wide * D + 8 * attentionRows * D + 8 * attentionRows * wide + 64);
      run("attentionBackward", B * KV, [
        ...[address(dqkv), address(dout), address(out), address(lse), address(qkv)],
        ...[B, T, H, KV, D, float(1 / Math.sqrt(D))],
      ]);
    },
    attentionCached({ out, qkv, kcache, vcache, B, T, H, KV, D, position, maxT }) {
      const wide = Math.ceil((position + T) / 8) * 8;
      needScratch(128 + 4 * attentionRows + 8 * wide * D + 4 * (attentionRows + 1) * wide + 64);
      const parameters = [
        ...[address(out), address(qkv), address(kcache), address(vcache), B, T, H, KV, D, position, maxT],
        float(1 / Math.sqrt(D)),
      ];
      run("appendCache", B, parameters);
      run("attentionCached", B * H, parameters);
    },

    crossEntropy({ losses, logits, targets, weights, N, V, Vp, scale, gradient }) {
      run("crossEntropy", N, [
        ...[address(losses), address(logits), address(targets), orZero(weights), N, V, Vp],
        ...[float(scale), gradient ? 1 : 0, 1],
      ]);
    },

    globalNorm({ norm, tensors: all, scale = 1 }) {
      const counts = all.map(tensor => pieces(tensor.length, elementsOfPiece));
      const total = counts.reduce((a, b) => a + b, 0);
      const partials = borrow(total * 8);
      let at = partials;
      for (const [i, tensor] of all.entries()) {
        run("sumSquares", counts[i]!, [at, address(tensor), tensor.length, elementsOfPiece]);
        at += counts[i]! * 8;
      }
      run("normOfPartials", 1, [address(norm), partials, total]);
      if (scale !== 1) floats(norm)[0]! *= scale;
    },
    adamw({ param, grad, m, v, N, lr, beta1, beta2, eps, weightDecay, step, norm, clip, gradScale = 1 }) {
      run("adamw", pieces(N, elementsOfPiece), [
        ...[address(param), address(grad), address(m), address(v), N],
        ...[lr, beta1, beta2, eps, weightDecay].map(float),
        ...[1 / (1 - beta1 ** step), 1 / (1 - beta2 ** step)].map(float),
        ...[address(norm), float(clip), elementsOfPiece, float(1 - beta1), float(1 - beta2)],
        float(gradScale),
      ]);
    },
    momentum({ out, m, grad, N, beta, norm, clip, gradScale = 1 }) {
      const length = floats(norm)[0]!;
      if (!Number.isFinite(length)) {
        run("fill", pieces(N, elementsOfPiece), [address(out), float(0), N, elementsOfPiece]);
        return;
      }
      const scale = gradScale * (clip > 0 ? Math.min(1, clip / (length + 1e-6)) : 1);
      run("momentum", pieces(N, elementsOfMuon), [
        ...[double(beta), double(scale), address(out), address(m), address(grad), N, elementsOfMuon],
      ]);
    },
    combine({ out, a, alpha, b, beta, N, divisor, norm }) {
      if (norm && !Number.isFinite(floats(norm)[0])) return;
      const by = divisor ? floats(divisor)[0]! + 1e-7 : 1;
      run("combine", pieces(N, elementsOfMuon), [
        ...[double(alpha), double(beta), double(by), address(out), address(a), address(b), N, elementsOfMuon],
      ]);
    },
  });
}
