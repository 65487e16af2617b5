/**
 * Training on WebGPU, on whatever adapter there is: the losses are the cpu device's, and a run stopped and resumed
 * ends with the same bytes.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { Device } from "../../kernels/device.ts";
import { newestCheckpoint } from "../../trainer/checkpoint.ts";
import { openDevice } from "../../trainer/devices.ts";
import type { StepMetrics } from "../../trainer/metrics.ts";
import type { TrainOptions } from "../../trainer/options.ts";
import { train } from "../../trainer/train.ts";
import { temporary, tinyOptions, vocabulary, writeShards } from "./toy.ts";

// lavapipe wants a folder for its sockets; LLVM's optimiser would take most of the time of these small runs.
process.env["XDG_RUNTIME_DIR"] ??= "/tmp";
process.env["GALLIVM_PERF"] ??= "nopt";

const root = temporary();
const shards = writeShards(join(root, "shards"));
let gpu: Device | null = null;
let cpu: Device;
let missing = "";

before(async () => {
  cpu = (await openDevice("cpu", { threads: 1 })).device;
  try {
    gpu = (await openDevice("webgpu", { allowSoftware: true })).device;
  } catch (error) {
    missing = error instanceof Error ? error.message : String(error);
    assert.ok(process.env["CURATE_REQUIRE_WEBGPU"] !== "1", missing);
  }
});
after(async () => {
  await cpu.destroy();
  await gpu?.destroy();
});

async function run(
  device: Device,
  out: string,
  options: Partial<TrainOptions>,
  stopAt: number | null = null,
) {
  const stop = new AbortController();
  await train({
    ...{
      shards,
      out: join(root, out),
      device,
      vocabulary,
      signal: stop.signal,
      options: tinyOptions(options),
    },
    on: { step: ({ step }) => step === stopAt && stop.abort() },
  });
  const lines = readFileSync(join(root, out, "metrics.jsonl"), "utf8")
    .trim()
    .split("\n");
  return lines.map(line => JSON.parse(line) as StepMetrics);
}

describe("training on webgpu", () => {
  const variants: Readonly<Record<string, Partial<TrainOptions>>> = {
    ...{ gpt2: { family: "gpt2" }, llama: { family: "llama" } },
    "muon, activations recomputed": { optimizer: "muon", recompute: true, steps: 5, sampleEvery: 0 },
  };
  for (const [name, options] of Object.entries(variants)) {
    test(`has the losses of the cpu device (${name})`, async t => {
      if (!gpu) return t.skip(missing);
      const [a, b] = [await run(gpu, `gpu-${name}`, options), await run(cpu, `cpu-${name}`, options)];
      for (const [i, { loss, gradNorm }] of a.entries()) {
        assert.ok(Math.abs(loss - b[i]!.loss) < 1e-4, `loss of step ${i + 1}: ${loss} and ${b[i]!.loss}`);
        assert.ok(Math.abs(gradNorm / b[i]!.gradNorm - 1) < 1e-3);
      }
      assert.ok(Math.abs(a.at(-1)!.valLoss! - b.at(-1)!.valLoss!) < 1e-4);
    });
  }

  test("the time of the last step by kernel stands in its metrics", async t => {
    if (!gpu) return t.skip(missing);
    if (!gpu.profiler) return t.skip("this adapter has no timestamp-query");
    const last = (await run(gpu, "gpu-timed", { steps: 2, sampleEvery: 0 })).at(-1)!;
    const names = Object.keys(last.kernels!);
    for (const name of ["attention", "adamw", "cross-entropy"])
      assert.ok(names.includes(name), names.join(", "));
    assert.ok(
      names.some(name => /^matmul[a-z-]* TN$/.test(name)),
      names.join(", "),
    );
    const sum = Object.values(last.kernels!).reduce((a, b) => a + b, 0);
    assert.ok(sum > 0 && sum <= last.ms, `${sum} ms in kernels of a step of ${last.ms} ms`);
  });

  test("stopped and resumed ends with the same bytes", async t => {
    if (!gpu) return t.skip(missing);
    await run(gpu, "stopped", {}, 7);
    await run(gpu, "stopped", {});
    const bytes = (out: string) => {
      const { dir } = newestCheckpoint(join(root, out)).checkpoint!;
      return ["model.safetensors", "optimizer.safetensors"].map(name => readFileSync(join(dir, name)));
    };
    assert.deepEqual(bytes("stopped"), bytes("gpu-gpt2"));
  });
});
