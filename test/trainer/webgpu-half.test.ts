/**
 * Training with operands in half precision under a loss scale, on WebGPU's tiles for GPUs: the loss curve is that of
 * float32 as far as half precision goes, an overflow skips the step, and weights and moments stay float32.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Device } from "../../kernels/device.ts";
import { openReference } from "../../kernels/reference/device.ts";
import { connect } from "../../kernels/webgpu/adapter.ts";
import { webgpuDevice } from "../../kernels/webgpu/device.ts";
import { softwareTuning } from "../../kernels/webgpu/tuning.ts";
import { random } from "../../lib/random.ts";
import { planLosses } from "../../trainer/evaluate.ts";
import { firstLossScale, nextLossScale } from "../../trainer/loss-scale.ts";
import { allocModel } from "../../trainer/model.ts";
import { parametersOf, startingValues } from "../../trainer/parameters.ts";
import { optimizerStep, planOptimizer } from "../../trainer/step.ts";
import { tinyConfig } from "./toy-model.ts";

process.env["XDG_RUNTIME_DIR"] ??= "/tmp";
process.env["GALLIVM_PERF"] ??= "nopt";

const config = tinyConfig("llama"); // without biases it needs fewer pipelines, which take seconds to compile here
const rows = 4;
const source = random(3);
const inputs = Uint32Array.from({ length: rows * config.context }, () => source.below(config.vocabulary));
const batch = { inputs, targets: inputs.map(id => (id * 7 + 3) % config.vocabulary) };

async function losses(device: Device, steps: number, start: number) {
  const model = allocModel(device, config);
  for (const parameter of parametersOf(config)) {
    device.write(model.weights.get(parameter.name)!, startingValues(parameter, config, 1));
  }
  const plan = planLosses(model, rows);
  const optimizer = planOptimizer(model, rows, 1);
  let scale = { ...firstLossScale, scale: start };
  const all: { loss: number; gradNorm: number; scale: number; weight: number }[] = [];
  for (let step = 1; step <= steps; step++) {
    const settings = { lr: 3e-3, weightDecay: 0.1, beta1: 0.9, beta2: 0.95, clip: 1, lossScale: scale.scale };
    const { loss, gradNorm } = await optimizerStep(model, plan, optimizer, [batch], step, settings);
    const [weight] = await device.read(model.weights.get("layers.0.up.weight")!);
    all.push({ loss, gradNorm, scale: scale.scale, weight: weight! });
    scale = nextLossScale(scale, gradNorm);
  }
  return all;
}

describe("training in half precision on webgpu", () => {
  let device: Device | null = null;
  let missing = "";
  before(async () => {
    const connection = await connect({ allowSoftware: true });
    if ("unavailable" in connection) missing = connection.unavailable;
    else if (!connection.features.has("shader-f16")) missing = "this adapter has no shader-f16";
    else {
      const tile = { BM: 16, BN: 16, BK: 4 };
      const attention = { tile: 16, memory: 32768 };
      device = webgpuDevice(connection, { ...softwareTuning, precision: "f16", tile, attention });
    }
    assert.ok(missing === "" || process.env["CURATE_REQUIRE_WEBGPU"] !== "1", missing);
  });
  after(async () => await device?.destroy());

  test("has the loss curve of float32, within half precision", async t => {
    if (!device) return t.skip(missing);
    const [half, single] = [await losses(device, 12, 2 ** 12), await losses(openReference(), 12, 1)];
    for (const [i, { loss, gradNorm }] of half.entries()) {
      const expected = single[i]!;
      assert.ok(Math.abs(loss / expected.loss - 1) < 2e-3, `step ${i + 1}: ${loss} and ${expected.loss}`);
      assert.ok(Math.abs(gradNorm / expected.gradNorm - 1) < 2e-2, `${gradNorm} and ${expected.gradNorm}`);
    }
    assert.ok(half.at(-1)!.loss < half[0]!.loss - 0.3);
    // It was half precision that computed: float32 would agree to six digits.
    assert.ok(half.some(({ loss }, i) => Math.abs(loss - single[i]!.loss) > 1e-6));
    // More than the ten bits of mantissa that half precision has.
    const bits = new Uint32Array(Float32Array.from(half, ({ weight }) => weight).buffer);
    assert.ok(bits.some(bits => (bits & 0x1fff) !== 0));
  });

  test("skips the step whose gradient overflows, and halves the scale until it fits", async t => {
    if (!device) return t.skip(missing);
    const all = await losses(device, 8, 2 ** 24);
    const overflowed = all.filter(({ gradNorm }) => !Number.isFinite(gradNorm)).length;
    assert.ok(overflowed >= 1 && overflowed < 8, `${overflowed} of 8 overflowed`);
    for (let i = 0; i < overflowed; i++) {
      assert.equal(all[i]!.scale, 2 ** (24 - i));
      assert.equal(all[i]!.weight, all[0]!.weight);
      assert.equal(all[i]!.loss, all[0]!.loss);
    }
    assert.notEqual(all[overflowed]!.weight, all[0]!.weight);
    assert.ok(all.at(-1)!.loss < all[0]!.loss);
  });
});
