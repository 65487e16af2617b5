/**
 * Options of the recipe's stages after the documents. The tokenizer and the trainer declare their own; seed and memory
 * are the recipe's, so they are left out here.
 */
import { integer, number, type Options, texts } from "../lib/options.ts";
import * as tokenizer from "../tokenizer/options.ts";

const { memory: _memory, ...trainingOptions } = tokenizer.tokenizerOptions;
const { seed: _seed, ...encodingOptions } = tokenizer.shardsOptions;

export const tokenizerOptions = trainingOptions;
export const shardsOptions = encodingOptions;

export const sampleOptions = {
  prompts: texts(["The"], "Texts to continue; one sample of each."),
  maxTokens: integer(64, "Tokens of a sample.", { min: 1 }),
  temperature: number(0.8, "0 takes the most probable token every time.", { min: 0, max: 100 }),
  topK: integer(50, "Choose among the K most probable tokens; 0: among all.", { min: 0 }),
  topP: number(1, "Choose among the most probable tokens that together have this share.", { min: 0, max: 1 }),
  seed: integer(1, "Another seed, other samples."),
} satisfies Options;
