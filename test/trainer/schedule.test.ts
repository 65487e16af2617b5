/** The learning rate over the steps, the sizes of models, and the arithmetic of a step against published numbers. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { openReference } from "../../kernels/reference/device.ts";
import type { UserError } from "../../lib/errors.ts";
import { configOf, paddedVocabulary, presetNames } from "../../trainer/config.ts";
import { openDecoder } from "../../trainer/decoder.ts";
import { planLosses } from "../../trainer/evaluate.ts";
import { flopsPerToken } from "../../trainer/flops.ts";
import { checkMemory, memoryPlan } from "../../trainer/memory.ts";
import { allocModel } from "../../trainer/model.ts";
import { countParameters } from "../../trainer/parameters.ts";
import { trainPlan } from "../../trainer/plan.ts";
import { learningRate } from "../../trainer/schedule.ts";
import { planOptimizer } from "../../trainer/step.ts";
import { tinyOptions } from "./toy-model.ts";

const none = { layers: null, heads: null, kvHeads: null, width: null, context: null };
const sized = (preset: (typeof presetNames)[number], vocabulary = 50257) =>
  configOf({ preset, family: "gpt2", ...none, vocabulary });

test("cosine rises in the warm-up, is lr after it, minLr at the end and beyond, and never grows in between", () => {
  const schedule = { schedule: "cosine", lr: 1, minLr: 0.1, warmup: 10, steps: 100 } as const;
  const rates = Array.from({ length: 120 }, (_, i) => learningRate(schedule, i + 1));
  for (let i = 1; i < 10; i++) assert.ok(rates[i]! > rates[i - 1]!);
  assert.ok(Math.abs(rates[10]! - 1) < 0.001);
  for (let i = 11; i < 100; i++) assert.ok(rates[i]! < rates[i - 1]!);
  assert.ok(Math.abs(learningRate(schedule, 55) - 0.55) < 1e-9, "halfway it is the mean");
  for (const rate of rates.slice(99)) assert.ok(Math.abs(rate - 0.1) < 1e-12);
});

test("warmup-stable-decay is constant until the last fifth and then falls in a line to minLr", () => {
  const schedule = { schedule: "warmup-stable-decay", lr: 1, minLr: 0.2, warmup: 10, steps: 100 } as const;
  for (let step = 11; step <= 80; step++) assert.equal(learningRate(schedule, step), 1);
  assert.ok(Math.abs(learningRate(schedule, 90) - 0.6) < 1e-12);
  assert.ok(Math.abs(learningRate(schedule, 100) - 0.2) < 1e-12);
});

test("a schedule shorter than its warm-up still has a rate", () => {
  for (const schedule of ["cosine", "warmup-stable-decay"] as const) {
    for (let step = 1; step <= 3; step++) {
      const rate = learningRate({ schedule, lr: 1, minLr: 0, warmup: 10, steps: 3 }, step);
      assert.ok(rate > 0 && rate < 1);
    }
  }
});

test("the GPT-2 presets have the published numbers of parameters", () => {
  // GPT-2's four sizes as released: 124,439,808, 354,823,168, 774,030,080 and 1,557,611,200.
  const counts = (["gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl"] as const).map(name =>
    countParameters(sized(name)),
  );
  assert.deepEqual(counts, [124_439_808, 354_823_168, 774_030_080, 1_557_611_200]);
  assert.equal(paddedVocabulary(sized("gpt2")), 50304);
});

test("the arithmetic of GPT-2 124M is 0.798 GFLOP a token", () => {
  assert.ok(Math.abs(flopsPerToken(sized("gpt2")) / 1e9 - 0.798) < 0.001);
});

test("presets grow, in parameters and in memory", () => {
  for (let i = 1; i < presetNames.length; i++) {
    const [a, b] = [sized(presetNames[i - 1]!, 4096), sized(presetNames[i]!, 4096)];
    assert.ok(countParameters(a) < countParameters(b));
    assert.ok(memoryPlan(a, 1).total < memoryPlan(b, 1).total);
  }
});

test("a plan tells parameters, tokens, arithmetic and epochs before anything is done", () => {
  const plan = trainPlan(tinyOptions(), 25, 3072);
  assert.equal(plan.parameters, 26_784);
  assert.equal(plan.tokens, 12 * 128);
  assert.equal(plan.epochs, 0.5);
  assert.equal(plan.flops, plan.tokens * plan.flopsPerToken);
  assert.equal(trainPlan(tinyOptions(), 25, null).epochs, null);
});

test("the memory foretold is what a run allocates, within a tenth", async () => {
  const device = openReference();
  const config = configOf({ ...tinyOptions({ width: 64, layers: 3, context: 64 }), vocabulary: 500 });
  const cases = [
    { family: "gpt2", recompute: false, optimizer: "adamw" },
    { family: "llama", recompute: false, optimizer: "adamw" },
    { family: "gpt2", recompute: true, optimizer: "muon" },
    { family: "llama", recompute: true, optimizer: "muon" },
  ] as const;
  for (const { family, ...options } of cases) {
    const before = device.memory().bytes;
    const model = allocModel(device, { ...config, family });
    planLosses(model, 4, options.recompute);
    planOptimizer(model, 4, 1, options.optimizer);
    openDecoder(model, 1);
    // The reference device keeps float64: twice the bytes foretold.
    const taken = (device.memory().bytes - before) / 2;
    const foretold = memoryPlan({ ...config, family }, 4, options).total;
    assert.ok(Math.abs(taken / foretold - 1) < 0.1, `${family}: ${taken} taken, ${foretold} foretold`);
  }
});

test("a run too large is refused with the ways in which it would fit", () => {
  const config = { ...sized("gpt2", 50257), context: 1024 };
  const plain = memoryPlan(config, 4).total;
  const refusal = (limit: number) => {
    try {
      checkMemory(config, 8, limit);
    } catch (error) {
      return error as UserError;
    }
    return null;
  };
  assert.equal(refusal(memoryPlan(config, 8).total), null);
  const error = refusal(plain)!;
  assert.match(
    error.message,
    /this model needs [\d.]+ GiB \([\d.]+ GiB for weights and optimizer, .*the device has/,
  );
  assert.match(error.hint!, /^microBatch 4, or recompute true with microBatch 8 would fit$/);
  assert.match(
    refusal(memoryPlan(config, 1, { recompute: true }).total)!.hint!,
    /^recompute true with microBatch 1 would fit$/,
  );
  assert.match(refusal(2 ** 30)!.hint!, /^the preset (nano|micro|mini|small) with microBatch 1 would fit$/);
});
