/**
 * Arithmetic of a training step, for MFU and estimates. One token costs 6 floating-point operations for each weight
 * of a matrix product (2 forward, 4 backward; the head counts even when tied, embeddings and norms do not), and
 * causal attention 6·layers·context·width (half of the full square).
 */
import { headSize, type ModelConfig, paddedVocabulary } from "./config.ts";
import { lengthOf, parametersOf } from "./parameters.ts";

/** What MFU means here, for people. */
export const mfuFormula =
  "tokens/s · (6 · matrix weights + 6 · layers · context · heads · head size) / peak, " +
  "peak = the best rate of a large square matrix product on this device at the start of the run";

export function flopsPerToken(config: ModelConfig): number {
  const matrices = parametersOf(config)
    .filter(({ name, shape }) => shape.length === 2 && name !== "wte" && name !== "wpe" && name !== "head")
    .reduce((sum, parameter) => sum + lengthOf(parameter), 0);
  const head = paddedVocabulary(config) * config.width;
  return 6 * (matrices + head) + 6 * config.layers * config.context * config.heads * headSize(config);
}
