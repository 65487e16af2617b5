/**
 * Facts of a page's blocks that take more than the block itself to know: what is inherited from ancestors, which
 * blocks look alike, which runs of prose belong together, what comes before and after. One pass each; features.ts
 * turns them into numbers.
 */
import { groupBit } from "./naming.ts";
import type { Page } from "./page.ts";
import { isProse } from "./structure.ts";
import { isHeading, tagOf } from "./tags.ts";
import { readWords, type Words } from "./words.ts";

/** Elements whose being an ancestor is worth knowing, in bit order. */
export const regions = [
  "article",
  "main",
  "nav",
  "footer",
  "aside",
  "form",
  "table",
  "ul",
  "ol",
  "section",
  "p",
];
const regionBit = new Int32Array(256);
regions.forEach((name, i) => {
  regionBit[tagOf[name]] = 1 << i;
});

/** Blocks in groups, with what the groups add up to. */
type Groups = {
  /** Group of each block, -1 for none. */
  readonly of: Int32Array;
  readonly count: number[];
  readonly chars: number[];
  readonly linkChars: number[];
};

export type Facts = {
  readonly page: Page;
  readonly words: Words;
  /** Bits of the regions and of the groups of names that a node stands in. */
  readonly region: Int32Array;
  readonly named: Int32Array;
  /** 1 for running text. */
  readonly prose: Uint8Array;
  /** Blocks whose elements, parents and grandparents have the same tags and classes. */
  readonly looks: Groups;
  /** Runs of prose by the container they stand in. A block that is no prose has the run before it. */
  readonly clusters: Groups;
  readonly largestCluster: number;
  /** How often each block's text occurs. */
  readonly copies: Int32Array;
  readonly charsBefore: Float64Array;
  readonly proseBefore: Float64Array;
  /** Blocks since and to the next prose, at most 50. */
  readonly sinceProse: Int32Array;
  readonly toProse: Int32Array;
  /** The last heading before a block, -1 where there is none. */
  readonly heading: Int32Array;
  /** Blocks since one of few words that means comment or reply, at most 50; how many of them came before. */
  readonly sinceComments: Int32Array;
  readonly commentsBefore: Int32Array;
  /** The first block of the outermost repeated element that a block stands in, -1 where it stands in none. */
  readonly itemStart: Int32Array;
  /** The first h1, -1 where there is none. */
  readonly firstHeading: number;
  /** The block that repeats most of the page's title and nothing else, -1 where there is none. */
  readonly titleBlock: number;
  readonly sum: {
    readonly chars: number;
    readonly linkChars: number;
    readonly prose: number;
    readonly proseBlocks: number;
    readonly money: number;
    readonly headings: number;
    readonly articles: number;
    readonly posts: number;
    readonly cards: number;
    /** Blocks that announce comments or replies. */
    readonly comments: number;
    /** Characters of prose in elements named for comments, for posts. */
    readonly commentProse: number;
    readonly postProse: number;
  };
};

const COMMENT = groupBit("comment");
const POST = groupBit("post");
const CARD = groupBit("card");
const FAR = 50;
/** Words with which a block that means comment or reply announces what follows, and does not speak of it. */
const ANNOUNCING = 8;

/** Groups blocks by a key, in order of first sight. */
function grouped(page: Page, keyOf: (block: number) => number | null): Groups {
  const { blocks, measured } = page;
  const groups: Groups = { of: new Int32Array(blocks.count).fill(-1), count: [], chars: [], linkChars: [] };
  const byKey = new Map<number, number>();
  for (let block = 0; block < blocks.count; block++) {
    const key = keyOf(block);
    if (key === null) continue;
    let group = byKey.get(key);
    if (group === undefined) {
      group = groups.count.length;
      byKey.set(key, group);
      groups.count.push(0);
      groups.chars.push(0);
      groups.linkChars.push(0);
    }
    groups.of[block] = group;
    groups.count[group]++;
    groups.chars[group] += measured.chars[block];
    groups.linkChars[group] += measured.linkChars[block];
  }
  return groups;
}

