/**
 * From a text's vector to a score for each label, as fastText does it: in 32-bit floats, and with the 1e-5 that its
 * logarithms add (which is why a score can exceed 1). Knows no text.
 */
import type { Model } from "./model.ts";

/** Fills `scores` from `hidden`. */
export type Scorer = (hidden: Float32Array, scores: Float32Array) => void;

export function openScorer(model: Model): Scorer {
  return model.loss === "hierarchical-softmax" ? treeScorer(model) : flatScorer(model);
}

const { fround } = Math;
const log = (x: number) => fround(Math.log(x + 1e-5));

/** The Huffman tree over labels by their counts; every label's score is a product along its path. */
function treeScorer({ labelCounts, output }: Model): Scorer {
  const leaves = labelCounts.length;
  const nodes = 2 * leaves - 1;
  const count = new Float64Array(nodes).fill(1e15);
  count.set(labelCounts);
  const left = new Int32Array(nodes).fill(-1);
  const right = new Int32Array(nodes).fill(-1);
  let leaf = leaves - 1;
  let inner = leaves;
  const smallest = () => (leaf >= 0 && count[leaf]! < count[inner]! ? leaf-- : inner++);
  for (let node = leaves; node < nodes; node++) {
    left[node] = smallest();
    right[node] = smallest();
    count[node] = count[left[node]!]! + count[right[node]!]!;
  }
  const reached = new Float32Array(nodes);
  return (hidden, scores) => {
    reached[nodes - 1] = 0;
    // A node's children come before it, so one pass from the root down reaches all.
    for (let node = nodes - 1; node >= leaves; node--) {
      const f = fround(1 / (1 + Math.exp(-dot(output.values, (node - leaves) * output.columns, hidden))));
      reached[left[node]!] = reached[node]! + log(fround(1 - f));
      reached[right[node]!] = reached[node]! + log(f);
    }
    for (let i = 0; i < leaves; i++) scores[i] = Math.exp(reached[i]!);
  };
}

const sigmoidTableSize = 512;
const sigmoidReach = 8;

/** fastText looks sigmoids up in a table of 512 steps from -8 to 8. */
function sigmoid(x: number): number {
  if (x < -sigmoidReach) return 0;
  if (x > sigmoidReach) return 1;
  const step = Math.trunc(((x + sigmoidReach) * sigmoidTableSize) / sigmoidReach / 2);
  return 1 / (1 + Math.exp(-((step * 2 * sigmoidReach) / sigmoidTableSize - sigmoidReach)));
}

function flatScorer({ loss, labels, output }: Model): Scorer {
  return (hidden, scores) => {
    let largest = -Infinity;
    for (let i = 0; i < labels.length; i++) {
      scores[i] = dot(output.values, i * output.columns, hidden);
      largest = Math.max(largest, scores[i]!);
    }
    let sum = 0;
    for (let i = 0; i < labels.length; i++) {
      scores[i] = loss === "softmax" ? Math.exp(scores[i]! - largest) : sigmoid(scores[i]!);
      sum += scores[i]!;
    }
    const scale = loss === "softmax" ? 1 / sum : 1;
    for (let i = 0; i < labels.length; i++) scores[i] = scores[i]! * scale + 1e-5;
  };
}

function dot(values: Float32Array, from: number, hidden: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < hidden.length; i++) sum += values[from + i]! * hidden[i]!;
  return sum;
}
