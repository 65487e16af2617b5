/**
 * Part "step": whole optimizer steps of GPT-2 124M (forward, backward, clipping, AdamW) on random tokens, in f32 and
 * with operands in f16 under a loss scale: tokens/s and MFU from the clock over several steps, then one step with every
 * kernel timed by timestamp queries. MFU is stated against the card's own peak in the part "peak".
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { KernelTime } from "../../kernels/device.ts";
import type { Precision } from "../../kernels/webgpu/tuning.ts";
import { random } from "../../lib/random.ts";
import { configOf, type ModelConfig } from "../../trainer/config.ts";
import { freeLosses, planLosses } from "../../trainer/evaluate.ts";
import { flopsPerToken } from "../../trainer/flops.ts";
import { firstLossScale, nextLossScale } from "../../trainer/loss-scale.ts";
import { logitsBytes, memoryPlan } from "../../trainer/memory.ts";
import { allocModel, headChunk } from "../../trainer/model.ts";
import { countParameters, parametersOf, startingValues } from "../../trainer/parameters.ts";
import { productsOf } from "../../trainer/products.ts";
import { optimizerStep, planOptimizer } from "../../trainer/step.ts";
import { digits, type Opened, open, type Part, printTable, sayReduced, tera, unitOf } from "./part.ts";

export const stepPart: Part = async ({ batch, quick, out, save }) => {
  const results: object[] = [];
  for (const precision of ["f32", "f16"] as const) {
    const opened = await open(precision);
    if (precision === "f32") sayReduced(opened);
    if (precision === "f16" && opened.device.tuning.precision !== "f16") {
      console.log(
        opened.software
          ? "  skipped: f16 (a software adapter computes it in f32)"
          : "  skipped: f16 (no shader-f16)",
      );
      await opened.device.destroy();
      continue;
    }
    for (let rows = opened.small ? 2 : batch; rows >= 1; rows = Math.floor(rows / 2)) {
      try {
        results.push(await measure(opened, precision, rows, quick, peakOf(out, opened)));
        save(results);
        break;
      } catch (error) {
        const reason = error instanceof Error ? error.message.split("\n")[0]! : String(error);
        console.log(`  ${rows} sequences: ${reason}`);
        if (/lost|destroyed/.test(reason)) break; // nothing more can be had of this device
      }
    }
    await opened.device.destroy();
  }
  return results;
};

/** TFLOP/s that the products of this device could reach at most. */
function peakOf(
  out: string,
  { device }: Opened,
): { readonly name: string; readonly teraflops: number } | null {
  let peaks: Record<string, number>;
  try {
    peaks = JSON.parse(readFileSync(join(out, "peak.json"), "utf8")) as Record<string, number>;
  } catch {
    return null;
  }
  const { matrix } = device.tuning;
  const config = matrix?.config;
  const name = config
    ? `matrix ${config.componentType}→${config.resultComponentType} ${config.M}×${config.N}×${config.K}`
    : "fma f32";
  return peaks[name] ? { name, teraflops: peaks[name] } : null;
}

function modelOf(small: boolean): ModelConfig {
  const shape = { family: "gpt2", kvHeads: null } as const;
  const nano = { preset: "nano", layers: 2, heads: 2, width: 64, context: 64, vocabulary: 512 } as const;
  const gpt2 = {
    preset: "gpt2",
    layers: null,
    heads: null,
    width: null,
    context: null,
    vocabulary: 50257,
  } as const;
  return configOf({ ...shape, ...(small ? nano : gpt2) });
}

