/** The optimizer: global gradient norm and AdamW with decoupled weight decay. */
import type { Op } from "./arrays.ts";

export const globalNorm: Op<"globalNorm"> = ({ norm, tensors }) => {
  let squares = 0;
  for (const tensor of tensors) for (const x of tensor) squares += x * x;
  norm[0] = Math.sqrt(squares);
};

export const adamw: Op<"adamw"> = p => {
  const { param, grad, m, v, N, lr, beta1, beta2, eps, weightDecay, step, norm, clip } = p;
  if (!Number.isFinite(norm[0])) return;
  const scale = clip > 0 ? Math.min(1, clip / (norm[0]! + 1e-6)) : 1;
  for (let i = 0; i < N; i++) {
    const g = grad[i]! * scale;
    m[i] = beta1 * m[i]! + (1 - beta1) * g;
    v[i] = beta2 * v[i]! + (1 - beta2) * g * g;
    const mean = m[i]! / (1 - beta1 ** step);
    const variance = v[i]! / (1 - beta2 ** step);
    param[i] = param[i]! - lr * (mean / (Math.sqrt(variance) + eps) + weightDecay * param[i]!);
  }
};
