/** Whole runs: what they leave behind, that they can be stopped at any moment and resumed to the same bytes, and what they refuse. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { openCpu } from "../../kernels/cpu/device.ts";
import type { Device } from "../../kernels/device.ts";
import { UserError } from "../../lib/errors.ts";
import { listCheckpoints, newestCheckpoint, openModel } from "../../trainer/checkpoint.ts";
import { planLosses } from "../../trainer/evaluate.ts";
import type { StepMetrics } from "../../trainer/metrics.ts";
import { allocModel } from "../../trainer/model.ts";
import type { TrainOptions } from "../../trainer/options.ts";
import { parametersOf, startingValues } from "../../trainer/parameters.ts";
import { openSafetensors } from "../../trainer/safetensors.ts";
import { notFinite, optimizerStep, planOptimizer } from "../../trainer/step.ts";
import { type TrainEvents, type TrainResult, train } from "../../trainer/train.ts";
import { temporary, tinyConfig, tinyOptions, vocabulary, writeShards } from "./toy.ts";

const root = temporary();
const shards = writeShards(join(root, "shards"));
const device = await openCpu({ threads: 1 });
after(() => device.destroy());

type Changes = {
  options?: Partial<TrainOptions>;
  device?: Device;
  signal?: AbortSignal;
  on?: TrainEvents;
  init?: string;
};

const run = (out: string, changes: Changes = {}): Promise<TrainResult> =>
  train({
    ...{ shards, out: join(root, out), device: changes.device ?? device, vocabulary },
    init: changes.init ?? null,
    ...{ options: tinyOptions(changes.options), signal: changes.signal ?? null, on: changes.on ?? {} },
  });

type Line = Record<string, number>;

const linesOf = (out: string, file: string) =>
  readFileSync(join(root, out, file), "utf8")
    .trim()
    .split("\n")
    .map(line => JSON.parse(line) as Line);

/** Everything a run computed: losses of each step without their timings, samples, the last checkpoint's bytes. */
function results(out: string) {
  const metrics = linesOf(out, "metrics.jsonl").map(({ tokensPerSecond, mfu, ms, kernels, ...rest }) => rest);
  const dir = newestCheckpoint(join(root, out)).checkpoint!.dir;
  const files = readdirSync(dir)
    .sort()
    .map(name => [name, readFileSync(join(dir, name))] as const);
  return { metrics, samples: linesOf(out, "samples.jsonl"), files };
}

