/**
 * What a block looks like to the classifier: a row of numbers for each block of a page.
 * Every number is a property of the page alone: no list of sites, no address. The model asks for columns by their
 * names, so that columns can come and go; those that a fit on 2,802 pages never used are not here any more.
 */
import { contextNames } from "./context.ts";
import { type Facts, readFacts, regions } from "./facts.ts";
import { groupBit, groupNames } from "./naming.ts";
import type { Page } from "./page.ts";
import { isHeading, tagOf } from "./tags.ts";
import { attribute, attributeOf, type Tree } from "./tree.ts";

/** Some columns and what fills them: `rows` from `at` on, for one block. */
type Group = {
  readonly prefix: string;
  readonly names: readonly string[];
  fill(facts: Facts, block: number, element: number, rows: Float32Array, at: number): void;
};

/** Logarithms of small whole numbers: most of what is counted on a page. */
const smallLogs = Float64Array.from({ length: 4096 }, (_, x) => Math.log2(1 + x));

function log(x: number): number {
  const whole = x | 0;
  return whole === x && whole >= 0 && whole < 4096 ? smallLogs[whole]! : Math.log2(1 + x);
}

const kinds = "p li tr td div dd dt figcaption button section article summary label blockquote pre".split(
  " ",
);
const kindNumber = new Uint8Array(256);
kinds.forEach((name, i) => {
  kindNumber[tagOf[name]] = i + 1;
});

function isAuthor(tree: Tree, node: number): boolean {
  return /\bauthor\b/i.test(attribute(tree, node, attributeOf.rel) ?? "");
}

function classOfBegin(code: number): number {
  if (code >= 97 && code <= 122) return 1;
  if (code >= 65 && code <= 90) return 2;
  if (code >= 48 && code <= 57) return 3;
  return code < 128 ? 4 : 5;
}

const endings = new Map<number, number>();
[".!?。！？”\"'»", ")", ":：", "…", ",;"].forEach((marks, i) => {
  for (const mark of marks) endings.set(mark.charCodeAt(0), i + 1);
});

const own: Group = {
  prefix: "own",
  names:
    "chars words link-density links word-length stops stops-per-word commas-per-word digit-share capitals-per-word mark-share begins ends heading kind hidden copies lines money preformatted".split(
      " ",
    ),
  fill({ page: { blocks, measured: m, tree }, copies }, b, element, rows, at) {
    const chars = Math.max(1, m.chars[b]);
    const words = Math.max(1, m.words[b]);
    const tag = tree.tag[element];
    rows[at++] = log(m.chars[b]);
    rows[at++] = log(m.words[b]);
    rows[at++] = m.linkChars[b] / chars;
    rows[at++] = log(m.links[b]);
    rows[at++] = chars / words;
    rows[at++] = log(m.stops[b]);
    rows[at++] = m.stops[b] / words;
    rows[at++] = m.commas[b] / words;
    rows[at++] = m.digits[b] / chars;
    rows[at++] = m.capitals[b] / words;
    rows[at++] = m.marks[b] / chars;
    rows[at++] = classOfBegin(m.begins[b]);
    rows[at++] = endings.get(m.ends[b]) ?? 0;
    rows[at++] = isHeading[tag] ? tag - tagOf.h1 + 1 : 0;
    rows[at++] = kindNumber[tag];
    rows[at++] = blocks.hidden[b];
    rows[at++] = log(copies[b] - 1);
    rows[at++] = log(blocks.first[b + 1] - blocks.first[b]);
    rows[at++] = m.money[b] > 0 ? 1 : 0;
    rows[at++] = blocks.preformatted[b];
  },
};

/** What the page says of itself, and the heading a block stands under. */
const told: Group = {
  prefix: "told",
  names:
    "title description body heading-level heading-distance heading-title heading-comments heading-link-density comments since-comments comments-before".split(
      " ",
    ),
  fill(
    { page: { blocks, tree, measured }, words, heading, sinceComments, commentsBefore },
    b,
    _element,
    rows,
    at,
  ) {
    rows[at++] = words.inTitle[b];
    rows[at++] = words.inDescription[b];
    rows[at++] = words.inBody[b];
    const h = heading[b];
    rows[at++] = h < 0 ? 0 : tree.tag[blocks.element[h]] - tagOf.h1 + 1;
    rows[at++] = h < 0 ? 0 : log(b - h);
    rows[at++] = h < 0 ? 0 : words.inTitle[h];
    rows[at++] = h < 0 ? 0 : words.ofComments[h];
    rows[at++] = h < 0 ? -1 : measured.linkChars[h] / Math.max(1, measured.chars[h]);
    rows[at++] = words.ofComments[b];
    rows[at++] = sinceComments[b];
    rows[at++] = log(commentsBefore[b]);
  },
};

