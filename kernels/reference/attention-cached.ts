/** Attention of new positions over a key/value cache: what sampling runs, one position at a time or a prompt at once. */
import type { Op } from "./arrays.ts";

export const attentionCached: Op<"attentionCached"> = p => {
  const { out, qkv, kcache, vcache, B, T, H, KV, D, position, maxT } = p;
  const row = (H + 2 * KV) * D;
  for (let b = 0; b < B; b++) {
    for (let t = 0; t < T; t++) {
      for (let i = 0; i < KV * D; i++) {
        const at = (b * maxT + position + t) * KV * D + i;
        kcache[at] = qkv[(b * T + t) * row + H * D + i]!;
        vcache[at] = qkv[(b * T + t) * row + (H + KV) * D + i]!;
      }
    }
    for (let t = 0; t < T; t++) {
      for (let h = 0; h < H; h++) {
        const shared = Math.floor((h * KV) / H);
        const q = (b * T + t) * row + h * D;
        const last = position + t;
        const weights: number[] = [];
        for (let j = 0; j <= last; j++) {
          const k = (b * maxT + j) * KV * D + shared * D;
          let dot = 0;
          for (let d = 0; d < D; d++) dot += qkv[q + d]! * kcache[k + d]!;
          weights.push(dot / Math.sqrt(D));
        }
        const max = weights.reduce((a, b) => Math.max(a, b));
        const exponentials = weights.map(w => Math.exp(w - max));
        const sum = exponentials.reduce((a, b) => a + b);
        for (let d = 0; d < D; d++) {
          let mixed = 0;
          for (let j = 0; j <= last; j++) {
            mixed += exponentials[j]! * vcache[(b * maxT + j) * KV * D + shared * D + d]!;
          }
          out[(b * T + t) * H * D + h * D + d] = mixed / sum;
        }
      }
    }
  }
};
