/**
 * Cuts a tree into blocks: runs of text that a browser would set on lines of their own. A block is the unit that is
 * kept or left out. Knows what breaks a line, what is never seen, and how to measure a block; not what is content.
 *
 * A table row is one block when its cells hold no more than a line each; a row of a table that lays out a page is
 * not, and its cells are cut up like any other text. Measuring is the second pass over the visible characters and
 * the last: text is copied only for the blocks that are kept (render.ts).
 */

import type { Names } from "./naming.ts";
import { isBlock, isControl, isHeading, isInvisible, TEXT, tagOf } from "./tags.ts";
import { attribute, attributeOf, IN_LINK, type Tree } from "./tree.ts";

/** Items of a block that are not text nodes. */
export const LINE_BREAK = -1;
export const CELL = -2;

export type Blocks = {
  readonly count: number;
  /** Text nodes, LINE_BREAK and CELL, of all blocks in order. */
  readonly items: Int32Array;
  /** Items of block b: `first[b] … first[b + 1] - 1`. */
  readonly first: Int32Array;
  /** The innermost element that stands on lines of its own and holds the block; the `tr` for a row. */
  readonly element: Int32Array;
  /** 1 where white space is kept. */
  readonly preformatted: Uint8Array;
  /** 1 where an ancestor says it is not shown. */
  readonly hidden: Uint8Array;
};

const BR = tagOf.br;
const TR = tagOf.tr;
const TD = tagOf.td;
const TH = tagOf.th;
const TABLE = tagOf.table;
const PRE = tagOf.pre;
const XMP = tagOf.xmp;
const LISTING = tagOf.listing;
const PLAINTEXT = tagOf.plaintext;
const TEMPLATE = tagOf.template;
const NOSCRIPT = tagOf.noscript;

const SKIPPED = 1;
const ROW = 2;
const KEEPS_SPACE = 4;
const HIDDEN = 8;

/** Rows with more nodes than this are never one line. */
const LARGEST_ROW = 400;

/** Line breaks in one row with which it is still a line. */
const MOST_BREAKS = 4;

/** Whether every cell of a row holds no more than a line or so of text. */
function isOneLine(tree: Tree, row: number): boolean {
  const { tag, end } = tree;
  const stop = end[row];
  if (stop - row > LARGEST_ROW) return false;
  let textSince = false;
  let breaks = 0;
  for (let i = row + 1; i < stop; i++) {
    const kind = tag[i];
    if (kind === TABLE || kind === PRE) return false;
    if (kind === TD || kind === TH) {
      textSince = false;
    } else if (kind === TEXT) {
      textSince = true;
    } else if (kind === BR) {
      if (++breaks > MOST_BREAKS || tag[i - 1] === BR) return false;
    } else if (isBlock[kind] && textSince) {
      for (let j = i + 1; j < end[i]; j++) if (tag[j] === TEXT) return false;
    }
  }
  return true;
}

const anchorMarks = new Set(["#", "¶", "§", "&para;", "&#182;", "&#xb6;", "🔗"]);

/** The sign at a heading that links to the heading itself. */
function isAnchorMark({ source, flags, from, to }: Tree, node: number): boolean {
  return (
    (flags[node] & IN_LINK) !== 0 &&
    to[node] - from[node] <= 6 &&
    anchorMarks.has(source.slice(from[node], to[node]).trim().toLowerCase())
  );
}

/**
 * `withoutScripts`: as a reader without JavaScript sees the page, with what stands in `<noscript>`. Pages that build
 * themselves in the browser have their text there or nowhere.
 */
export function cutBlocks(tree: Tree, names: Names, withoutScripts = false): Blocks {
  const { count, tag, parent } = tree;
  const state = new Uint8Array(count);
  const home = new Int32Array(count);
  const items = new Int32Array(count + 1);
  const first = new Int32Array(count + 2);
  const element = new Int32Array(count + 1);
  const preformatted = new Uint8Array(count + 1);
  const hidden = new Uint8Array(count + 1);
  let blocks = 0;
  let used = 0;
  let openHome = -2;
  let isOpen = false;
  let hasText = false;
  let cells = 0;

  const open = (at: number): void => {
    isOpen = true;
    openHome = at;
    first[blocks] = used;
    element[blocks] = at;
  };

  const close = (): void => {
    if (isOpen && hasText) {
      while (items[used - 1] < 0) used--;
      blocks++;
    } else if (isOpen) {
      used = first[blocks];
    }
    isOpen = false;
    hasText = false;
  };

  for (let node = 0; node < count; node++) {
    const kind = tag[node];
    const up = parent[node];
    const above = up < 0 ? 0 : state[up];
    const homeAbove = up < 0 ? -1 : home[up];
    if (kind === TEXT) {
      if (above & SKIPPED) continue;
      if (isAnchorMark(tree, node) && (hasText || (homeAbove >= 0 && isHeading[tag[homeAbove]]))) continue;
      const isHidden = above & HIDDEN ? 1 : 0;
      if (isOpen && homeAbove !== openHome) close();
      if (isOpen && hasText && isHidden !== hidden[blocks]) {
        if (isHidden) continue;
        close();
      }
      if (!isOpen) open(homeAbove);
      if (!hasText) {
        preformatted[blocks] = above & KEEPS_SPACE ? 1 : 0;
        hidden[blocks] = isHidden;
      }
      items[used++] = node;
      hasText = true;
      continue;
    }
    let own = above;
    if (isInvisible[kind] || isControl[kind]) {
      if (kind === NOSCRIPT && withoutScripts) {
        // Shown.
      } else if (kind !== TEMPLATE || attribute(tree, node, attributeOf.shadowrootmode) === null)
        own |= SKIPPED;
    }
    if (names.hidden[node]) own |= HIDDEN;
    if (kind === PRE || kind === XMP || kind === LISTING || kind === PLAINTEXT) own |= KEEPS_SPACE;
    if (above & ROW) {
      home[node] = homeAbove;
      if (kind === BR && isOpen && hasText) items[used++] = LINE_BREAK;
      if ((kind === TD || kind === TH) && isOpen) {
        if (cells > 0) items[used++] = CELL;
        cells++;
      }
    } else if (kind === BR) {
      // A line is a block: what follows a break is often something else than what stands before it.
      if (!(own & KEEPS_SPACE)) close();
      else if (isOpen && hasText) items[used++] = LINE_BREAK;
      home[node] = homeAbove;
    } else if (isBlock[kind]) {
      close();
      home[node] = node;
      if (kind === TR && !(own & SKIPPED) && isOneLine(tree, node)) {
        own |= ROW;
        open(node);
        cells = 0;
      }
    } else {
      home[node] = homeAbove;
    }
    state[node] = own;
  }
  close();
  first[blocks] = used;
  return { count: blocks, items, first, element, preformatted, hidden };
}
