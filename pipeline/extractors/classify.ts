/**
 * How likely each block of a page is to be its content: two forests, the second of which sees what the first said of
 * the block's surroundings. The model was fitted on labelled pages by bench/extraction/fit.ts; model.gen.ts says when.
 */
import { fillContext } from "./context.ts";
import { columnNames, features } from "./features.ts";
import { probabilities, readForest, type StoredForest } from "./forest.ts";
import { model } from "./model.gen.ts";
import type { Page } from "./page.ts";

export type StoredModel = { readonly first: StoredForest; readonly second: StoredForest };
export type Classifier = (page: Page) => Float32Array;

export function classifierOf(stored: StoredModel): Classifier {
  const first = readForest(stored.first, columnNames);
  const second = readForest(stored.second, columnNames);
  const width = columnNames.length;
  return page => {
    const { rows, looks } = features(page);
    fillContext(page, probabilities(first, rows, width), looks, rows, width);
    return probabilities(second, rows, width);
  };
}

export const classify: Classifier = classifierOf(model);
