/**
 * From logits to a token. The order is the customary one: repetition penalty, temperature, top-k, top-p, min-p, then
 * one draw. Pure but for the random stream it is handed. Ties go to the lower id, so greedy picks are the same everywhere.
 */
import type { Random } from "../lib/random.ts";

export type PickSettings = {
  /** 0: always the likeliest. */
  readonly temperature: number;
  /** Only the k likeliest; 0: all. */
  readonly topK: number;
  /** Only the likeliest whose probabilities sum to at least this; 1: all. */
  readonly topP: number;
  /** Only those at least this share as likely as the likeliest; 0: all. */
  readonly minP: number;
  /** Logits of tokens seen before are divided (if positive, else multiplied) by this; 1: no penalty. */
  readonly repetitionPenalty: number;
};

export type Candidate = { readonly token: number; readonly probability: number };

export type Pick = Candidate & {
  /** The likeliest tokens by the model's own probabilities (temperature 1, nothing cut), likeliest first. */
  readonly alternatives: readonly Candidate[];
};

/** softmax of the logits at temperature 1. */
export function probabilities(logits: Float32Array): Float64Array {
  let max = Number.NEGATIVE_INFINITY;
  for (const logit of logits) if (logit > max) max = logit;
  const result = new Float64Array(logits.length);
  let sum = 0;
  for (let i = 0; i < logits.length; i++) sum += result[i] = Math.exp(logits[i]! - max);
  for (let i = 0; i < logits.length; i++) result[i]! /= sum;
  return result;
}

/** The k likeliest, likeliest first, equal ones by id. */
export function likeliest(weights: Float64Array | Float32Array, k: number): number[] {
  const best: number[] = [];
  for (let i = 0; i < weights.length; i++) {
    const weight = weights[i]!;
    if (best.length === k && weight <= weights[best[k - 1]!]!) continue;
    let at = best.length;
    while (at > 0 && weights[best[at - 1]!]! < weight) at--;
    best.splice(at, 0, i);
    if (best.length > k) best.pop();
  }
  return best;
}

/** `logits` has one number for each token of the vocabulary and is changed. `seen` are the tokens so far. */
export function pick(
  logits: Float32Array,
  seen: Iterable<number>,
  settings: PickSettings,
  source: Random,
  top: number,
): Pick {
  const raw = probabilities(logits);
  const alternatives = likeliest(raw, top).map(token => ({ token, probability: raw[token]! }));
  const { temperature, repetitionPenalty } = settings;
  if (repetitionPenalty !== 1) {
    for (const token of new Set(seen)) {
      const logit = logits[token]!;
      logits[token] = logit > 0 ? logit / repetitionPenalty : logit * repetitionPenalty;
    }
  }
  const token = temperature === 0 ? likeliest(logits, 1)[0]! : draw(logits, settings, source);
  return { token, probability: raw[token]!, alternatives };
}

function draw(logits: Float32Array, { temperature, topK, topP, minP }: PickSettings, source: Random): number {
  for (let i = 0; i < logits.length; i++) logits[i]! /= temperature;
  const weights = probabilities(logits);
  const ordered = topP < 1 || (topK > 0 && topK < logits.length);
  if (!ordered && minP === 0) return drawFrom(weights, null, 1, source);
  const count = topK > 0 ? Math.min(topK, weights.length) : weights.length;
  let candidates = count < 1000 ? likeliest(weights, count) : sortedByWeight(weights).slice(0, count);
  const kept = candidates.reduce((sum, token) => sum + weights[token]!, 0);
  if (topP < 1) {
    let sum = 0;
    const last = candidates.findIndex(token => (sum += weights[token]!) >= topP * kept);
    if (last >= 0) candidates = candidates.slice(0, last + 1);
  }
  const least = minP * weights[candidates[0]!]!;
  candidates = candidates.filter(token => weights[token]! >= least);
  const total = candidates.reduce((sum, token) => sum + weights[token]!, 0);
  return drawFrom(weights, candidates, total, source);
}

function sortedByWeight(weights: Float64Array): number[] {
  return Array.from(weights.keys()).sort((a, b) => weights[b]! - weights[a]! || a - b);
}

function drawFrom(
  weights: Float64Array,
  tokens: readonly number[] | null,
  total: number,
  source: Random,
): number {
  let left = source.uniform() * total;
  const count = tokens?.length ?? weights.length;
  for (let i = 0; i < count; i++) {
    const token = tokens ? tokens[i]! : i;
    left -= weights[token]!;
    if (left < 0) return token;
  }
  return tokens ? tokens[count - 1]! : likeliest(weights, 1)[0]!;
}
