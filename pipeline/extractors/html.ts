/**
 * HTML to a flat tree in one pass over the source, forgiving as browsers are.
 * A tree is a set of typed arrays in document order; no object is made for a node and no text is copied: a node
 * points into the source. Knows nothing of layout, links or content: blocks.ts and what follows it read the tree.
 *
 * Work is bounded by the source's length: every character is looked at a fixed number of times, the stack of open
 * elements answers "is one of these open, and inside what?" in one step (a chain per tag instead of a search), and
 * an element deeper than `maxDepth` is kept but holds nothing, so that fifty thousand unclosed `<b>` cost what fifty
 * thousand `<br>` do. A DOM built on the same pages takes over thirty seconds or overflows the stack.
 */
import {
  closesParagraph,
  hashStart,
  hashStep,
  inHead,
  isBlock,
  isBoundary,
  isFormatting,
  isHeading,
  isRawText,
  isVoid,
  TEXT,
  tagByHash,
  tagNames,
  tagOf,
} from "./tags.ts";
import { AFTER_SPACE, attributeByHash, attributeOf, IN_LINK, type Limits, type Tree } from "./tree.ts";

const A = tagOf.a;
const P = tagOf.p;
const LI = tagOf.li;
const DT = tagOf.dt;
const DD = tagOf.dd;
const TR = tagOf.tr;
const TD = tagOf.td;
const TH = tagOf.th;
const HEAD = tagOf.head;
const BODY = tagOf.body;
const HTML = tagOf.html;
const BR = tagOf.br;
const PRE = tagOf.pre;
const SVG = tagOf.svg;
const TABLE = tagOf.table;
const NOSCRIPT = tagOf.noscript;
const OPTION = tagOf.option;
const OPTGROUP = tagOf.optgroup;
const SELECT = tagOf.select;
const XMP = tagOf.xmp;
const PLAINTEXT = tagOf.plaintext;
const HREF = attributeOf.href;
const isTableSection = new Uint8Array(256);
for (const name of ["tbody", "thead", "tfoot", "caption", "colgroup"]) isTableSection[tagOf[name]] = 1;

function isSpace(code: number): boolean {
  return code === 32 || (code >= 9 && code <= 13);
}

function grown<T extends Int32Array | Uint8Array>(array: T, length: number): T {
  const bigger = (array instanceof Uint8Array ? new Uint8Array(length) : new Int32Array(length)) as T;
  bigger.set(array);
  return bigger;
}

/** Where `</name` with a delimiter after it begins, at or after `from`; -1 where it does not occur. */
function endTagOf(source: string, name: string, from: number): number {
  for (let at = source.indexOf("</", from); at >= 0; at = source.indexOf("</", at + 2)) {
    let i = 0;
    while (i < name.length && (source.charCodeAt(at + 2 + i) | 32) === name.charCodeAt(i)) i++;
    if (i < name.length) continue;
    const next = source.charCodeAt(at + 2 + i);
    if (next === 62 || next === 47 || isSpace(next) || Number.isNaN(next)) return at;
  }
  return -1;
}