export function readFacts(page: Page): Facts {
  const { tree, names, blocks, measured, structure, linked, metadata } = page;
  const { tag, parent } = tree;
  const n = blocks.count;

  const words = readWords(tree, blocks, measured, {
    title: metadata.title,
    description: metadata.description ?? linked.description,
    body: linked.body,
  });
  const region = new Int32Array(tree.count);
  const named = new Int32Array(tree.count);
  const path = new Int32Array(tree.count);
  let articles = 0;
  let posts = 0;
  let cards = 0;
  for (let node = 0; node < tree.count; node++) {
    const up = parent[node];
    // The body's own class names the page, not a part of it.
    const isTop = tag[node] === tagOf.body || tag[node] === tagOf.html;
    region[node] = (up < 0 ? 0 : region[up]) | regionBit[tag[node]];
    named[node] = isTop ? 0 : (up < 0 ? 0 : named[up]) | names.groups[node];
    const above = up < 0 ? 0 : names.signature[up];
    path[node] = Math.imul(above ^ 0x51ed270b, 0x01000193) ^ names.signature[node];
    if (tag[node] === tagOf.article) articles++;
    if (names.groups[node] & (POST | COMMENT)) posts++;
    if (names.groups[node] & CARD) cards++;
  }

  const prose = new Uint8Array(n);
  const copies = new Int32Array(n);
  const charsBefore = new Float64Array(n);
  const proseBefore = new Float64Array(n);
  const sinceProse = new Int32Array(n);
  const heading = new Int32Array(n);
  const sinceComments = new Int32Array(n);
  const commentsBefore = new Int32Array(n);
  const itemStart = new Int32Array(n);
  const copiesOf = new Map<number, number>();
  let chars = 0;
  let linkChars = 0;
  let money = 0;
  let headings = 0;
  let proseChars = 0;
  let proseBlocks = 0;
  let commentProse = 0;
  let postProse = 0;
  let firstHeading = -1;
  let titleBlock = -1;
  let titleWords = 1;
  let lastProse = -FAR;
  let lastHeading = -1;
  let lastComments = -FAR;
  let comments = 0;
  let item = -1;
  for (let block = 0; block < n; block++) {
    const element = Math.max(0, blocks.element[block]);
    const length = measured.chars[block];
    if (words.inTitle[block] === 1 && measured.words[block] > titleWords) {
      titleBlock = block;
      titleWords = measured.words[block];
    }
    charsBefore[block] = chars;
    proseBefore[block] = proseChars;
    sinceProse[block] = Math.min(FAR, block - lastProse);
    heading[block] = lastHeading;
    sinceComments[block] = Math.min(FAR, block - lastComments);
    commentsBefore[block] = comments;
    if (words.ofComments[block] && measured.words[block] <= ANNOUNCING) {
      lastComments = block;
      comments++;
    }
    const repeated = structure.outermost[element];
    if (repeated < 0) itemStart[block] = -1;
    else itemStart[block] = repeated === item ? itemStart[block - 1] : block;
    item = repeated;
    chars += length;
    linkChars += measured.linkChars[block];
    money += measured.money[block];
    copiesOf.set(measured.hash[block], (copiesOf.get(measured.hash[block]) ?? 0) + 1);
    if (isHeading[tag[element]]) {
      headings++;
      lastHeading = block;
      if (firstHeading < 0 && tag[element] === tagOf.h1) firstHeading = block;
    }
    if (!isProse(measured, block)) continue;
    prose[block] = 1;
    proseBlocks++;
    proseChars += length;
    lastProse = block;
    if (named[element] & COMMENT) commentProse += length;
    if (named[element] & POST) postProse += length;
  }
  for (let block = 0; block < n; block++) copies[block] = copiesOf.get(measured.hash[block]) ?? 1;

  const toProse = new Int32Array(n);
  for (let block = n - 1, next = n + FAR; block >= 0; block--) {
    if (prose[block]) next = block;
    toProse[block] = Math.min(FAR, next - block);
  }

  const looks = grouped(page, block => {
    const element = blocks.element[block];
    if (element < 0) return 0;
    return parent[element] < 0 ? path[element] : Math.imul(path[element] ^ path[parent[element]], 0x01000193);
  });
  const clusters = grouped(page, block => {
    if (!prose[block]) return null;
    const element = Math.max(0, blocks.element[block]);
    return structure.outer[element] < 0 ? element : structure.outer[element];
  });
  for (let block = 1; block < n; block++) {
    if (clusters.of[block] < 0) clusters.of[block] = clusters.of[block - 1];
  }

  return {
    page,
    words,
    region,
    named,
    prose,
    looks,
    clusters,
    largestCluster: clusters.chars.reduce((most, size) => Math.max(most, size), 1),
    copies,
    charsBefore,
    proseBefore,
    sinceProse,
    toProse,
    heading,
    sinceComments,
    commentsBefore,
    itemStart,
    firstHeading,
    titleBlock,
    sum: {
      chars,
      linkChars,
      prose: proseChars,
      proseBlocks,
      money,
      headings,
      articles,
      posts,
      cards,
      comments,
      commentProse,
      postProse,
    },
  };
}
