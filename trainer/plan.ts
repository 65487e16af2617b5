/** What a run will be, from its options alone: for `curate check` and before anything is allocated. */
import { configOf, type ModelConfig } from "./config.ts";
import { flopsPerToken } from "./flops.ts";
import { type MemoryPlan, memoryPlan } from "./memory.ts";
import type { TrainOptions } from "./options.ts";
import { countParameters } from "./parameters.ts";

export type TrainPlan = {
  readonly config: ModelConfig;
  readonly parameters: number;
  /** Bytes, with the micro-batch asked for, or one sequence at a time where none was. */
  readonly memory: MemoryPlan;
  readonly flopsPerToken: number;
  /** Tokens that will be trained on. */
  readonly tokens: number;
  readonly flops: number;
  /** Times each training token is seen; null where the number of tokens is not known yet. */
  readonly epochs: number | null;
};

/** UserError where the options do not make a model. `corpusTokens` null: not known yet. */
export function trainPlan(options: TrainOptions, vocabulary: number, corpusTokens: number | null): TrainPlan {
  const config = configOf({ ...options, vocabulary });
  const perToken = flopsPerToken(config);
  const tokens = options.steps * options.batchTokens;
  return {
    config,
    parameters: countParameters(config),
    memory: memoryPlan(config, options.microBatch ?? 1, options),
    flopsPerToken: perToken,
    tokens,
    flops: perToken * tokens,
    epochs: corpusTokens ? tokens / corpusTokens : null,
  };
}
