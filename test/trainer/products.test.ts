/** The list of products is what a training step in fact asks of the device. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Device } from "../../kernels/device.ts";
import { openReference } from "../../kernels/reference/device.ts";
import { planLosses } from "../../trainer/evaluate.ts";
import { allocModel } from "../../trainer/model.ts";
import { productsOf } from "../../trainer/products.ts";
import { optimizerStep, planOptimizer } from "../../trainer/step.ts";
import { tinyConfig } from "./toy-model.ts";

for (const config of [tinyConfig("gpt2"), tinyConfig("llama")]) {
  test(`the products of a ${config.family} step are those that it runs`, async () => {
    const seen = new Set<string>();
    const reference = openReference();
    const device: Device = {
      ...reference,
      matmul(p) {
        seen.add(`${p.layout} ${p.M} ${p.N} ${p.K}`);
        reference.matmul(p);
      },
    };
    const model = allocModel(device, config);
    const plan = planLosses(model, 2);
    const optimizer = planOptimizer(model, 2, 1);
    const tokens = new Uint32Array(2 * config.context).fill(1);
    const settings = { lr: 1e-3, weightDecay: 0, beta1: 0.9, beta2: 0.95, clip: 1 };
    await optimizerStep(model, plan, optimizer, [{ inputs: tokens, targets: tokens }], 1, settings);
    const listed = productsOf(config, 2 * config.context, plan.head.rows);
    assert.deepEqual(new Set(listed.map(p => `${p.layout} ${p.M} ${p.N} ${p.K}`)), seen);
    assert.equal(listed.length, seen.size);
  });
}
