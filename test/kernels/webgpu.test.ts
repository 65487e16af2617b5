/**
 * The webgpu device on a software adapter (Mesa's lavapipe): every op against the reference, the code that splits
 * tensors larger than a binding, the kernels that GPUs get, errors, and the end of the process. Without an adapter the
 * tests are skipped with the reason; with CURATE_REQUIRE_WEBGPU=1 they fail.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { openReference } from "../../kernels/reference/device.ts";
import { connect } from "../../kernels/webgpu/adapter.ts";
import { openWebgpu, type WebgpuDevice, webgpuDevice } from "../../kernels/webgpu/device.ts";
import { gpuTuning, softwareTuning, type Tuning } from "../../kernels/webgpu/tuning.ts";
import { type Case, cases } from "./cases.ts";
import { conformance } from "./conformance.ts";
import { assertNear, compute, input, output } from "./tensors.ts";

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
      tile: { BM: 16, BN: 16, BK: 4 },
      attention: { tile: 16, memory: 32768 },
    });
  });
  after(async () => {
    if (typeof device !== "string") await device.destroy();
  });
  // Every layout, head size and mode is another pipeline, which takes lavapipe seconds to compile: each way that
  // operands are laid out and each mode once, and one head that fills neither its rows' nor its columns' tiles.
  const chosen = (one: Case) =>
    !/^attention(Backward)?$/.test(one.op) &&
    (one.op !== "matmul" ||
      /^layout (NT.*mode bias and gelu|NN.*mode geluInput|TN.*accumulate and bias)$/.test(one.shape));
  for (const op of new Set(cases.filter(chosen).map(one => one.op))) {
    test(`${op} agrees with the reference`, async t => {
      if (typeof device === "string") return t.skip(device);
      for (const one of cases) if (one.op === op && chosen(one)) await check(device, one);
    });
  }
  test("attention and its backward pass agree with the reference", async t => {
    if (typeof device === "string") return t.skip(device);
    const shape = { B: 2, T: 37, H: 4, KV: 2, D: 24 };
    const [tokens, heads] = [shape.B * shape.T, shape.H * shape.D];
    const width = heads + 2 * shape.KV * shape.D;
    await check(device, {
      op: "attentionBackward",
      shape: JSON.stringify(shape),
      slack: 2,
      contents: {
        ...{
          qkv: input(tokens * width),
          dout: input(tokens * heads, 1, "dout"),
          dqkv: output(tokens * width),
        },
        ...{ out: output(tokens * heads), lse: output(tokens * shape.H) },
      },
      run: (d, { qkv, out, lse, dout, dqkv }) => {
        d.attention({ out: out!, lse: lse!, qkv: qkv!, ...shape });
        d.attentionBackward({ dqkv: dqkv!, dout: dout!, out: out!, lse: lse!, qkv: qkv!, ...shape });
      },
    });
  });
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

describe("errors", () => {
  test("a shape that does not fit is refused with the op, the tensor and both sizes", async t => {
    const device = await open(softwareTuning);
    if (typeof device === "string") return t.skip(device);
    const [short, long] = [device.alloc("short", 5), device.alloc("long", 64)];
    assert.throws(
      () => device.gelu({ out: short, inp: long, N: 64 }),
      /gelu: out needs 64 elements, short has 5/,
    );
    assert.throws(() => device.view(long, 3, 5), /view 3\+5 of long .* multiple of 64/);
    assert.throws(() => device.write(short, new Float32Array(6)), /write: short has 5 elements, the data 6/);
    const ids = device.alloc("ids", 64, "u32");
    assert.throws(() => device.gelu({ out: long, inp: ids, N: 64 }), /gelu: inp must be f32, ids is u32/);
    device.free(short);
    assert.throws(() => device.gelu({ out: short, inp: long, N: 5 }), /short was freed/);
    assert.throws(
      () => device.alloc("vast", 2 ** 40),
      /tensor vast needs \d+ bytes, this adapter's largest buffer is/,
    );
    await device.destroy();
    assert.throws(() => device.fill(long, 1), /was destroyed/);
  });
  test("what WebGPU finds wrong later is thrown by the next call, with the kernel's name", async t => {
    const connection = await connect({ allowSoftware: true });
    if ("unavailable" in connection) return t.skip(connection.unavailable);
    const device = webgpuDevice(connection, { ...softwareTuning, elementLanes: 4096 });
    const tensor = device.alloc("tensor", 64);
    device.gelu({ out: tensor, inp: device.alloc("inp", 64), N: 64 });
    await assert.rejects(device.finish(), /WebGPU: .*gelu/s);
    assert.throws(() => device.fill(tensor, 1), /WebGPU: .*gelu/s);
    await device.destroy();
  });
  test("a lost device is named as the reason", async t => {
    const connection = await connect({ allowSoftware: true });
    if ("unavailable" in connection) return t.skip(connection.unavailable);
    const device = webgpuDevice(connection, softwareTuning);
    const tensor = device.alloc("tensor", 64);
    connection.device.destroy();
    await connection.device.lost;
    await assert.rejects(async () => device.read(tensor), /the webgpu device \(.+\) was lost/);
    await device.destroy();
  });
  test("a software adapter is refused unless asked for, and a backend that is not there is named", async t => {
    const software = await openWebgpu({ allowSoftware: true });
    if ("unavailable" in software) return t.skip(software.unavailable);
    await software.destroy();
    if (software.adapter.kind !== "software") return t.skip("this machine has a GPU");
    const refused = await openWebgpu();
    assert.match(
      "unavailable" in refused ? refused.unavailable : "opened",
      /only WebGPU adapter is a software one/,
    );
    const absent = await openWebgpu({ backend: "metal" });
    assert.match(
      "unavailable" in absent ? absent.unavailable : "opened",
      /no WebGPU adapter for the backend metal/,
    );
  });
});

test("a process that destroys its device ends by itself", async t => {
  const device = await open(softwareTuning);
  if (typeof device === "string") return t.skip(device);
  await device.destroy();
  const module = new URL("../../kernels/webgpu/device.js", import.meta.url).href;
  const script = `
    const { openWebgpu } = await import(${JSON.stringify(module)});
    const device = await openWebgpu({ allowSoftware: true });
    const tensor = device.alloc("tensor", 100);
    device.fill(tensor, 2);
    console.log((await device.read(tensor))[99]);
    await device.destroy();`;
  const run = promisify(execFile)(process.execPath, ["--input-type=module", "-e", script], {
    timeout: 60000,
  });
  assert.equal((await run).stdout.trim(), "2");
});
