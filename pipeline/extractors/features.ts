/**
 * What a block looks like to the classifier: a row of numbers for each block of a page.
 * Every number is a property of the page alone: no list of sites, no address. Columns go by
 * the names in `columnNames`, by which the model asks for them.
 */

import { contextNames } from "./context.ts";
import type { Tree } from "./html.ts";
import { lexiconGroups, readWords } from "./lexicon.ts";
import { groupNames } from "./naming.ts";
import type { Page } from "./page.ts";
import { isProse } from "./structure.ts";
import { isHeading, tagOf } from "./tags.ts";

/** Elements whose being an ancestor is a column. */
const regions = [
  "article",
  "main",
  "nav",
  "header",
  "footer",
  "aside",
  "form",
  "table",
  "ul",
  "section",
  "figure",
  "blockquote",
  "details",
  "button",
  "dl",
  "ol",
  "pre",
  "p",
  "dialog",
  "address",
];
const regionBit = new Int32Array(256);
regions.forEach((name, i) => {
  regionBit[tagOf[name]] = 1 << i;
});

const kinds = [
  "p",
  "li",
  "tr",
  "td",
  "div",
  "dd",
  "dt",
  "figcaption",
  "button",
  "section",
  "article",
  "summary",
  "label",
  "blockquote",
  "pre",
];
const kindNumber = new Uint8Array(256);
kinds.forEach((name, i) => {
  kindNumber[tagOf[name]] = i + 1;
});

const pageTypes = [
  /^(?:News)?Article|BlogPosting|Report$/i,
  /^Product/i,
  /Forum|Discussion|QAPage|Question/i,
  /ItemList|CollectionPage|SearchResults/i,
  /FAQPage/i,
];

const names: string[] = [];
const columns = (list: readonly string[], prefix: string): number => {
  const first = names.length;
  for (const name of list) names.push(prefix + name);
  return first;
};

const OWN = columns(
  [
    "chars",
    "words",
    "link-density",
    "links",
    "word-length",
    "stops",
    "stops-per-word",
    "commas-per-word",
    "digit-share",
    "capitals-per-word",
    "mark-share",
    "money",
    "begins",
    "ends",
    "heading",
    "kind",
    "hidden",
    "copies",
    "lines",
    "preformatted",
  ],
  "own ",
);
const LEXICON = columns(lexiconGroups, "word ");
const TOLD = columns(["title", "description", "body"], "told ");
const UNDER = columns([...lexiconGroups.map(name => `word ${name}`), "level", "distance", "title"], "under ");
const CLUSTER = columns(["chars", "share", "largest-share", "order", "position"], "cluster ");
const REGION = columns(regions, "in ");
const NAMED = columns(groupNames, "named ");
const NEAR = columns(groupNames, "near ");
const PLACE = columns(
  [
    "index",
    "chars-before",
    "to-heading",
    "after-heading",
    "since-prose",
    "to-prose",
    "depth",
    "blocks-before",
    "blocks-after",
    "prose-before",
    "prose-after",
  ],
  "place ",
);
const NEIGHBOUR_FIELDS = ["chars", "link-density", "heading", "same-parent", "stops", "same-look"];
const NEIGHBOURS = [-3, -2, -1, 1, 2, 3];
const NEIGHBOUR = columns(
  NEIGHBOURS.flatMap(offset => NEIGHBOUR_FIELDS.map(field => `${offset} ${field}`)),
  "neighbour ",
);
const LEVELS = 4;
const CONTAINER_FIELDS = [
  "chars",
  "link-density",
  "blocks",
  "share",
  "prose-share",
  "stops-per-block",
  "tag",
];
const CONTAINER = columns(
  Array.from({ length: LEVELS }, (_, level) => CONTAINER_FIELDS.map(field => `${level} ${field}`)).flat(),
  "container ",
);
const HOLDER = columns(["in-densest", "in-half", "in-most", "densest-distance", "half-distance"], "holder ");
const ALIKE = columns(
  [
    "size",
    "chars-each",
    "link-density",
    "share",
    "out-size",
    "out-chars-each",
    "out-link-density",
    "out-share",
    "item-chars",
    "item-link-density",
  ],
  "alike ",
);
const LOOK = columns(["count", "chars-each", "link-density", "share"], "look ");
const PAGE = columns(
  [
    "blocks",
    "chars",
    "link-density",
    "prose-blocks",
    "prose-share",
    "half-share",
    "articles",
    "og",
    "linked",
    "money",
    "headings",
    "posts",
    "cards",
    "comment-share",
    "post-share",
    "clusters",
  ],
  "page ",
);

/** Columns this file fills. The row is longer: context.ts fills the rest. */
export const ownColumns = names.length;
columns(contextNames, "context ");
export const columnNames: readonly string[] = names;

