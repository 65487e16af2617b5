/**
 * How a piece of text becomes tokens: its merges in the order in which they happen. Data only, for people to follow;
 * the encoder itself never goes this way.
 */

import type { Encoder } from "../encoder.ts";
import { noMerge } from "../pair-table.ts";
import { pieceEnds, scanner } from "../pretokenizer/patterns.ts";
import { byteIds } from "../vocabulary.ts";

export type ReplayStep = {
  /** Position of the merge among all merges, from 0. */
  readonly rank: number;
  readonly left: number;
  readonly right: number;
  readonly id: number;
  /** The piece's ids after this merge. */
  readonly ids: readonly number[];
};

export type Replay = {
  readonly piece: Uint8Array;
  /** The ids of its bytes, where it begins. */
  readonly bytes: readonly number[];
  readonly steps: readonly ReplayStep[];
  /** The ids it ends with; a piece that is a token as a whole may be taken without merging. */
  readonly ids: readonly number[];
};

/** The merges of each piece of a text, one occurrence a step, leftmost first. */
export function replay(encoder: Encoder, text: string): Replay[] {
  const { vocabulary, merger } = encoder;
  const all = new Uint8Array(Buffer.from(text, "utf8"));
  const idOf = byteIds(vocabulary);
  let start = 0;
  return pieceEnds(scanner(vocabulary.pattern, vocabulary.unicode), all).map(end => {
    const piece = all.slice(start, end);
    start = end;
    const bytes = Array.from(piece, byte => idOf[byte]!);
    const steps: ReplayStep[] = [];
    for (let ids = bytes; ; ) {
      let best = -1;
      let rank = noMerge;
      for (let i = 0; i + 1 < ids.length; i++) {
        const found = merger.pairs.rank(ids[i]!, ids[i + 1]!);
        if (found < rank) [best, rank] = [i, found];
      }
      if (best < 0) break;
      const [left, right] = [ids[best]!, ids[best + 1]!];
      const id = merger.pairs.id(rank);
      ids = [...ids.slice(0, best), id, ...ids.slice(best + 2)];
      steps.push({ rank, left, right, id, ids });
    }
    return { piece, bytes, steps, ids: Array.from(encoder.encodeBytes(piece)) };
  });
}
