/**
 * Sums over subtrees and what follows from them: which container a text stands in, which one holds most of the
 * running text, and where the page repeats itself. Everything is computed in a fixed number of passes over the
 * nodes. Knows nothing of single blocks' words.
 */
import type { Blocks } from "./blocks.ts";
import type { Measured } from "./measure.ts";
import type { Names } from "./naming.ts";
import type { Tree } from "./tree.ts";

export type Structure = {
  /** Sums over the blocks whose element is the node or below it. */
  readonly chars: Float64Array;
  readonly linkChars: Float64Array;
  readonly stops: Float64Array;
  readonly blocks: Int32Array;
  /** Characters of running text: blocks of some length, few links. */
  readonly prose: Float64Array;
  /** Nearest ancestor with clearly more text, -1 at the top. */
  readonly outer: Int32Array;
  /** Distance from the top. */
  readonly depth: Int32Array;
  /** Nearest ancestor-or-self that has at least two siblings with its tag and class, -1 where there is none. */
  readonly repeated: Int32Array;
  /** The outermost such ancestor. */
  readonly outermost: Int32Array;
  /** Of a node: how many siblings, itself included, look like it; the sums over them. */
  readonly alike: Int32Array;
  readonly alikeChars: Float64Array;
  readonly alikeLinkChars: Float64Array;
  /** The node whose children hold most running text, and the smallest nodes with half and nine tenths of it. */
  readonly densest: number;
  readonly half: number;
  readonly most: number;
};

/** A block is running text when it is at least this long and at most this linked. */
const PROSE_CHARS = 80;
const PROSE_LINKS = 0.3;
/** Text an ancestor must add to count as a larger container. */
const CLEARLY_MORE = 1.25;

export function isProse(measured: Measured, block: number): boolean {
  const chars = measured.chars[block] + measured.words[block];
  return chars >= PROSE_CHARS && measured.linkChars[block] <= PROSE_LINKS * measured.chars[block];
}

export function readStructure(tree: Tree, names: Names, blocks: Blocks, measured: Measured): Structure {
  const { count, parent, tag } = tree;
  const chars = new Float64Array(count);
  const linkChars = new Float64Array(count);
  const stops = new Float64Array(count);
  const blockCount = new Int32Array(count);
  const prose = new Float64Array(count);
  const score = new Float64Array(count);
  let allProse = 0;

  for (let block = 0; block < blocks.count; block++) {
    const node = blocks.element[block];
    if (node < 0 || blocks.hidden[block]) continue;
    chars[node] += measured.chars[block];
    linkChars[node] += measured.linkChars[block];
    stops[node] += measured.stops[block];
    blockCount[node]++;
    if (!isProse(measured, block)) continue;
    const text = measured.chars[block] - measured.linkChars[block];
    prose[node] += text;
    allProse += text;
    const up = parent[node];
    score[node] += text / 4;
    if (up >= 0) score[up] += text;
    if (up >= 0 && parent[up] >= 0) score[parent[up]] += text / 2;
  }
  let densest = -1;
  let half = -1;
  let most = -1;
  for (let node = count - 1; node >= 0; node--) {
    const up = parent[node];
    if (up >= 0) {
      chars[up] += chars[node];
      linkChars[up] += linkChars[node];
      stops[up] += stops[node];
      blockCount[up] += blockCount[node];
      prose[up] += prose[node];
    }
    if (score[node] > 0 && (densest < 0 || score[node] >= score[densest])) densest = node;
    // Later nodes are deeper or further on: the first found from the end is the smallest.
    if (allProse > 0) {
      if (half < 0 && prose[node] >= allProse * 0.5) half = node;
      if (most < 0 && prose[node] >= allProse * 0.9) most = node;
    }
  }

  const outer = new Int32Array(count).fill(-1);
  const depth = new Int32Array(count);
  const repeated = new Int32Array(count).fill(-1);
  const outermost = new Int32Array(count).fill(-1);
  const alike = new Int32Array(count);
  const alikeChars = new Float64Array(count);
  const alikeLinkChars = new Float64Array(count);

  // Siblings that look alike share a slot keyed by parent and signature.
  let size = 64;
  while (size < count * 2) size *= 2;
  const slotParent = new Int32Array(size).fill(-2);
  const slotSignature = new Int32Array(size);
  const slotFirst = new Int32Array(size);
  const leader = new Int32Array(count);
  for (let node = 0; node < count; node++) {
    if (tag[node] === 0 || chars[node] === 0) continue;
    const up = parent[node];
    const signature = names.signature[node];
    let slot = (Math.imul(up + 1, 0x9e3779b1) ^ signature) >>> 0;
    slot = (slot ^ (slot >>> 15)) & (size - 1);
    while (slotParent[slot] !== -2 && (slotParent[slot] !== up || slotSignature[slot] !== signature)) {
      slot = (slot + 1) & (size - 1);
    }
    if (slotParent[slot] === -2) {
      slotParent[slot] = up;
      slotSignature[slot] = signature;
      slotFirst[slot] = node;
    }
    const first = slotFirst[slot];
    leader[node] = first;
    alike[first]++;
    alikeChars[first] += chars[node];
    alikeLinkChars[first] += linkChars[node];
  }
  for (let node = 0; node < count; node++) {
    if (tag[node] === 0) continue;
    const up = parent[node];
    if (up >= 0) {
      outer[node] = chars[up] > chars[node] * CLEARLY_MORE ? up : outer[up];
      depth[node] = depth[up] + 1;
      repeated[node] = repeated[up];
      outermost[node] = outermost[up];
    }
    if (chars[node] === 0) continue;
    const first = leader[node];
    alike[node] = alike[first];
    alikeChars[node] = alikeChars[first];
    alikeLinkChars[node] = alikeLinkChars[first];
    if (alike[node] >= 3) {
      repeated[node] = node;
      if (outermost[node] < 0) outermost[node] = node;
    }
  }
  return {
    chars,
    linkChars,
    stops,
    blocks: blockCount,
    prose,
    outer,
    depth,
    repeated,
    outermost,
    alike,
    alikeChars,
    alikeLinkChars,
    densest,
    half,
    most,
  };
}
