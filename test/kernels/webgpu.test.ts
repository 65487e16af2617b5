/** The webgpu device on a software adapter. */
import assert from "node:assert/strict";
import { describe } from "node:test";
import { connect } from "../../kernels/webgpu/adapter.ts";
import { webgpuDevice } from "../../kernels/webgpu/device.ts";
import { gpuTuning, softwareTuning, type Tuning } from "../../kernels/webgpu/tuning.ts";
import { conformance } from "./conformance.ts";

process.env["XDG_RUNTIME_DIR"] ??= "/tmp";
const required = process.env["CURATE_REQUIRE_WEBGPU"] === "1";

async function open(tuning: Tuning, maxBindingBytes = Infinity) {
  const connection = await connect({ allowSoftware: true });
  if ("unavailable" in connection) {
    assert.ok(!required, `CURATE_REQUIRE_WEBGPU=1, but ${connection.unavailable}`);
    return connection.unavailable;
  }
  return webgpuDevice(connection, tuning, maxBindingBytes);
}

describe("webgpu device, kernels for software adapters", () => conformance(() => open(softwareTuning), 1e-5));
describe("webgpu device, kernels for GPUs", () => conformance(() => open(gpuTuning), 1e-5));
describe("webgpu device, bindings of 64 KiB", () =>
  conformance(() => open(softwareTuning, 65536), 1e-5, /do not fit one storage binding/));
