/**
 * Where a continuation stands in the training text: the longest run of its tokens that the shards hold, word for
 * word. One pass over the token stream: for each token only the places of the continuation with the same id can go on.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../../lib/errors.ts";
import type { Decoder } from "../../tokenizer/decoder.ts";
import { openShards } from "../../tokenizer/shards/read.ts";
import type { Memorised } from "../api.ts";

/** Tokens looked at: half a gigabyte of them takes some seconds. */
const mostTokens = 250_000_000;
const around = 24;

/** The longest run of `ids` within `tokens`: where it ends there, its length, how often one of that length came. */
export function longestRun(
  ids: ArrayLike<number>,
  tokens: ArrayLike<number>,
  from = 0,
  to = tokens.length,
): { readonly end: number; readonly length: number; readonly times: number } {
  const places = new Map<number, number[]>();
  for (let i = ids.length - 1; i >= 0; i--) places.set(ids[i]!, [...(places.get(ids[i]!) ?? []), i]);
  const runs = new Int32Array(ids.length + 1);
  let touched: number[] = [];
  let [end, length, times] = [0, 0, 0];
  for (let at = from; at < to; at++) {
    const here = places.get(tokens[at]!);
    const now: number[] = [];
    if (here) {
      // From the back, so that a run is read before it is replaced.
      for (const i of here) {
        const run = i > 0 ? runs[i - 1]! + 1 : 1;
        now.push(i, run);
        if (run > length) [end, length, times] = [at + 1, run, 1];
        else if (run === length) times++;
      }
    }
    for (const i of touched) runs[i] = 0;
    touched = [];
    for (let k = 0; k < now.length; k += 2) {
      runs[now[k]!] = now[k + 1]!;
      touched.push(now[k]!);
    }
  }
  return { end, length, times };
}

export function findMemorised(workdir: string, ids: readonly number[], decoder: Decoder): Memorised {
  const dir = join(workdir, "shards");
  if (!existsSync(join(dir, "manifest.json")))
    throw new UserError("this run has no token shards to look in", "They come with the stage shards.");
  const shards = openShards(dir, "train", { memory: 0 });
  let searched = 0;
  let best = { length: 0, times: 0, text: "", before: "", after: "", document: null as string | null };
  for (let i = 0; i < shards.files.length && searched < mostTokens; i++) {
    const { tokens, starts, ids: idOf } = shards.shard(i);
    const run = longestRun(ids, tokens);
    searched += tokens.length;
    if (run.length === best.length && run.length > 0) best = { ...best, times: best.times + run.times };
    if (run.length <= best.length) continue;
    const start = run.end - run.length;
    let row = 0;
    while (row + 1 < starts.length && starts[row + 1]! <= start) row++;
    const piece = (from: number, to: number) =>
      decoder.decode(
        Array.from(tokens.subarray(Math.max(starts[row]!, from), Math.min(starts[row + 1]! - 1, to))),
      );
    best = {
      ...{ length: run.length, times: run.times },
      text: piece(start, run.end),
      before: piece(start - around, start),
      after: piece(run.end, run.end + around),
      document: idOf(row),
    };
  }
  return { ...best, searched, tokens: shards.tokens };
}
