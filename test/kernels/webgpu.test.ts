/**
 * The webgpu device on a software adapter (Mesa's lavapipe): every op against the reference, the code that splits
 * tensors larger than a binding, the kernels that GPUs get, errors, and the end of the process. Without an adapter the
 * tests are skipped with the reason; with CURATE_REQUIRE_WEBGPU=1 they fail.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { openReference } from "../../kernels/reference/device.ts";
import { connect } from "../../kernels/webgpu/adapter.ts";
import { type WebgpuDevice, webgpuDevice } from "../../kernels/webgpu/device.ts";
import { gpuTuning, softwareTuning, type Tuning } from "../../kernels/webgpu/tuning.ts";
import { type Case, cases } from "./cases.ts";
import { conformance } from "./conformance.ts";
import { assertNear, compute } from "./tensors.ts";

// lavapipe wants a folder for its sockets; LLVM's optimiser would take most of the time of these small runs.
process.env["XDG_RUNTIME_DIR"] ??= "/tmp";
process.env["GALLIVM_PERF"] ??= "nopt";

const required = process.env["CURATE_REQUIRE_WEBGPU"] === "1";
const tolerance = 4e-6;

async function open(
  tuning: Tuning,
  maxBindingBytes = Number.POSITIVE_INFINITY,
): Promise<WebgpuDevice | string> {
  const connection = await connect({ allowSoftware: true });
  if ("unavailable" in connection) {
    assert.ok(!required, `CURATE_REQUIRE_WEBGPU=1, but ${connection.unavailable}`);
    return connection.unavailable;
  }
  return webgpuDevice(connection, tuning, maxBindingBytes);
}

const reference = openReference();

async function check(device: WebgpuDevice, { op, shape, contents, run, slack }: Case): Promise<void> {
  const actual = await compute(device, contents, run);
  const expected = await compute(reference, contents, run);
  for (const [name, { role, data }] of Object.entries(contents)) {
    const what = `${op} (${shape}): ${name}`;
    if (role === "input") assert.deepEqual(actual[name], data, what);
    else assertNear(actual[name]!, expected[name]!, tolerance * slack, what);
  }
}

describe("webgpu device", () => conformance(() => open(softwareTuning), tolerance));

describe("webgpu device with the kernels that GPUs get", () => {
  let device: WebgpuDevice | string;
  before(async () => {
    device = await open({
      ...gpuTuning,
      matmul: { kernel: "tile", BM: 16, BN: 16, BK: 4 },
      attention: { tile: 16, memory: 32768 },
    });
  });
  after(async () => {
    if (typeof device !== "string") await device.destroy();
  });
  // Each head size is another pipeline, which takes seconds to compile here: one that fills its tiles, one that does not.
  const heads = /H 2, KV 1, D 6$|H 8, KV 4, D 8$|H 2, KV 2, D 32$/;
  for (const op of new Set(cases.map(one => one.op))) {
    test(`${op} agrees with the reference`, async t => {
      if (typeof device === "string") return t.skip(device);
      const some = cases.filter(
        one => one.op === op && (!/^attention(Backward)?$/.test(op) || heads.test(one.shape)),
      );
      assert.ok(some.length > 0);
      for (const one of some) await check(device, one);
    });
  }
});

test("tensors larger than a binding are passed in pieces, by every op", async t => {
  const split = new Set<string>();
  for (const limit of [16384, 32768, 65536]) {
    const device = await open(softwareTuning, limit);
    if (typeof device === "string") return t.skip(device);
    for (const one of cases) {
      const largest = Math.max(...Object.values(one.contents).map(({ data }) => data.byteLength));
      if (largest <= limit || largest > 8 * limit) continue;
      try {
        await check(device, one);
        split.add(one.op);
      } catch (error) {
        // Where not even the fewest rows fit, the device must say so and not go wrong.
        assert.match((error as Error).message, /row\(s\) of \d+ elements do not fit one storage binding/);
      }
    }
    await device.destroy();
  }
  assert.deepEqual(
    [...new Set(cases.map(one => one.op))].filter(op => !split.has(op)),
    [],
  );
});
