/** The three matrix products of a linear layer (forward, gradient of the input, gradient of the weight) and the bias gradient. */
import type { Op } from "./arrays.ts";
import { gelu, geluBackward } from "./gelu.ts";

export const matmul: Op<"matmul"> = p => {
  const { layout, out, a, b, bias, M, N, K, accumulate, residual, geluInput } = p;
  const [am, ak] = layout === "TN" ? [1, M] : [K, 1];
  const [bk, bn] = layout === "NT" ? [1, K] : [N, 1];
  for (let m = 0; m < M; m++) {
    for (let n = 0; n < N; n++) {
      let sum = bias ? bias[n]! : 0;
      for (let k = 0; k < K; k++) sum += a[m * am + k * ak]! * b[k * bk + n * bn]!;
      const before = accumulate ? out[m * N + n]! : (residual?.[m * N + n] ?? 0);
      out[m * N + n] = before + sum;
    }
  }
  if (p.gelu) gelu({ out: p.gelu, inp: out, N: M * N });
  if (geluInput) geluBackward({ dinp: out, dout: out, inp: geluInput, N: M * N });
};

export const biasBackward: Op<"biasBackward"> = ({ dbias, dout, N, C }) => {
  for (let n = 0; n < N; n++) for (let c = 0; c < C; c++) dbias[c]! += dout[n * C + c]!;
};
