/**
 * Which blocks of a page are in its gold text: the share of each block's tokens that gold has, in place.
 * Long blocks are aligned first, in the order that matches most tokens (a heaviest increasing sequence), so that of
 * two copies of a sentence the one in the story is taken and not the one on the card beside it; then blocks of one
 * or two tokens, between the neighbours already placed. Every gold token is given away once.
 */
import { tokensOf } from "./score.ts";

const GRAM = 3;

export type Labels = {
  /** Share of the block's tokens that are content, 0 to 1. */
  readonly share: Float32Array;
  /** Tokens of the block. */
  readonly tokens: Float32Array;
  readonly goldTokens: number;
};

type Candidate = { readonly block: number; readonly at: number; readonly weight: number };

function gramAt(tokens: readonly string[], at: number): string {
  return `${tokens[at]} ${tokens[at + 1]} ${tokens[at + 2]}`;
}

function positionsOf(keys: Iterable<string>, most: number): Map<string, number[]> {
  const positions = new Map<string, number[]>();
  let at = 0;
  for (const key of keys) {
    const list = positions.get(key);
    if (!list) positions.set(key, [at]);
    else if (list.length < most) list.push(at);
    at++;
  }
  return positions;
}

/** Places in gold where a block may stand: the diagonals with most common grams. */
function candidatesOf(blocks: readonly string[][], grams: Map<string, number[]>): Candidate[] {
  const candidates: Candidate[] = [];
  blocks.forEach((tokens, block) => {
    const votes = new Map<number, number>();
    for (let i = 0; i + GRAM <= tokens.length; i++) {
      for (const at of grams.get(gramAt(tokens, i)) ?? []) {
        const diagonal = (at - i) >> 2;
        votes.set(diagonal, (votes.get(diagonal) ?? 0) + 1);
      }
    }
    const enough = Math.min(2, (tokens.length - GRAM + 1) / 2);
    for (const [diagonal, count] of [...votes].sort((a, b) => b[1] - a[1]).slice(0, 8)) {
      if (count >= enough) candidates.push({ block, at: Math.max(0, diagonal * 4), weight: count + 2 });
    }
  });
  return candidates;
}

/** For each block of the heaviest chain, in which blocks and places both increase, its place. */
function heaviestChain(
  candidates: Candidate[],
  blocks: readonly string[][],
  goldTokens: number,
): Map<number, number> {
  candidates.sort((a, b) => a.block - b.block || b.at - a.at);
  const best = new Float64Array(goldTokens + 2);
  const holder = new Int32Array(goldTokens + 2).fill(-1);
  const score = new Float64Array(candidates.length);
  const previous = new Int32Array(candidates.length).fill(-1);
  let last = -1;
  for (let i = 0; i < candidates.length; ) {
    let j = i;
    while (j < candidates.length && candidates[j].block === candidates[i].block) j++;
    for (let k = i; k < j; k++) {
      let most = 0;
      for (let at = Math.min(goldTokens, candidates[k].at) + 1; at > 0; at -= at & -at) {
        if (best[at] <= most) continue;
        most = best[at];
        previous[k] = holder[at];
      }
      score[k] = most + candidates[k].weight;
      if (last < 0 || score[k] > score[last]) last = k;
    }
    for (let k = i; k < j; k++) {
      const end = Math.min(
        goldTokens,
        candidates[k].at + Math.max(0, blocks[candidates[k].block].length - 4),
      );
      for (let at = end + 1; at <= goldTokens + 1; at += at & -at) {
        if (score[k] <= best[at]) continue;
        best[at] = score[k];
        holder[at] = k;
      }
    }
    i = j;
  }
  const chain = new Map<number, number>();
  for (let k = last; k >= 0; k = previous[k]) chain.set(candidates[k].block, candidates[k].at);
  return chain;
}

export function labelsOf(texts: readonly string[], goldText: string): Labels {
  const gold = tokensOf(goldText);
  const blocks = texts.map(tokensOf);
  const share = new Float32Array(texts.length);
  const grams = positionsOf(
    Array.from({ length: Math.max(0, gold.length - GRAM + 1) }, (_, i) => gramAt(gold, i)),
    50,
  );
  const chain = heaviestChain(candidatesOf(blocks, grams), blocks, gold.length);
  const taken = new Uint8Array(gold.length);

  const cover = (block: number, place: number): number => {
    const tokens = blocks[block];
    const covered = new Uint8Array(tokens.length);
    const starts: number[] = [];
    for (let i = 0; i + GRAM <= tokens.length; i++) {
      let nearest = -1;
      for (const at of grams.get(gramAt(tokens, i)) ?? []) {
        if (taken[at] && taken[at + 1] && taken[at + 2]) continue;
        if (nearest < 0 || (place >= 0 && Math.abs(at - place - i) < Math.abs(nearest - place - i)))
          nearest = at;
      }
      if (nearest < 0) continue;
      covered.fill(1, i, i + GRAM);
      starts.push(nearest);
    }
    for (const at of starts) taken.fill(1, at, at + GRAM);
    return covered.reduce((sum, one) => sum + one, 0) / tokens.length;
  };
  for (const block of [...chain.keys()].sort((a, b) => a - b)) share[block] = cover(block, chain.get(block)!);
  blocks.forEach((tokens, block) => {
    if (tokens.length >= GRAM && !chain.has(block)) share[block] = cover(block, -1);
  });

  // Blocks of one or two tokens, between the places of the blocks around them.
  const places = positionsOf(gold, 400);
  const next = new Int32Array(blocks.length);
  for (let block = blocks.length - 1, at = gold.length; block >= 0; block--) {
    next[block] = at;
    if (chain.has(block) && share[block] > 0.5) at = chain.get(block)!;
  }
  let from = -1;
  blocks.forEach((tokens, block) => {
    if (chain.has(block) && share[block] > 0.5) {
      from = chain.get(block)! + tokens.length - 4;
      return;
    }
    if (tokens.length === 0 || tokens.length >= GRAM) return;
    const at = places
      .get(tokens[0])
      ?.find(
        place =>
          place >= from &&
          place <= next[block] + 4 &&
          !taken[place] &&
          tokens.every((token, i) => gold[place + i] === token),
      );
    if (at === undefined) return;
    share[block] = 1;
    taken.fill(1, at, at + tokens.length);
    from = at + tokens.length;
  });
  return { share, tokens: Float32Array.from(blocks, tokens => tokens.length), goldTokens: gold.length };
}
