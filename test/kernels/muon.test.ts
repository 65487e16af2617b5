/** Muon's direction is what it says: nearly orthonormal, whatever the gradient's size and shape. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { openCpu } from "../../kernels/cpu/device.ts";
import type { Tensor } from "../../kernels/device.ts";
import { freeMuon, muon, muonFloats, planMuon } from "../../kernels/muon.ts";
import { openReference } from "../../kernels/reference/device.ts";
import { random } from "../../lib/random.ts";

const settings = { beta: 0.95, weightDecay: 0, clip: 0 };

for (const [rows, columns] of [
  [8, 24],
  [24, 8],
  [12, 12],
] as const) {
  test(`a step of a ${rows}×${columns} matrix has singular values near 0.2·√${Math.max(rows, columns)}`, () => {
    const device = openReference();
    const space = planMuon(device, [[rows, columns]]);
    const N = rows * columns;
    const [param, grad, m] = ["param", "grad", "m"].map(name => device.alloc(name, N)) as [
      never,
      never,
      never,
    ];
    const norm = device.alloc("norm", 1);
    device.write(norm, Float32Array.of(1));
    const source = random(3);
    device.write(
      grad,
      Float64Array.from({ length: N }, () => 1e-5 * source.normal()),
    );
    muon(device, space, { param, grad, m, norm, rows, columns, lr: 1, ...settings });
    const side = Math.min(rows, columns);
    const size = 0.2 * Math.sqrt(Math.max(rows, columns));
    const update = device.values(param).map(x => -x / size);
    const at = (i: number, k: number) =>
      rows <= columns ? update[i * columns + k]! : update[k * columns + i]!;
    let trace = 0;
    for (let i = 0; i < side; i++) {
      for (let j = 0; j < side; j++) {
        let sum = 0;
        for (let k = 0; k < N / side; k++) sum += at(i, k) * at(j, k);
        // Singular values in 0.68..1.2 put the Gram matrix within 0.54 of the identity.
        assert.ok(Math.abs(sum - (i === j ? 1 : 0)) < 0.54, `${i}, ${j}: ${sum}`);
        if (i === j) trace += sum / side;
      }
    }
    assert.ok(trace > 0.6 && trace < 1.3, String(trace));
    // It goes down: against the gradient.
    assert.ok(device.values(grad).reduce((sum: number, g: number, i: number) => sum + g * update[i]!, 0) > 0);
    freeMuon(device, space);
  });
}

test("a norm that is not finite leaves matrix and momentum as they are", () => {
  const device = openReference();
  const space = planMuon(device, [[4, 6]]);
  const [param, grad, m] = ["param", "grad", "m"].map(name => device.alloc(name, 24)) as [
    never,
    never,
    never,
  ];
  const norm = device.alloc("norm", 1);
  for (const [tensor, value] of [
    [param, 2],
    [grad, Number.NaN],
    [m, 3],
    [norm, Number.NaN],
  ] as const)
    device.fill(tensor, value);
  muon(device, space, { param, grad, m, norm, rows: 4, columns: 6, lr: 1, ...settings, weightDecay: 0.1 });
  assert.ok(
    device.values(param).every((x: number) => x === 2) && device.values(m).every((x: number) => x === 3),
  );
});

test("the floats of the space are those it allocates", () => {
  const device = openReference();
  const shapes = [
    [3, 50],
    [10, 12],
  ] as const;
  const before = device.memory().bytes;
  planMuon(device, shapes);
  assert.equal(device.memory().bytes - before, 8 * muonFloats(shapes));
});

test("the cpu device computes momentum and combine in float64 and rounds once", async () => {
  const device = await openCpu({ threads: 2 });
  const N = 20_003;
  const source = random(5);
  const drawn = () => Float32Array.from({ length: N }, () => source.normal());
  const [grad, before] = [drawn(), drawn()];
  const [g, m, out, norm] = [N, N, N, 1].map((length, i) => device.alloc(String(i), length)) as [
    ...[Tensor, Tensor, Tensor, Tensor],
  ];
  device.write(g, grad);
  device.write(m, before);
  device.write(norm, Float32Array.of(7));
  device.momentum({ out, m, grad: g, N, beta: 0.95, norm, clip: 1, gradScale: 0.3 });
  const scale = 0.3 * (1 / (7 + 1e-6));
  const mean = Float32Array.from(grad, (x, i) => 0.95 * before[i]! + x * scale);
  const ahead = Float32Array.from(grad, (x, i) => x * scale + 0.95 * mean[i]!);
  assert.deepEqual(await device.read(m), mean);
  assert.deepEqual(await device.read(out), ahead);
  device.combine({ out, a: out, alpha: 3.4445, b: m, beta: -4.775, N, divisor: norm, norm });
  const by = 7 + 1e-7;
  assert.deepEqual(
    await device.read(out),
    Float32Array.from(ahead, (x, i) => (3.4445 * x + -4.775 * mean[i]!) / by),
  );
  await device.destroy();
});
