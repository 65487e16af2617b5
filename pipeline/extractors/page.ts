/**
 * A page as the classifier sees it: tree, blocks, measures and sums, read from the source in order, each once.
 * Knows nothing of what is kept.
 */
import { type Announced, readAnnounced } from "./announced.ts";
import { type Blocks, cutBlocks } from "./blocks.ts";
import { parseHtml } from "./html.ts";
import { type LinkedData, readLinkedData } from "./json-ld.ts";
import { type Measured, measure } from "./measure.ts";
import { type Metadata, readMetadata } from "./metadata.ts";
import { type Names, readNames } from "./naming.ts";
import { readStructure, type Structure } from "./structure.ts";
import type { Limits, Tree } from "./tree.ts";

export type Page = {
  readonly tree: Tree;
  readonly names: Names;
  readonly blocks: Blocks;
  readonly measured: Measured;
  readonly structure: Structure;
  readonly announced: Announced;
  readonly linked: LinkedData;
  readonly metadata: Metadata;
};

/** Characters of visible text under which a page is read as one without JavaScript. */
const HARDLY_ANY = 400;

function visibleChars(blocks: Blocks, measured: Measured): number {
  let chars = 0;
  for (let block = 0; block < blocks.count; block++)
    if (!blocks.hidden[block]) chars += measured.chars[block];
  return chars;
}

export function readPage(html: string, url: string | null, limits: Limits): Page {
  const tree = parseHtml(html, limits);
  const names = readNames(tree);
  let blocks = cutBlocks(tree, names);
  let measured = measure(tree, blocks);
  const visible = visibleChars(blocks, measured);
  if (visible < HARDLY_ANY) {
    const more = cutBlocks(tree, names, true);
    const moreMeasured = measure(tree, more);
    if (visibleChars(more, moreMeasured) > visible * 2) {
      blocks = more;
      measured = moreMeasured;
    }
  }
  const structure = readStructure(tree, names, blocks, measured);
  const linked = readLinkedData(tree);
  const announced = readAnnounced(tree, blocks, structure);
  return {
    tree,
    names,
    blocks,
    measured,
    structure,
    announced,
    linked,
    metadata: readMetadata(tree, linked, url),
  };
}
