/**
 * Every stage a recipe can name: the pipeline's, and those of the tokenizer, the trainer and the sampler, which the
 * pipeline must not know.
 */
import { count, integer, number, optional, type Options, text, texts } from "../lib/options.ts";
import type { Catalogue, CatalogueEntry } from "../pipeline/recipe.ts";
import { corpusStages, documentStages } from "../pipeline/stages.ts";
import { trainOptions } from "../trainer/options.ts";

export const sampleOptions = {
  prompts: texts(["The "], "texts to continue; one sample of each"),
  maxTokens: integer(64, "tokens of a sample", { min: 1 }),
  temperature: number(0.8, "0 takes the most probable token every time", { min: 0, max: 100 }),
  topK: integer(50, "choose among the K most probable tokens; 0: among all", { min: 0 }),
  topP: number(1, "choose among the most probable tokens that together have this share", { min: 0, max: 1 }),
  seed: optional(integer(1, "another sample; null: the recipe's seed")),
} satisfies Options;

const corpusEntries: readonly CatalogueEntry[] = [
  { name: "train", kind: "corpus", options: trainOptions },
  { name: "sample", kind: "corpus", options: sampleOptions },
];

export const catalogue: Catalogue = new Map(
  [...documentStages.values(), ...corpusStages.values(), ...corpusEntries].map(entry => [entry.name, entry as CatalogueEntry]),
);

export { count, text };
