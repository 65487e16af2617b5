/** The optimizers: global gradient norm, AdamW with decoupled weight decay, and what Muon is made of. */
import type { Op } from "./arrays.ts";

export const globalNorm: Op<"globalNorm"> = ({ norm, tensors, scale = 1 }) => {
  let squares = 0;
  for (const tensor of tensors) for (const x of tensor) squares += x * x;
  norm[0] = scale * Math.sqrt(squares);
};

function gradientFactor(scale = 1, clip: number, norm: number): number {
  return scale * (clip > 0 ? Math.min(1, clip / (norm + 1e-6)) : 1);
}

export const adamw: Op<"adamw"> = p => {
  const { param, grad, m, v, N, lr, beta1, beta2, eps, weightDecay, step, norm, clip } = p;
  if (!Number.isFinite(norm[0])) return;
  const scale = gradientFactor(p.gradScale, clip, norm[0]!);
  for (let i = 0; i < N; i++) {
    const g = grad[i]! * scale;
    m[i] = beta1 * m[i]! + (1 - beta1) * g;
    v[i] = beta2 * v[i]! + (1 - beta2) * g * g;
    const mean = m[i]! / (1 - beta1 ** step);
    const variance = v[i]! / (1 - beta2 ** step);
    param[i] = param[i]! - lr * (mean / (Math.sqrt(variance) + eps) + weightDecay * param[i]!);
  }
};

export const momentum: Op<"momentum"> = ({ out, m, grad, N, beta, norm, clip, gradScale }) => {
  const finite = Number.isFinite(norm[0]);
  const scale = gradientFactor(gradScale, clip, norm[0]!);
  for (let i = 0; i < N; i++) {
    if (finite) m[i] = beta * m[i]! + grad[i]! * scale;
    out[i] = finite ? grad[i]! * scale + beta * m[i]! : 0;
  }
};

export const combine: Op<"combine"> = ({ out, a, alpha, b, beta, N, divisor, norm }) => {
  if (norm && !Number.isFinite(norm[0])) return;
  const by = divisor ? divisor[0]! + 1e-7 : 1;
  for (let i = 0; i < N; i++) out[i] = (alpha * a[i]! + beta * b[i]!) / by;
};
