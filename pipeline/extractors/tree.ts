/**
 * A page as a flat tree: typed arrays in document order that point into the source. No object is made for a node and
 * no text is copied. html.ts makes one; this file only says what it is.
 */
import { hashTable } from "./tags.ts";

export type Limits = {
  /** Nodes of the tree, text and elements together. A page with more is cut there. */
  readonly maxNodes: number;
  /** Open elements. Deeper ones are kept as empty elements and their content moves up to the last that fits. */
  readonly maxDepth: number;
  /** Reads inline drawings element by element, as a DOM does, and does not skip over them. */
  readonly drawings?: boolean;
};

/** Text that follows white space that was left out of the tree. */
export const AFTER_SPACE = 1;
/** Text inside an open `<a href>`. */
export const IN_LINK = 2;

/** The attributes that are kept, by number: `attributeOf["class"]`. */
const attributeNames =
  "class id style role hidden aria-hidden itemprop itemtype href rel lang name property content datetime type open shadowrootmode aria-label src alt".split(
    " ",
  );
export const attributeOf: Readonly<Record<string, number>> = Object.fromEntries(
  attributeNames.map((name, i) => [name, i + 1]),
);
export const attributeByHash = hashTable(attributeNames.map((name, i) => [name, i + 1] as const));

export type Tree = {
  readonly source: string;
  /** Number of nodes; all arrays below that belong to nodes are read up to it. */
  readonly count: number;
  readonly tag: Uint8Array;
  /** Parent node, -1 for nodes at the top. */
  readonly parent: Int32Array;
  /** First node after the node's subtree: descendants are `i + 1 … end[i] - 1`. */
  readonly end: Int32Array;
  /** Text: its range in the source. Raw text elements (script, title, …): the range of their content. */
  readonly from: Int32Array;
  readonly to: Int32Array;
  readonly flags: Uint8Array;
  /** Attributes of node i: `firstAttribute[i] … firstAttribute[i + 1] - 1` in the three arrays below. */
  readonly firstAttribute: Int32Array;
  readonly attributeName: Uint8Array;
  readonly attributeFrom: Int32Array;
  readonly attributeTo: Int32Array;
  /** True where the page had more nodes than allowed and the rest was left out. */
  readonly cut: boolean;
  /** Elements that were deeper than allowed. */
  readonly tooDeep: number;
  /** Elements, not void ones, that no end tag closed. */
  readonly unclosed: number;
};

/** The raw value of an attribute of `node`, references undecoded; null where it has none. The first of two wins. */
export function attribute(tree: Tree, node: number, name: number): string | null {
  const stop = tree.firstAttribute[node + 1];
  for (let i = tree.firstAttribute[node]; i < stop; i++) {
    if (tree.attributeName[i] === name) return tree.source.slice(tree.attributeFrom[i], tree.attributeTo[i]);
  }
  return null;
}
