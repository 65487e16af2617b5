/** Which device is opened, and that the reason says what was chosen, why, and what of a GPU is not used. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { openDevice, precisionOf } from "../../trainer/devices.ts";

process.env["XDG_RUNTIME_DIR"] ??= "/tmp";

test("the reason names the device; the cpu device multiplies in f32", async () => {
  const { device, reason } = await openDevice("cpu", { threads: 1, precision: "f16" });
  assert.match(reason, /^cpu: .*: as asked$/);
  assert.equal(precisionOf(device), "f32");
  await device.destroy();
});

test("auto says why it is not a GPU, where there is none", async t => {
  const { device, reason } = await openDevice("auto", { threads: 1 });
  await device.destroy();
  if (device.kind === "webgpu") return t.skip("this machine has a GPU");
  assert.match(reason, /^cpu: .*no GPU for WebGPU \(.+\)/);
});

test("half precision that the adapter's kernels do not have is said in the reason", async t => {
  let opened: Awaited<ReturnType<typeof openDevice>>;
  try {
    opened = await openDevice("webgpu", { allowSoftware: true, precision: "f16" });
  } catch (error) {
    assert.ok(process.env["CURATE_REQUIRE_WEBGPU"] !== "1", String(error));
    return t.skip((error as Error).message);
  }
  const { device, reason } = opened;
  await device.destroy();
  if (device.adapter.kind !== "software") return t.skip("this machine has a GPU");
  assert.equal(precisionOf(device), "f32");
  assert.match(reason, /^webgpu: .*: as asked; products stay in f32, for a software adapter/);
});

test("a device that is none is refused with those there are", async () => {
  await assert.rejects(openDevice("cuda" as "cpu"), /device: expected auto, cpu, webgpu or reference, got/);
});