const inlineGroups = "people related advert tags button social comment".split(" ");
const inlineBits = inlineGroups.map(groupBit);
const BYLINE_WORDS = 14;

/** What the elements within the line say, what it stands under, and whether it begins as a byline does. */
const line: Group = {
  prefix: "line",
  names: [...inlineGroups, "time", "author", "byline", "announced"],
  fill({ page: { blocks, tree, names, measured, announced }, words }, b, element, rows, at) {
    let bits = 0;
    let time = 0;
    let author = 0;
    for (let i = blocks.first[b], stop = blocks.first[b + 1]; i < stop; i++) {
      const item = blocks.items[i];
      if (item < 0) continue;
      for (let node = tree.parent[item]; node > element; node = tree.parent[node]) {
        bits |= names.groups[node];
        if (tree.tag[node] === tagOf.time) time = 1;
        else if (tree.tag[node] === tagOf.a && isAuthor(tree, node)) author = 1;
      }
    }
    for (const bit of inlineBits) rows[at++] = bits & bit ? 1 : 0;
    rows[at++] = time;
    rows[at++] = author;
    rows[at++] = words.beginsByline[b] && measured.words[b] <= BYLINE_WORDS ? 1 : 0;
    rows[at++] = announced.node[element];
  },
};

const cluster: Group = {
  prefix: "cluster",
  names: "chars share largest-share order prose".split(" "),
  fill({ clusters, largestCluster, prose, sum }, b, _element, rows, at) {
    const id = clusters.of[b];
    if (id < 0) return;
    rows[at++] = log(clusters.chars[id]);
    rows[at++] = clusters.chars[id] / Math.max(1, sum.prose);
    rows[at++] = clusters.chars[id] / largestCluster;
    rows[at++] = id;
    rows[at++] = prose[b];
  },
};

/** Sets the columns of the bits; the row was zero. */
function setBits(bits: number, rows: Float32Array, at: number): void {
  for (let left = bits; left !== 0; left &= left - 1) rows[at + 31 - Math.clz32(left & -left)] = 1;
}

const inside: Group = {
  prefix: "in",
  names: regions,
  fill({ region }, _b, element, rows, at) {
    setBits(region[element], rows, at);
  },
};

const named: Group = {
  prefix: "named",
  names: groupNames,
  fill({ named }, _b, element, rows, at) {
    setBits(named[element], rows, at);
  },
};

/** Names of the element itself, its parent and its grandparent. */
const near: Group = {
  prefix: "near",
  names: groupNames,
  fill({ page: { tree, names } }, _b, element, rows, at) {
    let bits = names.groups[element];
    let up = tree.parent[element];
    for (let level = 0; level < 2 && up >= 0; level++) {
      bits |= names.groups[up];
      up = tree.parent[up];
    }
    setBits(bits, rows, at);
  },
};

const place: Group = {
  prefix: "place",
  names:
    "index chars-before to-heading after-heading to-title since-prose to-prose depth blocks-before blocks-after prose-before prose-after".split(
      " ",
    ),
  fill(facts, b, element, rows, at) {
    const { page, firstHeading, sum } = facts;
    const n = page.blocks.count;
    const toHeading = firstHeading < 0 ? 0 : b - firstHeading;
    rows[at++] = b / n;
    rows[at++] = facts.charsBefore[b] / Math.max(1, sum.chars);
    rows[at++] = Math.sign(toHeading) * log(Math.abs(toHeading));
    rows[at++] = firstHeading < 0 ? -1 : b >= firstHeading ? 1 : 0;
    const toTitle = facts.titleBlock < 0 ? 0 : b - facts.titleBlock;
    rows[at++] = Math.sign(toTitle) * log(Math.abs(toTitle));
    rows[at++] = facts.sinceProse[b];
    rows[at++] = facts.toProse[b];
    rows[at++] = page.structure.depth[element];
    rows[at++] = log(b);
    rows[at++] = log(n - 1 - b);
    rows[at++] = sum.prose > 0 ? facts.proseBefore[b] / sum.prose : 0;
    rows[at++] = log(sum.prose - facts.proseBefore[b]);
  },
};

