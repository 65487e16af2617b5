/**
 * Tiny Shakespeare at character level by nanoGPT's recipe for a CPU (4 layers, 4 heads, 128 wide, 64 characters, batches
 * of 12 at random places, 2,000 steps, cosine from 1e-3 to 1e-4, no dropout), here and in PyTorch on the same cores. The
 * validation loss is over the whole last tenth of the text. nanoGPT's own: 1.88 nats a character.
 * Run: node dist/bench/shakespeare.js FILE [--steps N] [--threads N] [--torch python3] [--most NATS]
 * FILE is the text of 1,115,394 characters. Fails where the loss is above --most. PyTorch has OpenBLAS's threads and one of its
 * own, with which it is fastest at this size.
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { openCpu } from "../kernels/cpu/device.ts";
import { packageRoot } from "../lib/package-root.ts";
import { random } from "../lib/random.ts";
import type { TokenShards } from "../trainer/batches.ts";
import { configOf } from "../trainer/config.ts";
import { evaluate, planLosses } from "../trainer/evaluate.ts";
import { allocModel } from "../trainer/model.ts";
import { countParameters, parametersOf, startingValues } from "../trainer/parameters.ts";
import { learningRate } from "../trainer/schedule.ts";
import { optimizerStep, planOptimizer } from "../trainer/step.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    steps: { type: "string", default: "2000" },
    threads: { type: "string" },
    torch: { type: "string" },
    most: { type: "string" },
    seed: { type: "string", default: "1337" },
  },
});
const [path] = positionals;
if (path === undefined)
  throw new Error("usage: shakespeare FILE [--steps N] [--torch python3] [--most NATS]");
const text = readFileSync(path, "utf8");
const letters = [...new Set(text)].sort();
const idOf = new Map(letters.map((letter, id) => [letter, id]));
const ids = Uint16Array.from(text, letter => idOf.get(letter)!);
const cut = Math.floor(0.9 * ids.length);
const [train, held] = [ids.subarray(0, cut), ids.subarray(cut)];

const steps = Number(values.steps);
const rows = 12;
const config = configOf({
  ...{ preset: "nano", family: "gpt2", layers: 4, heads: 4, kvHeads: null, width: 128, context: 64 },
  vocabulary: letters.length,
});
const threads = values.threads === undefined ? null : Number(values.threads);
const device = await openCpu({ threads });
const model = allocModel(device, config);
const seed = Number(values.seed);
for (const parameter of parametersOf(config)) {
  device.write(model.weights.get(parameter.name)!, startingValues(parameter, config, seed));
}
const [plan, optimizer] = [planLosses(model, rows), planOptimizer(model, rows, 1)];
const source = random(seed);
const { context } = config;
const schedule = { schedule: "cosine", lr: 1e-3, minLr: 1e-4, warmup: 100, steps } as const;
const settings = { weightDecay: 0.1, beta1: 0.9, beta2: 0.99, clip: 1 };

function batch() {
  const [inputs, targets] = [new Uint32Array(rows * context), new Uint32Array(rows * context)];
  for (let row = 0; row < rows; row++) {
    const at = source.below(train.length - context);
    inputs.set(train.subarray(at, at + context), row * context);
    targets.set(train.subarray(at + 1, at + context + 1), row * context);
  }
  return { inputs, targets };
}

const [began, used] = [performance.now(), process.cpuUsage()];
for (let step = 1; step <= steps; step++) {
  const lr = learningRate(schedule, step);
  const { loss } = await optimizerStep(model, plan, optimizer, [batch()], step, { ...settings, lr });
  if (step % 250 === 0) process.stderr.write(`step ${step}: loss ${loss.toFixed(4)}\n`);
}
const wall = (performance.now() - began) / 1000;
const { user, system } = process.cpuUsage(used);
const cpu = (user + system) / 1e6;
const shards: TokenShards = {
  ...{ files: ["the last tenth"], documents: 1, tokens: held.length },
  shard: () => ({ tokens: held, starts: [0, held.length] }),
};
const bytesPerToken = new Uint8Array(letters.length).fill(1);
const { loss, tokens } = await evaluate(model, shards, { bytesPerToken }, held.length);
console.log(`Node ${process.version}, ${cpus()[0]?.model.trim()}, ${cpus().length} cores, ${device.about}`);
console.log(
  `${countParameters(config).toLocaleString("en")} parameters, ${steps} steps of ${rows * context} characters`,
);
const line = (name: string, loss: number, cpu: number, wall: number) =>
  console.log(
    `${name.padEnd(24)} validation ${loss.toFixed(4)} nats   ${cpu.toFixed(1)} CPU s   ${wall.toFixed(1)} s`,
  );
line("curate", loss, cpu, wall);
console.log(`  over ${tokens.toLocaleString("en")} characters`);
await device.destroy();
if (values.torch !== undefined) {
  const script = join(packageRoot, "bench", "nanogpt.py");
  // OpenBLAS with kernels of another processor would be no fair rival.
  const { OPENBLAS_CORETYPE: _, ...env } = process.env;
  const cores = values.threads ?? String(cpus().length);
  const printed = execFileSync(values.torch, [script, "text", path, String(steps), "1"], {
    encoding: "utf8",
    env: { ...env, OPENBLAS_NUM_THREADS: cores },
  });
  const theirs = JSON.parse(printed) as { torch: string; loss: number; cpu: number; wall: number };
  line(`PyTorch ${theirs.torch}`, theirs.loss, theirs.cpu, theirs.wall);
  console.log(
    `a step: ours ${((1000 * wall) / steps).toFixed(1)} ms, PyTorch's ${((1000 * theirs.wall) / steps).toFixed(1)}; ` +
      `PyTorch's time ${(theirs.wall / wall).toFixed(2)} times ours, its CPU seconds ${(theirs.cpu / cpu).toFixed(2)} times`,
  );
}
if (values.most !== undefined && !(loss <= Number(values.most))) {
  console.log(`the validation loss is above ${values.most}`);
  process.exitCode = 1;
}
