/** RMSNorm over rows of C. With x̂ = x·rstd and g = dout·weight, dx = rstd·(g - x̂·mean(g·x̂)). */
import type { Op } from "./arrays.ts";

export const rmsNorm: Op<"rmsNorm"> = ({ out, rstd, inp, weight, N, C, eps }) => {
  for (let n = 0; n < N; n++) {
    let squares = 0;
    for (let c = 0; c < C; c++) squares += inp[n * C + c]! ** 2;
    const r = 1 / Math.sqrt(squares / C + eps);
    for (let c = 0; c < C; c++) out[n * C + c] = inp[n * C + c]! * r * weight[c]!;
    rstd[n] = r;
  }
};

export const rmsNormBackward: Op<"rmsNormBackward"> = ({ dinp, dweight, dout, inp, weight, rstd, N, C }) => {
  for (let n = 0; n < N; n++) {
    const r = rstd[n]!;
    let meanGx = 0;
    for (let c = 0; c < C; c++) meanGx += (dout[n * C + c]! * weight[c]! * inp[n * C + c]! * r) / C;
    for (let c = 0; c < C; c++) {
      const x = inp[n * C + c]! * r;
      const d = dout[n * C + c]!;
      dinp[n * C + c]! += r * (d * weight[c]! - x * meanGx);
      dweight[c]! += d * x;
    }
  }
};
