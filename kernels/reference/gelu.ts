/** GELU in GPT-2's tanh form: x/2·(1 + tanh(√(2/π)·(x + 0.044715·x³))). */
import type { Op } from "./arrays.ts";

const scale = Math.sqrt(2 / Math.PI);

export const gelu: Op<"gelu"> = ({ out, inp, N }) => {
  for (let i = 0; i < N; i++) {
    const x = inp[i]!;
    out[i] = 0.5 * x * (1 + Math.tanh(scale * (x + 0.044715 * x ** 3)));
  }
};

export const geluBackward: Op<"geluBackward"> = ({ dinp, dout, inp, N }) => {
  for (let i = 0; i < N; i++) {
    const x = inp[i]!;
    const tanh = Math.tanh(scale * (x + 0.044715 * x ** 3));
    const slope = scale * (1 + 3 * 0.044715 * x ** 2);
    dinp[i] = dout[i]! * (0.5 * (1 + tanh) + 0.5 * x * (1 - tanh ** 2) * slope);
  }
};
