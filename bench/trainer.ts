/**
 * Training speed of the cpu device: tokens per second of whole optimizer steps (forward, backward, AdamW) on random
 * tokens, at the two sizes for which nanoGPT's rates on PyTorch are known, and where the time goes, op by op.
 * Run: node dist/bench/trainer.js [tiny|small] [--threads N] [--seconds S] [--profile] [--build simd|relaxed] [--torch python3]
 * Rates are per wall second and, for one thread, per CPU second too, which a busy machine does not change. With --torch
 * rounds of ours and of PyTorch (bench/nanogpt.py) take turns.
 */
import { execFileSync } from "node:child_process";
import { cpus } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { openCpu } from "../kernels/cpu/device.ts";
import type { Device } from "../kernels/device.ts";
import { packageRoot } from "../lib/package-root.ts";
import { random } from "../lib/random.ts";
import type { Batch } from "../trainer/batches.ts";
import { configOf } from "../trainer/config.ts";
import { planLosses } from "../trainer/evaluate.ts";
import { flopsPerToken } from "../trainer/flops.ts";
import { allocModel } from "../trainer/model.ts";
import { countParameters, parametersOf, startingValues } from "../trainer/parameters.ts";
import { optimizerStep, planOptimizer } from "../trainer/step.ts";

const shape = { preset: "nano", family: "gpt2", kvHeads: null } as const;
const cases = {
  tiny: {
    config: configOf({ ...shape, layers: 4, heads: 4, width: 128, context: 64, vocabulary: 4096 }),
    rows: 12,
    rival: "nanoGPT on PyTorch 1.13 + OpenBLAS, two EPYC cores: 5,500 tokens/s on one thread, 3,800 on two",
  },
  small: {
    config: configOf({ ...shape, layers: 6, heads: 6, width: 384, context: 256, vocabulary: 50304 }),
    rows: 8,
    rival: "nanoGPT on PyTorch 1.13 + OpenBLAS, two EPYC cores: 446 tokens/s on two threads",
  },
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    threads: { type: "string", default: "1" },
    seconds: { type: "string", default: "20" },
    build: { type: "string" },
    profile: { type: "boolean", default: false },
    torch: { type: "string" },
  },
});

type Entry = { ms: number; calls: number; flops: number };

/** The device with every op timed. Ops of the cpu device are done when they return, so the clock tells the truth. */
function timed(device: Device, table: Map<string, Entry>): Device {
  const wrapped = Object.entries(device).map(([name, method]) => {
    if (typeof method !== "function" || name === "alloc" || name === "view") return [name, method];
    const run = (...all: unknown[]) => {
      const began = performance.now();
      const result = (method as (...all: unknown[]) => unknown)(...all);
      const p = all[0] as { layout?: string; M?: number; N?: number; K?: number };
      const key = name === "matmul" ? `matmul ${p.layout} ${p.M}x${p.N}x${p.K}` : name;
      const entry = table.get(key) ?? { ms: 0, calls: 0, flops: 0 };
      entry.ms += performance.now() - began;
      entry.calls++;
      if (name === "matmul") entry.flops += 2 * p.M! * p.N! * p.K!;
      table.set(key, entry);
      return result;
    };
    return [name, run];
  });
  return Object.fromEntries(wrapped) as Device;
}

