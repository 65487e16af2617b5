/** The engine `full-text`: everything a reader sees, menus and all. What the other engines fall back on. */
import { cutBlocks } from "./blocks.ts";
import type { Engine } from "./extraction.ts";
import { parseHtml } from "./html.ts";
import { readLinkedData } from "./json-ld.ts";
import { extractionOf, readMetadata } from "./metadata.ts";
import { readNames } from "./naming.ts";
import { renderBlocks } from "./render.ts";

export const fullText: Engine = (html, url, options) => {
  const tree = parseHtml(html, options.limits);
  const blocks = cutBlocks(tree, readNames(tree));
  const keep = blocks.hidden.map(hidden => 1 - hidden);
  const metadata = readMetadata(tree, readLinkedData(tree), url);
  return extractionOf(renderBlocks(tree, blocks, keep), metadata, tree.cut);
};
