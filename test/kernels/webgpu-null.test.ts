/**
 * Every WGSL file, checked with no GPU: Dawn's null backend type-checks shaders and pipelines and runs nothing.
 * Needs the optional package `webgpu`, not a driver.
 */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type Connection, connect, isSoftware } from "../../kernels/webgpu/adapter.ts";
import { sortByToken } from "../../kernels/webgpu/embed.ts";
import { amd, leastOfNvidia } from "../../kernels/webgpu/gpu-memory.ts";
import { chunkRows, type Gpu, grid } from "../../kernels/webgpu/launch.ts";
import { pipelineCache } from "../../kernels/webgpu/pipelines.ts";
import { kernelNames, kernelSource, parseKernel, specialise } from "../../kernels/webgpu/source.ts";

describe("on the null backend", () => {
  let connection: Connection | { unavailable: string };
  const errors: string[] = [];
  before(async () => {
    connection = await connect({ backend: "null" });
    if ("unavailable" in connection) {
      assert.ok(process.env["CURATE_REQUIRE_WEBGPU"] !== "1", connection.unavailable);
      return;
    }
    connection.device.addEventListener("uncapturederror", event => {
      errors.push((event as GPUUncapturedErrorEvent).error.message);
      event.preventDefault();
    });
  });
  after(() => {
    if (!("unavailable" in connection)) connection.device.destroy();
  });

  for (const name of kernelNames()) {
    test(`${name} compiles, in half precision too where it has it, also with all its inputs in one buffer with its outputs`, async t => {
      if ("unavailable" in connection) return t.skip(connection.unavailable);
      const { device } = connection;
      const pipelines = pipelineCache(device);
      const source = kernelSource(name);
      const inputs = source.bindings.filter(({ access }) => access === "read").map(binding => binding.name);
      for (const shared of [new Set<string>(), new Set(inputs)]) pipelines.get(name, {}, shared);
      if (source.templates.includes("Scalar")) pipelines.get(name, { Scalar: 16 }, new Set());
      await device.queue.onSubmittedWorkDone();
      assert.deepEqual(errors.splice(0), []);
    });
  }
  test("a shader that is wrong is found out", async t => {
    if ("unavailable" in connection) return t.skip(connection.unavailable);
    connection.device.createShaderModule({ label: "wrong", code: "fn f() -> i32 { return 1.5; }" });
    await connection.device.queue.onSubmittedWorkDone();
    assert.match(errors.splice(0).join(), /wrong/);
  });
});

describe("WGSL files", () => {
  test("begin with a comment on shapes and formula, and say what they bind", () => {
    assert.ok(kernelNames().length >= 30);
    for (const name of kernelNames()) {
      const { code, bindings, params } = kernelSource(name);
      assert.match(code, /^\/\/ /, name);
      assert.ok(bindings.length > 0 && params.length > 0, name);
      assert.deepEqual(
        bindings.map(({ binding }) => binding),
        bindings.map((_, i) => i + 1),
        name,
      );
    }
  });
  test("never leave a variable declared in a loop without a value: Dawn would keep that of the last round", () => {
    for (const name of kernelNames()) {
      let loops = 0;
      const open: boolean[] = [];
      for (const line of kernelSource(name).code.split("\n")) {
        if (loops > 0 && /^\s*var \w+: array<.*>;/.test(line)) assert.fail(`${name}: ${line.trim()}`);
        for (const brace of line.matchAll(/[{}]/g)) {
          if (brace[0] === "{") {
            const loop = /^\s*(for|while|loop)\b/.test(line);
            open.push(loop);
            if (loop) loops++;
          } else if (open.pop()) loops--;
        }
      }
    }
  });
  test("get their template constants and shared bindings by text", () => {
    const source = parseKernel(
      "sample",
      `struct Params {\n  N: u32,\n  x: f32,\n}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<storage, read> inp: array<f32>;
override WG: u32 = 8;
const ROWS = 4u; // template: rows
`,
    );
    assert.deepEqual(source.params, [
      { name: "N", type: "u32" },
      { name: "x", type: "f32" },
    ]);
    assert.deepEqual([source.overrides, source.templates], [["WG"], ["ROWS"]]);
    const code = specialise(source, { ROWS: 2 }, new Set(["inp"]));
    assert.match(code, /^const ROWS = 2u; \/\/ template: rows$/m);
    assert.match(code, /var<storage, read_write> inp/);
    assert.throws(() => parseKernel("empty", "fn main() {}"), /empty\.wgsl has no struct Params/);
  });
});

test("positions are sorted by token, in order within a token, ids outside the vocabulary left out", () => {
  const { order, buckets } = sortByToken(Uint32Array.of(7, 3, 7, 9, 3, 7), 9);
  assert.deepEqual([...order], [1, 4, 0, 2, 5]);
  assert.deepEqual([...buckets], [3, 0, 2, 7, 2, 3]);
});

test("more than 65,535 workgroups become a grid that holds them all", () => {
  assert.deepEqual(grid(0), [0, 0, 1]);
  assert.deepEqual(grid(65535), [65535, 1, 1]);
  for (const count of [65536, 200000, 12345678]) {
    const [x, y] = grid(count);
    assert.ok(x <= 65535 && y <= 65535 && x * y >= count && x * y < count + y, `${count}: ${x} x ${y}`);
  }
});

test("pieces of rows fit a binding and begin at multiples of 64 elements", () => {
  const gpu = { bindingLength: 4096 } as Gpu;
  assert.equal(chunkRows(gpu, "op", 10, [64]), 10);
  assert.equal(chunkRows(gpu, "op", 1000, [64]), 64);
  assert.equal(chunkRows(gpu, "op", 1000, [48, 64]), 64);
  assert.equal(chunkRows(gpu, "op", 1000, [40]), 96);
  assert.equal(chunkRows(gpu, "op", 5000, [1]), 4096);
  assert.throws(() => chunkRows(gpu, "op", 1000, [100, 1]), /op: 64 row\(s\) of 100 elements do not fit/);
});

test("software adapters are recognised by Dawn's flag or by name", () => {
  assert.ok(isSoftware({ device: "x", description: "llvmpipe (LLVM 15)" }));
  assert.ok(isSoftware({ device: "", description: "SwiftShader Device" }));
  assert.ok(isSoftware({ isFallbackAdapter: true, device: "", description: "" }));
  assert.ok(!isSoftware({ isFallbackAdapter: false, device: "", description: "NVIDIA H200" }));
});

test("free memory of a GPU, as the system tells it", () => {
  assert.equal(leastOfNvidia("79000\n1234\n"), 1234 * 2 ** 20);
  assert.equal(leastOfNvidia("[N/A]\n"), null);
  const folder = mkdtempSync(join(tmpdir(), "curate-drm-"));
  for (const [card, total, used] of [
    ["card0", 512, 500],
    ["card1", 16384, 384],
  ] as const) {
    mkdirSync(join(folder, card, "device"), { recursive: true });
    writeFileSync(join(folder, card, "device", "mem_info_vram_total"), `${total}\n`);
    writeFileSync(join(folder, card, "device", "mem_info_vram_used"), `${used}\n`);
  }
  mkdirSync(join(folder, "card2"));
  assert.equal(amd(folder), 16000);
  rmSync(folder, { recursive: true });
  assert.equal(amd(folder), null);
});