/** The tree of a page. Never throws; the same source and limits give the same tree. */
export function parseHtml(source: string, limits: Limits): Tree {
  const length = source.length;
  const { maxNodes, maxDepth, drawings = false } = limits;

  let capacity = Math.min(maxNodes, 1024 + (length >> 4)) + 1;
  let tag = new Uint8Array(capacity);
  let parent = new Int32Array(capacity);
  let end = new Int32Array(capacity);
  let from = new Int32Array(capacity);
  let to = new Int32Array(capacity);
  let flags = new Uint8Array(capacity);
  let firstAttribute = new Int32Array(capacity + 1);
  let attributeCapacity = 1024 + (length >> 5);
  let attributeName = new Uint8Array(attributeCapacity);
  let attributeFrom = new Int32Array(attributeCapacity);
  let attributeTo = new Int32Array(attributeCapacity);
  let count = 0;
  let attributes = 0;

  // The stack of open elements. lastOpen[tag] is the position of the innermost one of a tag, below[position] that
  // of the next one of the same tag further out, boundary[position] that of the innermost boundary at or under it.
  const stackNode = new Int32Array(maxDepth + 1);
  const stackTag = new Uint8Array(maxDepth + 1);
  const below = new Int32Array(maxDepth + 1);
  const boundary = new Int32Array(maxDepth + 1).fill(-1);
  const lastOpen = new Int32Array(256).fill(-1);
  const overflow = new Int32Array(256);
  let depth = 0;
  let openLinks = 0;
  let spaceBefore = false;
  let tooDeep = 0;
  let unclosed = 0;
  let cut = false;

  const addNode = (kind: number): number => {
    if (count === capacity) {
      capacity = Math.min(maxNodes, capacity * 2) + 1;
      tag = grown(tag, capacity);
      parent = grown(parent, capacity);
      end = grown(end, capacity);
      from = grown(from, capacity);
      to = grown(to, capacity);
      flags = grown(flags, capacity);
      firstAttribute = grown(firstAttribute, capacity + 1);
    }
    const node = count++;
    tag[node] = kind;
    parent[node] = depth > 0 ? stackNode[depth - 1] : -1;
    end[node] = count;
    firstAttribute[node] = attributes;
    firstAttribute[node + 1] = attributes;
    return node;
  };

  const addText = (start: number, stop: number): void => {
    if (count >= maxNodes) {
      cut = true;
      return;
    }
    const node = addNode(TEXT);
    from[node] = start;
    to[node] = stop;
    flags[node] = (spaceBefore ? AFTER_SPACE : 0) | (openLinks > 0 ? IN_LINK : 0);
    spaceBefore = false;
  };

  const push = (node: number, kind: number): void => {
    stackNode[depth] = node;
    stackTag[depth] = kind;
    below[depth] = lastOpen[kind];
    lastOpen[kind] = depth;
    boundary[depth] = isBoundary[kind] ? depth : depth > 0 ? boundary[depth - 1] : -1;
    depth++;
    if (flags[node] & IN_LINK) openLinks++;
  };

  /** Closes open elements until `target` are left. */
  const popTo = (target: number): void => {
    while (depth > target) {
      depth--;
      const node = stackNode[depth];
      const kind = stackTag[depth];
      end[node] = count;
      if (kind === TEXT) continue;
      lastOpen[kind] = below[depth];
      if (flags[node] & IN_LINK) openLinks--;
    }
  };

  const innermostBoundary = (): number => (depth > 0 ? boundary[depth - 1] : -1);

  /** Takes a formatting element out of the chains but leaves it on the stack: a block inside it is still open. */
  const detach = (position: number): void => {
    const kind = stackTag[position];
    lastOpen[kind] = below[position];
    if (flags[stackNode[position]] & IN_LINK) openLinks--;
    stackTag[position] = TEXT;
  };

  const closeIfOpen = (kind: number, floor: number): void => {
    const position = lastOpen[kind];
    if (position > floor) {
      unclosed += depth - position - 1;
      popTo(position);
    }
  };

  const closeParagraph = (): void => closeIfOpen(P, innermostBoundary());

  /** Closes what the start tag of `kind` implies the end of. */
  const makeRoomFor = (kind: number): void => {
    if (closesParagraph[kind] && lastOpen[P] >= 0) closeParagraph();
    if (depth === 0) return;
    if (kind === LI) {
      closeIfOpen(
        LI,
        Math.max(lastOpen[tagOf.ul], lastOpen[tagOf.ol], lastOpen[tagOf.menu], innermostBoundary()),
      );
    } else if (kind === DT || kind === DD) {
      const floor = Math.max(lastOpen[tagOf.dl], innermostBoundary());
      closeIfOpen(DT, floor);
      closeIfOpen(DD, floor);
    } else if (kind === TD || kind === TH) {
      closeIfOpen(TD, lastOpen[TABLE]);
      closeIfOpen(TH, lastOpen[TABLE]);
    } else if (kind === TR) {
      closeIfOpen(TR, lastOpen[TABLE]);
    } else if (isTableSection[kind]) {
      closeIfOpen(tagOf.caption, lastOpen[TABLE]);
      closeIfOpen(tagOf.tbody, lastOpen[TABLE]);
      closeIfOpen(tagOf.thead, lastOpen[TABLE]);
      closeIfOpen(tagOf.tfoot, lastOpen[TABLE]);
    } else if (kind === OPTION || kind === OPTGROUP) {
      closeIfOpen(OPTION, lastOpen[SELECT]);
      if (kind === OPTGROUP) closeIfOpen(OPTGROUP, lastOpen[SELECT]);
    } else if (isHeading[kind] && isHeading[stackTag[depth - 1]]) {
      popTo(depth - 1);
    } else if (kind === A && lastOpen[A] > innermostBoundary()) {
      const position = lastOpen[A];
      let inline = true;
      for (let i = position + 1; i < depth && inline; i++) inline = !isBlock[stackTag[i]];
      if (inline) popTo(position);
      else detach(position);
    } else if (kind === tagOf.button) {
      closeIfOpen(kind, -1);
    }
  };

  const endTag = (kind: number): void => {
    if (overflow[kind] > 0) {
      overflow[kind]--;
      return;
    }
    let position = lastOpen[kind];
    if (isHeading[kind]) {
      for (let level = tagOf.h1; level <= tagOf.h6; level++) position = Math.max(position, lastOpen[level]);
    }
    if (position < 0) {
      // Browsers make an empty paragraph of a stray </p>, and a line break of </br>.
      if (kind === P || kind === BR) addNode(kind);
      return;
    }
    if (kind === BODY || kind === HTML) return;
    const isCell = kind === TD || kind === TH || kind === TR || isTableSection[kind];
    const floor = isCell ? lastOpen[TABLE] : isBoundary[kind] ? -1 : innermostBoundary();
    if (position < floor) return;
    if (!isBlock[kind] && !isBoundary[kind]) {
      for (let i = depth - 1; i > position; i--) {
        if (!isBlock[stackTag[i]]) continue;
        if (isFormatting[kind]) detach(position);
        return;
      }
    }
    unclosed += depth - position - 1;
    popTo(position);
  };

  let drawingsBalance = true;
  let drawingsEnd = true;

  /** The end of an inline drawing whose start tag ended at `start`, past its `</svg>`; -1 where it has none. */
  const endOfDrawing = (start: number): number => {
    let close = drawingsEnd ? source.indexOf("</svg", start) : -1;
    if (close < 0) drawingsEnd = false;
    if (drawingsBalance && close >= 0) {
      let open = source.indexOf("<svg", start);
      for (let nested = 1; close >= 0; close = source.indexOf("</svg", close + 5)) {
        for (; open >= 0 && open < close; open = source.indexOf("<svg", open + 4)) nested++;
        if (--nested === 0) break;
      }
      if (close < 0) {
        // A search that failed is never made again: the page would cost the square of its drawings.
        drawingsBalance = false;
        close = source.indexOf("</svg", start);
      }
    }
    if (close < 0) return -1;
    const stop = source.indexOf(">", close);
    return stop < 0 ? length : stop + 1;
  };

  let at = 0;
  let textFrom = 0;

  /** Adds the text between `textFrom` and `stop`, unless it is nothing but space between tags. */
  const flushText = (stop: number): void => {
    let start = textFrom;
    while (start < stop && isSpace(source.charCodeAt(start))) start++;
    if (start === stop && lastOpen[PRE] < 0) {
      if (stop > textFrom) spaceBefore = true;
      return;
    }
    if (textFrom === stop) return;
    if (lastOpen[HEAD] >= 0 && start < stop && lastOpen[NOSCRIPT] < 0) popTo(lastOpen[HEAD]);
    addText(textFrom, stop);
  };

  while (at < length && !cut) {
    const open = source.indexOf("<", at);
    if (open < 0) break;
    let next = source.charCodeAt(open + 1);
    const letter = next | 32;
    const closing = next === 47;

    if (closing) {
      next = source.charCodeAt(open + 2);
      const endLetter = next | 32;
      if (endLetter < 97 || endLetter > 122) {
        // "</" and no letter: a comment up to ">", as browsers have it.
        flushText(open);
        const stop = source.indexOf(">", open + 2);
        at = textFrom = stop < 0 ? length : stop + 1;
        continue;
      }
      let i = open + 2;
      let hash = hashStart;
      for (; i < length; i++) {
        const c = source.charCodeAt(i);
        if (c === 62 || c === 47 || isSpace(c)) break;
        hash = hashStep(hash, c >= 65 && c <= 90 ? c | 32 : c);
      }
      flushText(open);
      const stop = source.indexOf(">", i);
      at = textFrom = stop < 0 ? length : stop + 1;
      if (stop >= 0 && count < maxNodes) endTag(tagByHash(hash));
      continue;
    }

    if (letter < 97 || letter > 122) {
      if (next === 33) {
        flushText(open);
        let stop: number;
        if (source.startsWith("--", open + 2)) {
          const close = source.indexOf("-->", open + 2);
          stop = close < 0 ? length : close + 3;
        } else if (source.startsWith("[CDATA[", open + 2)) {
          const close = source.indexOf("]]>", open + 9);
          const limit = source.indexOf(">", open + 9);
          // Outside foreign content CDATA is a comment up to the first ">".
          stop = close < 0 && limit < 0 ? length : limit + 1;
        } else {
          const close = source.indexOf(">", open + 2);
          stop = close < 0 ? length : close + 1;
        }
        at = textFrom = stop;
      } else if (next === 63) {
        flushText(open);
        const close = source.indexOf(">", open + 2);
        at = textFrom = close < 0 ? length : close + 1;
      } else {
        at = open + 1;
      }
      continue;
    }

    // A start tag: name, attributes, ">".
    let i = open + 1;
    let hash = hashStart;
    for (; i < length; i++) {
      const c = source.charCodeAt(i);
      if (c === 62 || c === 47 || isSpace(c)) break;
      hash = hashStep(hash, c >= 65 && c <= 90 ? c | 32 : c);
    }
    const kind = tagByHash(hash);
    flushText(open);
    if (count >= maxNodes) {
      cut = true;
      break;
    }
    const attributesBefore = attributes;
    let isLink = false;
    let closed = false;
    while (i < length) {
      let c = source.charCodeAt(i);
      if (isSpace(c) || c === 47) {
        i++;
        continue;
      }
      if (c === 62) {
        closed = true;
        i++;
        break;
      }
      hash = hashStart;
      const nameAt = i;
      for (; i < length; i++) {
        c = source.charCodeAt(i);
        if (c === 62 || c === 47 || isSpace(c) || (c === 61 && i > nameAt)) break;
        hash = hashStep(hash, c >= 65 && c <= 90 ? c | 32 : c);
      }
      while (isSpace(c) && i + 1 < length) c = source.charCodeAt(++i);
      let valueFrom = i;
      let valueTo = i;
      if (c === 61) {
        i++;
        while (i < length && isSpace(source.charCodeAt(i))) i++;
        c = source.charCodeAt(i);
        if (c === 34 || c === 39) {
          valueFrom = i + 1;
          valueTo = source.indexOf(c === 34 ? '"' : "'", valueFrom);
          if (valueTo < 0) {
            i = length;
            break;
          }
          i = valueTo + 1;
        } else {
          valueFrom = i;
          for (; i < length; i++) {
            c = source.charCodeAt(i);
            if (c === 62 || isSpace(c)) break;
          }
          valueTo = i;
        }
      }
      const attribute = attributeByHash(hash);
      if (attribute === 0) continue;
      if (attribute === HREF) isLink = true;
      if (attributes === attributeCapacity) {
        attributeCapacity *= 2;
        attributeName = grown(attributeName, attributeCapacity);
        attributeFrom = grown(attributeFrom, attributeCapacity);
        attributeTo = grown(attributeTo, attributeCapacity);
      }
      attributeName[attributes] = attribute;
      attributeFrom[attributes] = valueFrom;
      attributeTo[attributes] = valueTo;
      attributes++;
    }
    at = textFrom = i;
    if (!closed) {
      attributes = attributesBefore;
      break;
    }

    if (lastOpen[HEAD] >= 0 && !inHead[kind] && lastOpen[NOSCRIPT] < 0) popTo(lastOpen[HEAD]);
    if ((kind === HTML || kind === BODY || kind === HEAD) && (lastOpen[kind] >= 0 || lastOpen[BODY] >= 0)) {
      attributes = attributesBefore;
      continue;
    }
    makeRoomFor(kind);
    const held = attributes;
    attributes = attributesBefore;
    const node = addNode(kind);
    attributes = held;
    firstAttribute[node + 1] = held;
    if (kind === A && isLink) flags[node] = IN_LINK;

    if (isVoid[kind]) continue;
    if (isRawText[kind]) {
      const close = endTagOf(source, tagNames[kind], at);
      from[node] = at;
      to[node] = close < 0 ? length : close;
      if (kind === XMP && to[node] > at) {
        stackNode[depth] = node;
        depth++;
        addText(at, to[node]);
        depth--;
        end[node] = count;
      }
      const stop = close < 0 ? -1 : source.indexOf(">", close);
      at = textFrom = stop < 0 ? length : stop + 1;
      continue;
    }
    if (lastOpen[SVG] >= 0 && source.charCodeAt(at - 2) === 47) continue;
    if (kind === SVG && !drawings) {
      if (source.charCodeAt(at - 2) === 47) continue;
      const stop = endOfDrawing(at);
      if (stop >= 0) at = textFrom = stop;
      continue;
    }
    if (kind === PLAINTEXT) {
      push(node, kind);
      addText(at, length);
      at = textFrom = length;
      break;
    }
    if (depth >= maxDepth) {
      tooDeep++;
      overflow[kind]++;
      continue;
    }
    if (kind === PRE && source.charCodeAt(at) === 10) textFrom = at + 1;
    push(node, kind);
  }
  if (!cut && textFrom < length) flushText(length);
  unclosed += depth;
  popTo(0);

  return {
    source,
    count,
    tag,
    parent,
    end,
    from,
    to,
    flags,
    firstAttribute,
    attributeName,
    attributeFrom,
    attributeTo,
    cut,
    tooDeep,
    unclosed,
  };
}
