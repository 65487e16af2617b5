/**
 * What a device must do to be one: every op agrees with the float64 reference at awkward shapes, inputs stay as they
 * were, nothing reads an output before writing it, memory is zeroed, viewed, counted and freed. Used for each device.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type Device, type Tensor, viewAlignment } from "../../kernels/device.ts";
import { openReference } from "../../kernels/reference/device.ts";
import { type Case, cases } from "./cases.ts";
import { assertNear, compute, input } from "./tensors.ts";

/** Runs one case on the device and on the reference and compares every tensor. */
async function check(
  device: Device,
  reference: Device,
  { op, shape, contents, run, slack }: Case,
  tolerance: number,
) {
  const actual = await compute(device, contents, run);
  const expected = await compute(reference, contents, run);
  for (const [name, { role, data }] of Object.entries(contents)) {
    const what = `${op} (${shape}): ${name}`;
    if (role === "input") assert.deepEqual(actual[name], data, `${what} is an input and must not change`);
    else assertNear(actual[name]!, expected[name]!, tolerance * slack, what);
  }
}

/**
 * Registers the tests. `openDevice` gives the device, or a text that says why there is none (the tests are then
 * skipped with that reason). `tolerance` is relative to each element plus the tensor's root mean square.
 */
export function conformance(openDevice: () => Promise<Device | string>, tolerance: number) {
  let device: Device;
  let missing = "";
  const reference = openReference();
  before(async () => {
    const opened = await openDevice();
    if (typeof opened === "string") missing = opened;
    else device = opened;
  });
  after(async () => await device?.destroy());

  describe("ops agree with the float64 reference", () => {
    for (const op of new Set(cases.map(({ op }) => op))) {
      test(op, async t => {
        if (missing) return t.skip(missing);
        for (const one of cases.filter(one => one.op === op)) await check(device, reference, one, tolerance);
      });
    }
  });

  describe("memory", () => {
    test("is zero at first, also where something was freed before", async t => {
      if (missing) return t.skip(missing);
      for (const length of [1, 1000, 1000, 70000]) {
        const tensor = device.alloc("zeros", length);
        assert.deepEqual(await device.read(tensor), new Float32Array(length));
        device.fill(tensor, 3);
        device.free(tensor);
      }
    });
    test("is counted: bytes now and at the peak", async t => {
      if (missing) return t.skip(missing);
      const { bytes } = device.memory();
      const tensor = device.alloc("counted", 1 << 20);
      assert.ok(device.memory().bytes >= bytes + (4 << 20));
      device.free(tensor);
      assert.equal(device.memory().bytes, bytes);
      assert.ok(device.memory().peak >= bytes + (4 << 20));
    });
    test("keeps whole numbers up to 2^32-1", async t => {
      if (missing) return t.skip(missing);
      const tensor = device.alloc("ids", 4, "u32");
      const data = Uint32Array.of(0, 1, 0x80000000, 0xffffffff);
      device.write(tensor, data);
      assert.deepEqual(await device.readInts(tensor), data);
      device.free(tensor);
    });
    test("is read and written through views, which share it with their base", async t => {
      if (missing) return t.skip(missing);
      const base = device.alloc("base", 4 * viewAlignment);
      const view = device.view(base, viewAlignment, viewAlignment + 3);
      const values = input(viewAlignment + 3).data as Float32Array;
      device.write(view, values);
      const whole = await device.read(base);
      assert.deepEqual(whole.subarray(viewAlignment, 2 * viewAlignment + 3), values);
      assert.ok(whole.subarray(0, viewAlignment).every(x => x === 0));
      assert.ok(whole.subarray(2 * viewAlignment + 3).every(x => x === 0));
      device.fill(view, 7);
      const inner = device.view(view, viewAlignment, 2);
      assert.deepEqual(await device.read(inner), Float32Array.of(7, 7));
      assert.equal((await device.read(base))[2 * viewAlignment + 3], 0);
      const other = device.alloc("other", viewAlignment + 3);
      device.copy(other, view);
      assert.deepEqual(await device.read(other), new Float32Array(viewAlignment + 3).fill(7));
      device.free(other);
      device.free(base);
    });
    test("written between two ops is seen by the second op only", async t => {
      if (missing) return t.skip(missing);
      const [a, b, sum] = ["a", "b", "sum"].map(label => device.alloc(label, 5)) as [Tensor, Tensor, Tensor];
      device.write(a, Float32Array.of(1, 2, 3, 4, 5));
      device.add({ out: b, a, b: a, N: 5 });
      device.write(a, Float32Array.of(10, 10, 10, 10, 10));
      device.add({ out: sum, a, b, N: 5 });
      assert.deepEqual(await device.read(sum), Float32Array.of(12, 14, 16, 18, 20));
      for (const tensor of [a, b, sum]) device.free(tensor);
    });
  });

  test("ops work on views inside larger tensors", async t => {
    if (missing) return t.skip(missing);
    const [M, N, K] = [3, 5, 64];
    const [a, b] = [input(M * K, 1, "a").data, input(N * K, 1, "b").data];
    const results: Float32Array[] = [];
    for (const one of [device, reference]) {
      const base = one.alloc("base", 4 * viewAlignment + M * K + N * K + M * N);
      const [va, vb] = [one.view(base, 0, M * K), one.view(base, 192, N * K)];
      const out = one.view(base, 512, M * N);
      one.write(va, a as Float32Array);
      one.write(vb, b as Float32Array);
      one.matmul({ layout: "NT", out, a: va, b: vb, bias: null, M, N, K, accumulate: false });
      results.push(await one.read(base));
      one.free(base);
    }
    assertNear(results[0]!, results[1]!, tolerance, "matmul on views");
  });

  test("the same op twice gives the same bits", async t => {
    if (missing) return t.skip(missing);
    const names = ["matmul", "attentionBackward", "layerNormBackward", "embedBackward", "globalNorm"];
    for (const name of names) {
      const { contents, run } = cases.findLast(({ op }) => op === name)!;
      assert.deepEqual(await compute(device, contents, run), await compute(device, contents, run), name);
    }
  });
}
