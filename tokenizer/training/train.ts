/**
 * Trains a BPE vocabulary from counted words. Knows neither text nor files.
 * One thread: with the words counted once and every merge touching only the words that hold its pair, 30,000 merges
 * on 40 MB of novels are well under a second, and sharing the counts among threads costs more than it gains.
 *
 * Which of several pairs with the same count merges first is not settled by BPE, and every trainer has its own rule,
 * so the same text gives different vocabularies. The rules here, each checked against its source:
 *   byte-ids        smaller ids first, bytes numbered 0 to 255                     rustbpe, bpeasy
 *   hugging-face    the same, bytes numbered by the code point of their character  tokenizers (BpeTrainer)
 *   first-seen      the pair met first in the text as it stands                    minbpe, tiktoken's educational module
 *   greatest-bytes  the pair with the greater bytes                                Stanford CS336
 */
import { bytesByCharacter } from "../formats/byte-characters.ts";
import type { PatternName } from "../pretokenizer/patterns.ts";
import type { Vocabulary } from "../vocabulary.ts";
import type { Counted } from "./merge-counts.ts";
import { createPairHeap, type Tie } from "./pair-heap.ts";
import { createPairs, type Pairs } from "./pairs.ts";
import type { TieRule, Training } from "./training.ts";
import type { Words } from "./word-table.ts";

export type TrainOptions = {
  /** Tokens in all: 256 bytes, the merges and the special tokens. */
  readonly vocabSize: number;
  readonly ties?: TieRule;
  /** A pair that occurs less often is not merged, and training ends before `vocabSize`. */
  readonly minFrequency?: number;
  /** Special tokens, in the order of their ids, after all others. */
  readonly specials?: readonly string[];
  /** The special token that ends a document; the first of `specials` unless given. */
  readonly endOfText?: string | null;
  /** Called now and then with the number of merges done, of how many, and the count of the last. */
  readonly onMerges?: (done: number, total: number, count: number) => void;
};

export type Trained = { readonly vocabulary: Vocabulary; readonly training: Omit<Training, "tokenizer"> };

/** Throws a RangeError where `vocabSize` leaves no room for bytes and special tokens. */
export function trainFromCounts(counted: Counted, options: TrainOptions): Trained {
  const { vocabSize, ties = "byte-ids", minFrequency = 1, specials = ["<|endoftext|>"], onMerges } = options;
  const wanted = vocabSize - 256 - specials.length;
  if (!(wanted >= 0))
    throw new RangeError(
      `a vocabulary of ${vocabSize} has no room for 256 bytes and ${specials.length} special tokens`,
    );
  const { pattern, unicode } = counted;
  const { merges, tokens, mergeCounts } = trainBpe(counted.words, {
    merges: wanted,
    ties,
    minFrequency,
    reserved: specials.map(special => Buffer.from(special, "utf8")),
    ...(onMerges ? { onMerges } : {}),
  });
  const specialIds = new Map(specials.map((special, i) => [special, tokens.length + i]));
  const endOfText = options.endOfText === undefined ? (specials[0] ?? null) : options.endOfText;
  return {
    vocabulary: {
      pattern,
      unicode,
      tokens: new Map(tokens.entries()),
      merges,
      specials: specialIds,
      endOfText,
      wholePieces: false,
    },
    training: {
      pattern: pattern as PatternName,
      unicode,
      ties,
      endOfText,
      minFrequency,
      corpus: counted.corpus,
      words: counted.different,
      trainedWords: counted.words.size,
      wordsHash: hashOfWords(counted.words),
      wordsFrom: counted.wordsFrom,
      mergeCounts,
    },
  };
}

export type Bpe = {
  /** Left id, right id, resulting id of each merge. */
  readonly merges: Int32Array<ArrayBuffer>;
  /** Bytes of each id: 0 to 255 the single bytes, then the merges in order. */
  readonly tokens: readonly Uint8Array[];
  readonly mergeCounts: readonly number[];
};

