/**
 * The state of BPE training: words as sequences of pairs, each pair with its count and the words it occurs in.
 * Knows no ties and no vocabulary.
 *
 * A word of m symbols is kept as the m - 1 pairs between them and not as the symbols: finding a pair is then one
 * comparison a position, its neighbours' pairs are the numbers beside it, and no table from symbols to pairs is
 * needed after the start. All pairs that hold a new symbol arise in the merge that makes the symbol and never later,
 * so the list of words of a pair is written once, in one stretch, in the order of the words.
 */
import type { Words } from "./word-table.ts";

const wordEnd = -1;

export type Pairs = {
  /** Pairs that have existed; pairs are numbered from 0 in the order in which they arose. */
  readonly size: number;
  left(pair: number): number;
  right(pair: number): number;
  /** Occurrences, overlapping ones included ("aaa" has two of "aa"). */
  count(pair: number): number;
  /** Merges a pair everywhere into the symbol `merged`, and returns the number of the first pair that arose by it. */
  merge(pair: number, merged: number): number;
  /** The first word, in their order, that holds the pair now, or -1. */
  firstWord(pair: number): number;
  /** Where in a word the pair stands first: index among the word's pairs, or -1. */
  placeIn(pair: number, word: number): number;
  /** The pairs of a word before index `end`. */
  pairsOf(word: number, end: number): Int32Array;
};

/**
 * `symbolOfByte`: number of each byte's symbol, below 256. `order`: the words in the order in which their lists
 * stand. `capacity`: how many symbols there may be.
 */
