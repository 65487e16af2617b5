/**
 * The words of a corpus, joined from the files of its counting jobs and held in memory for training. Knows no merges.
 * Where they would not fit, the rarest are left out: the least count that must be reached is found in a first pass
 * over the files, so the choice depends on the corpus and the memory given, not on the order of reading.
 */
import { statSync } from "node:fs";
import { UserError } from "../../lib/errors.ts";
import type { PatternName } from "../pretokenizer/patterns.ts";
import { addCorpora, mergeSorted, readHeaders, type Source } from "./count-merge.ts";
import type { Corpus } from "./training.ts";
import { createWordTable, type Words, type WordTable } from "./word-table.ts";

export type Counted = {
  readonly words: Words;
  /** Different pieces in the corpus, those left out included. */
  readonly different: number;
  /** Words that occur less often were left out; 1 where none was. */
  readonly wordsFrom: number;
  readonly corpus: Corpus;
  readonly pattern: PatternName;
  readonly unicode: string;
};

/** Bytes that training holds for a word of `length` bytes: its text, count, pairs and where they occur. */
export function trainingBytes(length: number): number {
  return 28 + 13 * length;
}

/**
 * Joins counting files, given in the order of the corpus. UserError where there are none or they do not fit together.
 * `offsets`: position of each file in the corpus; without them each begins where the one before ends.
 */
export function mergeCounts(
  files: readonly string[],
  options: { readonly memory?: number; readonly offsets?: readonly number[] } = {},
): Counted {
  if (files.length === 0) throw new UserError("expected files of counted words, got none");
  const { memory = 2 ** 30 } = options;
  const headers = readHeaders(files);
  let offset = 0;
  const sources: Source[] = files.map((path, i) => {
    const source = { path, offset: options.offsets?.[i] ?? offset };
    offset += headers[i]!.corpus.bytes;
    return source;
  });
  const { pattern, unicode } = headers[0]!;
  const described = {
    corpus: addCorpora(headers.map(header => header.corpus)),
    pattern: pattern as PatternName,
    unicode,
  };
  const onDisk = files.reduce((sum, path) => sum + statSync(path).size, 0);
  const wordsFrom = onDisk * 20 < memory ? 1 : leastCountOnDisk(sources, memory);
  return { ...load(sources, wordsFrom), wordsFrom, ...described };
}

/** For every count, the bytes that training holds for the words that have it. */
type Histogram = Map<number, number>;

function addTo(histogram: Histogram, count: number, length: number): void {
  histogram.set(count, (histogram.get(count) ?? 0) + trainingBytes(length));
}

function leastCountOnDisk(sources: readonly Source[], memory: number): number {
  const histogram: Histogram = new Map();
  mergeSorted(sources, (_, start, end, count) => addTo(histogram, count, end - start));
  return leastCount(histogram, memory);
}

/** The least count whose words, with all more frequent ones, fit into memory; 1 where all do. */
function leastCount(histogram: Histogram, memory: number): number {
  let held = 0;
  let least = Number.POSITIVE_INFINITY;
  for (const count of [...histogram.keys()].sort((a, b) => b - a)) {
    held += histogram.get(count)!;
    if (held > memory)
      if (least < Number.POSITIVE_INFINITY) return least;
      else
        throw new UserError(
          `${memory} bytes of memory hold none of the corpus's words`,
          "raise the tokenizer's memory; 64MB is enough for any corpus",
        );
    least = count;
  }
  return 1;
}

/** Joins tables that are in memory; the same words and counts as by `mergeCounts` from files of them. */
export function joinWords(
  parts: readonly Words[],
  options: { readonly memory?: number } = {},
): Pick<Counted, "words" | "different" | "wordsFrom"> {
  const { memory = 2 ** 30 } = options;
  const joined = parts.length === 1 ? parts[0]! : tableOf(parts).words();
  const different = joined.size;
  const histogram: Histogram = new Map();
  for (let i = 0; i < different; i++)
    addTo(histogram, joined.counts[i]!, joined.starts[i + 1]! - joined.starts[i]!);
  const wordsFrom = leastCount(histogram, memory);
  return { words: wordsFrom === 1 ? joined : tableOf([joined], wordsFrom).words(), different, wordsFrom };
}

function tableOf(parts: readonly Words[], wordsFrom = 1): WordTable {
  const table = createWordTable();
  for (const { size, arena, starts, counts, firsts } of parts) {
    const view = new DataView(arena.buffer);
    for (let i = 0; i < size; i++)
      if (counts[i]! >= wordsFrom)
        table.add(arena, view, starts[i]!, starts[i + 1]! - starts[i]!, firsts[i]!, counts[i]!);
  }
  return table;
}

function load(sources: readonly Source[], wordsFrom: number): { words: Words; different: number } {
  let size = 0;
  let different = 0;
  let arena = new Uint8Array(1 << 20);
  let starts = new Uint32Array(1 << 16);
  let counts = new Float64Array(1 << 16);
  let firsts = new Float64Array(1 << 16);
  mergeSorted(sources, (bytes, start, end, count, first) => {
    different++;
    if (count < wordsFrom) return;
    const from = starts[size]!;
    if (from + end - start > arena.length) {
      const larger = new Uint8Array(from + end - start + (arena.length >> 1));
      larger.set(arena.subarray(0, from));
      arena = larger;
    }
    if (size + 1 >= starts.length) {
      const room = starts.length + (starts.length >> 1);
      const [oldStarts, oldCounts, oldFirsts] = [starts, counts, firsts];
      starts = new Uint32Array(room);
      counts = new Float64Array(room);
      firsts = new Float64Array(room);
      starts.set(oldStarts);
      counts.set(oldCounts);
      firsts.set(oldFirsts);
    }
    for (let i = start; i < end; i++) arena[from + i - start] = bytes[i]!;
    starts[size + 1] = from + end - start;
    counts[size] = count;
    firsts[size] = first;
    size++;
  });
  return { words: { size, arena, starts, counts, firsts }, different };
}
