/**
 * Training speed of the cpu device: tokens per second of whole optimizer steps (forward, backward, AdamW or Muon) on random
 * tokens, at the two sizes for which nanoGPT's rates on PyTorch are known and at the default recipe's, and where the time
 * goes, op by op.
 * Run: node dist/bench/trainer.js [tiny|small|recipe] [--threads N] [--seconds S] [--profile] [--build simd|relaxed]
 *      [--optimizer adamw|muon] [--torch python3 [--rounds N]]
 * Rates are per wall second and, for one thread, per CPU second too, which a busy machine changes less. With --torch rounds
 * of ours and of PyTorch (bench/nanogpt.py) take turns; with more threads than one, PyTorch runs with all of its own and
 * OpenBLAS's threads, with OpenBLAS's alone (fastest at 1.3 M parameters) and with one, and its best result counts.
 */
import { execFileSync } from "node:child_process";
import { cpus } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { openCpu } from "../kernels/cpu/device.ts";
import type { KernelTime } from "../kernels/device.ts";
import { packageRoot } from "../lib/package-root.ts";
import { random } from "../lib/random.ts";
import type { Batch } from "../trainer/batches.ts";
import { configOf } from "../trainer/config.ts";
import { planLosses } from "../trainer/evaluate.ts";
import { flopsPerToken } from "../trainer/flops.ts";
import { allocModel } from "../trainer/model.ts";
import { countParameters, parametersOf, startingValues } from "../trainer/parameters.ts";
import { type OptimizerName, optimizerStep, planOptimizer } from "../trainer/step.ts";

const shape = { preset: "nano", family: "gpt2", kvHeads: null } as const;
const cases = {
  tiny: {
    config: configOf({ ...shape, layers: 4, heads: 4, width: 128, context: 64, vocabulary: 4096 }),
    rows: 12,
  },
  small: {
    config: configOf({ ...shape, layers: 6, heads: 6, width: 384, context: 256, vocabulary: 50304 }),
    rows: 8,
  },
  recipe: {
    config: configOf({ ...shape, layers: 4, heads: 4, width: 128, context: 128, vocabulary: 4096 }),
    rows: 8,
  },
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    threads: { type: "string", default: "1" },
    seconds: { type: "string", default: "20" },
    build: { type: "string" },
    optimizer: { type: "string", default: "adamw" },
    profile: { type: "boolean", default: false },
    torch: { type: "string" },
    rounds: { type: "string", default: "3" },
  },
});

