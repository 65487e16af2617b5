/**
 * Launchers of layer norm, RMS norm, the bias gradient, and their backward passes. Gradients of parameters are summed
 * in two stages: blocks of rows into partial rows, then the partial rows in their order. The number of blocks depends
 * on N alone, so results do not depend on the adapter's size.
 */
import type { Device } from "../device.ts";
import type { Slice } from "./buffers.ts";
import { floats, type Gpu, grid, rowChunks, rowsOf } from "./launch.ts";

type Of<Op extends keyof Device> = Device[Op] extends (p: infer P) => void ? P : never;

export function layerNorm(gpu: Gpu, p: Of<"layerNorm">): void {
  const { N, C, eps } = p;
  const out = floats("layerNorm", "out", p.out, N * C);
  const mean = floats("layerNorm", "mean", p.mean, N);
  const rstd = floats("layerNorm", "rstd", p.rstd, N);
  const inp = floats("layerNorm", "inp", p.inp, N * C);
  const weight = floats("layerNorm", "weight", p.weight, C);
  const bias = floats("layerNorm", "bias", p.bias, C);
  for (const { row, count } of rowChunks(gpu, "layerNorm", N, [C, 1])) {
    gpu.run({
      kernel: "layer-norm",
      bindings: {
        out: rowsOf(out, row, count, C),
        mean: rowsOf(mean, row, count, 1),
        rstd: rowsOf(rstd, row, count, 1),
        inp: rowsOf(inp, row, count, C),
        weight,
        bias,
      },
      params: { N: count, C, eps },
      constants: { WG: gpu.tuning.rowLanes },
      groups: grid(count),
    });
  }
}

export function layerNormBackward(gpu: Gpu, p: Of<"layerNormBackward">): void {
  const { N, C } = p;
  const dinp = floats("layerNormBackward", "dinp", p.dinp, N * C);
  const dweight = floats("layerNormBackward", "dweight", p.dweight, C);
  const dbias = floats("layerNormBackward", "dbias", p.dbias, C);
  const dout = floats("layerNormBackward", "dout", p.dout, N * C);
  const inp = floats("layerNormBackward", "inp", p.inp, N * C);
  const weight = floats("layerNormBackward", "weight", p.weight, C);
  const mean = floats("layerNormBackward", "mean", p.mean, N);
  const rstd = floats("layerNormBackward", "rstd", p.rstd, N);
  for (const { row, count } of rowChunks(gpu, "layerNormBackward", N, [C, 1])) {
    const rows = {
      dout: rowsOf(dout, row, count, C),
      inp: rowsOf(inp, row, count, C),
      mean: rowsOf(mean, row, count, 1),
      rstd: rowsOf(rstd, row, count, 1),
    };
    gpu.run({
      kernel: "layer-norm-backward",
      bindings: { dinp: rowsOf(dinp, row, count, C), weight, ...rows },
      params: { N: count, C },
      constants: { WG: gpu.tuning.rowLanes },
      groups: grid(count),
    });
    const { block, blocks } = rowBlocks(count);
    const partials = gpu.scratch("partials", 2 * blocks * C);
    gpu.run({
      kernel: "layer-norm-weight-backward",
      bindings: { partials, ...rows },
      params: { N: count, C, block, blocks },
      constants: { WG: gpu.tuning.columnLanes },
      groups: [Math.ceil(C / gpu.tuning.columnLanes), blocks, 1],
    });
    reducePartials(gpu, { out: dweight, partials, C, first: 0, count: blocks });
    reducePartials(gpu, { out: dbias, partials, C, first: blocks, count: blocks });
  }
}