async function measure(name: keyof typeof cases) {
  const { config, rows, rival } = cases[name];
  const build = values.build as "simd" | "relaxed" | undefined;
  const opened = await openCpu({ threads: Number(values.threads), build: build ?? null });
  const table = new Map<string, Entry>();
  const device = values.profile ? timed(opened, table) : opened;
  const model = allocModel(device, config);
  for (const parameter of parametersOf(config)) {
    device.write(model.weights.get(parameter.name)!, startingValues(parameter, config, 1));
  }
  const plan = planLosses(model, rows);
  const optimizer = planOptimizer(model, rows, 1);
  const tokens = rows * config.context;
  const source = random(1);
  const draw = () => Uint32Array.from({ length: tokens }, () => source.below(config.vocabulary));
  const batch: Batch = { inputs: draw(), targets: draw() };
  const settings = { lr: 1e-4, weightDecay: 0.1, beta1: 0.9, beta2: 0.95, clip: 1 };
  const wall: number[] = [];
  const cpu: number[] = [];
  const theirs = { torch: "", wall: [] as number[], cpu: [] as number[] };
  let step = 0;
  const round = async (seconds: number) => {
    const end = performance.now() + 1000 * seconds;
    for (let i = 0; performance.now() < end || i < 3; i++) {
      const [began, used] = [performance.now(), process.cpuUsage()];
      await optimizerStep(model, plan, optimizer, [batch], ++step, settings);
      const { user, system } = process.cpuUsage(used);
      if (step <= 2) table.clear();
      if (i < (step <= 2 ? 2 : 1)) continue;
      wall.push((performance.now() - began) / 1000);
      cpu.push((user + system) / 1e6);
    }
  };
  const rounds = values.torch === undefined ? 1 : 3;
  for (let i = 0; i < rounds; i++) {
    await round(Number(values.seconds) / rounds);
    if (values.torch === undefined) continue;
    const { layers, heads, width, context, vocabulary } = config;
    const numbers = [layers, heads, width, context, rows, vocabulary, values.threads];
    const seconds = String(Number(values.seconds) / rounds);
    const script = join(packageRoot, "bench", "nanogpt.py");
    const printed = execFileSync(values.torch, [script, "speed", ...numbers.map(String), seconds]);
    const more = JSON.parse(String(printed)) as typeof theirs;
    theirs.torch = more.torch;
    theirs.wall.push(...more.wall);
    theirs.cpu.push(...more.cpu);
  }
  const median = (all: readonly number[]) => [...all].sort((a, b) => a - b)[Math.floor(all.length / 2)]!;
  const flops = flopsPerToken(config) * tokens;
  const [seconds, best, cpuSeconds] = [median(wall), Math.min(...wall), median(cpu)];
  console.log(`${name}: ${opened.about}`);
  console.log(
    `  ${countParameters(config).toLocaleString("en")} parameters, ${tokens} tokens a step, ${wall.length} steps`,
  );
  const rate = (s: number) => `${(tokens / s).toFixed(0)} tokens/s (${(flops / s / 1e9).toFixed(1)} GFLOP/s)`;
  console.log(`  median ${rate(seconds)}; best step ${rate(best)}`);
  if (values.threads === "1") console.log(`  per CPU second ${rate(cpuSeconds)}`);
  if (theirs.torch !== "") {
    const [theirWall, theirCpu] = [median(theirs.wall), median(theirs.cpu)];
    console.log(
      `  PyTorch ${theirs.torch}: median ${rate(theirWall)}; best step ${rate(Math.min(...theirs.wall))}; per CPU second ${rate(theirCpu)}`,
    );
    console.log(
      `  ours to PyTorch: ${(theirWall / seconds).toFixed(2)} by wall, ${(Math.min(...theirs.wall) / best).toFixed(2)} by best step, ${(theirCpu / cpuSeconds).toFixed(2)} by CPU second`,
    );
  }
  console.log(`  memory ${(opened.memory().peak / 2 ** 20).toFixed(0)} MiB; rival: ${rival}`);
  const total = [...table.values()].reduce((sum, { ms }) => sum + ms, 0);
  for (const [key, { ms, calls, flops }] of [...table].sort((a, b) => b[1].ms - a[1].ms)) {
    const share = ((100 * ms) / total).toFixed(1).padStart(5);
    const speed = flops
      ? `${(flops / ms / 1e6).toFixed(1)} GFLOP/s`
      : `${((1000 * ms) / calls).toFixed(0)} µs each`;
    console.log(
      `  ${share} %  ${key.padEnd(34)} ${String(calls / wall.length).padStart(5)} a step  ${speed}`,
    );
  }
  await opened.destroy();
}

console.log(`Node ${process.version}, ${cpus()[0]?.model.trim()}, ${cpus().length} cores`);
for (const name of ["tiny", "small"] as const) {
  if (positionals.length === 0 || positionals.includes(name)) await measure(name);
}
