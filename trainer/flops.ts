/**
 * Arithmetic of a training step, for MFU and estimates. One token costs 6 floating-point operations for each weight
 * of a matrix product (2 forward, 4 backward; the head counts even when tied, embeddings and norms do not), and
 * causal attention 6·layers·context·width (half of the full square).
 */
import { muonFlops } from "../kernels/muon.ts";
import { headSize, type ModelConfig, paddedVocabulary } from "./config.ts";
import type { TrainOptions } from "./options.ts";
import { lengthOf, parametersOf } from "./parameters.ts";
import { muonShapes } from "./step.ts";

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

/** Of an optimizer step: its tokens, and what Muon multiplies, which MFU leaves out. */
export function flopsPerStep(
  config: ModelConfig,
  { batchTokens, optimizer }: Pick<TrainOptions, "batchTokens" | "optimizer">,
): number {
  return batchTokens * flopsPerToken(config) + (optimizer === "muon" ? muonFlops(muonShapes(config)) : 0);
}

/**
 * What a whole step keeps of a large product's rate, for estimates. cpu: 0.7 to 0.8 measured from 1.3 M to 42 M
 * parameters on two cores. webgpu: what good trainers reach on one GPU with matrix units; not measured here.
 */
export const shareOfPeak = { cpu: 0.7, webgpu: 0.35 } as const;
