/** The cpu device is a device, in both builds of its kernels, and its results do not depend on threads. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { openCpu } from "../../kernels/cpu/device.ts";
import { hasRelaxedSimd } from "../../kernels/cpu/module.ts";
import type { Tensor } from "../../kernels/device.ts";
import { cases } from "./cases.ts";
import { conformance } from "./conformance.ts";
import { compute, input } from "./tensors.ts";

describe("cpu device, plain SIMD, one thread", () =>
  conformance(() => openCpu({ threads: 1, build: "simd" }), 4e-6));

describe("cpu device, relaxed SIMD, three threads", () =>
  conformance(
    async () => (hasRelaxedSimd() ? openCpu({ threads: 3, build: "relaxed" }) : "no relaxed SIMD here"),
    4e-6,
  ));

test("every op gives the same bits on one, two and five threads", async () => {
  const devices = await Promise.all([1, 2, 5].map(threads => openCpu({ threads })));
  for (const { op, shape, contents, run } of cases) {
    const [one, two, five] = await Promise.all(devices.map(device => compute(device, contents, run)));
    assert.deepEqual(two, one, `${op} (${shape}), two threads`);
    assert.deepEqual(five, one, `${op} (${shape}), five threads`);
  }
  for (const device of devices) await device.destroy();
});

test("half of a symmetric product is mirrored to the same bits as the whole", async () => {
  const device = await openCpu({ threads: 2 });
  for (const layout of ["NT", "TN"] as const) {
    for (const [side, K] of [
      [5, 9],
      [33, 64],
      [61, 700],
      [128, 512],
      [203, 40],
    ] as const) {
      const values = input(side * K).data as Float32Array;
      const [a, whole, half] = [side * K, side * side, side * side].map((length, i) =>
        device.alloc(String(i), length),
      ) as [Tensor, Tensor, Tensor];
      device.write(a, values);
      const product = { layout, a, b: a, bias: null, M: side, N: side, K, accumulate: false };
      device.matmul({ ...product, out: whole });
      device.matmul({ ...product, out: half, symmetric: true });
      assert.deepEqual(await device.read(half), await device.read(whole), `${layout} ${side}, ${K}`);
      for (const tensor of [a, whole, half]) device.free(tensor);
    }
  }
  await device.destroy();
});
