/** Rotary positions on the q and k heads of a packed qkv row, half-rotated: pairs (i, i + D/2). */
import type { Op } from "./arrays.ts";

export const rope: Op<"rope"> = ({ qkv, frequencies, B, T, H, KV, D, position, inverse }) => {
  const row = (H + 2 * KV) * D;
  for (let b = 0; b < B; b++) {
    for (let t = 0; t < T; t++) {
      for (let head = 0; head < H + KV; head++) {
        const at = (b * T + t) * row + head * D;
        for (let i = 0; i < D / 2; i++) {
          const angle = (position + t) * frequencies[i]! * (inverse ? -1 : 1);
          const x = qkv[at + i]!;
          const y = qkv[at + i + D / 2]!;
          qkv[at + i] = x * Math.cos(angle) - y * Math.sin(angle);
          qkv[at + i + D / 2] = x * Math.sin(angle) + y * Math.cos(angle);
        }
      }
    }
  }
};
