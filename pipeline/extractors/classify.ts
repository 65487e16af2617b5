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

/**
 * Blocks that the first forest finds less likely get no second look: half of all, a sixth of the engine's time, and
 * the same F1 to three digits.
 */
const HOPELESS = 0.02;

export function classifierOf(stored: StoredModel): Classifier {
  const first = readForest(stored.first, columnNames);
  const second = readForest(stored.second, columnNames);
  const width = columnNames.length;
  return page => {
    const { rows, looks } = features(page);
    const opinion = probabilities(first, rows, width);
    fillContext(page, opinion, looks, rows, width);
    return probabilities(second, rows, width, opinion, HOPELESS);
  };
}

export const classify: Classifier = classifierOf(model);
