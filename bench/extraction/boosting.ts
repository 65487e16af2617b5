/**
 * Gradient boosting of regression trees on binned columns, for soft labels and weighted rows under logistic loss.
 * Trees grow leaf by leaf, the best gain first; a column's histogram of the larger child is the parent's less the
 * smaller child's. Rows are drawn by group (a page), since rows of one page are no independent evidence.
 * Source: Friedman 2001; histograms and leaf-wise growth as in LightGBM (Ke et al. 2017).
 */
import type { Random } from "../../lib/random.ts";
import type { GrownTree } from "../../pipeline/extractors/forest.ts";

export type Binned = {
  /** One array a column, a bin a row. */
  readonly columns: readonly Uint8Array[];
  /** Upper limits of each column's bins but the last. */
  readonly edges: readonly Float32Array[];
};

export type BoostingOptions = {
  readonly trees: number;
  readonly leaves: number;
  readonly rate: number;
  /** Added to the sum of second derivatives of a leaf. */
  readonly lambda: number;
  readonly minWeight: number;
  readonly columnShare: number;
  readonly groupShare: number;
};

export const boostingDefaults: BoostingOptions = {
  trees: 170,
  leaves: 24,
  rate: 0.06,
  lambda: 2,
  minWeight: 1,
  columnShare: 0.25,
  groupShare: 0.6,
};

/** Edges between at most `most` bins of equal count, from a sample of the values. */
export function edgesOf(values: Float32Array, most: number): Float32Array {
  const sorted = values.slice().sort();
  const distinct = sorted.filter((value, i) => i === 0 || value !== sorted[i - 1]);
  if (distinct.length <= most) {
    return Float32Array.from(
      { length: Math.max(0, distinct.length - 1) },
      (_, i) => (distinct[i] + distinct[i + 1]) / 2,
    );
  }
  const edges: number[] = [];
  for (let bin = 1; bin < most; bin++) {
    const edge = sorted[Math.floor((bin * sorted.length) / most)];
    if (edges.length === 0 || edge > edges[edges.length - 1]) edges.push(edge);
  }
  return Float32Array.from(edges);
}

export function binOf(edges: Float32Array, value: number): number {
  let low = 0;
  let high = edges.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (value <= edges[middle]) high = middle;
    else low = middle + 1;
  }
  return low;
}

type Node = {
  rows: Int32Array;
  gradient: number;
  curvature: number;
  sums: Float64Array;
  gain: number;
  column: number;
  bin: number;
  left: Node | null;
  right: Node | null;
};

export type Fitted = {
  readonly base: number;
  readonly trees: readonly GrownTree[];
  readonly gain: Float64Array;
};

