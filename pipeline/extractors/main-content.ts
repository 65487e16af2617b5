/** The engine `main-content`. */
import { cutBlocks } from "./blocks.ts";
import type { Engine } from "./extraction.ts";
import { parseHtml } from "./html.ts";
import { readLinkedData } from "./json-ld.ts";
import { measure } from "./measure.ts";
import { readMetadata } from "./metadata.ts";
import { readNames } from "./naming.ts";
import { foldSpace, renderBlocks } from "./render.ts";
import { isHeading, tagOf } from "./tags.ts";

export const mainContent: Engine = (html, url, options) => {
  const tree = parseHtml(html, options.limits);
  const names = readNames(tree);
  const blocks = cutBlocks(tree, names);
  const measured = measure(tree, blocks);
  const keep = new Uint8Array(blocks.count);
  const outside = new Uint8Array(tree.count);
  const { nav, footer, aside, form } = tagOf;
  for (let node = 0; node < tree.count; node++) {
    const tag = tree.tag[node];
    if (tag === nav || tag === footer || tag === aside || tag === form) outside[node] = 1;
    else if (tree.parent[node] >= 0) outside[node] = outside[tree.parent[node]];
  }
  for (let block = 0; block < blocks.count; block++) {
    const element = blocks.element[block];
    if (blocks.hidden[block] || (element >= 0 && outside[element])) continue;
    const chars = measured.chars[block];
    const density = measured.linkChars[block] / Math.max(1, chars);
    if (density < 0.35 && (chars > 60 || isHeading[tree.tag[element]] || measured.stops[block] > 0))
      keep[block] = 1;
  }
  const linked = readLinkedData(tree);
  const { kind: _, ...metadata } = readMetadata(tree, linked, url);
  let text = renderBlocks(tree, blocks, keep);
  if (text === "" && linked.body) text = foldSpace(linked.body);
  if (text === "")
    text = renderBlocks(
      tree,
      blocks,
      blocks.hidden.map(hidden => 1 - hidden),
    );
  return { text, ...metadata, cut: tree.cut };
};