/** The merges of counted words. A pair whose bytes spell one of `reserved` is never merged. */
export function trainBpe(
  words: Words,
  options: {
    readonly merges: number;
    readonly ties: TieRule;
    readonly minFrequency?: number;
    readonly reserved?: readonly Uint8Array[];
    readonly onMerges?: (done: number, total: number, count: number) => void;
  },
): Bpe {
  const { ties, minFrequency = 1, reserved = [], onMerges } = options;
  const byteOfSymbol =
    ties === "hugging-face" ? bytesByCharacter : Array.from({ length: 256 }, (_, byte) => byte);
  const symbolOfByte = new Uint8Array(256);
  byteOfSymbol.forEach((byte, symbol) => {
    symbolOfByte[byte] = symbol;
  });
  const order = ties === "first-seen" ? byFirst(words) : null;
  const pairs = createPairs(words, order, symbolOfByte, 256 + options.merges);
  const bytesOf: Uint8Array[] = byteOfSymbol.map(byte => Uint8Array.of(byte));
  const heap = createPairHeap(pairs, tieOf(ties, pairs, bytesOf), Math.max(1, minFrequency));

  const merged: number[] = [];
  const mergeCounts: number[] = [];
  while (mergeCounts.length < options.merges) {
    const pair = heap.pop();
    if (pair < 0) break;
    const count = pairs.count(pair);
    const [left, right] = [pairs.left(pair), pairs.right(pair)];
    const bytes = joined(bytesOf[left]!, bytesOf[right]!);
    if (reserved.some(special => special.length === bytes.length && Buffer.compare(special, bytes) === 0))
      continue;
    const symbol = bytesOf.push(bytes) - 1;
    const firstNew = pairs.merge(pair, symbol);
    for (let made = firstNew; made < pairs.size; made++) heap.push(made);
    merged.push(left, right, symbol);
    mergeCounts.push(count);
    if (onMerges && mergeCounts.length % 256 === 0) onMerges(mergeCounts.length, options.merges, count);
  }
  onMerges?.(mergeCounts.length, options.merges, mergeCounts.at(-1) ?? 0);
  const idOf = (symbol: number) => (symbol < 256 ? byteOfSymbol[symbol]! : symbol);
  const tokens = bytesOf.map((bytes, id) => (id < 256 ? Uint8Array.of(id) : bytes));
  return { merges: Int32Array.from(merged, idOf), tokens, mergeCounts };
}

function joined(left: Uint8Array, right: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(left.length + right.length);
  bytes.set(left);
  bytes.set(right, left.length);
  return bytes;
}

/** Words in the order in which they occur first. */
function byFirst({ size, firsts }: Words): Uint32Array {
  return Uint32Array.from({ length: size }, (_, i) => i).sort((a, b) => firsts[a]! - firsts[b]!);
}

function tieOf(rule: TieRule, pairs: Pairs, bytesOf: readonly Uint8Array[]): Tie {
  const smallerIds = (a: number, b: number) =>
    pairs.left(a) !== pairs.left(b) ? pairs.left(a) < pairs.left(b) : pairs.right(a) < pairs.right(b);
  if (rule === "greatest-bytes")
    return {
      key: () => 0,
      before(a, b) {
        const left = Buffer.compare(bytesOf[pairs.left(a)]!, bytesOf[pairs.left(b)]!);
        return (left || Buffer.compare(bytesOf[pairs.right(a)]!, bytesOf[pairs.right(b)]!)) > 0;
      },
    };
  if (rule === "first-seen")
    return {
      // Word number and byte position in the word: neither moves while the pair exists.
      key(pair) {
        const word = pairs.firstWord(pair);
        let position = 0;
        for (const before of pairs.pairsOf(word, pairs.placeIn(pair, word)))
          position += bytesOf[pairs.left(before)]!.length;
        return word * 65536 + position;
      },
      before: smallerIds,
    };
  return { key: () => 0, before: smallerIds };
}

/** Sixteen hexadecimal digits that depend on the words and their counts, not on their order. */
export function hashOfWords({ size, arena, starts, counts }: Words): string {
  let low = 0;
  let high = 0;
  for (let word = 0; word < size; word++) {
    const count = counts[word]!;
    let a = (count | 0) ^ 0x9e3779b9;
    let b = Math.floor(count / 4294967296) ^ 0x85ebca6b;
    for (let i = starts[word]!; i < starts[word + 1]!; i++) {
      a = Math.imul(a ^ arena[i]!, 0x01000193);
      b = Math.imul(b ^ arena[i]!, 0x5bd1e995) ^ (b >>> 15);
    }
    low = (low + (a ^ (a >>> 16))) >>> 0;
    high = (high + (b ^ (b >>> 13))) >>> 0;
  }
  return high.toString(16).padStart(8, "0") + low.toString(16).padStart(8, "0");
}
