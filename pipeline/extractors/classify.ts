/**
 * How likely each block of a page is to be its content: two forests, the second of which sees what the first said of
 * the block's surroundings. The model was fitted on labelled pages by bench/extraction/fit.ts; model.gen.ts says when.
 */
import { fillContext } from "./context.ts";
import { columnNames, features } from "./features.ts";
import { readForest, type StoredForest } from "./forest.ts";
import { createKernel } from "./forest-kernel.ts";
import { model } from "./model.gen.ts";
import type { Page } from "./page.ts";

export type StoredModel = { readonly first: StoredForest; readonly second: StoredForest };
export type Classifier = (page: Page) => Float32Array;

/**
 * Blocks that the first forest finds less likely get no second look: half of all, a sixth of the engine's time, and
 * the same F1 to three digits.
 */
const HOPELESS = 0.02;

/** Blocks for which there is room; of real pages 99 in 100 have fewer. */
const ROOM = 2000;

export function classifierOf(stored: StoredModel): Classifier {
  const width = columnNames.length;
  const first = createKernel(readForest(stored.first, columnNames), width);
  const second = createKernel(readForest(stored.second, columnNames), width);
  // Kept from page to page: a page's rows take a kilobyte a block, which would be garbage at once.
  const room = new Float32Array(ROOM * width);
  return page => {
    const { rows, looks } = features(page, room);
    const opinion = first(rows);
    fillContext(page, opinion, looks, rows, width);
    return second(rows, opinion, HOPELESS);
  };
}

let own: Classifier | null = null;

/** By the model of this package, which is read when the first page comes. */
export const classify: Classifier = page => {
  own ??= classifierOf(model);
  return own(page);
};