const COMMENT = 1 << groupNames.indexOf("comment");
const POST = 1 << groupNames.indexOf("post");
const CARD = 1 << groupNames.indexOf("card");

const log = (x: number): number => Math.log2(1 + x);

function classOfBegin(code: number): number {
  if (code >= 97 && code <= 122) return 1;
  if (code >= 65 && code <= 90) return 2;
  if (code >= 48 && code <= 57) return 3;
  if (code < 128) return 4;
  return 5;
}

function classOfEnd(code: number): number {
  const c = String.fromCharCode(code);
  if (".!?。！？”\"'»)".includes(c)) return c === ")" ? 2 : 1;
  if (c === ":" || c === "：") return 3;
  if (c === "…") return 4;
  if (c === "," || c === ";") return 5;
  return 0;
}

/** `rows`: `columnNames.length` numbers a block, block after block, those of the context still 0. `looks`: the number of each block's look. */
export function features(page: Page): { readonly rows: Float32Array; readonly looks: Int32Array } {
  const { tree, names: named, blocks, measured: m, structure: s } = page;
  const { tag, parent } = tree;
  const n = blocks.count;
  const width = names.length;
  const rows = new Float32Array(n * width);
  const { metadata, linked } = page;
  const words = readWords(tree, blocks, m, {
    title: metadata.title,
    description: metadata.description ?? linked.description,
    body: linked.body,
  });
  const lexicon = words.groups;

  // Inherited along the tree: regions and names.
  const region = new Int32Array(tree.count);
  const low = new Int32Array(tree.count);
  const high = new Int32Array(tree.count);
  const path = new Int32Array(tree.count);
  let articles = 0;
  let posts = 0;
  let cards = 0;
  for (let node = 0; node < tree.count; node++) {
    const up = parent[node];
    const isTop = tag[node] === tagOf.body || tag[node] === tagOf.html;
    region[node] = (up < 0 ? 0 : region[up]) | regionBit[tag[node]];
    low[node] = isTop ? 0 : (up < 0 ? 0 : low[up]) | named.low[node];
    high[node] = isTop ? 0 : (up < 0 ? 0 : high[up]) | named.high[node];
    path[node] =
      Math.imul((up < 0 ? 0 : named.signature[up]) ^ 0x51ed270b, 0x01000193) ^ named.signature[node];
    if (tag[node] === tagOf.article) articles++;
    if (named.low[node] & (POST | COMMENT)) posts++;
    if (named.low[node] & CARD) cards++;
  }

  // Page sums.
  let chars = 0;
  let linkChars = 0;
  let proseBlocks = 0;
  let proseChars = 0;
  let money = 0;
  let headings = 0;
  let firstHeading = -1;
  const copies = new Map<number, number>();
  const looks = new Map<number, number>();
  const lookOf = new Int32Array(n);
  const lookCount: number[] = [];
  const lookChars: number[] = [];
  const lookLinks: number[] = [];
  const prose = new Uint8Array(n);
  for (let b = 0; b < n; b++) {
    chars += m.chars[b];
    linkChars += m.linkChars[b];
    money += m.money[b];
    const element = blocks.element[b];
    if (isProse(m, b)) {
      prose[b] = 1;
      proseBlocks++;
      proseChars += m.chars[b];
    }
    if (element >= 0 && isHeading[tag[element]]) headings++;
    if (firstHeading < 0 && element >= 0 && tag[element] === tagOf.h1) firstHeading = b;
    copies.set(m.hash[b], (copies.get(m.hash[b]) ?? 0) + 1);
    let look = element < 0 ? 0 : path[element];
    if (element >= 0 && parent[element] >= 0) look = Math.imul(look ^ path[parent[element]], 0x01000193);
    let id = looks.get(look);
    if (id === undefined) {
      id = lookCount.length;
      looks.set(look, id);
      lookCount.push(0);
      lookChars.push(0);
      lookLinks.push(0);
    }
    lookOf[b] = id;
    lookCount[id]++;
    lookChars[id] += m.chars[b];
    lookLinks[id] += m.linkChars[b];
  }
  const total = Math.max(1, chars);

  // Runs of prose in one container, and how much of it stands among comments and posts.
  const clusterOf = new Int32Array(n).fill(-1);
  const clusterChars: number[] = [];
  const clusterAt = new Map<number, number>();
  let commentProse = 0;
  let postProse = 0;
  for (let b = 0; b < n; b++) {
    if (!prose[b]) continue;
    const element = Math.max(0, blocks.element[b]);
    const container = s.outer[element] < 0 ? element : s.outer[element];
    let id = clusterAt.get(container);
    if (id === undefined) {
      id = clusterChars.length;
      clusterAt.set(container, id);
      clusterChars.push(0);
    }
    clusterOf[b] = id;
    clusterChars[id] += m.chars[b];
    if (low[element] & COMMENT) commentProse += m.chars[b];
    if (low[element] & POST) postProse += m.chars[b];
  }
  const largest = clusterChars.reduce((most, size) => Math.max(most, size), 1);
  let linkedTypes = 0;
  pageTypes.forEach((pattern, i) => {
    if (page.linked.types.some(type => pattern.test(type))) linkedTypes |= 1 << i;
  });
  const og =
    page.metadata.kind === null
      ? 0
      : /^article/.test(page.metadata.kind)
        ? 1
        : /product/.test(page.metadata.kind)
          ? 2
          : /^website/.test(page.metadata.kind)
            ? 3
            : 4;
  const pageRow = [
    log(n),
    log(chars),
    linkChars / total,
    log(proseBlocks),
    proseChars / total,
    s.half < 0 ? 0 : s.chars[s.half] / total,
    log(articles),
    og,
    linkedTypes,
    log(money),
    log(headings),
    log(posts),
    log(cards),
    commentProse / Math.max(1, proseChars),
    postProse / Math.max(1, proseChars),
    log(clusterChars.length),
  ];

  const nextProse = new Int32Array(n);
  for (let b = n - 1, next = n + 50; b >= 0; b--) {
    if (prose[b]) next = b;
    nextProse[b] = next - b;
  }

  let before = 0;
  let proseBefore = 0;
  let lastProse = -50;
  let under = -1;
  let underWords = 0;
  let cluster = -1;
  for (let b = 0; b < n; b++) {
    const at = b * width;
    const element = Math.max(0, blocks.element[b]);
    const c = Math.max(1, m.chars[b]);
    const w = Math.max(1, m.words[b]);
    let o = at + OWN;
    rows[o++] = log(m.chars[b]);
    rows[o++] = log(m.words[b]);
    rows[o++] = m.linkChars[b] / c;
    rows[o++] = log(m.links[b]);
    rows[o++] = c / w;
    rows[o++] = log(m.stops[b]);
    rows[o++] = m.stops[b] / w;
    rows[o++] = m.commas[b] / w;
    rows[o++] = m.digits[b] / c;
    rows[o++] = m.capitals[b] / w;
    rows[o++] = m.marks[b] / c;
    rows[o++] = m.money[b] > 0 ? 1 : 0;
    rows[o++] = classOfBegin(m.begins[b]);
    rows[o++] = classOfEnd(m.ends[b]);
    rows[o++] = isHeading[tag[element]] ? tag[element] - tagOf.h1 + 1 : 0;
    rows[o++] = kindNumber[tag[element]];
    rows[o++] = blocks.hidden[b];
    rows[o++] = log((copies.get(m.hash[b]) ?? 1) - 1);
    rows[o++] = log(blocks.first[b + 1] - blocks.first[b]);
    rows[o++] = blocks.preformatted[b];
    for (let i = 0; i < lexiconGroups.length; i++) rows[at + LEXICON + i] = (lexicon[b] >>> i) & 1;
    rows[at + TOLD] = words.inTitle[b];
    rows[at + TOLD + 1] = words.inDescription[b];
    rows[at + TOLD + 2] = words.inBody[b];
    // The heading it stands under.
    if (under >= 0) {
      for (let i = 0; i < lexiconGroups.length; i++) rows[at + UNDER + i] = (underWords >>> i) & 1;
      o = at + UNDER + lexiconGroups.length;
      rows[o++] = tag[blocks.element[under]] - tagOf.h1 + 1;
      rows[o++] = log(b - under);
      rows[o++] = words.inTitle[under];
    }
    if (isHeading[tag[element]]) {
      under = b;
      underWords = lexicon[b];
    }
    if (clusterOf[b] >= 0) cluster = clusterOf[b];
    o = at + CLUSTER;
    if (cluster >= 0) {
      rows[o++] = log(clusterChars[cluster]);
      rows[o++] = clusterChars[cluster] / Math.max(1, proseChars);
      rows[o++] = clusterChars[cluster] / largest;
      rows[o++] = cluster;
      rows[o++] = clusterOf[b] >= 0 ? 1 : 0;
    }
    for (let i = 0; i < regions.length; i++) rows[at + REGION + i] = (region[element] >>> i) & 1;
    const up = parent[element];
    const upper = up < 0 ? -1 : parent[up];
    const nearLow = named.low[element] | (up < 0 ? 0 : named.low[up]) | (upper < 0 ? 0 : named.low[upper]);
    const nearHigh =
      named.high[element] | (up < 0 ? 0 : named.high[up]) | (upper < 0 ? 0 : named.high[upper]);
    for (let i = 0; i < groupNames.length; i++) {
      rows[at + NAMED + i] = (i < 31 ? low[element] >>> i : high[element] >>> (i - 31)) & 1;
      rows[at + NEAR + i] = (i < 31 ? nearLow >>> i : nearHigh >>> (i - 31)) & 1;
    }
    o = at + PLACE;
    rows[o++] = b / n;
    rows[o++] = before / total;
    const toHeading = firstHeading < 0 ? 0 : b - firstHeading;
    rows[o++] = Math.sign(toHeading) * log(Math.abs(toHeading));
    rows[o++] = firstHeading < 0 ? -1 : b >= firstHeading ? 1 : 0;
    rows[o++] = Math.min(50, b - lastProse);
    rows[o++] = Math.min(50, nextProse[b]);
    rows[o++] = s.depth[element];
    rows[o++] = log(b);
    rows[o++] = log(n - 1 - b);
    rows[o++] = proseChars ? proseBefore / proseChars : 0;
    rows[o++] = log(proseChars - proseBefore);
    before += m.chars[b];
    if (prose[b]) {
      lastProse = b;
      proseBefore += m.chars[b];
    }
    o = at + NEIGHBOUR;
    for (const offset of NEIGHBOURS) {
      const other = b + offset;
      if (other < 0 || other >= n) {
        rows[o++] = -1;
        rows[o++] = -1;
        rows[o++] = 0;
        rows[o++] = -1;
        rows[o++] = -1;
        rows[o++] = 0;
        continue;
      }
      const otherElement = Math.max(0, blocks.element[other]);
      rows[o++] = log(m.chars[other]);
      rows[o++] = m.linkChars[other] / Math.max(1, m.chars[other]);
      rows[o++] = isHeading[tag[otherElement]];
      rows[o++] = otherElement === element ? 2 : parent[otherElement] === parent[element] ? 1 : 0;
      rows[o++] = log(m.stops[other]);
      rows[o++] = lookOf[other] === lookOf[b] ? 1 : 0;
    }
    let container = s.outer[element];
    for (let level = 0; level < LEVELS; level++) {
      o = at + CONTAINER + level * CONTAINER_FIELDS.length;
      if (container < 0) {
        rows.fill(-1, o, o + CONTAINER_FIELDS.length);
        continue;
      }
      rows[o++] = log(s.chars[container]);
      rows[o++] = s.linkChars[container] / Math.max(1, s.chars[container]);
      rows[o++] = log(s.blocks[container]);
      rows[o++] = s.chars[container] / total;
      rows[o++] = s.prose[container] / Math.max(1, s.chars[container]);
      rows[o++] = s.stops[container] / Math.max(1, s.blocks[container]);
      rows[o++] = kindNumber[tag[container]];
      container = s.outer[container];
    }
    o = at + HOLDER;
    const inside = (node: number): number =>
      node >= 0 && element >= node && element < tree.end[node] ? 1 : 0;
    rows[o++] = inside(s.densest);
    rows[o++] = inside(s.half);
    rows[o++] = inside(s.most);
    rows[o++] = distance(tree, s.depth, element, s.densest);
    rows[o++] = distance(tree, s.depth, element, s.half);
    o = at + ALIKE;
    for (const item of [s.repeated[element], s.outermost[element]]) {
      if (item < 0) {
        rows[o++] = 0;
        rows[o++] = -1;
        rows[o++] = -1;
        rows[o++] = 0;
        continue;
      }
      rows[o++] = log(s.alike[item]);
      rows[o++] = log(s.alikeChars[item] / s.alike[item]);
      rows[o++] = s.alikeLinkChars[item] / Math.max(1, s.alikeChars[item]);
      rows[o++] = s.alikeChars[item] / total;
    }
    const item = s.outermost[element];
    rows[o++] = item < 0 ? -1 : log(s.chars[item]);
    rows[o++] = item < 0 ? -1 : s.linkChars[item] / Math.max(1, s.chars[item]);
    o = at + LOOK;
    const look = lookOf[b];
    rows[o++] = log(lookCount[look]);
    rows[o++] = log(lookChars[look] / lookCount[look]);
    rows[o++] = lookLinks[look] / Math.max(1, lookChars[look]);
    rows[o++] = lookChars[look] / total;
    rows.set(pageRow, at + PAGE);
  }
  return { rows, looks: lookOf };
}

/** Steps up from `node` to the nearest ancestor it shares with `other`; 0 inside `other`. */
function distance(tree: Tree, depth: Int32Array, node: number, other: number): number {
  if (other < 0) return -1;
  if (node >= other && node < tree.end[other]) return 0;
  let up = node;
  while (up >= 0 && !(other >= up && other < tree.end[up])) up = tree.parent[up];
  return up < 0 ? 20 : Math.min(20, depth[node] - depth[up]);
}
