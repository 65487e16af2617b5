/**
 * BPE of one piece: bytes to ids by merging the pair of lowest rank, leftmost first, until none merges. Knows no
 * text and no cache. Short pieces are scanned for their lowest rank, which beats any structure while a piece is a
 * few cache lines long; long ones go through lists by rank, so that no piece costs more than n log n: a run of 100,000
 * equal letters takes milliseconds, not minutes.
 */
import { UserError } from "../lib/errors.ts";
import { createPairTable, noMerge, type PairTable } from "./pair-table.ts";

/** Pieces up to this many bytes are scanned. */
const shortPiece = 48;

export type Merger = {
  readonly pairs: PairTable;
  /** Whether the vocabulary has a token for each of these bytes. */
  knows(bytes: Uint8Array): boolean;
  /** Adds a merge of higher rank than all others: of `bytes`, which are the token `id` and now `left` and `right`. */
  learn(bytes: Uint8Array, left: number, right: number, id: number): void;
  /**
   * Writes the ids of bytes [start, end) to `out` from `at` on and returns where they end; `out` has room for one id
   * a byte. UserError for a byte the vocabulary has no token for.
   */
  merge(bytes: Uint8Array, start: number, end: number, out: Int32Array, at: number): number;
};

/** `byteIds`: id of each single byte, or -1. */
export function createMerger(byteIds: Int32Array, pairs: PairTable): Merger {
  const ids = new Int32Array(shortPiece);
  const ranks = new Int32Array(shortPiece);
  let long: Long | null = null;
  const rankOfBytes = ranksOfBytes(byteIds, pairs);

  const idOf = (byte: number): number => {
    const id = byteIds[byte]!;
    if (id < 0)
      throw new UserError(
        `the text has the byte 0x${byte.toString(16).padStart(2, "0")}, for which the tokenizer has no token`,
        "it was trained without its full alphabet; train one here, which always has all 256 bytes",
      );
    return id;
  };

  const mergeShort = (bytes: Uint8Array, start: number, end: number, out: Int32Array, at: number): number => {
    let n = end - start;
    let previous = bytes[start]!;
    let best = 0;
    let bestRank = noMerge;
    ids[0] = idOf(previous);
    for (let i = 1; i < n; i++) {
      const byte = bytes[start + i]!;
      ids[i] = idOf(byte);
      const rank = rankOfBytes[(previous << 8) | byte]!;
      ranks[i - 1] = rank;
      if (rank < bestRank) {
        best = i - 1;
        bestRank = rank;
      }
      previous = byte;
    }
    // Each round merges at `best`, closes the gap and finds the next lowest rank, all in one pass.
    while (bestRank !== noMerge) {
      const merged = pairs.id(bestRank);
      const gap = best;
      n--;
      ids[gap] = merged;
      bestRank = noMerge;
      if (gap > 0) ranks[gap - 1] = pairs.rank(ids[gap - 1]!, merged);
      for (let i = 0; i < gap; i++) {
        if (ranks[i]! < bestRank) {
          best = i;
          bestRank = ranks[i]!;
        }
      }
      if (gap + 1 === n) continue;
      const after = ids[gap + 2]!;
      ids[gap + 1] = after;
      const rank = pairs.rank(merged, after);
      ranks[gap] = rank;
      if (rank < bestRank) {
        best = gap;
        bestRank = rank;
      }
      for (let i = gap + 1; i + 1 < n; i++) {
        const moved = ranks[i + 1]!;
        ids[i + 1] = ids[i + 2]!;
        ranks[i] = moved;
        if (moved < bestRank) {
          best = i;
          bestRank = moved;
        }
      }
    }
    for (let i = 0; i < n; i++) out[at + i] = ids[i]!;
    return at + n;
  };

  /**
   * Nodes wait in lists, one for each rank, and the ranks in a heap: a run of one character has a handful of ranks and
   * hundreds of thousands of nodes. A round takes all nodes of the lowest rank from the left. That is the order of
   * merging one by one as long as a merge gives rise to no pair of its own or a lower rank; where one does, which takes
   * a token that two merges make, the nodes that are left go back to their list.
   */
  const mergeLong = (bytes: Uint8Array, start: number, end: number, out: Int32Array, at: number): number => {
    const n = end - start;
    if (!long || long.ids.length < n) long = createLong(n);
    const { ids, next, previous, ranks } = long;
    let { waiting, heads, heap, entryNodes, entryNext } = long;
    let entries = 0;
    let heapSize = 0;
    const enter = (node: number, rank: number) => {
      if (rank >= heads.length) {
        const room = 2 * rank + 1024;
        heads = resized(heads, new Int32Array(room).fill(-1));
        heap = resized(heap, new Int32Array(room));
        long = { ...long!, heads, heap };
      }
      if (entries === entryNodes.length) {
        entryNodes = resized(entryNodes, new Int32Array(2 * entries));
        entryNext = resized(entryNext, new Int32Array(2 * entries));
        long = { ...long!, entryNodes, entryNext };
      }
      entryNodes[entries] = node;
      entryNext[entries] = heads[rank]!;
      if (heads[rank]! < 0) {
        let child = heapSize++;
        while (child > 0) {
          const parent = (child - 1) >> 1;
          if (heap[parent]! <= rank) break;
          heap[child] = heap[parent]!;
          child = parent;
        }
        heap[child] = rank;
      }
      heads[rank] = entries++;
    };
    const push = (node: number): number => {
      const after = next[node]!;
      const rank = after < n ? pairs.rank(ids[node]!, ids[after]!) : noMerge;
      ranks[node] = rank;
      if (rank !== noMerge) enter(node, rank);
      return rank;
    };
    const pop = (): number => {
      const top = heap[0]!;
      const rank = heap[--heapSize]!;
      let parent = 0;
      for (;;) {
        let child = 2 * parent + 1;
        if (child >= heapSize) break;
        if (child + 1 < heapSize && heap[child + 1]! < heap[child]!) child++;
        if (heap[child]! >= rank) break;
        heap[parent] = heap[child]!;
        parent = child;
      }
      heap[parent] = rank;
      return top;
    };
    for (let i = 0; i < n; i++) {
      ids[i] = idOf(bytes[start + i]!);
      next[i] = i + 1;
      previous[i] = i - 1;
    }
    for (let i = 0; i < n; i++) push(i);
    while (heapSize > 0) {
      const rank = pop();
      // A list has its last node first; nodes that were entered twice or no longer have the rank are left out.
      let from = waiting.length;
      let sorted = true;
      for (let entry = heads[rank]!; entry >= 0; entry = entryNext[entry]!) {
        const node = entryNodes[entry]!;
        if (ranks[node] !== rank || (from < waiting.length && waiting[from] === node)) continue;
        if (from === 0) {
          const larger = new Int32Array(2 * waiting.length);
          from = waiting.length;
          larger.set(waiting, from);
          waiting = larger;
          long = { ...long, waiting };
        }
        waiting[--from] = node;
        if (from + 1 < waiting.length && node > waiting[from + 1]!) sorted = false;
      }
      heads[rank] = -1;
      const turn = sorted ? waiting : waiting.subarray(from).sort();
      const [first, length] = sorted ? [from, waiting.length] : [0, turn.length];
      const merged = pairs.id(rank);
      for (let i = first; i < length; i++) {
        const node = turn[i]!;
        if (ranks[node] !== rank) continue;
        const gone = next[node]!;
        ids[node] = merged;
        ranks[gone] = noMerge;
        const after = next[gone]!;
        next[node] = after;
        if (after < n) previous[after] = node;
        const before = previous[node]!;
        const lowest = Math.min(before >= 0 ? push(before) : noMerge, push(node));
        if (lowest > rank) continue;
        for (let rest = i + 1; rest < length; rest++)
          if (ranks[turn[rest]!] === rank) enter(turn[rest]!, rank);
        break;
      }
    }
    for (let node = 0; node < n; node = next[node]!) out[at++] = ids[node]!;
    return at;
  };

  return {
    pairs,
    knows: bytes => bytes.every(byte => byteIds[byte]! >= 0),
    learn(bytes, left, right, id) {
      if (bytes.length === 2) rankOfBytes[(bytes[0]! << 8) | bytes[1]!] = pairs.size;
      pairs.add(left, right, pairs.size, id);
    },
    merge: (bytes, start, end, out, at) =>
      end - start <= shortPiece
        ? mergeShort(bytes, start, end, out, at)
        : mergeLong(bytes, start, end, out, at),
  };
}

