/** Options of the recipe's stages after the documents: tokenizer, shards, sample. The trainer declares its own. */
import {
  choice,
  count,
  fraction,
  integer,
  number,
  type Options,
  optional,
  text,
  texts,
} from "../lib/options.ts";
import { patternNames } from "../tokenizer/pretokenizer/patterns.ts";
import { tieRules } from "../tokenizer/training/training.ts";

export const tokenizerOptions = {
  vocabSize: count(32768, "tokens in all: 256 bytes, the merges and the end-of-text token", {
    min: 257,
    max: 1e6,
  }),
  pattern: choice("gpt2", "how text is cut into pieces that merges never cross", patternNames),
  ties: choice("byte-ids", "which of two equally frequent pairs merges first", tieRules),
  minFrequency: integer(2, "a pair that occurs less often is not merged", { min: 1 }),
  sample: fraction(1, "share of the documents counted, chosen by seed"),
  docCap: optional(count(1e6, "bytes of a document that are counted; null: all", { min: 1 })),
  endOfText: text("<|endoftext|>", "the special token that closes every document"),
} satisfies Options;

export const shardsOptions = {
  validation: fraction(0.005, "share of the documents kept for validation, chosen by seed and id"),
  tokensPerShard: count(5e7, "about how many tokens a shard file holds", { min: 1000 }),
} satisfies Options;

export const sampleOptions = {
  prompts: texts(["The "], "texts to continue; one sample of each"),
  maxTokens: integer(64, "tokens of a sample", { min: 1 }),
  temperature: number(0.8, "0 takes the most probable token every time", { min: 0, max: 100 }),
  topK: integer(50, "choose among the K most probable tokens; 0: among all", { min: 0 }),
  topP: number(1, "choose among the most probable tokens that together have this share", { min: 0, max: 1 }),
  seed: integer(1, "another seed, other samples"),
} satisfies Options;
