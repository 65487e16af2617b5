/** Loss and gradient norm of every step of small runs against PyTorch's, on the same tokens from the same weights. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { openCpu } from "../../kernels/cpu/device.ts";
import { packageRoot } from "../../lib/package-root.ts";
import { planLosses } from "../../trainer/evaluate.ts";
import { allocModel } from "../../trainer/model.ts";
import { parametersOf, startingValues } from "../../trainer/parameters.ts";
import { optimizerStep, planOptimizer } from "../../trainer/step.ts";
import { batchesOf, curveCases, learningRates, settings } from "./reference/curve-cases.ts";

type Curve = { readonly torch: string; readonly losses: number[]; readonly gradNorms: number[] };

const path = join(packageRoot, "test", "trainer", "reference", "curves.json");
const curves = JSON.parse(readFileSync(path, "utf8")) as Record<keyof typeof curveCases, Curve>;
const device = await openCpu({ threads: 2 });
after(() => device.destroy());

for (const name of ["gpt2", "llama"] as const) {
  const { torch, losses, gradNorms } = curves[name];
  test(`training has the loss curve of PyTorch ${torch}, step by step (${name})`, async () => {
    const { config, rows, seed } = curveCases[name];
    const model = allocModel(device, config);
    for (const parameter of parametersOf(config)) {
      device.write(model.weights.get(parameter.name)!, startingValues(parameter, config, seed));
    }
    const [plan, optimizer] = [planLosses(model, rows), planOptimizer(model, rows, 1)];
    const batches = batchesOf(name);
    assert.equal(losses.length, batches.length);
    for (const [i, batch] of batches.entries()) {
      const lr = learningRates[i]!;
      const { loss, gradNorm } = await optimizerStep(model, plan, optimizer, [batch], i + 1, {
        ...settings,
        lr,
      });
      const where = `step ${i + 1}: loss ${loss}, PyTorch's ${losses[i]}; norm ${gradNorm}, PyTorch's ${gradNorms[i]}`;
      assert.ok(Math.abs(loss - losses[i]!) < 1e-5, where);
      assert.ok(Math.abs(gradNorm / gradNorms[i]! - 1) < 1e-4, where);
    }
    assert.ok(losses.at(-1)! < losses[0]! - 1, "the reference learned something");
  });
}