/** Ranks of all pairs of bytes, by left * 256 + right. */
function ranksOfBytes(byteIds: Int32Array, pairs: PairTable): Int32Array {
  const ranks = new Int32Array(65536);
  for (let pair = 0; pair < 65536; pair++) {
    const [left, right] = [byteIds[pair >> 8]!, byteIds[pair & 255]!];
    ranks[pair] = left < 0 || right < 0 ? noMerge : pairs.rank(left, right);
  }
  return ranks;
}

type Long = {
  readonly ids: Int32Array;
  readonly next: Int32Array;
  readonly previous: Int32Array;
  /** Rank of the pair that begins at a node; a node that waits in the list of another rank is passed over there. */
  readonly ranks: Int32Array;
  /** The nodes of one round, at the end. A node has one rank, but may have been entered twice. */
  readonly waiting: Int32Array;
  /** By rank: the last entry of its list, or -1; and the ranks that have one, as a heap. */
  readonly heads: Int32Array;
  readonly heap: Int32Array;
  /** At most one entry for each node at first and two more for each merge, but where a round is broken off. */
  readonly entryNodes: Int32Array;
  readonly entryNext: Int32Array;
};

function createLong(size: number): Long {
  const room = Math.ceil(size * 1.25);
  const numbers = (count: number) => new Int32Array(count);
  return {
    ...{ ids: numbers(room), next: numbers(room), previous: numbers(room), ranks: numbers(room) },
    ...{ waiting: numbers(3 * room), heads: numbers(1024).fill(-1), heap: numbers(1024) },
    ...{ entryNodes: numbers(3 * room), entryNext: numbers(3 * room) },
  };
}