async function measure(
  { device, small }: Opened,
  precision: Precision,
  rows: number,
  quick: boolean,
  peak: { readonly name: string; readonly teraflops: number } | null,
) {
  const config = modelOf(small);
  const tokens = rows * config.context;
  const { total } = memoryPlan(config, rows);
  const unit = unitOf(small);
  console.log(`\n  ${precision}: ${device.about}`);
  console.log(
    `  ${(countParameters(config) / 1e6).toFixed(1)} M parameters, ${rows} × ${config.context} tokens a step, ` +
      `${(total / 2 ** 30).toFixed(2)} GiB predicted`,
  );
  await device.tune(productsOf(config, tokens, headChunk(config, tokens, logitsBytes)), line =>
    console.log(`    ${line}`),
  );
  const model = allocModel(device, config);
  for (const parameter of parametersOf(config)) {
    device.write(model.weights.get(parameter.name)!, startingValues(parameter, config, 1));
  }
  const plan = planLosses(model, rows);
  const optimizer = planOptimizer(model, rows, 1);
  const source = random(1);
  const draw = () => Uint32Array.from({ length: tokens }, () => source.below(config.vocabulary));
  const batch = { inputs: draw(), targets: draw() };
  let scale = precision === "f16" ? firstLossScale : null;
  let step = 0;
  const losses: number[] = [];
  const run = async () => {
    const settings = { lr: 6e-4, weightDecay: 0.1, beta1: 0.9, beta2: 0.95, clip: 1 };
    const lossScale = scale?.scale ?? 1;
    const result = await optimizerStep(model, plan, optimizer, [batch], ++step, { ...settings, lossScale });
    if (scale) scale = nextLossScale(scale, result.gradNorm);
    losses.push(result.loss);
  };
  for (let i = 0; i < 2; i++) await run();
  const times: number[] = [];
  for (let i = 0; i < (small || quick ? 3 : 10); i++) {
    const began = performance.now();
    await run();
    times.push(performance.now() - began);
  }
  const ms = times.sort((a, b) => a - b)[Math.floor(times.length / 2)]!;
  const flops = flopsPerToken(config) * tokens;
  const rate = (1000 * tokens) / ms;
  const mfu = peak ? `${((100 * tera(flops, ms)) / peak.teraflops).toFixed(1)} % of ${peak.name}` : "-";
  console.log(
    `  ${digits(ms)} ms a step (median), ${Math.round(rate)} tokens/s, ${digits(unit.factor * tera(flops, ms))} ${unit.name}, MFU ${mfu}; ` +
      `loss ${losses[0]!.toFixed(3)} → ${losses.at(-1)!.toFixed(3)}; ` +
      `${(device.memory().peak / 2 ** 30).toFixed(2)} GiB on the device`,
  );
  let kernels: KernelTime[] = [];
  if (device.profiler) {
    device.profiler.begin();
    await run();
    kernels = await device.profiler.end();
    printKernels(kernels, ms, unit);
  } else console.log("  skipped: time of each kernel (no timestamp-query)");
  for (const map of [optimizer.gradients.parameters, optimizer.moments.m, optimizer.moments.v, model.weights])
    for (const tensor of map.values()) device.free(tensor);
  freeLosses(model, plan);
  return {
    precision,
    rows,
    config,
    ms,
    times,
    tokensPerSecond: rate,
    teraflops: tera(flops, ms),
    mfu,
    losses,
    kernels,
  };
}

function printKernels(kernels: readonly KernelTime[], stepMs: number, unit: ReturnType<typeof unitOf>) {
  const all = kernels.reduce((sum, { ms }) => sum + ms, 0);
  const rows = kernels.slice(0, 40).map(({ kernel, launches, ms }) => {
    const shape = / (\d+)×(\d+)×(\d+)$/.exec(kernel);
    const flops = shape ? 2 * Number(shape[1]) * Number(shape[2]) * Number(shape[3]) * launches : 0;
    return [
      kernel,
      launches,
      digits(ms),
      `${((100 * ms) / all).toFixed(1)} %`,
      flops ? digits(unit.factor * tera(flops, ms)) : "",
    ];
  });
  printTable(["kernel", "launches", "ms", "share", unit.name], rows);
  console.log(
    `  ${digits(all)} ms in kernels, each timed in a pass of its own; a step without that took ${digits(stepMs)} ms`,
  );
}