export function boost(
  data: Binned,
  label: Float32Array,
  weight: Float32Array,
  group: Int32Array,
  options: BoostingOptions,
  random: Random,
): Fitted {
  const { columns, edges } = data;
  const rows = label.length;
  let positive = 0;
  let all = 0;
  for (let i = 0; i < rows; i++) {
    positive += label[i] * weight[i];
    all += weight[i];
  }
  const base = Math.log(positive / (all - positive));
  const score = new Float64Array(rows).fill(base);
  const gradient = new Float64Array(rows);
  const curvature = new Float64Array(rows);
  const gain = new Float64Array(columns.length);
  const trees: GrownTree[] = [];
  let groups = 0;
  for (let i = 0; i < rows; i++) groups = Math.max(groups, group[i] + 1);

  for (let t = 0; t < options.trees; t++) {
    for (let i = 0; i < rows; i++) {
      const p = 1 / (1 + Math.exp(-score[i]));
      gradient[i] = weight[i] * (p - label[i]);
      curvature[i] = weight[i] * p * (1 - p);
    }
    const drawn = Uint8Array.from({ length: groups }, () => (random.uniform() < options.groupShare ? 1 : 0));
    const used: number[] = [];
    for (let c = 0; c < columns.length; c++) {
      if (random.uniform() < options.columnShare && edges[c].length > 0) used.push(c);
    }
    const offset = new Int32Array(used.length + 1);
    used.forEach((c, k) => {
      offset[k + 1] = offset[k] + edges[c].length + 1;
    });
    const width = offset[used.length];

    const histogram = (members: Int32Array): Float64Array => {
      const sums = new Float64Array(width * 2);
      const pairs = new Float64Array(members.length * 2);
      for (let i = 0; i < members.length; i++) {
        pairs[2 * i] = gradient[members[i]];
        pairs[2 * i + 1] = curvature[members[i]];
      }
      used.forEach((c, k) => {
        const bins = columns[c];
        const start = offset[k];
        for (let i = 0; i < members.length; i++) {
          const slot = (start + bins[members[i]]) * 2;
          sums[slot] += pairs[2 * i];
          sums[slot + 1] += pairs[2 * i + 1];
        }
      });
      return sums;
    };
    const nodeOf = (members: Int32Array): Node => {
      let g = 0;
      let h = 0;
      for (const i of members) {
        g += gradient[i];
        h += curvature[i];
      }
      const sums = new Float64Array(0);
      return {
        rows: members,
        gradient: g,
        curvature: h,
        sums,
        gain: 0,
        column: -1,
        bin: 0,
        left: null,
        right: null,
      };
    };
    const findSplit = (node: Node): void => {
      const { lambda, minWeight } = options;
      const whole = node.gradient ** 2 / (node.curvature + lambda);
      for (let k = 0; k < used.length; k++) {
        let g = 0;
        let h = 0;
        for (let slot = offset[k]; slot < offset[k + 1] - 1; slot++) {
          g += node.sums[slot * 2];
          h += node.sums[slot * 2 + 1];
          if (h < minWeight) continue;
          if (node.curvature - h < minWeight) break;
          const now =
            g ** 2 / (h + lambda) + (node.gradient - g) ** 2 / (node.curvature - h + lambda) - whole;
          if (now <= node.gain) continue;
          node.gain = now;
          node.column = used[k];
          node.bin = slot - offset[k];
        }
      }
    };

    const root = nodeOf(
      Int32Array.from({ length: rows }, (_, i) => i).filter(i => drawn[group[i]] && weight[i] > 0),
    );
    root.sums = histogram(root.rows);
    findSplit(root);
    const open = [root];
    for (let leaves = 1; leaves < options.leaves; leaves++) {
      const node = open.reduce((best, other) => (other.gain > best.gain ? other : best));
      if (node.column < 0) break;
      open.splice(open.indexOf(node), 1);
      gain[node.column] += node.gain;
      const bins = columns[node.column];
      const left = nodeOf(node.rows.filter(i => bins[i] <= node.bin));
      const right = nodeOf(node.rows.filter(i => bins[i] > node.bin));
      const [small, large] = left.rows.length < right.rows.length ? [left, right] : [right, left];
      small.sums = histogram(small.rows);
      large.sums = node.sums;
      for (let i = 0; i < large.sums.length; i++) large.sums[i] -= small.sums[i];
      node.sums = new Float64Array(0);
      node.rows = new Int32Array(0);
      node.left = left;
      node.right = right;
      findSplit(left);
      findSplit(right);
      open.push(left, right);
    }
    const grown = (node: Node): GrownTree =>
      node.left && node.right
        ? {
            column: node.column,
            threshold: edges[node.column][node.bin],
            left: grown(node.left),
            right: grown(node.right),
          }
        : { leaf: (-options.rate * node.gradient) / (node.curvature + options.lambda) };
    trees.push(grown(root));
    for (let i = 0; i < rows; i++) {
      let node = root;
      while (node.left && node.right) node = columns[node.column][i] <= node.bin ? node.left : node.right;
      score[i] -= (options.rate * node.gradient) / (node.curvature + options.lambda);
    }
  }
  return { base, trees, gain };
}
