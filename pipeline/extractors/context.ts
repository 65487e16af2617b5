/**
 * The second look: what the first opinion of a block's surroundings says about the block. Columns are means of the
 * first probabilities over neighbours, containers, look-alikes and the section under one heading, weighted by words.
 * Measured on pages not trained on, a second look adds half a point of token F1, three on listings.
 */
import { expectedBest } from "./decide.ts";
import type { Page } from "./page.ts";
import { isHeading } from "./tags.ts";

export const contextNames: readonly string[] = [
  "p",
  "p-2",
  "p-1",
  "p+1",
  "p+2",
  "near 3",
  "near 8",
  "before",
  "after",
  "most before",
  "most after",
  "element",
  "container 0",
  "container 1",
  "container 2",
  "item",
  "look",
  "section",
  "heading",
  "page",
  "threshold",
  "above",
  "expected",
  "mass container 0",
  "mass container 1",
  "mass container 2",
  "in half",
  "in most",
  "half distance",
  "since kept",
  "to kept",
  "item size",
];

const NONE = -0.1;

/**
 * Fills the last `contextNames.length` columns of rows of `width` numbers. `first` holds a probability for each block,
 * `looks` the number of its look.
 */
export function fillContext(
  page: Page,
  first: Float32Array,
  looks: Int32Array,
  rows: Float32Array,
  width: number,
): void {
  const { tree, blocks, measured, structure: s } = page;
  const { parent, end, tag } = tree;
  const n = blocks.count;
  const weight = new Float32Array(n);
  const nodeWeight = new Float32Array(tree.count);
  const nodeMass = new Float32Array(tree.count);
  let lookTotal = 0;
  for (let b = 0; b < n; b++) lookTotal = Math.max(lookTotal, looks[b] + 1);
  const lookWeight = new Float32Array(lookTotal);
  const lookMass = new Float32Array(lookTotal);
  let all = 0;
  let mass = 0;
  const section = new Int32Array(n);
  const sectionHead = new Int32Array(n + 1).fill(-1);
  const sectionWeight = new Float32Array(n + 1);
  const sectionMass = new Float32Array(n + 1);
  let sections = 0;
  for (let b = 0; b < n; b++) {
    const w = measured.words[b] + 0.01;
    const m = w * first[b];
    weight[b] = w;
    all += w;
    mass += m;
    const element = blocks.element[b];
    if (element >= 0) {
      nodeWeight[element] += w;
      nodeMass[element] += m;
    }
    lookWeight[looks[b]] += w;
    lookMass[looks[b]] += m;
    if (element >= 0 && isHeading[tag[element]]) sectionHead[++sections] = b;
    section[b] = sections;
    sectionWeight[sections] += w;
    sectionMass[sections] += m;
  }
  let half = -1;
  let most = -1;
  for (let node = tree.count - 1; node >= 0; node--) {
    const up = parent[node];
    if (up >= 0) {
      nodeWeight[up] += nodeWeight[node];
      nodeMass[up] += nodeMass[node];
    }
    if (half < 0 && nodeMass[node] >= mass * 0.5) half = node;
    if (most < 0 && nodeMass[node] >= mass * 0.9) most = node;
  }
  const { threshold, f } = expectedBest(first, weight);
  const toKept = new Int32Array(n);
  for (let b = n - 1, next = n + 50; b >= 0; b--) {
    if (first[b] >= threshold) next = b;
    toKept[b] = Math.min(50, next - b);
  }
  const at = (b: number): number => (b < 0 || b >= n ? NONE : first[b]);
  const near = (b: number, reach: number): number => {
    let w = 0;
    let m = 0;
    for (let i = Math.max(0, b - reach), last = Math.min(n - 1, b + reach); i <= last; i++) {
      if (i === b) continue;
      w += weight[i];
      m += weight[i] * first[i];
    }
    return w > 0 ? m / w : NONE;
  };
  const mean = (node: number): number => (node < 0 ? NONE : nodeMass[node] / (nodeWeight[node] || 1));
  const share = (node: number): number => (node < 0 ? 1 : nodeMass[node] / (mass || 1));
  let beforeWeight = 0;
  let beforeMass = 0;
  let lastKept = -50;
  for (let b = 0; b < n; b++) {
    const element = Math.max(0, blocks.element[b]);
    const outer0 = s.outer[element];
    const outer1 = outer0 < 0 ? -1 : s.outer[outer0];
    const outer2 = outer1 < 0 ? -1 : s.outer[outer1];
    const item = s.outermost[element];
    let o = (b + 1) * width - contextNames.length;
    rows[o++] = first[b];
    rows[o++] = at(b - 2);
    rows[o++] = at(b - 1);
    rows[o++] = at(b + 1);
    rows[o++] = at(b + 2);
    rows[o++] = near(b, 3);
    rows[o++] = near(b, 8);
    rows[o++] = beforeWeight > 0 ? beforeMass / beforeWeight : NONE;
    beforeWeight += weight[b];
    beforeMass += weight[b] * first[b];
    rows[o++] = all - beforeWeight > 0.02 ? (mass - beforeMass) / (all - beforeWeight) : NONE;
    rows[o++] = Math.max(at(b - 1), at(b - 2), at(b - 3), at(b - 4), at(b - 5));
    rows[o++] = Math.max(at(b + 1), at(b + 2), at(b + 3), at(b + 4), at(b + 5));
    rows[o++] = mean(element);
    rows[o++] = mean(outer0);
    rows[o++] = mean(outer1);
    rows[o++] = mean(outer2);
    rows[o++] = mean(item);
    rows[o++] = lookMass[looks[b]] / lookWeight[looks[b]];
    rows[o++] = sectionMass[section[b]] / sectionWeight[section[b]];
    rows[o++] = at(sectionHead[section[b]]);
    rows[o++] = mass / (all || 1);
    rows[o++] = threshold;
    rows[o++] = first[b] - threshold;
    rows[o++] = f;
    rows[o++] = share(outer0);
    rows[o++] = share(outer1);
    rows[o++] = share(outer2);
    rows[o++] = half >= 0 && element >= half && element < end[half] ? 1 : 0;
    rows[o++] = most >= 0 && element >= most && element < end[most] ? 1 : 0;
    let up = element;
    let steps = 0;
    while (
      half >= 0 &&
      up >= 0 &&
      steps < 20 &&
      !(half >= up && half < end[up]) &&
      !(element >= half && element < end[half])
    ) {
      up = parent[up];
      steps++;
    }
    rows[o++] = steps;
    rows[o++] = Math.min(50, b - lastKept);
    if (first[b] >= threshold) lastKept = b;
    rows[o++] = toKept[b];
    rows[o++] = item < 0 ? 0 : nodeWeight[item];
  }
}
