/** The matrix products of a training step, by shape: what a device may tune itself for before the first step. */
import { type ModelConfig, paddedVocabulary, qkvWidth } from "./config.ts";

export type ProductShape = {
  readonly layout: "NT" | "NN" | "TN";
  readonly M: number;
  readonly N: number;
  readonly K: number;
};

/** For N positions at a time and `headRows` rows of logits at a time: forward NT, then backward NN and TN; each once. */
export function productsOf(config: ModelConfig, N: number, headRows: number): ProductShape[] {
  const { width, hidden, family } = config;
  const layers = [
    [N, width, qkvWidth(config)],
    [N, width, width],
    [N, width, family === "gpt2" ? hidden : 2 * hidden],
    [N, hidden, width],
    [headRows, width, paddedVocabulary(config)],
  ] as const;
  const all = layers.flatMap(([rows, inputs, outputs]): ProductShape[] => [
    { layout: "NT", M: rows, N: outputs, K: inputs },
    { layout: "NN", M: rows, N: inputs, K: outputs },
    { layout: "TN", M: outputs, N: inputs, K: rows },
  ]);
  return [...new Map(all.map(shape => [Object.values(shape).join(), shape])).values()];
}
