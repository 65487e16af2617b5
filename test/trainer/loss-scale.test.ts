/** The rule of dynamic loss scaling, and that a scale changes neither the norm nor the step. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { openReference } from "../../kernels/reference/device.ts";
import { random } from "../../lib/random.ts";
import { planLosses } from "../../trainer/evaluate.ts";
import { firstLossScale, nextLossScale } from "../../trainer/loss-scale.ts";
import { allocModel } from "../../trainer/model.ts";
import { parametersOf, startingValues } from "../../trainer/parameters.ts";
import { optimizerStep, planOptimizer } from "../../trainer/step.ts";
import { tinyConfig } from "./toy-model.ts";

test("halves at an overflow, doubles after 2,000 clean steps, never beyond 2^24", () => {
  assert.deepEqual(nextLossScale({ scale: 1024, clean: 77 }, Number.NaN), { scale: 512, clean: 0 });
  assert.deepEqual(nextLossScale({ scale: 1024, clean: 77 }, Number.POSITIVE_INFINITY), {
    scale: 512,
    clean: 0,
  });
  let state = firstLossScale;
  for (let i = 0; i < 1999; i++) state = nextLossScale(state, 1);
  assert.equal(state.scale, 65536);
  state = nextLossScale(state, 1);
  assert.deepEqual(state, { scale: 131072, clean: 0 });
  assert.equal(nextLossScale({ scale: 2 ** 24, clean: 5000 }, 1).scale, 2 ** 24);
});

const config = tinyConfig("gpt2");
const rows = 2;
const tokens = (seed: number) => {
  const source = random(seed);
  return Uint32Array.from({ length: rows * config.context }, () => source.below(config.vocabulary));
};
const batch = { inputs: tokens(1), targets: tokens(2) };

test("a loss scale changes neither the loss nor the norm nor the weights", async () => {
  const results = [];
  for (const lossScale of [1, 2 ** 16]) {
    const device = openReference();
    const model = allocModel(device, config);
    for (const parameter of parametersOf(model.config)) {
      device.write(model.weights.get(parameter.name)!, startingValues(parameter, model.config, 1));
    }
    const plan = planLosses(model, rows);
    const optimizer = planOptimizer(model, rows, 1);
    const settings = { lr: 1e-2, weightDecay: 0.1, beta1: 0.9, beta2: 0.95, clip: 0.1, lossScale };
    const { loss, gradNorm } = await optimizerStep(model, plan, optimizer, [batch], 1, settings);
    results.push({ loss, gradNorm, weights: await device.read(model.weights.get("wte")!) });
  }
  assert.deepEqual(results[1], results[0]);
});
