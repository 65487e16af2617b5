/**
 * The stack of open elements, and which of them a tag closes: the rules of the HTML standard where they change what
 * stands inside what, and where pages rely on them. Knows nothing of source text and attributes.
 *
 * "Is one of these open, and inside what?" is answered in one step by a chain per tag, so that no page can make a
 * search of the stack out of every tag. An element over the depth allowed is not put on the stack; its end tag is
 * counted off against it, so that it does not close another.
 */
import { closesParagraph, isBlock, isBoundary, isFormatting, isHeading, TEXT, tagOf } from "./tags.ts";

export type OpenElements = {
  depth: number;
  /** Open `<a href>`. */
  links: number;
  /** Elements that were closed by something else than their own end tag. */
  unclosed: number;
  tooDeep: number;
  readonly node: Int32Array;
  /** TEXT for an element whose end tag has come but which holds a block that is still open. */
  readonly tag: Uint8Array;
  readonly isLink: Uint8Array;
  /** Position of the next element of the same tag further out, -1 for none. */
  readonly below: Int32Array;
  /** Position of the innermost boundary at or under a position. */
  readonly boundary: Int32Array;
  /** Position of the innermost open element of each tag, -1 for none. */
  readonly last: Int32Array;
  /** Open elements of each tag that are not on the stack. */
  readonly beyond: Int32Array;
  /** Called with each node that closes. */
  readonly onClose: (node: number) => void;
};

const { a: A, p: P, li: LI, dt: DT, dd: DD, tr: TR, td: TD, th: TH } = tagOf;
const { body: BODY, html: HTML, table: TABLE, select: SELECT, option: OPTION, optgroup: OPTGROUP } = tagOf;
const sections = ["caption", "colgroup", "tbody", "thead", "tfoot"].map(name => tagOf[name]);
const isSection = new Uint8Array(256);
for (const section of sections) isSection[section] = 1;

export function openElements(maxDepth: number, onClose: (node: number) => void): OpenElements {
  return {
    depth: 0,
    links: 0,
    unclosed: 0,
    tooDeep: 0,
    node: new Int32Array(maxDepth),
    tag: new Uint8Array(maxDepth),
    isLink: new Uint8Array(maxDepth),
    below: new Int32Array(maxDepth),
    boundary: new Int32Array(maxDepth),
    last: new Int32Array(256).fill(-1),
    beyond: new Int32Array(256),
    onClose,
  };
}

function innermostBoundary(open: OpenElements): number {
  return open.depth > 0 ? open.boundary[open.depth - 1] : -1;
}

export function pushElement(open: OpenElements, node: number, tag: number, isLink: boolean): void {
  const at = open.depth;
  if (at === open.node.length) {
    open.tooDeep++;
    open.beyond[tag]++;
    return;
  }
  open.node[at] = node;
  open.tag[at] = tag;
  open.isLink[at] = isLink ? 1 : 0;
  open.below[at] = open.last[tag];
  open.boundary[at] = isBoundary[tag] ? at : innermostBoundary(open);
  open.last[tag] = at;
  if (isLink) open.links++;
  open.depth++;
}

/** Closes elements until `depth` are left. */
export function closeTo(open: OpenElements, depth: number): void {
  while (open.depth > depth) {
    const at = --open.depth;
    open.onClose(open.node[at]);
    if (open.tag[at] === TEXT) continue;
    open.last[open.tag[at]] = open.below[at];
    open.links -= open.isLink[at];
  }
}

/** The element counts as closed, but what it holds stays where it is. */
function detach(open: OpenElements, at: number): void {
  open.last[open.tag[at]] = open.below[at];
  open.links -= open.isLink[at];
  open.tag[at] = TEXT;
}

function closeInside(open: OpenElements, tag: number, floor: number): void {
  const at = open.last[tag];
  if (at <= floor) return;
  open.unclosed += open.depth - at - 1;
  closeTo(open, at);
}

function hasBlockAbove({ tag, depth }: OpenElements, at: number): boolean {
  for (let i = depth - 1; i > at; i--) if (isBlock[tag[i]]) return true;
  return false;
}

/** Closes what a start tag implies the end of. */
export function closeFor(open: OpenElements, tag: number): void {
  const { last } = open;
  if (closesParagraph[tag] && last[P] >= 0) closeInside(open, P, innermostBoundary(open));
  if (open.depth === 0) return;
  if (tag === LI) {
    closeInside(
      open,
      LI,
      Math.max(last[tagOf.ul], last[tagOf.ol], last[tagOf.menu], innermostBoundary(open)),
    );
  } else if (tag === DT || tag === DD) {
    const floor = Math.max(last[tagOf.dl], innermostBoundary(open));
    closeInside(open, DT, floor);
    closeInside(open, DD, floor);
  } else if (tag === TD || tag === TH) {
    closeInside(open, TD, last[TABLE]);
    closeInside(open, TH, last[TABLE]);
  } else if (tag === TR) {
    closeInside(open, TR, last[TABLE]);
  } else if (isSection[tag]) {
    for (const section of sections) closeInside(open, section, last[TABLE]);
  } else if (tag === OPTION || tag === OPTGROUP) {
    closeInside(open, OPTION, last[SELECT]);
    if (tag === OPTGROUP) closeInside(open, OPTGROUP, last[SELECT]);
  } else if (isHeading[tag]) {
    if (isHeading[open.tag[open.depth - 1]]) closeTo(open, open.depth - 1);
  } else if (tag === A) {
    const at = last[A];
    if (at <= innermostBoundary(open)) return;
    if (hasBlockAbove(open, at)) detach(open, at);
    else closeTo(open, at);
  } else if (tag === tagOf.button) {
    closeInside(open, tag, -1);
  }
}

/** Closes what an end tag closes. False where nothing of the kind is open. */
export function closeByEndTag(open: OpenElements, tag: number): boolean {
  const { last } = open;
  if (open.beyond[tag] > 0) {
    open.beyond[tag]--;
    return true;
  }
  let at = last[tag];
  if (isHeading[tag]) for (let level = tagOf.h1; level <= tagOf.h6; level++) at = Math.max(at, last[level]);
  if (at < 0) return false;
  // What follows the end of the body still belongs to it.
  if (tag === BODY || tag === HTML) return true;
  const inTable = tag === TD || tag === TH || tag === TR || isSection[tag];
  const floor = inTable ? last[TABLE] : isBoundary[tag] ? -1 : innermostBoundary(open);
  if (at < floor) return true;
  if (!isBlock[tag] && !isBoundary[tag] && hasBlockAbove(open, at)) {
    if (isFormatting[tag]) detach(open, at);
    return true;
  }
  open.unclosed += open.depth - at - 1;
  closeTo(open, at);
  return true;
}
