/**
 * The engine `main-content`: the text a reader came for, without menus, notices, related stories and buttons.
 * It keeps the blocks a classifier finds likely enough (classify.ts, decide.ts) and holds to a few rules whatever the
 * classifier says: what is hidden stays out; where nothing is found, first JSON-LD is asked, then all visible text.
 */
import { type Classifier, classify } from "./classify.ts";
import { expectedBest } from "./decide.ts";
import type { Engine, ExtractionOptions } from "./extraction.ts";
import { fullText } from "./full-text.ts";
import { extractionOf } from "./metadata.ts";
import { groupBit } from "./naming.ts";
import { type Page, readPage } from "./page.ts";
import { foldSpace, renderBlocks } from "./render.ts";
import { tagOf } from "./tags.ts";

const COMMENT = groupBit("comment");

/** 1 for the blocks to keep. */
export function chooseBlocks(page: Page, probability: Float32Array, options: ExtractionOptions): Uint8Array {
  const { blocks, measured, tree, names } = page;
  const { count } = blocks;
  const keep = new Uint8Array(count);
  const allowed = new Uint8Array(count).fill(1);
  const inComments = new Uint8Array(options.comments ? 0 : tree.count);
  if (!options.comments) {
    for (let node = 0; node < tree.count; node++) {
      const up = tree.parent[node];
      inComments[node] = (up >= 0 && inComments[up]) || (names.groups[node] & COMMENT ? 1 : 0) ? 1 : 0;
    }
  }
  const weight = measured.words.slice();
  for (let block = 0; block < count; block++) {
    const element = blocks.element[block];
    if (
      blocks.hidden[block] ||
      (!options.comments && element >= 0 && inComments[element]) ||
      (!options.tables && element >= 0 && tree.tag[element] === tagOf.tr)
    ) {
      allowed[block] = 0;
      weight[block] = 0;
    }
  }
  const { threshold } = expectedBest(probability, weight);
  for (let block = 0; block < count; block++) {
    if (allowed[block] && probability[block] >= threshold) keep[block] = 1;
  }
  return keep;
}

export function mainContentWith(classifier: Classifier): Engine {
  return (html, url, options) => {
    const page = readPage(html, url, options.limits);
    let text = renderBlocks(page.tree, page.blocks, chooseBlocks(page, classifier(page), options));
    if (text === "" && page.linked.body !== null) text = fullText(page.linked.body, null, options).text;
    if (text === "" && page.linked.description !== null) text = foldSpace(page.linked.description);
    if (text === "")
      text = renderBlocks(
        page.tree,
        page.blocks,
        page.blocks.hidden.map(hidden => 1 - hidden),
      );
    return extractionOf(text, page.metadata, page.tree.cut);
  };
}

export const mainContent: Engine = mainContentWith(classify);
