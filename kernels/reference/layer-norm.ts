/**
 * LayerNorm over rows of C. With x̂ = (x-mean)·rstd and g = dout·weight,
 * dx = rstd·(g - mean(g) - x̂·mean(g·x̂)).
 */
import type { Op } from "./arrays.ts";

export const layerNorm: Op<"layerNorm"> = ({ out, mean, rstd, inp, weight, bias, N, C, eps }) => {
  for (let n = 0; n < N; n++) {
    let sum = 0;
    for (let c = 0; c < C; c++) sum += inp[n * C + c]!;
    const m = sum / C;
    let squares = 0;
    for (let c = 0; c < C; c++) squares += (inp[n * C + c]! - m) ** 2;
    const r = 1 / Math.sqrt(squares / C + eps);
    for (let c = 0; c < C; c++) out[n * C + c] = (inp[n * C + c]! - m) * r * weight[c]! + bias[c]!;
    mean[n] = m;
    rstd[n] = r;
  }
};

export const layerNormBackward: Op<"layerNormBackward"> = p => {
  const { dinp, dweight, dbias, dout, inp, weight, mean, rstd, N, C } = p;
  for (let n = 0; n < N; n++) {
    const m = mean[n]!;
    const r = rstd[n]!;
    let meanG = 0;
    let meanGx = 0;
    for (let c = 0; c < C; c++) {
      const g = dout[n * C + c]! * weight[c]!;
      meanG += g / C;
      meanGx += (g * (inp[n * C + c]! - m) * r) / C;
    }
    for (let c = 0; c < C; c++) {
      const x = (inp[n * C + c]! - m) * r;
      const d = dout[n * C + c]!;
      dinp[n * C + c]! += r * (d * weight[c]! - meanG - x * meanGx);
      dweight[c]! += d * x;
      dbias[c]! += d;
    }
  }
};
