/**
 * HTML to a flat tree in one pass over the source, forgiving as browsers are.
 * A tree is a set of typed arrays in document order; no object is made for a node and no text is copied: a node
 * points into the source. Knows nothing of layout, links or content: blocks.ts and what follows it read the tree.
 *
 * Work is bounded by the source's length: every character is looked at a fixed number of times, and an element deeper
 * than `maxDepth` is kept but holds nothing, so that fifty thousand unclosed `<b>` cost what fifty thousand `<br>` do.
 * A DOM built on the same pages takes over thirty seconds or overflows the stack.
 */
import { closeByEndTag, closeFor, closeTo, openElements, pushElement } from "./open-elements.ts";
import { hashStart, hashStep, inHead, isRawText, isVoid, TEXT, tagByHash, tagNames, tagOf } from "./tags.ts";
import { AFTER_SPACE, attributeByHash, attributeOf, IN_LINK, type Limits, type Tree } from "./tree.ts";

const { a: A, p: P, br: BR, pre: PRE, svg: SVG, html: HTML, head: HEAD, body: BODY } = tagOf;
const { noscript: NOSCRIPT, xmp: XMP, plaintext: PLAINTEXT } = tagOf;
const HREF = attributeOf.href;

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

  let capacity = Math.min(maxNodes, 1024 + (length >> 6)) + 1;
  let tag = new Uint8Array(capacity);
  let parent = new Int32Array(capacity);
  let end = new Int32Array(capacity);
  let from = new Int32Array(capacity);
  let to = new Int32Array(capacity);
  let flags = new Uint8Array(capacity);
  let firstAttribute = new Int32Array(capacity + 1);
  let attributeCapacity = 1024 + (length >> 6);
  let attributeName = new Uint8Array(attributeCapacity);
  let attributeFrom = new Int32Array(attributeCapacity);
  let attributeTo = new Int32Array(attributeCapacity);
  let count = 0;
  let attributes = 0;

  const open = openElements(maxDepth, node => {
    end[node] = count;
  });
  const { last } = open;
  let spaceBefore = false;
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
    parent[node] = open.depth > 0 ? open.node[open.depth - 1] : -1;
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
    flags[node] = (spaceBefore ? AFTER_SPACE : 0) | (open.links > 0 ? IN_LINK : 0);
    spaceBefore = false;
  };

  // A search that failed is never made again: the page would cost the square of its drawings.
  let drawingsBegin = true;
  let drawingsEnd = true;
  let drawingsBalance = true;

  /** The end of an inline drawing whose start tag ended at `start`, past its `</svg>`; -1 where it has none. */
  const endOfDrawing = (start: number): number => {
    let close = drawingsEnd ? source.indexOf("</svg", start) : -1;
    if (close < 0) {
      drawingsEnd = false;
      return -1;
    }
    if (drawingsBalance) {
      const first = close;
      let begin = drawingsBegin ? source.indexOf("<svg", start) : -1;
      for (let nested = 1; close >= 0; close = source.indexOf("</svg", close + 5)) {
        for (; begin >= 0 && begin < close; begin = source.indexOf("<svg", begin + 4)) nested++;
        if (--nested === 0) break;
      }
      drawingsBegin = begin >= 0;
      if (close < 0) {
        drawingsBalance = false;
        close = first;
      }
    }
    const stop = source.indexOf(">", close);
    return stop < 0 ? length : stop + 1;
  };

  let at = 0;
  let textFrom = 0;

  /** Adds the text between `textFrom` and `stop`, unless it is nothing but space between tags. */
  const flushText = (stop: number): void => {
    let start = textFrom;
    while (start < stop && isSpace(source.charCodeAt(start))) start++;
    if (start === stop && last[PRE] < 0) {
      if (stop > textFrom) spaceBefore = true;
      return;
    }
    if (textFrom === stop) return;
    if (last[HEAD] >= 0 && start < stop && last[NOSCRIPT] < 0) closeTo(open, last[HEAD]);
    addText(textFrom, stop);
  };

  while (at < length && !cut) {
    const tagAt = source.indexOf("<", at);
    if (tagAt < 0) break;
    let next = source.charCodeAt(tagAt + 1);
    const letter = next | 32;
    const closing = next === 47;

    if (closing) {
      next = source.charCodeAt(tagAt + 2);
      const endLetter = next | 32;
      if (endLetter < 97 || endLetter > 122) {
        // "</" and no letter: a comment up to ">", as browsers have it.
        flushText(tagAt);
        const stop = source.indexOf(">", tagAt + 2);
        at = textFrom = stop < 0 ? length : stop + 1;
        continue;
      }
      let i = tagAt + 2;
      let hash = hashStart;
      for (; i < length; i++) {
        const c = source.charCodeAt(i);
        if (c === 62 || c === 47 || isSpace(c)) break;
        hash = hashStep(hash, c >= 65 && c <= 90 ? c | 32 : c);
      }
      flushText(tagAt);
      const stop = source.indexOf(">", i);
      at = textFrom = stop < 0 ? length : stop + 1;
      if (stop < 0 || count >= maxNodes) continue;
      const kind = tagByHash(hash);
      // Browsers make an empty paragraph of a stray </p>, and a line break of </br>.
      if (!closeByEndTag(open, kind) && (kind === P || kind === BR)) addNode(kind);
      continue;
    }

    if (letter < 97 || letter > 122) {
      if (next === 33) {
        flushText(tagAt);
        let stop: number;
        if (source.startsWith("--", tagAt + 2)) {
          const close = source.indexOf("-->", tagAt + 2);
          stop = close < 0 ? length : close + 3;
        } else if (source.startsWith("[CDATA[", tagAt + 2)) {
          const close = source.indexOf("]]>", tagAt + 9);
          const limit = source.indexOf(">", tagAt + 9);
          // Outside foreign content CDATA is a comment up to the first ">".
          stop = close < 0 && limit < 0 ? length : limit + 1;
        } else {
          const close = source.indexOf(">", tagAt + 2);
          stop = close < 0 ? length : close + 1;
        }
        at = textFrom = stop;
      } else if (next === 63) {
        flushText(tagAt);
        const close = source.indexOf(">", tagAt + 2);
        at = textFrom = close < 0 ? length : close + 1;
      } else {
        at = tagAt + 1;
      }
      continue;
    }

    // A start tag: name, attributes, ">".
    let i = tagAt + 1;
    let hash = hashStart;
    for (; i < length; i++) {
      const c = source.charCodeAt(i);
      if (c === 62 || c === 47 || isSpace(c)) break;
      hash = hashStep(hash, c >= 65 && c <= 90 ? c | 32 : c);
    }
    const kind = tagByHash(hash);
    flushText(tagAt);
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

    if (last[HEAD] >= 0 && !inHead[kind] && last[NOSCRIPT] < 0) closeTo(open, last[HEAD]);
    if ((kind === HTML || kind === BODY || kind === HEAD) && (last[kind] >= 0 || last[BODY] >= 0)) {
      attributes = attributesBefore;
      continue;
    }
    closeFor(open, kind);
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
        addText(at, to[node]);
        if (count > node + 1) parent[node + 1] = node;
        end[node] = count;
      }
      const stop = close < 0 ? -1 : source.indexOf(">", close);
      at = textFrom = stop < 0 ? length : stop + 1;
      continue;
    }
    if (last[SVG] >= 0 && source.charCodeAt(at - 2) === 47) continue;
    if (kind === SVG && !drawings) {
      if (source.charCodeAt(at - 2) === 47) continue;
      const stop = endOfDrawing(at);
      if (stop >= 0) at = textFrom = stop;
      continue;
    }
    if (kind === PLAINTEXT) {
      pushElement(open, node, kind, false);
      addText(at, length);
      at = textFrom = length;
      break;
    }
    if (kind === PRE && source.charCodeAt(at) === 10) textFrom = at + 1;
    pushElement(open, node, kind, isLink && kind === A);
  }
  if (!cut && textFrom < length) flushText(length);
  open.unclosed += open.depth;
  closeTo(open, 0);

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
    tooDeep: open.tooDeep,
    unclosed: open.unclosed,
  };
}
