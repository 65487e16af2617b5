/** The whole model: its gradients, its loss before it has learned anything, and that it learns. */
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { openCpu } from "../../kernels/cpu/device.ts";
import type { Device } from "../../kernels/device.ts";
import { openReference } from "../../kernels/reference/device.ts";
import { random } from "../../lib/random.ts";
import type { Batch } from "../../trainer/batches.ts";
import { type ModelConfig, paddedVocabulary } from "../../trainer/config.ts";
import { lossesOf, planLosses } from "../../trainer/evaluate.ts";
import {
  allocModel,
  attendBatch,
  backward,
  forward,
  headLosses,
  planGradients,
  planHead,
} from "../../trainer/model.ts";
import { lengthOf, parametersOf, startingValues } from "../../trainer/parameters.ts";
import { optimizerStep, planOptimizer } from "../../trainer/step.ts";
import { assertNear } from "../kernels/tensors.ts";
import { tinyConfig } from "./toy.ts";

const cpu = await openCpu({ threads: 2 });
after(() => cpu.destroy());

const rows = 3;

/** Starting values, all larger and the norms not 1, so that every path carries a gradient worth comparing. */
function lively(config: ModelConfig): Map<string, Float32Array> {
  const source = random(5);
  return new Map(
    parametersOf(config).map(parameter => {
      const values = startingValues(parameter, config, 3);
      const padding = values.length - (parameter.shape.length === 2 ? config.vocabulary * config.width : 0);
      const end = ["wte", "head"].includes(parameter.name) ? values.length - padding : values.length;
      for (let i = 0; i < end; i++) values[i]! += source.normal() * 0.1;
      return [parameter.name, values];
    }),
  );
}

function randomBatch(config: ModelConfig, rows: number): Batch {
  const source = random(8);
  const draw = () =>
    Uint32Array.from({ length: rows * config.context }, () => source.below(config.vocabulary));
  return { inputs: draw(), targets: draw() };
}

function open(device: Device, config: ModelConfig, values: ReadonlyMap<string, Float32Array>) {
  const model = allocModel(device, config);
  for (const [name, data] of values) device.write(model.weights.get(name)!, data);
  return model;
}

/** Mean loss and the gradient of every parameter. `logitsBytes` forces the head to work in chunks. */
async function gradientsOn(device: Device, config: ModelConfig, batch: Batch, logitsBytes: number) {
  const model = open(device, config, lively(config));
  const plan = { ...planLosses(model, rows), head: planHead(model, rows * config.context, logitsBytes) };
  const gradients = planGradients(model, rows * config.context);
  const shape = { B: rows, T: config.context, position: 0 };
  const N = rows * config.context;
  device.write(plan.ids, batch.inputs);
  device.write(plan.targets, batch.targets);
  forward(model, plan.activations, plan.ids, shape, attendBatch(model, shape));
  headLosses(model, plan.activations, plan.head, {
    ...{ losses: plan.losses, targets: plan.targets, N, scale: 1 / N, gradients },
  });
  backward(model, plan.activations, gradients, plan.ids, shape);
  const losses = await device.read(plan.losses);
  const all = new Map<string, Float32Array>();
  for (const [name, tensor] of gradients.parameters) all.set(name, await device.read(tensor));
  return { loss: losses.reduce((a, b) => a + b, 0) / N, gradients: all, model, plan };
}

const faces = [
  tinyConfig("gpt2"),
  tinyConfig("llama"),
  tinyConfig("gpt2", { tied: false, hidden: 40, context: 33, vocabulary: 130 }),
  tinyConfig("llama", { tied: true, heads: 3, kvHeads: 1, context: 45 }),
];

