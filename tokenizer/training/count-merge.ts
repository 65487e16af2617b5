/**
 * Many sorted files of counted words, read side by side as one: each word once, counts added, the earliest position
 * kept. Knows neither text nor training. The result does not depend on how the corpus was split into files, as long
 * as their order is the corpus's.
 */
import { UserError } from "../../lib/errors.ts";
import { type CountFileHeader, type CountReader, openCountFile } from "./count-file.ts";
import type { Corpus } from "./training.ts";

export type Source = {
  readonly path: string;
  /** Added to the first positions of the file: the bytes of the corpus before it. */
  readonly offset: number;
};

export type EachWord = (bytes: Uint8Array, start: number, end: number, count: number, first: number) => void;

/** Calls `each` for every word in the order of bytes. */
export function mergeSorted(sources: readonly Source[], each: EachWord): void {
  const readers: CountReader[] = [];
  const offsets = new Map<CountReader, number>();
  try {
    const heap: CountReader[] = [];
    for (const { path, offset } of sources) {
      const reader = openCountFile(path);
      readers.push(reader);
      offsets.set(reader, offset);
      if (reader.next()) pushReader(heap, reader);
    }
    let word = new Uint8Array(64);
    while (heap.length > 0) {
      const least = heap[0]!;
      const length = least.end - least.start;
      if (length > word.length) word = new Uint8Array(2 * length);
      word.set(least.bytes.subarray(least.start, least.end));
      let count = 0;
      let first = Number.POSITIVE_INFINITY;
      while (heap.length > 0 && isWord(heap[0]!, word, length)) {
        const reader = heap[0]!;
        count += reader.count;
        first = Math.min(first, reader.first + offsets.get(reader)!);
        if (reader.next()) sink(heap);
        else {
          const last = heap.pop()!;
          if (heap.length > 0) {
            heap[0] = last;
            sink(heap);
          }
        }
      }
      each(word, 0, length, count, first);
    }
  } finally {
    for (const reader of readers) reader.close();
  }
}

function isWord(reader: CountReader, word: Uint8Array, length: number): boolean {
  if (reader.end - reader.start !== length) return false;
  for (let i = 0; i < length; i++) if (reader.bytes[reader.start + i] !== word[i]) return false;
  return true;
}

function isBefore(a: CountReader, b: CountReader): boolean {
  const length = Math.min(a.end - a.start, b.end - b.start);
  for (let i = 0; i < length; i++) {
    const difference = a.bytes[a.start + i]! - b.bytes[b.start + i]!;
    if (difference !== 0) return difference < 0;
  }
  return a.end - a.start < b.end - b.start;
}

function pushReader(heap: CountReader[], reader: CountReader): void {
  let child = heap.push(reader) - 1;
  while (child > 0) {
    const parent = (child - 1) >> 1;
    if (!isBefore(reader, heap[parent]!)) break;
    heap[child] = heap[parent]!;
    child = parent;
  }
  heap[child] = reader;
}

/** Puts the first reader of the heap where it belongs now. */
function sink(heap: CountReader[]): void {
  const reader = heap[0]!;
  let parent = 0;
  for (;;) {
    let child = 2 * parent + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
    if (!isBefore(heap[child]!, reader)) break;
    heap[parent] = heap[child]!;
    parent = child;
  }
  heap[parent] = reader;
}

/** Headers of the files; UserError where two were counted with different patterns. */
export function readHeaders(paths: readonly string[]): CountFileHeader[] {
  const headers = paths.map(path => {
    const reader = openCountFile(path);
    reader.close();
    return reader.header;
  });
  const [first] = headers;
  headers.forEach((header, i) => {
    if (header.pattern !== first!.pattern || header.unicode !== first!.unicode)
      throw new UserError(
        `${paths[i]} was counted with ${header.pattern} and Unicode ${header.unicode}, ${paths[0]} with ${first!.pattern} and ${first!.unicode}`,
        "delete both and run the tokenizer stage again",
      );
  });
  return headers;
}

export function addCorpora(corpora: readonly Corpus[]): Corpus {
  const sum = (of: (corpus: Corpus) => number) => corpora.reduce((total, corpus) => total + of(corpus), 0);
  return {
    documents: sum(corpus => corpus.documents),
    bytes: sum(corpus => corpus.bytes),
    pieces: sum(corpus => corpus.pieces),
    cappedDocuments: sum(corpus => corpus.cappedDocuments),
    cappedDocumentBytes: sum(corpus => corpus.cappedDocumentBytes),
    cutPieces: sum(corpus => corpus.cutPieces),
    sampledOut: sum(corpus => corpus.sampledOut),
    sampledOutBytes: sum(corpus => corpus.sampledOutBytes),
  };
}