const nearest = [-1, 1];
const further = [-3, -2, 2, 3];
const neighbour: Group = {
  prefix: "neighbour",
  names: [
    ...nearest.flatMap(offset =>
      "chars link-density stops same-parent same-look digit-share"
        .split(" ")
        .map(name => `${offset} ${name}`),
    ),
    ...further.flatMap(offset => [`${offset} chars`, `${offset} link-density`]),
  ],
  fill({ page: { blocks, measured: m, tree }, looks }, b, element, rows, at) {
    const n = blocks.count;
    for (const offset of nearest) {
      const other = b + offset;
      if (other < 0 || other >= n) {
        rows.fill(-1, at, at + 6);
        at += 6;
        continue;
      }
      const otherElement = Math.max(0, blocks.element[other]);
      rows[at++] = log(m.chars[other]);
      rows[at++] = m.linkChars[other] / Math.max(1, m.chars[other]);
      rows[at++] = log(m.stops[other]);
      rows[at++] = otherElement === element ? 2 : tree.parent[otherElement] === tree.parent[element] ? 1 : 0;
      rows[at++] = looks.of[other] === looks.of[b] ? 1 : 0;
      rows[at++] = m.digits[other] / Math.max(1, m.chars[other]);
    }
    for (const offset of further) {
      const other = b + offset;
      const isThere = other >= 0 && other < n;
      rows[at++] = isThere ? log(m.chars[other]) : -1;
      rows[at++] = isThere ? m.linkChars[other] / Math.max(1, m.chars[other]) : -1;
    }
  },
};

const LEVELS = 3;
const containerNames = "chars link-density blocks share prose-share stops-per-block tag".split(" ");
const container: Group = {
  prefix: "container",
  names: Array.from({ length: LEVELS }, (_, level) => containerNames.map(name => `${level} ${name}`)).flat(),
  fill({ page: { structure: s, tree }, sum }, _b, element, rows, at) {
    let node = s.outer[element];
    for (let level = 0; level < LEVELS; level++, at += containerNames.length) {
      if (node < 0) {
        rows.fill(-1, at, at + containerNames.length);
        continue;
      }
      const chars = Math.max(1, s.chars[node]);
      rows[at] = log(s.chars[node]);
      rows[at + 1] = s.linkChars[node] / chars;
      rows[at + 2] = log(s.blocks[node]);
      rows[at + 3] = s.chars[node] / Math.max(1, sum.chars);
      rows[at + 4] = s.prose[node] / chars;
      rows[at + 5] = s.stops[node] / Math.max(1, s.blocks[node]);
      rows[at + 6] = kindNumber[tree.tag[node]];
      node = s.outer[node];
    }
  },
};

/** Steps up from `node` to the nearest ancestor it shares with `other`; 0 inside `other`. */
function distance(tree: Tree, depth: Int32Array, node: number, other: number): number {
  if (other < 0) return -1;
  if (node >= other && node < tree.end[other]) return 0;
  let up = node;
  let steps = 0;
  for (; up >= 0 && steps < 20 && !(other >= up && other < tree.end[up]); steps++) up = tree.parent[up];
  return up < 0 ? 20 : Math.min(20, depth[node] - depth[up]);
}

const holder: Group = {
  prefix: "holder",
  names: "in-densest in-half in-most densest-distance half-distance".split(" "),
  fill({ page: { structure: s, tree } }, _b, element, rows, at) {
    const isIn = (node: number): number => (node >= 0 && element >= node && element < tree.end[node] ? 1 : 0);
    rows[at++] = isIn(s.densest);
    rows[at++] = isIn(s.half);
    rows[at++] = isIn(s.most);
    rows[at++] = distance(tree, s.depth, element, s.densest);
    rows[at++] = distance(tree, s.depth, element, s.half);
  },
};

