/** Token and position embeddings. */
import type { Op } from "./arrays.ts";

export const embed: Op<"embed"> = ({ out, ids, wte, wpe, B, T, C, position }) => {
  for (let b = 0; b < B; b++) {
    for (let t = 0; t < T; t++) {
      const n = b * T + t;
      for (let c = 0; c < C; c++) {
        out[n * C + c] = wte[ids[n]! * C + c]! + (wpe ? wpe[(position + t) * C + c]! : 0);
      }
    }
  }
};

export const embedBackward: Op<"embedBackward"> = ({ dwte, dwpe, ids, dout, B, T, C }) => {
  for (let b = 0; b < B; b++) {
    for (let t = 0; t < T; t++) {
      const n = b * T + t;
      for (let c = 0; c < C; c++) {
        const d = dout[n * C + c]!;
        dwte[ids[n]! * C + c]! += d;
        if (dwpe) dwpe[t * C + c]! += d;
      }
    }
  }
};
