/** SwiGLU: silu(gate)·up, gate and up side by side in a row of 2F; silu(x) = x·σ(x). */
import type { Op } from "./arrays.ts";

export const swiglu: Op<"swiglu"> = ({ out, inp, N, F }) => {
  for (let n = 0; n < N; n++) {
    for (let f = 0; f < F; f++) {
      const gate = inp[n * 2 * F + f]!;
      const up = inp[n * 2 * F + F + f]!;
      out[n * F + f] = (gate / (1 + Math.exp(-gate))) * up;
    }
  }
};

export const swigluBackward: Op<"swigluBackward"> = ({ dinp, dout, inp, N, F }) => {
  for (let n = 0; n < N; n++) {
    for (let f = 0; f < F; f++) {
      const gate = inp[n * 2 * F + f]!;
      const up = inp[n * 2 * F + F + f]!;
      const d = dout[n * F + f]!;
      const sigmoid = 1 / (1 + Math.exp(-gate));
      dinp[n * 2 * F + f] = d * up * sigmoid * (1 + gate * (1 - sigmoid));
      dinp[n * 2 * F + F + f] = d * gate * sigmoid;
    }
  }
};