describe("a model's gradients", () => {
  for (const config of faces) {
    const face = `${config.family}${config.tied ? ", tied" : ""}, ${config.heads}/${config.kvHeads} heads`;
    test(`on cpu equal the float64 reference's (${face})`, async () => {
      const batch = randomBatch(config, rows);
      const expected = await gradientsOn(openReference(), config, batch, 1e9);
      for (const logitsBytes of [1e9, 64 * 4 * paddedVocabulary(config)]) {
        const actual = await gradientsOn(cpu, config, batch, logitsBytes);
        assert.ok(Math.abs(actual.loss - expected.loss) < 1e-5, `${actual.loss} and ${expected.loss}`);
        for (const [name, gradient] of expected.gradients) {
          assertNear(actual.gradients.get(name)!, gradient, 1e-4, `gradient of ${name}`);
        }
      }
    });
  }

  for (const config of [faces[0]!, faces[1]!]) {
    test(`equal finite differences of the loss (${config.family})`, async () => {
      const batch = randomBatch(config, rows);
      const device = openReference();
      const { gradients, model, plan } = await gradientsOn(device, config, batch, 1e9);
      const shape = { B: rows, T: config.context, position: 0 };
      const N = rows * config.context;
      const loss = () => {
        forward(model, plan.activations, plan.ids, shape, attendBatch(model, shape));
        headLosses(model, plan.activations, plan.head, {
          ...{ losses: plan.losses, targets: plan.targets, N, scale: 1, gradients: null },
        });
        return device.values(plan.losses).reduce((a, b) => a + b, 0) / N;
      };
      const source = random(2);
      for (const parameter of parametersOf(config)) {
        const values = device.values(model.weights.get(parameter.name)!);
        const i = source.below(lengthOf({ shape: [Math.min(parameter.shape[0]!, config.vocabulary)] }));
        const at = values[i]!;
        values[i] = at + 1e-4;
        const above = loss();
        values[i] = at - 1e-4;
        const below = loss();
        values[i] = at;
        const expected = (above - below) / 2e-4;
        const actual = gradients.get(parameter.name)![i]!;
        assert.ok(
          Math.abs(actual - expected) < 1e-6 + 1e-4 * Math.abs(expected),
          `${parameter.name}[${i}]: ${actual}, ${expected}`,
        );
      }
    });
  }
});

describe("a model", () => {
  for (const family of ["gpt2", "llama"] as const) {
    test(`begins with the loss of guessing, ln V within 2 % (${family})`, async () => {
      const config = tinyConfig(family, { vocabulary: 1000, width: 64, context: 32 });
      const starting = new Map(parametersOf(config).map(p => [p.name, startingValues(p, config, 1)]));
      const model = open(cpu, config, starting);
      const losses = await lossesOf(model, planLosses(model, rows), randomBatch(config, rows));
      const mean = losses.reduce((a, b) => a + b, 0) / losses.length;
      assert.ok(Math.abs(mean / Math.log(1000) - 1) < 0.02, `loss ${mean}, ln V ${Math.log(1000)}`);
    });

    test(`overfits one batch to nearly nothing (${family})`, async () => {
      const config = tinyConfig(family, { width: 64 });
      const starting = new Map(parametersOf(config).map(p => [p.name, startingValues(p, config, 1)]));
      const model = open(cpu, config, starting);
      const plan = planLosses(model, rows);
      const optimizer = planOptimizer(model, rows, 1);
      const batch = randomBatch(config, rows);
      const settings = { lr: 1e-2, weightDecay: 0, beta1: 0.9, beta2: 0.95, clip: 1 };
      let loss = Number.NaN;
      for (let step = 1; step <= 150; step++) {
        ({ loss } = await optimizerStep(model, plan, optimizer, [batch], step, settings));
      }
      assert.ok(loss < 0.02, `loss ${loss} after 150 steps`);
      const wte = await cpu.read(model.weights.get("wte")!);
      const padding = wte.subarray(config.vocabulary * config.width);
      assert.ok(
        padding.every(x => x === 0),
        "rows of the padded vocabulary stay 0",
      );
    });
  }

  test("learns the same from a batch whole and in micro-batches", async () => {
    const config = tinyConfig("gpt2");
    const batch = randomBatch(config, 4);
    const starting = new Map(parametersOf(config).map(p => [p.name, startingValues(p, config, 1)]));
    const settings = { lr: 1e-3, weightDecay: 0.1, beta1: 0.9, beta2: 0.95, clip: 1 };
    const run = async (rows: number) => {
      const model = open(cpu, config, starting);
      const size = rows * config.context;
      const parts = Array.from({ length: 4 / rows }, (_, i) => ({
        inputs: batch.inputs.slice(i * size, (i + 1) * size),
        targets: batch.targets.slice(i * size, (i + 1) * size),
      }));
      const optimizer = planOptimizer(model, rows, parts.length);
      const result = await optimizerStep(model, planLosses(model, rows), optimizer, parts, 1, settings);
      return { result, gradient: await cpu.read(optimizer.gradients.parameters.get("layers.0.qkv.weight")!) };
    };
    const [whole, parts] = [await run(4), await run(1)];
    assert.ok(Math.abs(whole.result.loss - parts.result.loss) < 1e-5);
    assert.ok(Math.abs(whole.result.gradNorm / parts.result.gradNorm - 1) < 1e-4);
    assertNear(parts.gradient, whole.gradient, 1e-4, "gradient");
  });
});
