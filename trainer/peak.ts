/**
 * The device's own best rate of a square matrix product, the denominator of MFU. Sizes double until one takes 20 ms;
 * the best of three runs counts. Takes about a tenth of a second.
 */
import type { Device } from "../kernels/device.ts";

export async function measurePeak(device: Device): Promise<number> {
  if (device.kind === "reference") return 1e9;
  let best = 0;
  for (let size = 256; size <= 4096; size *= 2) {
    const [a, b, out] = [0, 1, 2].map(i => device.alloc(`peak ${i}`, size * size));
    let fastest = Number.POSITIVE_INFINITY;
    for (let run = 0; run < 4; run++) {
      const began = performance.now();
      const shape = { M: size, N: size, K: size, accumulate: false } as const;
      device.matmul({ layout: "NT", out: out!, a: a!, b: b!, bias: null, ...shape });
      await device.finish();
      if (run > 0) fastest = Math.min(fastest, performance.now() - began);
    }
    for (const tensor of [a, b, out]) device.free(tensor!);
    best = Math.max(best, (2 * size ** 3) / (fastest / 1000));
    if (fastest > 20) break;
  }
  return best;
}
