/**
 * How near a text is to gold, in the three ways the published benchmarks measure: F1 of the multiset of tokens per
 * page, then the mean; F of the mean precision and recall of token 4-grams; share of wanted and unwanted snippets.
 * A token is a run of letters, digits and underscores in lower case; ideographs, kana and Thai count one by one.
 */
import type { Gold } from "./corpus.ts";

const word = /[\p{L}\p{N}_]+/gu;
const wide = /[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\u0e00-\u0e7f]/;

export function tokensOf(text: string): string[] {
  const tokens: string[] = [];
  for (const [run] of text.toLowerCase().matchAll(word)) {
    if (wide.test(run)) tokens.push(...run);
    else tokens.push(run);
  }
  return tokens;
}

function counted(items: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const item of items) counts.set(item, (counts.get(item) ?? 0) + 1);
  return counts;
}

function shingles(tokens: readonly string[]): string[] {
  if (tokens.length === 0) return [];
  return Array.from({ length: Math.max(1, tokens.length - 3) }, (_, i) => tokens.slice(i, i + 4).join(" "));
}

type Agreement = { readonly precision: number; readonly recall: number; readonly f1: number };

function agreement(gold: readonly string[], predicted: readonly string[]): Agreement {
  if (gold.length === 0 && predicted.length === 0) return { precision: 1, recall: 1, f1: 1 };
  const wanted = counted(gold);
  let right = 0;
  for (const [item, count] of counted(predicted)) right += Math.min(count, wanted.get(item) ?? 0);
  const precision = right / Math.max(1, predicted.length);
  const recall = right / Math.max(1, gold.length);
  return { precision, recall, f1: right > 0 ? (2 * precision * recall) / (precision + recall) : 0 };
}

export type PageScore = {
  /** Null for pages that have snippets only. */
  readonly tokens: Agreement | null;
  readonly shingles: Agreement | null;
  readonly wanted: readonly [found: number, of: number];
  readonly unwanted: readonly [found: number, of: number];
};

const folded = (text: string): string => text.replace(/\s+/g, " ").trim();

export function scoreOf(gold: Gold, text: string): PageScore {
  const flat = folded(text);
  const found = (snippets: readonly string[]) =>
    [snippets.filter(snippet => flat.includes(folded(snippet))).length, snippets.length] as const;
  const snippets = { wanted: found(gold.with), unwanted: found(gold.without) };
  if (!gold.text || gold.kind === "snippets") return { tokens: null, shingles: null, ...snippets };
  const right = tokensOf(gold.text);
  const predicted = tokensOf(text);
  return {
    tokens: agreement(right, predicted),
    shingles: agreement(shingles(right), shingles(predicted)),
    ...snippets,
  };
}

export type Summary = {
  readonly pages: number;
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
  readonly shingleF: number;
  readonly wanted: number;
  readonly unwanted: number;
};

/** Means over pages; snippets are counted over all of them. */
export function summaryOf(scores: readonly PageScore[]): Summary {
  const full = scores.filter(score => score.tokens !== null);
  const mean = (pick: (score: PageScore) => number) =>
    full.reduce((sum, score) => sum + pick(score), 0) / Math.max(1, full.length);
  const share = (pick: (score: PageScore) => readonly [number, number]) => {
    const [found, of] = scores
      .map(pick)
      .reduce(([a, b], [c, d]) => [a + c, b + d], [0, 0] as readonly [number, number]);
    return found / Math.max(1, of);
  };
  const precision = mean(score => score.shingles!.precision);
  const recall = mean(score => score.shingles!.recall);
  return {
    pages: full.length,
    precision: mean(score => score.tokens!.precision),
    recall: mean(score => score.tokens!.recall),
    f1: mean(score => score.tokens!.f1),
    shingleF: precision + recall > 0 ? (2 * precision * recall) / (precision + recall) : 0,
    wanted: share(score => score.wanted),
    unwanted: share(score => score.unwanted),
  };
}