describe("a training run", () => {
  test("leaves metrics of every step, samples, and checkpoints that open", async () => {
    const seen: string[] = [];
    const result = await run("plain", {
      on: {
        start: ({ parameters, validationTokens, microBatches }) =>
          seen.push(`start ${parameters} ${validationTokens} ${microBatches}`),
        validation: step => seen.push(`validation ${step}`),
        sample: ({ step }) => seen.push(`sample ${step}`),
        checkpoint: step => seen.push(`checkpoint ${step}`),
      },
    });
    assert.equal(result.finished, true);
    assert.equal(result.tokens, 12 * 128);
    const metrics = linesOf("plain", "metrics.jsonl");
    assert.deepEqual(
      metrics.map(({ step }) => step),
      Array.from({ length: 12 }, (_, i) => i + 1),
    );
    assert.deepEqual(Object.keys(metrics[0]!), [
      "step",
      "tokens",
      "loss",
      "lr",
      "gradNorm",
      "tokensPerSecond",
      "mfu",
      "ms",
    ]);
    assert.deepEqual(
      metrics.filter(line => "valLoss" in line).map(({ step }) => step),
      [5, 10, 12],
    );
    assert.ok(metrics[11]!["loss"]! < metrics[0]!["loss"]! - 0.2, "the loss goes down");
    assert.deepEqual(
      linesOf("plain", "samples.jsonl").map(({ step }) => step),
      [4, 8, 12],
    );
    assert.deepEqual(
      seen.filter(text => text.startsWith("checkpoint")),
      ["checkpoint 5", "checkpoint 10", "checkpoint 12"],
    );
    assert.match(seen[0]!, /^start 26784 200 2$/);
    assert.deepEqual(listCheckpoints(join(root, "plain")), [10, 12]);
    const model = await openModel(join(root, "plain"), device);
    assert.equal(model.config.vocabulary, vocabulary.size);
    model.free();
  });

  test("says of every 20th step and of the last where its time went", async () => {
    await run("timed", { options: tinyOptions({ steps: 23, sampleEvery: 0 }) });
    const lines = linesOf("timed", "metrics.jsonl") as unknown as StepMetrics[];
    const timed = lines.filter(({ kernels }) => kernels);
    assert.deepEqual(
      timed.map(({ step }) => step),
      [20, 23],
    );
    for (const { kernels, ms } of timed) {
      const names = Object.keys(kernels!);
      for (const name of [
        "matmul NT",
        "matmul NN",
        "matmul TN",
        "attention-backward",
        "adamw",
        "global-norm",
      ])
        assert.ok(names.includes(name), `${name} is missing in ${names.join(", ")}`);
      const all = Object.values(kernels!);
      assert.deepEqual(
        all,
        [...all].sort((a, b) => b - a),
      );
      const sum = all.reduce((a, b) => a + b, 0);
      assert.ok(sum > 0 && sum <= ms, `${sum} ms in kernels of a step of ${ms} ms`);
    }
  });

  test("frees all the memory it took", async () => {
    // The device keeps room for the largest packed matrix it has met; this one fills it, however fast the machine.
    const [a, b, out] = [64 * 512, 1024 * 512, 64 * 1024].map(length => device.alloc("warm-up", length));
    const shape = { layout: "NT", bias: null, M: 64, N: 1024, K: 512, accumulate: false } as const;
    device.matmul({ out: out!, a: a!, b: b!, ...shape });
    for (const tensor of [a, b, out]) device.free(tensor!);
    const before = device.memory().bytes;
    await run("memory", { options: { steps: 2 } });
    assert.equal(device.memory().bytes, before);
  });

  test("gives the same bytes on one and on two threads", async () => {
    const two = await openCpu({ threads: 2 });
    await run("threads-1");
    await run("threads-2", { device: two });
    await two.destroy();
    const [a, b] = [results("threads-1"), results("threads-2")];
    assert.deepEqual(b.metrics, a.metrics);
    assert.deepEqual(b.samples, a.samples);
    const tensors = (files: typeof a.files) => files.filter(([name]) => name.endsWith(".safetensors"));
    assert.deepEqual(tensors(b.files), tensors(a.files));
  });

  for (const family of ["gpt2", "llama"] as const) {
    test(`stopped by its signal and run again ends with the same bytes (${family})`, async () => {
      await run(`whole-${family}`, { options: { family } });
      const stop = new AbortController();
      const first = await run(`stopped-${family}`, {
        options: { family },
        signal: stop.signal,
        on: { step: ({ step }) => step === 7 && stop.abort() },
      });
      assert.equal(first.finished, false);
      assert.deepEqual(listCheckpoints(join(root, `stopped-${family}`)), [5, 7]);
      const second = await run(`stopped-${family}`, { options: { family } });
      assert.equal(second.finished, true);
      assert.deepEqual(results(`stopped-${family}`), results(`whole-${family}`));
    });
  }

  test("by Muon learns, resumes to the same bytes and keeps no second moment of its matrices", async () => {
    const options = { optimizer: "muon" } as const;
    await run("muon", { options });
    const stop = new AbortController();
    const on = { step: ({ step }: { step: number }) => step === 7 && stop.abort() };
    await run("muon-stopped", { options, signal: stop.signal, on });
    await run("muon-stopped", { options });
    assert.deepEqual(results("muon-stopped"), results("muon"));
    const losses = linesOf("muon", "metrics.jsonl").map(({ loss }) => loss!);
    assert.ok(losses.at(-1)! < losses[0]! - 0.2, "the loss goes down");
    const { dir } = newestCheckpoint(join(root, "muon")).checkpoint!;
    const file = openSafetensors(join(dir, "optimizer.safetensors"));
    file.close();
    assert.ok(file.tensors.has("m.layers.0.qkv.weight") && file.tensors.has("v.layers.0.qkv.bias"));
    assert.equal(file.tensors.has("v.layers.0.qkv.weight"), false);
  });

  test("with recomputed activations ends with the same bytes", async () => {
    await run("recomputed", { options: { recompute: true } });
    assert.deepEqual(results("recomputed"), results("whole-gpt2"));
  });

  test("in half precision halves its loss scale until gradients fit, and learns the same", async () => {
    // A device that overflows where the scale is above 2^13.
    const narrow = {
      ...device,
      tuning: { precision: "f16" },
      globalNorm(p: Parameters<Device["globalNorm"]>[0]) {
        device.globalNorm(p);
        if ((p.scale ?? 1) < 2 ** -13) device.write(p.norm, Float32Array.of(Number.POSITIVE_INFINITY));
      },
    } as Device;
    await run("half", { device: narrow, options: { precision: "f16" } });
    const { state } = newestCheckpoint(join(root, "half")).checkpoint!;
    assert.deepEqual(state.lossScale, { scale: 2 ** 13, clean: 12 });
    const [half, whole] = [linesOf("half", "metrics.jsonl"), linesOf("whole-gpt2", "metrics.jsonl")];
    assert.equal(half.length, whole.length);
    for (const [i, { loss }] of half.entries()) {
      assert.ok(Math.abs(loss! - whole[i]!["loss"]!) < 1e-4, `step ${i + 1}: ${loss}, ${whole[i]!["loss"]}`);
    }
  });

  test("goes on from another model's weights, and refuses one of another vocabulary", async () => {
    const before = await run("first", { options: { steps: 6 } });
    const init = before.checkpoint;
    const options = { preset: "micro", layers: null, heads: null, width: null, steps: 3, warmup: 0 } as const;
    await run("second", { options, init });
    const [first, second] = [linesOf("first", "metrics.jsonl"), linesOf("second", "metrics.jsonl")];
    assert.ok(second[0]!["loss"]! < first[0]!["loss"]! - 0.1, "it begins where the other ended");
    assert.equal((await run("second", { options, init })).finished, true);
    const other = join(root, "other-vocabulary");
    cpSync(init, other, { recursive: true });
    const config = JSON.parse(readFileSync(join(other, "config.json"), "utf8"));
    writeFileSync(join(other, "config.json"), JSON.stringify({ ...config, tokenizer: "1".repeat(64) }));
    const error = await run("third", { init: other }).catch((error: unknown) => error);
    assert.ok(error instanceof UserError && /has another tokenizer than the shards/.test(error.message));
  });

  test("lets a device tune itself for the products of its step, where the run is long", async () => {
    const tuned: number[] = [];
    const tunable = {
      ...device,
      tune: async (products: readonly unknown[]) => void tuned.push(products.length),
    };
    await run("short", { device: tunable, options: { steps: 1 } });
    assert.deepEqual(tuned, []);
    const stop = new AbortController();
    await run("long", {
      device: tunable,
      options: { steps: 1e9 },
      signal: stop.signal,
      on: { step: () => stop.abort() },
    });
    assert.deepEqual(tuned, [15]);
  });

  test("killed with SIGKILL again and again ends with the same bytes", { timeout: 120_000 }, async () => {
    await run("unkilled", { options: { steps: 40 } });
    const program = fileURLToPath(new URL("./kill-target.js", import.meta.url));
    let kills = 0;
    for (let attempt = 0; attempt < 12; attempt++) {
      const child = spawn(process.execPath, [program, shards, join(root, "killed")], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      const killAfter = 5 + 4 * attempt;
      let steps = 0;
      child.stdout.on("data", (chunk: Buffer) => {
        steps += chunk.toString().split("\n").length - 1;
        if (steps >= killAfter) child.kill("SIGKILL");
      });
      const [code, signal] = await new Promise<[number | null, string | null]>(resolve =>
        child.once("close", (code, signal) => resolve([code, signal])),
      );
      if (signal === "SIGKILL") kills++;
      if (code === 0) break;
    }
    assert.ok(kills >= 2, `${kills} kills`);
    assert.deepEqual(results("killed"), results("unkilled"));
  });

  test("run again when it is done does nothing and says the same", async () => {
    const done = await run("plain");
    assert.equal(done.step, 12);
    assert.equal(done.finished, true);
    assert.equal(done.loss, linesOf("plain", "metrics.jsonl").at(-1)!["loss"]);
    assert.equal(linesOf("plain", "metrics.jsonl").length, 12);
  });

  test("takes the checkpoint before a damaged one and says so", async () => {
    cpSync(join(root, "plain"), join(root, "damaged"), { recursive: true });
    const path = join(root, "damaged", "checkpoints", "step-000012", "model.safetensors");
    const bytes = readFileSync(path);
    bytes[bytes.length - 5]! ^= 1;
    writeFileSync(path, bytes);
    let said: readonly string[] = [];
    await run("damaged", { on: { start: ({ damaged }) => (said = damaged) } });
    assert.match(said.join(), /step-000012: model\.safetensors has changed since it was written/);
    assert.deepEqual(results("damaged"), results("plain"));
  });

  test("keeps the newest checkpoints and the one with the best validation loss", async () => {
    // A rate this high spoils the model after a good start: the first checkpoint stays the best.
    const options = {
      lr: 0.3,
      minLr: 0.3,
      warmup: 9,
      checkpointEvery: 3,
      evalEvery: 3,
      steps: 18,
      keep: 1,
      clip: 0,
    };
    const { best } = await run("best", { options });
    const losses = linesOf("best", "metrics.jsonl").filter(line => "valLoss" in line);
    const lowest = losses.reduce((a, b) => (b["valLoss"]! < a["valLoss"]! ? b : a));
    assert.equal(best!.step, lowest["step"]);
    assert.ok(best!.step < 18, "the best is not the last");
    assert.deepEqual(listCheckpoints(join(root, "best")), [best!.step, 18]);
  });

  test("removes what a killed checkpoint left half written", async () => {
    cpSync(join(root, "plain"), join(root, "half"), { recursive: true });
    const half = join(root, "half", "checkpoints", "step-000013.4711.tmp");
    cpSync(join(root, "half", "checkpoints", "step-000012"), half, { recursive: true });
    rmSync(join(half, "state.json"));
    await run("half");
    assert.equal(existsSync(half), false);
  });
});

describe("a training run refuses, with what to do", () => {
  const refusals: readonly (readonly [string, Partial<TrainOptions>, RegExp, RegExp])[] = [
    [
      "a batch that is no multiple of the context",
      { batchTokens: 100 },
      /batchTokens: expected a multiple of the context \(16\), got 100/,
      /use batchTokens 96/,
    ],
    [
      "a micro-batch that does not divide the batch",
      { microBatch: 3 },
      /microBatch: expected a divisor of the 8 sequences.*got 3/,
      /use one of 1, 2, 4, 8/,
    ],
    [
      "a width that is no multiple of heads",
      { width: 33 },
      /model width: expected a multiple of heads \(2\), got 33/,
      /use width 32|use width 34/,
    ],
    [
      "kvHeads that do not divide heads",
      { family: "llama", heads: 4, kvHeads: 3 },
      /kvHeads: expected a divisor of heads \(4\), got 3/,
      /^$/,
    ],
    [
      "a model larger than memory",
      {
        preset: "gpt2-xl",
        layers: null,
        heads: null,
        width: null,
        context: 1024,
        batchTokens: 1024,
        microBatch: 1,
      },
      /this model needs [\d.]+ GiB .*and the device has [\d.]+ GiB/,
      /preset \S+ with microBatch 1 would fit/,
    ],
  ];
  for (const [what, options, message, hint] of refusals) {
    test(what, async () => {
      const error = await run("refused", { options }).catch((error: unknown) => error);
      assert.ok(error instanceof UserError, String(error));
      assert.match(error.message, message);
      assert.match(error.hint ?? "", hint);
      assert.equal(existsSync(join(root, "refused")), false, "nothing is written");
    });
  }

  test("checkpoints of another run in its folder", async () => {
    await run("other", { options: { steps: 2 } });
    const error = await run("other", { options: { steps: 4, lr: 5e-3, width: 16 } }).catch(
      (error: unknown) => error,
    );
    assert.ok(error instanceof UserError);
    assert.match(
      error.message,
      /is of another run: width was 32, now 16; hidden was 128, now 64; lr was 0.01, now 0.005/,
    );
    assert.match(error.hint!, /another folder, or delete/);
  });

  test("to go on when numbers break, says where and keeps the last checkpoint", async () => {
    const options = { lr: 1e30, minLr: 1e30, warmup: 5, clip: 0, checkpointEvery: 1, steps: 20 };
    const error = await run("diverged", { options }).catch((error: unknown) => error);
    assert.ok(error instanceof UserError, String(error));
    assert.match(
      error.message,
      /training diverged at step \d+: the (loss of micro-batch 0|gradient norm) is (NaN|Infinity) \(batch from epoch 0, shard \d, document \d+\); first in \S+/,
    );
    assert.match(error.hint!, /lower lr .*the checkpoint of step \d+ is kept in/);
    assert.ok(newestCheckpoint(join(root, "diverged")).checkpoint);
  });
});

test("where numbers broke is said in the order of computation", async () => {
  const config = tinyConfig("gpt2");
  const model = allocModel(device, config);
  for (const parameter of parametersOf(config)) {
    device.write(model.weights.get(parameter.name)!, startingValues(parameter, config, 1));
  }
  const [plan, optimizer] = [planLosses(model, 1), planOptimizer(model, 1, 1)];
  const ids = Uint32Array.from({ length: config.context }, (_, i) => i);
  const settings = { lr: 1e-3, weightDecay: 0, beta1: 0.9, beta2: 0.95, clip: 1 };
  const step = () => optimizerStep(model, plan, optimizer, [{ inputs: ids, targets: ids }], 1, settings);
  await step();
  assert.deepEqual(await notFinite(device, model, plan, optimizer), []);
  // Weights this large overflow where they are used, in the second block, and everything after follows.
  const weight = model.weights.get("layers.1.up.weight")!;
  device.write(weight, new Float32Array(weight.length).fill(3e38));
  await step();
  const [first, second] = await notFinite(device, model, plan, optimizer);
  assert.deepEqual([first, second], ["layers.1 up", "layers.1 hidden"]);
});
