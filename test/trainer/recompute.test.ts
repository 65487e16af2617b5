/** Activations computed again on the way back: the same bits of losses and weights, and the memory that was predicted. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { openReference } from "../../kernels/reference/device.ts";
import { random } from "../../lib/random.ts";
import { planLosses } from "../../trainer/evaluate.ts";
import { memoryPlan } from "../../trainer/memory.ts";
import { allocModel, planActivations } from "../../trainer/model.ts";
import { parametersOf, startingValues } from "../../trainer/parameters.ts";
import { optimizerStep, planOptimizer } from "../../trainer/step.ts";
import { tinyConfig } from "./toy-model.ts";

const rows = 2;

for (const family of ["gpt2", "llama"] as const) {
  const config = tinyConfig(family, { layers: 3 });
  test(`two steps end with the same bits (${family})`, async () => {
    const results = [];
    for (const recompute of [false, true]) {
      const device = openReference();
      const model = allocModel(device, config);
      for (const parameter of parametersOf(config)) {
        device.write(model.weights.get(parameter.name)!, startingValues(parameter, config, 1));
      }
      const plan = planLosses(model, rows, recompute);
      const optimizer = planOptimizer(model, rows, 1);
      const settings = { lr: 1e-2, weightDecay: 0.1, beta1: 0.9, beta2: 0.95, clip: 1 };
      const source = random(5);
      const draw = () =>
        Uint32Array.from({ length: rows * config.context }, () => source.below(config.vocabulary));
      const batches = [1, 2].map(() => ({ inputs: draw(), targets: draw() }));
      const losses = [];
      for (const [i, batch] of batches.entries()) {
        losses.push((await optimizerStep(model, plan, optimizer, [batch], i + 1, settings)).loss);
      }
      const weights = [...model.weights.values()].map(tensor => device.values(tensor));
      results.push({ losses, weights });
    }
    assert.deepEqual(results[1], results[0]);
  });

  test(`activations take the memory that was predicted (${family})`, () => {
    const bytes = (recompute: boolean) => {
      const device = openReference();
      const model = allocModel(device, config);
      const before = device.memory().bytes;
      planActivations(model, rows * config.context, true, recompute);
      return (device.memory().bytes - before) / 2;
    };
    const saved =
      memoryPlan(config, rows).activations - memoryPlan(config, rows, { recompute: true }).activations;
    assert.equal(bytes(false) - bytes(true), saved);
    assert.ok(saved > 0);
  });
}
