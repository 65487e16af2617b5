/** The residual connection. */
import type { Op } from "./arrays.ts";

export const add: Op<"add"> = ({ out, a, b, N }) => {
  for (let i = 0; i < N; i++) out[i] = a[i]! + b[i]!;
};
