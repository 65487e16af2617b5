/** The options, shape and vocabulary of toy runs; no node:test here, for a child process uses it too. */
import { defaults } from "../../lib/options.ts";
import { configOf, type ModelConfig } from "../../trainer/config.ts";
import { type TrainOptions, trainOptions } from "../../trainer/options.ts";
import type { Vocabulary } from "../../trainer/vocabulary.ts";

export const letters = 24;

export const vocabulary: Vocabulary = {
  size: letters + 1,
  eot: letters,
  bytesPerToken: Uint8Array.from({ length: letters + 1 }, (_, i) => (i < letters ? 1 : 0)),
  decode: ids => Array.from(ids, id => (id < letters ? String.fromCharCode(97 + id) : "|")).join(""),
  encode: text => Uint32Array.from(text, letter => letter.charCodeAt(0) - 97),
};

export const tinyOptions = (changes: Partial<TrainOptions> = {}): TrainOptions => ({
  ...defaults(trainOptions),
  ...{ layers: 2, heads: 2, width: 32, context: 16, batchTokens: 128, microBatch: 4, steps: 12, lr: 1e-2 },
  ...{ warmup: 2, evalEvery: 5, evalTokens: 200, sampleEvery: 4, sampleTokens: 10, checkpointEvery: 5 },
  ...changes,
});

export const tinyConfig = (family: "gpt2" | "llama", changes: Partial<ModelConfig> = {}): ModelConfig => ({
  ...configOf({
    ...{ preset: "nano", family, layers: 2, heads: 4, kvHeads: family === "llama" ? 2 : null, width: 48 },
    ...{ context: 20, vocabulary: vocabulary.size },
  }),
  ...changes,
});
