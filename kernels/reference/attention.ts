/**
 * Causal attention on packed qkv rows; query head h reads key/value head floor(h·KV/H).
 * Backward, with p = softmax(s), s = q·k/√D: dv_j = Σ_i p_ij·dout_i, dp_ij = dout_i·v_j,
 * ds_ij = p_ij·(dp_ij - dout_i·out_i), dq_i = Σ_j ds_ij·k_j/√D, dk_j = Σ_i ds_ij·q_i/√D.
 */
import type { Op } from "./arrays.ts";

export const attention: Op<"attention"> = ({ out, lse, qkv, B, T, H, KV, D }) => {
  const row = (H + 2 * KV) * D;
  const scores = new Float64Array(T);
  for (let b = 0; b < B; b++) {
    for (let h = 0; h < H; h++) {
      const shared = Math.floor((h * KV) / H);
      for (let i = 0; i < T; i++) {
        const q = (b * T + i) * row + h * D;
        let max = -Infinity;
        for (let j = 0; j <= i; j++) {
          const k = (b * T + j) * row + (H + shared) * D;
          let dot = 0;
          for (let d = 0; d < D; d++) dot += qkv[q + d]! * qkv[k + d]!;
          scores[j] = dot / Math.sqrt(D);
          max = Math.max(max, scores[j]!);
        }
        let sum = 0;
        for (let j = 0; j <= i; j++) sum += Math.exp(scores[j]! - max);
        const log = max + Math.log(sum);
        lse[(b * H + h) * T + i] = log;
        for (let d = 0; d < D; d++) {
          let mixed = 0;
          for (let j = 0; j <= i; j++) {
            mixed += Math.exp(scores[j]! - log) * qkv[(b * T + j) * row + (H + KV + shared) * D + d]!;
          }
          out[(b * T + i) * H * D + h * D + d] = mixed;
        }
      }
    }
  }
};

export const attentionBackward: Op<"attentionBackward"> = ({ dqkv, dout, out, lse, qkv, B, T, H, KV, D }) => {
  const row = (H + 2 * KV) * D;
  const scale = 1 / Math.sqrt(D);
  dqkv.fill(0, 0, B * T * row);
  for (let b = 0; b < B; b++) {
    for (let h = 0; h < H; h++) {
      const shared = Math.floor((h * KV) / H);
      for (let i = 0; i < T; i++) {
        const q = (b * T + i) * row + h * D;
        const o = (b * T + i) * H * D + h * D;
        let delta = 0;
        for (let d = 0; d < D; d++) delta += dout[o + d]! * out[o + d]!;
        for (let j = 0; j <= i; j++) {
          const k = (b * T + j) * row + (H + shared) * D;
          const v = k + KV * D;
          let dot = 0;
          let dp = 0;
          for (let d = 0; d < D; d++) {
            dot += qkv[q + d]! * qkv[k + d]!;
            dp += dout[o + d]! * qkv[v + d]!;
          }
          const p = Math.exp(dot * scale - lse[(b * H + h) * T + i]!);
          const ds = p * (dp - delta) * scale;
          for (let d = 0; d < D; d++) {
            dqkv[q + d]! += ds * qkv[k + d]!;
            dqkv[k + d]! += ds * qkv[q + d]!;
            dqkv[v + d]! += p * dout[o + d]!;
          }
        }
      }
    }
  }
};
