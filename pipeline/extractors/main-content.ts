/**
 * The engine `main-content`: the text a reader came for, without menus, notices, related stories and buttons.
 * It keeps the blocks a classifier finds likely enough (classify.ts, decide.ts) and holds to a few rules whatever the
 * classifier says. What is hidden stays out, unless most of what looks like content is hidden: such pages show
 * themselves by script. Rows, terms, headings and listings between kept blocks are kept, so that no text has holes.
 * Where nothing is found JSON-LD is asked, then all visible text is taken.
 */
import { FOREIGN } from "./announced.ts";
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

/** Share of the page's likely content that must be hidden for hidden text to count: the page waits for scripts. */
const MOSTLY_HIDDEN = 0.5;
/** A row, term, heading or listing between kept blocks is kept down to this share of the threshold. */
const IN_A_GAP = 0.2;
const GAP = 2;
/** Blocks behind a label in which what it announces begins. */
const FOLLOWS = 3;
const bridges = new Uint8Array(256);
for (const name of "tr dt dd pre h2 h3 h4 h5 h6".split(" ")) bridges[tagOf[name]] = 1;

function isMostlyHidden({ blocks, measured }: Page, probability: Float32Array): boolean {
  let all = 0;
  let hidden = 0;
  for (let block = 0; block < blocks.count; block++) {
    const likely = probability[block] * measured.words[block];
    all += likely;
    if (blocks.hidden[block]) hidden += likely;
  }
  return hidden > all * MOSTLY_HIDDEN;
}

/** 1 for elements in comments. */
function commentElements({ tree, names }: Page): Uint8Array {
  const within = new Uint8Array(tree.count);
  for (let node = 0; node < tree.count; node++) {
    const up = tree.parent[node];
    if ((up >= 0 && within[up]) || names.groups[node] & COMMENT) within[node] = 1;
  }
  return within;
}

/** 1 for the blocks to keep. */
export function chooseBlocks(page: Page, probability: Float32Array, options: ExtractionOptions): Uint8Array {
  const { blocks, measured, tree, announced } = page;
  const { count, element } = blocks;
  const inComments = options.comments ? null : commentElements(page);
  const showsHidden = isMostlyHidden(page, probability);
  const tagOfBlock = (block: number): number => (element[block] < 0 ? 0 : tree.tag[element[block]]);
  const allowed = new Uint8Array(count);
  const weight = new Float32Array(count);
  for (let block = 0; block < count; block++) {
    if (blocks.hidden[block] && !showsHidden) continue;
    if (element[block] >= 0 && announced.node[element[block]] === FOREIGN) continue;
    if (inComments && element[block] >= 0 && inComments[element[block]]) continue;
    if (!options.tables && tagOfBlock(block) === tagOf.tr) continue;
    allowed[block] = 1;
    weight[block] = measured.words[block];
  }
  const { threshold } = expectedBest(probability, weight);
  const keep = new Uint8Array(count);
  for (let block = 0; block < count; block++) {
    if (allowed[block] && probability[block] >= threshold) keep[block] = 1;
  }
  const filled = keep.slice();
  for (let block = 0; block < count; block++) {
    if (keep[block] || !allowed[block] || !bridges[tagOfBlock(block)]) continue;
    const before = keep[block - 1] || keep[block - GAP];
    const after = keep[block + 1] || keep[block + GAP];
    if (before && after && probability[block] >= threshold * IN_A_GAP) filled[block] = 1;
  }
  for (let block = 0; block < count; block++) {
    // What is announced and not kept needs no announcement.
    if (!announced.label[block]) continue;
    let next = block + 1;
    while (next <= block + FOLLOWS && next < count && !announced.label[next] && !filled[next]) next++;
    if (next > block + FOLLOWS || next >= count || announced.label[next]) filled[block] = 0;
  }
  return filled;
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