async function measure(name: keyof typeof cases) {
  const { config, rows } = cases[name];
  const build = values.build as "simd" | "relaxed" | undefined;
  const threads = Number(values.threads);
  const device = await openCpu({ threads, build: build ?? null });
  const model = allocModel(device, config);
  for (const parameter of parametersOf(config)) {
    device.write(model.weights.get(parameter.name)!, startingValues(parameter, config, 1));
  }
  const plan = planLosses(model, rows);
  const optimizer = planOptimizer(model, rows, 1, values.optimizer as OptimizerName);
  const tokens = rows * config.context;
  const source = random(1);
  const draw = () => Uint32Array.from({ length: tokens }, () => source.below(config.vocabulary));
  const batch: Batch = { inputs: draw(), targets: draw() };
  const settings = { lr: 1e-4, weightDecay: 0.1, beta1: 0.9, beta2: 0.95, clip: 1 };
  const wall: number[] = [];
  const cpu: number[] = [];
  const ways = [
    [1, 1],
    [1, threads],
    [threads, threads],
  ].slice(0, threads === 1 ? 1 : 3);
  const theirs = ways.map(([own, blas]) => ({
    ...{ torch: "", own: own!, blas: blas!, wall: [] as number[], cpu: [] as number[] },
  }));
  let step = 0;
  const round = async (seconds: number) => {
    const end = performance.now() + 1000 * seconds;
    for (let i = 0; performance.now() < end || i < 2 || wall.length < 2; i++) {
      const [began, used] = [performance.now(), process.cpuUsage()];
      await optimizerStep(model, plan, optimizer, [batch], ++step, settings);
      const { user, system } = process.cpuUsage(used);
      if (step === 2 && values.profile) device.profiler!.begin();
      if (step <= 2) continue;
      wall.push((performance.now() - began) / 1000);
      cpu.push((user + system) / 1e6);
    }
  };
  const rounds = values.torch === undefined ? 1 : Number(values.rounds);
  for (let i = 0; i < rounds; i++) {
    await round(Number(values.seconds) / rounds);
    if (values.torch === undefined) continue;
    const { layers, heads, width, context, vocabulary } = config;
    const seconds = Number(values.seconds) / rounds / theirs.length;
    const script = join(packageRoot, "bench", "nanogpt.py");
    // OpenBLAS with kernels of another processor would be no fair rival.
    const { OPENBLAS_CORETYPE: _, ...env } = process.env;
    for (const one of theirs) {
      const numbers = [layers, heads, width, context, rows, vocabulary, one.own, seconds];
      const printed = execFileSync(values.torch, [script, "speed", ...numbers.map(String)], {
        env: { ...env, OPENBLAS_NUM_THREADS: String(one.blas) },
      });
      const more = JSON.parse(String(printed)) as typeof one;
      one.torch = more.torch;
      one.wall.push(...more.wall);
      one.cpu.push(...more.cpu);
    }
  }
  const times: KernelTime[] = values.profile ? await device.profiler!.end() : [];
  const median = (all: readonly number[]) => [...all].sort((a, b) => a - b)[Math.floor(all.length / 2)]!;
  const flops = flopsPerToken(config) * tokens;
  const [seconds, best, cpuSeconds] = [median(wall), Math.min(...wall), median(cpu)];
  console.log(`${name}: ${device.about}`);
  console.log(
    `  ${countParameters(config).toLocaleString("en")} parameters, ${tokens} tokens a step, ${wall.length} steps`,
  );
  const rate = (s: number) => `${(tokens / s).toFixed(0)} tokens/s (${(flops / s / 1e9).toFixed(1)} GFLOP/s)`;
  console.log(`  median ${rate(seconds)}; best step ${rate(best)}`);
  if (values.threads === "1") console.log(`  per CPU second ${rate(cpuSeconds)}`);
  if (values.torch !== undefined) {
    for (const { torch, own, blas, wall, cpu } of theirs) {
      console.log(
        `  PyTorch ${torch}, threads ${own}, of OpenBLAS ${blas}: median ${rate(median(wall))}; ` +
          `best step ${rate(Math.min(...wall))}; per CPU second ${rate(median(cpu))}`,
      );
    }
    const better = theirs.reduce((a, b) => (median(b.wall) < median(a.wall) ? b : a));
    const ratios = [`${(median(better.wall) / seconds).toFixed(2)} by wall`];
    ratios.push(`${(Math.min(...better.wall) / best).toFixed(2)} by best step`);
    if (threads === 1) ratios.push(`${(median(better.cpu) / cpuSeconds).toFixed(2)} by CPU second`);
    console.log(`  ours to PyTorch's best: ${ratios.join(", ")}`);
  }
  console.log(`  memory ${(device.memory().peak / 2 ** 20).toFixed(0)} MiB`);
  const total = times.reduce((sum, { ms }) => sum + ms, 0);
  for (const { kernel, launches, ms } of times) {
    const share = ((100 * ms) / total).toFixed(1).padStart(5);
    const shape = / (\d+)×(\d+)×(\d+)$/.exec(kernel);
    const speed = shape
      ? `${((2 * Number(shape[1]) * Number(shape[2]) * Number(shape[3]) * launches) / ms / 1e6).toFixed(1)} GFLOP/s`
      : `${((1000 * ms) / launches).toFixed(0)} µs each`;
    const each = (launches / (step - 2)).toFixed(0).padStart(5);
    console.log(`  ${share} %  ${kernel.padEnd(34)} ${each} a step  ${speed}`);
  }
  await device.destroy();
}

console.log(`Node ${process.version}, ${cpus()[0]?.model.trim()}, ${cpus().length} cores`);
const wanted = positionals.length === 0 ? ["tiny", "small"] : positionals;
for (const name of ["tiny", "small", "recipe"] as const) if (wanted.includes(name)) await measure(name);
