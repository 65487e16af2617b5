/**
 * Every stage a recipe can name: the pipeline's, and those of the tokenizer, the trainer and the sampler, which the
 * pipeline must not know.
 */
import type { Catalogue, CatalogueEntry } from "../pipeline/recipe.ts";
import { corpusStages, documentStages } from "../pipeline/stages.ts";
import { trainOptions } from "../trainer/options.ts";
import { sampleOptions, shardsOptions, tokenizerOptions } from "./corpus-options.ts";

const later: readonly CatalogueEntry[] = [
  { name: "tokenizer", kind: "corpus", options: tokenizerOptions },
  { name: "shards", kind: "corpus", options: shardsOptions },
  { name: "train", kind: "corpus", options: trainOptions },
  { name: "sample", kind: "corpus", options: sampleOptions },
];

export const catalogue: Catalogue = new Map(
  [...documentStages.values(), ...corpusStages.values(), ...later].map(entry => [
    entry.name,
    entry as CatalogueEntry,
  ]),
);
