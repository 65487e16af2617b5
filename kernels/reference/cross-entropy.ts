/** Loss of each row of logits and, in place, its gradient. */
import type { Op } from "./arrays.ts";

const ignored = 0xffffffff;

export const crossEntropy: Op<"crossEntropy"> = p => {
  const { losses, logits, targets, weights, N, V, Vp, scale, gradient } = p;
  for (let n = 0; n < N; n++) {
    const at = n * Vp;
    const target = targets[n]!;
    const weight = target === ignored ? 0 : weights ? weights[n]! : 1;
    let max = -Infinity;
    for (let v = 0; v < V; v++) max = Math.max(max, logits[at + v]!);
    let sum = 0;
    for (let v = 0; v < V; v++) sum += Math.exp(logits[at + v]! - max);
    const log = max + Math.log(sum);
    losses[n] = target === ignored ? 0 : (log - logits[at + target]!) * weight;
    if (!gradient) continue;
    for (let v = 0; v < Vp; v++) {
      const softmax = v < V ? Math.exp(logits[at + v]! - log) : 0;
      logits[at + v] = (softmax - (v === target ? 1 : 0)) * weight * scale;
    }
  }
};