function resized(old: Int32Array, larger: Int32Array): Int32Array {
  larger.set(old);
  return larger;
}

export function pairTableOf(merges: Int32Array): PairTable {
  const pairs = createPairTable(merges.length / 3);
  for (let i = 0; i < merges.length; i += 3) pairs.add(merges[i]!, merges[i + 1]!, i / 3, merges[i + 2]!);
  return pairs;
}

/**
 * The merges of a vocabulary that is only known as ranked tokens (.tiktoken): the pair each token falls into under
 * the merges of lower rank. A token that does not fall into two parts cannot be made by merging; it is left to be
 * found whole, as tiktoken finds it. `tokens` in rank order, ids as they are.
 */
export function mergesOfRanks(
  tokens: readonly (readonly [id: number, bytes: Uint8Array])[],
): Int32Array<ArrayBuffer> {
  const byteIds = new Int32Array(256).fill(-1);
  for (const [id, bytes] of tokens) if (bytes.length === 1) byteIds[bytes[0]!] = id;
  const pairs = createPairTable(tokens.length);
  const { merge, knows, learn } = createMerger(byteIds, pairs);
  const longest = tokens.reduce((max, [, bytes]) => Math.max(max, bytes.length), 0);
  const out = new Int32Array(longest);
  const merges: number[] = [];
  for (const [id, bytes] of tokens) {
    if (bytes.length < 2 || !knows(bytes) || merge(bytes, 0, bytes.length, out, 0) !== 2) continue;
    learn(bytes, out[0]!, out[1]!, id);
    merges.push(out[0]!, out[1]!, id);
  }
  return Int32Array.from(merges);
}

const made = new Int32Array(4096);

/** Whether merging a token's bytes gives that token; false where the vocabulary lacks one of its bytes. */
export function makesItself(merger: Merger, id: number, bytes: Uint8Array): boolean {
  const out = bytes.length > made.length ? new Int32Array(bytes.length) : made;
  if (!merger.knows(bytes)) return false;
  return merger.merge(bytes, 0, bytes.length, out, 0) === 1 && out[0] === id;
}