export function createPairs(
  words: Words,
  order: Uint32Array | null,
  symbolOfByte: ArrayLike<number>,
  capacity: number,
): Pairs {
  const { arena, starts, counts } = words;
  const wordCount = words.size;
  const begin = new Uint32Array(wordCount + 1);
  const weights = new Float64Array(wordCount);
  const byteOf = (word: number) => (order ? order[word]! : word);
  for (let word = 0; word < wordCount; word++) {
    const entry = byteOf(word);
    begin[word + 1] = begin[word]! + Math.max(1, starts[entry + 1]! - starts[entry]!);
    weights[word] = counts[entry]!;
  }
  /** The pairs of word w from begin[w] on, then `wordEnd`: shorter words need no other mark. */
  const sequence = new Int32Array(begin[wordCount]!);

  let size = 0;
  let room = 0;
  let lefts = new Int32Array(0);
  let rights = new Int32Array(0);
  let pairCounts = new Float64Array(0);
  let listStart = new Uint32Array(0);
  let listEnd = new Uint32Array(0);
  /** Last word entered in a pair's list while it is made. */
  let lastWord = new Int32Array(0);
  const reserve = (count: number) => {
    if (size + count <= room) return;
    room = Math.max(size + count, room + (room >> 1));
    lefts = grown(lefts, new Int32Array(room));
    rights = grown(rights, new Int32Array(room));
    pairCounts = grown(pairCounts, new Float64Array(room));
    listStart = grown(listStart, new Uint32Array(room));
    listEnd = grown(listEnd, new Uint32Array(room));
    lastWord = grown(lastWord, new Int32Array(room));
  };
  const addPair = (left: number, right: number): number => {
    lefts[size] = left;
    rights[size] = right;
    pairCounts[size] = 0;
    listStart[size] = listEnd[size] = 0;
    lastWord[size] = -1;
    return size++;
  };

  reserve(65536);
  // The first pairs: of bytes, found by a table of all 65,536.
  const pairOfBytes = new Int32Array(65536).fill(-1);
  let entries = 0;
  for (let word = 0; word < wordCount; word++) {
    const from = starts[byteOf(word)]!;
    const at = begin[word]!;
    const length = begin[word + 1]! - at - 1;
    sequence[at + length] = wordEnd;
    for (let i = 0; i < length; i++) {
      const left = symbolOfByte[arena[from + i]!]!;
      const right = symbolOfByte[arena[from + i + 1]!]!;
      let pair = pairOfBytes[(left << 8) | right]!;
      if (pair < 0) pair = pairOfBytes[(left << 8) | right] = addPair(left, right);
      sequence[at + i] = pair;
      pairCounts[pair]! += weights[word]!;
      if (lastWord[pair] === word) continue;
      lastWord[pair] = word;
      listEnd[pair]!++;
      entries++;
    }
  }
  let lists = new Int32Array(Math.max(1024, entries * 2));
  let listed = 0;
  for (let pair = 0; pair < size; pair++) {
    const length = listEnd[pair]!;
    listStart[pair] = listEnd[pair] = listed;
    listed += length;
    lastWord[pair] = -1;
  }
  for (let word = 0; word < wordCount; word++) {
    for (let i = begin[word]!; i < begin[word + 1]! - 1; i++) {
      const pair = sequence[i]!;
      if (lastWord[pair] === word) continue;
      lastWord[pair] = word;
      lists[listEnd[pair]!++] = word;
    }
  }

  // Pairs of the symbol being made: with x before it, with y after it.
  const withBefore = new Int32Array(capacity).fill(-1);
  const withAfter = new Int32Array(capacity).fill(-1);
  let found = new Int32Array(1 << 14);
  let foundCount = 0;
  const merge = (pair: number, merged: number): number => {
    // No more pairs can arise than there are symbols, before and after the new one; so the arrays stay in place.
    reserve(2 * (merged + 1));
    const firstNew = size;
    const [ofPair, before, after] = [pairCounts, withBefore, withAfter];
    const [seq, last, ends] = [sequence, lastWord, listEnd];
    foundCount = 0;
    for (let at = listStart[pair]!; at < ends[pair]!; at++) {
      const word = lists[at]!;
      const start = begin[word]!;
      let read = start;
      let current = seq[read]!;
      while (current !== pair && current !== wordEnd) current = seq[++read]!;
      if (current === wordEnd) continue;
      const weight = weights[word]!;
      // Every pair that is merged makes at most two.
      const rest = 4 * (begin[word + 1]! - read);
      if (foundCount + rest > found.length) found = grown(found, new Int32Array(2 * found.length + rest));
      let write = read;
      for (; current !== wordEnd; current = seq[++read]!) {
        if (current !== pair) {
          seq[write++] = current;
          continue;
        }
        if (write > start) {
          const old = seq[write - 1]!;
          ofPair[old]! -= weight;
          const x = lefts[old]!;
          let made = before[x]!;
          if (made < firstNew) made = before[x] = addPair(x, merged);
          seq[write - 1] = made;
          ofPair[made]! += weight;
          if (last[made] !== word) {
            last[made] = word;
            ends[made]!++;
            found[foundCount++] = made;
            found[foundCount++] = word;
          }
        }
        const old = seq[read + 1]!;
        if (old !== wordEnd) {
          read++;
          ofPair[old]! -= weight;
          const y = rights[old]!;
          let made = after[y]!;
          if (made < firstNew) made = after[y] = addPair(merged, y);
          seq[write++] = made;
          ofPair[made]! += weight;
          if (last[made] !== word) {
            last[made] = word;
            ends[made]!++;
            found[foundCount++] = made;
            found[foundCount++] = word;
          }
        }
      }
      seq[write] = wordEnd;
    }
    pairCounts[pair] = 0;
    listEnd[pair] = listStart[pair]!;
    // The words found, pair by pair, behind all other lists.
    if (listed + foundCount / 2 > lists.length)
      lists = grown(
        lists,
        new Int32Array(Math.max(listed + foundCount / 2, lists.length + (lists.length >> 1))),
      );
    for (let made = firstNew; made < size; made++) {
      const length = listEnd[made]!;
      listStart[made] = listEnd[made] = listed;
      listed += length;
    }
    for (let i = 0; i < foundCount; i += 2) lists[listEnd[found[i]!]!++] = found[i + 1]!;
    return firstNew;
  };

  const placeIn = (pair: number, word: number): number => {
    const start = begin[word]!;
    for (let i = start; sequence[i] !== wordEnd; i++) if (sequence[i] === pair) return i - start;
    return -1;
  };

  return {
    get size() {
      return size;
    },
    left: pair => lefts[pair]!,
    right: pair => rights[pair]!,
    count: pair => pairCounts[pair]!,
    merge,
    placeIn,
    firstWord(pair) {
      while (listStart[pair]! < listEnd[pair]!) {
        const word = lists[listStart[pair]!]!;
        if (placeIn(pair, word) >= 0) return word;
        listStart[pair]!++;
      }
      return -1;
    },
    pairsOf: (word, end) => sequence.subarray(begin[word]!, begin[word]! + end),
  };
}

function grown<T extends { set(from: T): void }>(old: T, larger: T): T {
  larger.set(old);
  return larger;
}
