/** Launcher of cross-entropy, fused with its gradient. One workgroup per row of logits. */
import type { Device } from "../device.ts";
import { floats, type Gpu, grid, ints, rowChunks, rowsOf } from "./launch.ts";

type Of<Op extends keyof Device> = Device[Op] extends (p: infer P) => void ? P : never;

export function crossEntropy(gpu: Gpu, p: Of<"crossEntropy">): void {
  const { N, V, Vp, scale } = p;
  if (V > Vp) throw new Error(`crossEntropy: V ${V} is more than the padded Vp ${Vp}`);
  const losses = floats("crossEntropy", "losses", p.losses, N);
  const logits = floats("crossEntropy", "logits", p.logits, N * Vp);
  const targets = ints("crossEntropy", "targets", p.targets, N);
  const weights = p.weights && floats("crossEntropy", "weights", p.weights, N);
  for (const { row, count } of rowChunks(gpu, "crossEntropy", N, [Vp, 1])) {
    gpu.run({
      kernel: "cross-entropy",
      bindings: {
        losses: rowsOf(losses, row, count, 1),
        logits: rowsOf(logits, row, count, Vp),
        targets: rowsOf(targets, row, count, 1),
        weights: weights && rowsOf(weights, row, count, 1),
      },
      params: { N: count, V, Vp, has_weights: Number(weights !== null), scale },
      constants: { WG: gpu.tuning.rowLanes, GRADIENT: Number(p.gradient) },
      groups: grid(count),
    });
  }
}
