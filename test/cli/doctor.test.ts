/** What doctor says of GPUs, by what was found; and that looking for one prints nothing and survives. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { gpuFindings } from "../../cli/doctor.ts";
import { type Found, probe, probeChecked } from "../../kernels/webgpu/probe.ts";
import { curate } from "./curate.ts";

const nvidia: Found = {
  name: "NVIDIA H100",
  kind: "gpu",
  features: ["shader-f16", "chromium-experimental-subgroup-matrix"],
  memoryBytes: 79e9,
  matrices: ["f16→f32 16×16×16"],
  checks: {
    f32: { about: "webgpu: NVIDIA H100, products of f32 in tiles", matrixFault: null },
    f16: { about: "webgpu: NVIDIA H100, matrix units f16→f32 16×16×16", matrixFault: null },
  },
};

test("a GPU with matrix units: what is used in either precision, and nothing to do", () => {
  const list = gpuFindings(nvidia, ["/dev/nvidia0"], "linux");
  assert.deepEqual(
    list.map(({ value }) => value),
    [
      "NVIDIA H100, 79.0 GB free",
      "products of f32 in tiles",
      "matrix units f16→f32 16×16×16, with  train.precision: f16",
    ],
  );
  assert.ok(list.every(({ advice }) => advice === null));
});

test("a GPU whose matrix units fail their check: why, and what may mend it", () => {
  const matrixFault = "f16→f32 16×16×16: NT products are wrong by NaN";
  const f16 = { about: "webgpu: NVIDIA H100, products of f16 in tiles", matrixFault };
  const list = gpuFindings({ ...nvidia, checks: { ...nvidia.checks, f16 } }, [], "linux");
  assert.match(
    list.at(-1)!.value,
    /^matrix units are not used: f16→f32 16×16×16: NT products are wrong by NaN$/,
  );
  assert.match(list.at(-1)!.advice!, /newer driver/);
});

test("no driver: advice by what the system shows", () => {
  const none = { unavailable: "no WebGPU adapter" };
  assert.match(gpuFindings(none, ["/dev/nvidia0"], "linux")[0]!.advice!, /libvulkan1.*VK_DRIVER_FILES/);
  assert.match(gpuFindings(none, ["/dev/dri/renderD128"], "linux")[0]!.advice!, /mesa-vulkan-drivers/);
  assert.match(gpuFindings(none, [], "linux")[0]!.advice!, /shows no GPU/);
  assert.match(gpuFindings(none, [], "win32")[0]!.advice!, /current driver/);
});

test("a driver that does not survive the check of its matrix units is used without them", async () => {
  const asked: string[] = [];
  const crashing = async (precisions: readonly string[]) => {
    asked.push(precisions.join());
    return precisions.length > 0 ? { unavailable: "the WebGPU driver crashed (SIGSEGV)" } : nvidia;
  };
  const answer = await probeChecked("f16", crashing);
  assert.deepEqual(asked, ["f16", ""]);
  assert.ok("found" in answer && answer.matrixFault === "the WebGPU driver crashed (SIGSEGV)");
  const none = { unavailable: "no WebGPU adapter" };
  assert.deepEqual(await probeChecked("f16", async () => none), none);
  const sound = await probeChecked("f16", async () => nvidia);
  assert.ok("found" in sound && sound.matrixFault === null);
  const [, plain] = gpuFindings({ ...nvidia, checks: {} }, [], "linux");
  assert.match(plain!.value, /the driver crashed when its matrix units were checked/);
});

test("the probe answers: an adapter with its kind, or a reason in one line", async () => {
  const found = await probe([]);
  if ("unavailable" in found) assert.match(found.unavailable, /^[^\n]+$/);
  else assert.ok(found.name !== "" && ["gpu", "software"].includes(found.kind));
});

test("doctor prints its findings and nothing of Dawn's own", async () => {
  const { stdout, stderr, code } = await curate(["doctor"]);
  assert.equal(code, 0);
  assert.match(stdout, /^gpu +\S/m);
  assert.match(stdout, /^cpu +WebAssembly SIMD.* GFLOP\/s/m);
  assert.match(stdout, /^training on +the (cpu device|GPU)$/m);
  assert.equal(stderr, "");
});