export function rmsNorm(gpu: Gpu, p: Of<"rmsNorm">): void {
  const { N, C, eps } = p;
  const out = floats("rmsNorm", "out", p.out, N * C);
  const rstd = floats("rmsNorm", "rstd", p.rstd, N);
  const inp = floats("rmsNorm", "inp", p.inp, N * C);
  const weight = floats("rmsNorm", "weight", p.weight, C);
  for (const { row, count } of rowChunks(gpu, "rmsNorm", N, [C, 1])) {
    gpu.run({
      kernel: "rms-norm",
      bindings: {
        out: rowsOf(out, row, count, C),
        rstd: rowsOf(rstd, row, count, 1),
        inp: rowsOf(inp, row, count, C),
        weight,
      },
      params: { N: count, C, eps },
      constants: { WG: gpu.tuning.rowLanes },
      groups: grid(count),
    });
  }
}

export function rmsNormBackward(gpu: Gpu, p: Of<"rmsNormBackward">): void {
  const { N, C } = p;
  const dinp = floats("rmsNormBackward", "dinp", p.dinp, N * C);
  const dweight = floats("rmsNormBackward", "dweight", p.dweight, C);
  const dout = floats("rmsNormBackward", "dout", p.dout, N * C);
  const inp = floats("rmsNormBackward", "inp", p.inp, N * C);
  const weight = floats("rmsNormBackward", "weight", p.weight, C);
  const rstd = floats("rmsNormBackward", "rstd", p.rstd, N);
  for (const { row, count } of rowChunks(gpu, "rmsNormBackward", N, [C, 1])) {
    const rows = {
      dout: rowsOf(dout, row, count, C),
      inp: rowsOf(inp, row, count, C),
      rstd: rowsOf(rstd, row, count, 1),
    };
    gpu.run({
      kernel: "rms-norm-backward",
      bindings: { dinp: rowsOf(dinp, row, count, C), weight, ...rows },
      params: { N: count, C },
      constants: { WG: gpu.tuning.rowLanes },
      groups: grid(count),
    });
    const { block, blocks } = rowBlocks(count);
    const partials = gpu.scratch("partials", blocks * C);
    gpu.run({
      kernel: "rms-norm-weight-backward",
      bindings: { partials, ...rows },
      params: { N: count, C, block },
      constants: { WG: gpu.tuning.columnLanes },
      groups: [Math.ceil(C / gpu.tuning.columnLanes), blocks, 1],
    });
    reducePartials(gpu, { out: dweight, partials, C, first: 0, count: blocks });
  }
}

export function biasBackward(gpu: Gpu, p: Of<"biasBackward">): void {
  const { N, C } = p;
  const dbias = floats("biasBackward", "dbias", p.dbias, C);
  const dout = floats("biasBackward", "dout", p.dout, N * C);
  for (const { row, count } of rowChunks(gpu, "biasBackward", N, [C])) {
    const { block, blocks } = rowBlocks(count);
    const partials = gpu.scratch("partials", blocks * C);
    gpu.run({
      kernel: "bias-backward",
      bindings: { partials, dout: rowsOf(dout, row, count, C) },
      params: { N: count, C, block },
      constants: { WG: gpu.tuning.columnLanes },
      groups: [Math.ceil(C / gpu.tuning.columnLanes), blocks, 1],
    });
    reducePartials(gpu, { out: dbias, partials, C, first: 0, count: blocks });
  }
}

/** At most 256 blocks of at least 32 rows. */
function rowBlocks(N: number): { block: number; blocks: number } {
  const block = Math.max(32, Math.ceil(N / 256));
  return { block, blocks: Math.ceil(N / block) };
}

/** out (C) += the rows first..first+count of partials (·, C). */
function reducePartials(
  gpu: Gpu,
  p: { out: Slice; partials: Slice; C: number; first: number; count: number },
): void {
  gpu.run({
    kernel: "reduce-partials",
    bindings: { out: p.out, partials: p.partials, bias: null, other: null, activated: null },
    params: { C: p.C, first: p.first, count: p.count, width: 0, accumulate: 1, epilogue: 0 },
    constants: { WG: gpu.tuning.columnLanes },
    groups: grid(Math.ceil(p.C / gpu.tuning.columnLanes)),
  });
}
