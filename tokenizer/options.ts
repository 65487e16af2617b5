/**
 * What a recipe can say about its tokenizer and its shards: the options of the stages `tokenizer` and `shards`.
 * Knows nothing of how they are carried out.
 */
import * as option from "../lib/options.ts";
import { patternNames } from "./pretokenizer/patterns.ts";
import { defaultPieceCap } from "./training/counter.ts";
import { tieRules } from "./training/training.ts";
import { defaultUnicode, unicodeVersions } from "./unicode.ts";

export const tokenizerOptions = {
  use: option.optional(
    option.text(
      "",
      "A tokenizer to use instead of training one: a folder, a file, or gpt2, cl100k_base, o200k_base (from the npm package tiktoken).",
    ),
  ),
  vocabSize: option.count(
    32768,
    "Tokens in all: 256 bytes, the merges, the special tokens. 32,768 is nanochat's; up to 65,536 fit into 16 bits.",
    { min: 257, max: 4_000_000 },
  ),
  pattern: option.choice(
    "nanochat",
    "How text is cut before merging, named by its source. nanochat puts digits in groups of two, measured best below about 50,000 tokens (0.965 bits a byte against 0.969 for one digit, 0.972 for three; nanochat, dev/LOG.md, 2026-01-13).",
    patternNames,
  ),
  unicode: option.choice(
    defaultUnicode,
    "Version of the Unicode classes the pattern is read with; 16.0.0 is that of tokenizers 0.23 and tiktoken.",
    unicodeVersions,
  ),
  ties: option.choice(
    "byte-ids",
    "Which of several pairs that are equally frequent merges first: as rustbpe, Hugging Face, minbpe or Stanford's CS336 have it. Only first-seen depends on the order of the documents.",
    tieRules,
  ),
  minFrequency: option.integer(1, "A pair that occurs less often is not merged.", { min: 1 }),
  docCap: option.optional(
    option.size(0, "Bytes of each document that are counted; what this leaves out is reported."),
  ),
  pieceCap: option.integer(
    defaultPieceCap,
    "Bytes of the longest piece; a longer one, such as a Chinese page without a space, is cut at a character.",
    { min: 16, max: 60000 },
  ),
  sample: option.fraction(1, "Share of the documents that are counted, chosen by their text and the seed."),
  specials: option.texts([], "More special tokens, given the last ids."),
  eot: option.text("<|endoftext|>", "The special token that ends each document."),
  memory: option.size(
    2 ** 30,
    "Memory for counted words. What does not fit while counting goes to disk and loses nothing; while training, the rarest words are left out and the report says so.",
    { min: 2 ** 20 },
  ),
} satisfies option.Options;

export const shardsOptions = {
  validation: option.fraction(
    0.01,
    "Share of the documents kept for validation, chosen by a hash of their id, so that it stays the same when others come or go.",
  ),
  tokensPerShard: option.count(100_000_000, "A new file is begun when one has this many tokens.", { min: 1 }),
  seed: option.integer(1, "Seed of the choice of validation documents."),
} satisfies option.Options;
