/** The cpu device is a device, in both builds of its kernels, and its results do not depend on threads. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { openCpu } from "../../kernels/cpu/device.ts";
import { hasRelaxedSimd } from "../../kernels/cpu/module.ts";
import { cases } from "./cases.ts";
import { conformance } from "./conformance.ts";
import { compute } from "./tensors.ts";

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