/** Siblings that look alike: the nearest such ancestor, the outermost, and the block's own item of it. */
const alike: Group = {
  prefix: "alike",
  names:
    "size chars-each link-density share out-size out-chars-each out-link-density out-share item-chars item-link-density item-blocks item-start item-start-link-density".split(
      " ",
    ),
  fill({ page: { structure: s, measured: m }, sum, itemStart }, b, element, rows, at) {
    for (const item of [s.repeated[element], s.outermost[element]]) {
      rows[at++] = item < 0 ? 0 : log(s.alike[item]);
      rows[at++] = item < 0 ? -1 : log(s.alikeChars[item] / s.alike[item]);
      rows[at++] = item < 0 ? -1 : s.alikeLinkChars[item] / Math.max(1, s.alikeChars[item]);
      rows[at++] = item < 0 ? 0 : s.alikeChars[item] / Math.max(1, sum.chars);
    }
    const item = s.outermost[element];
    rows[at++] = item < 0 ? -1 : log(s.chars[item]);
    rows[at++] = item < 0 ? -1 : s.linkChars[item] / Math.max(1, s.chars[item]);
    const start = itemStart[b];
    rows[at++] = item < 0 ? -1 : log(s.blocks[item]);
    rows[at++] = start < 0 ? -1 : b - start;
    rows[at++] = start < 0 ? -1 : m.linkChars[start] / Math.max(1, m.chars[start]);
  },
};

const look: Group = {
  prefix: "look",
  names: "count chars-each link-density share".split(" "),
  fill({ looks, sum }, b, _element, rows, at) {
    const id = looks.of[b];
    rows[at++] = log(looks.count[id]);
    rows[at++] = log(looks.chars[id] / looks.count[id]);
    rows[at++] = looks.linkChars[id] / Math.max(1, looks.chars[id]);
    rows[at++] = looks.chars[id] / Math.max(1, sum.chars);
  },
};

const groups: readonly Group[] = [
  own,
  told,
  line,
  cluster,
  inside,
  named,
  near,
  place,
  neighbour,
  container,
  holder,
  alike,
  look,
];

const pageTypes = [
  /^(?:News)?Article|BlogPosting|Report$/i,
  /^Product/i,
  /Forum|Discussion|QAPage|Question/i,
  /ItemList|CollectionPage|SearchResults/i,
  /FAQPage/i,
];
const openGraphTypes = [/^article/, /product/, /^website/, /./];

const pageNames =
  "blocks chars link-density prose-blocks prose-share half-share articles og linked money headings posts cards comment-share post-share clusters comments".split(
    " ",
  );

/** Columns that are the same for every block of a page. */
function pageRow({ page, sum, clusters }: Facts): number[] {
  const { structure, linked, metadata } = page;
  const chars = Math.max(1, sum.chars);
  const prose = Math.max(1, sum.prose);
  let types = 0;
  pageTypes.forEach((pattern, i) => {
    if (linked.types.some(type => pattern.test(type))) types |= 1 << i;
  });
  return [
    log(page.blocks.count),
    log(sum.chars),
    sum.linkChars / chars,
    log(sum.proseBlocks),
    sum.prose / chars,
    structure.half < 0 ? 0 : structure.chars[structure.half] / chars,
    log(sum.articles),
    metadata.kind === null ? 0 : openGraphTypes.findIndex(pattern => pattern.test(metadata.kind!)) + 1,
    types,
    log(sum.money),
    log(sum.headings),
    log(sum.posts),
    log(sum.cards),
    sum.commentProse / prose,
    sum.postProse / prose,
    log(clusters.count.length),
    log(sum.comments),
  ];
}

const ownNames = [
  ...groups.flatMap(group => group.names.map(name => `${group.prefix} ${name}`)),
  ...pageNames.map(name => `page ${name}`),
];

/** All columns: those filled here, then those that context.ts fills. */
export const columnNames: readonly string[] = [...ownNames, ...contextNames.map(name => `context ${name}`)];

/**
 * `rows`: `columnNames.length` numbers a block, block after block, those of the context still 0; they lie in `room`
 * where there is enough of it. `looks`: the number of each block's look, as in facts.ts.
 */
export function features(
  page: Page,
  room = new Float32Array(0),
): { readonly rows: Float32Array; readonly looks: Int32Array } {
  const facts = readFacts(page);
  const { blocks } = page;
  const width = columnNames.length;
  const size = blocks.count * width;
  const rows = size <= room.length ? room.subarray(0, size).fill(0) : new Float32Array(size);
  const last = pageRow(facts);
  for (let block = 0; block < blocks.count; block++) {
    const element = Math.max(0, blocks.element[block]);
    let at = block * width;
    for (const group of groups) {
      group.fill(facts, block, element, rows, at);
      at += group.names.length;
    }
    rows.set(last, at);
  }
  return { rows, looks: facts.looks.of };
}
