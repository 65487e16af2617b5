/**
 * Every stage a recipe can name: the pipeline's, and those of the tokenizer, the trainer and the sampler, which the
 * pipeline must not know.
 */
import type { Catalogue, CatalogueEntry } from "../pipeline/recipe.ts";
import { corpusStages, documentStages } from "../pipeline/stages.ts";
import { trainOptions } from "../trainer/options.ts";
import { sampleOptions, shardsOptions, tokenizerOptions } from "./corpus-options.ts";

const later: readonly CatalogueEntry[] = [
  {
    name: "tokenizer",
    kind: "corpus",
    about: "trains a byte-level BPE vocabulary on the documents kept so far",
    options: tokenizerOptions,
  },
  {
    name: "shards",
    kind: "corpus",
    about: "writes the documents as token ids to Arrow files, some of them held out for validation",
    options: shardsOptions,
  },
  {
    name: "train",
    kind: "corpus",
    about: "trains a GPT on the shards, with checkpoints, validation and a sample every 20 steps",
    options: trainOptions,
  },
  {
    name: "sample",
    kind: "corpus",
    about: "continues the prompts with the trained model",
    options: sampleOptions,
  },
];

export const catalogue: Catalogue = new Map(
  [...documentStages.values(), ...corpusStages.values(), ...later].map(entry => [
    entry.name,
    entry as CatalogueEntry,
  ]),
);
