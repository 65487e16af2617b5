/**
 * Counts the pieces of documents, within the memory given: a table that is full is written to disk, sorted, and
 * counting goes on with an empty one. Knows neither where documents come from nor how a vocabulary is trained.
 * Exact: no piece is dropped or estimated. What the caps cut off is counted and reported.
 */
import { rmSync } from "node:fs";
import { type OutputFile, temporaryName } from "../../lib/atomic.ts";
import { randomOf } from "../../lib/random.ts";
import { type PatternName, scanner } from "../pretokenizer/patterns.ts";
import { createTextFeed, type TextFeed } from "../text-feed.ts";
import { defaultUnicode } from "../unicode.ts";
import { createCountFile, writeWords } from "./count-file.ts";
import { mergeSorted } from "./count-merge.ts";
import type { Corpus } from "./training.ts";
import { createWordTable, type Words } from "./word-table.ts";

export type CountOptions = {
  readonly pattern: PatternName;
  readonly unicode?: string;
  /** `lines`: pieces never cross a line feed, as where Hugging Face's trainer is given files. */
  readonly split?: "documents" | "lines";
  /** Bytes of a document that are counted; null for all. */
  readonly docCap?: number | null;
  /** Bytes of the longest piece; a longer one is cut at a character. */
  readonly pieceCap?: number;
  /** Share of the documents counted, chosen by their text. */
  readonly sample?: number;
  readonly seed?: number;
  /** Bytes of memory for the table. */
  readonly memory?: number;
};

export const defaultPieceCap = 1024;

export type Counter = {
  /** Counts a document. `first` is its position in the corpus in bytes; without it, after the one before. */
  addText(text: string, first?: number): void;
  /** A document that comes in parts; `whole` is false for a later stretch of one already begun elsewhere. */
  document(first: number, whole: boolean): { add(bytes: Uint8Array): void; end(): void };
  /** Counts bytes [0, end), whole lines, each a document. `view` covers the same bytes and `slack` more. */
  addLines(bytes: Uint8Array, view: DataView, end: number, first: number): void;
  corpus(): Corpus;
  /** The words, where they never left memory, else null: then they are written by `finish`. */
  words(): Words | null;
  /** Writes everything counted to `path`, sorted. */
  finish(path: string): OutputFile;
  /** Removes what was spilled. */
  dispose(): void;
};

/** `spillPath`: spilled tables are named by it, with a number and `.tmp`. */
export function createCounter(options: CountOptions, spillPath: string): Counter {
  const {
    pattern,
    unicode = defaultUnicode,
    split = "documents",
    docCap = null,
    sample = 1,
    seed = 0,
  } = options;
  const { pieceCap = defaultPieceCap, memory = 2 ** 29 } = options;
  const scan = scanner(pattern, unicode);
  const table = createWordTable();
  const spilled: string[] = [];
  const corpus = {
    documents: 0,
    bytes: 0,
    cappedDocuments: 0,
    cappedDocumentBytes: 0,
    sampledOut: 0,
    sampledOutBytes: 0,
  };
  let position = 0;
  /** Bytes of the document that may still be counted. */
  let left = Number.POSITIVE_INFINITY;
  let cappedBytes = 0;

  const cut = { scan, cased: pattern === "o200k", cap: pieceCap };
  const countLines = (bytes: Uint8Array, view: DataView, end: number): number => {
    let lines = 0;
    for (let at = 0; at < end; lines++) {
      const feed = bytes.indexOf(10, at);
      const stop = feed < 0 || feed >= end ? end : feed + 1;
      table.addPieces(cut, bytes, view, at, stop, position);
      at = stop;
    }
    return lines;
  };
  const described = (): Corpus => ({ ...corpus, pieces: table.pieces, cutPieces: table.cutPieces });
  const header = () => ({ pattern, unicode, corpus: described() });
  const spillWhenFull = () => {
    if (2 * table.memory() > memory && table.size > 1) spill();
  };
  const spill = () => {
    const path = temporaryName(`${spillPath}.${spilled.length}`);
    writeWords(path, header(), table.words());
    spilled.push(path);
    table.clear();
  };
  const feed: TextFeed = createTextFeed(unicode, (bytes, view, end) => {
    let stop = end;
    if (end > left) {
      stop = left;
      while (stop > 0 && (bytes[stop]! & 0xc0) === 0x80) stop--;
    }
    if (split === "lines") countLines(bytes, view, stop);
    else table.addPieces(cut, bytes, view, 0, stop, position);
    corpus.bytes += end;
    position += end;
    if (docCap !== null && end > left) cappedBytes += end - stop;
    left = Math.max(0, left - end);
    spillWhenFull();
    return true;
  });
  const begin = (first: number) => {
    position = first;
    left = docCap ?? Number.POSITIVE_INFINITY;
    cappedBytes = 0;
  };
  const end = () => {
    feed.finish();
    if (cappedBytes === 0) return;
    corpus.cappedDocuments++;
    corpus.cappedDocumentBytes += cappedBytes;
  };
  const isSampledOut = (text: string): boolean =>
    sample < 1 && randomOf(seed, `${text.length} ${text.slice(0, 1000)}`) >= sample;
  const addText = (text: string, first = position): void => {
    if (isSampledOut(text)) {
      corpus.sampledOut++;
      corpus.sampledOutBytes += Buffer.byteLength(text, "utf8");
      return;
    }
    corpus.documents++;
    begin(first);
    feed.addText(text);
    end();
  };

  return {
    addText,
    document(first, whole) {
      if (whole) corpus.documents++;
      begin(first);
      return { add: feed.addBytes, end };
    },
    addLines(bytes, view, end, first) {
      if (docCap === null && sample === 1) {
        position = first;
        corpus.documents += countLines(bytes, view, end);
        corpus.bytes += end;
        spillWhenFull();
        return;
      }
      for (let at = 0; at < end; ) {
        const feedAt = bytes.indexOf(10, at);
        const stop = feedAt < 0 || feedAt >= end ? end : feedAt + 1;
        addText(Buffer.from(bytes.buffer, bytes.byteOffset + at, stop - at).toString("utf8"), first + at);
        at = stop;
      }
    },
    corpus: described,
    words: () => (spilled.length === 0 ? table.words() : null),
    finish(path) {
      if (spilled.length === 0) return writeWords(path, header(), table.words());
      spill();
      const file = createCountFile(path, header());
      try {
        mergeSorted(
          spilled.map(run => ({ path: run, offset: 0 })),
          file.add,
        );
        return file.commit();
      } catch (error) {
        file.abandon();
        throw error;
      }
    },
    dispose() {
      for (const path of spilled) rmSync(path, { force: true });
    },
  };
}

/**
 * A counting job: the pieces of documents, as they come, to a sorted file. Result and bytes depend on the documents
 * and options alone. One of many such jobs on one corpus; `mergeCounts` joins them.
 */
export async function countTexts(
  texts: Iterable<string> | AsyncIterable<string>,
  options: CountOptions,
  outFile: string,
): Promise<OutputFile & { readonly corpus: Corpus }> {
  const counter = createCounter(options, outFile);
  try {
    for await (const text of texts) counter.addText(text);
    return { ...counter.finish(outFile), corpus: counter.corpus() };
  } finally {
    counter.dispose();
  }
}
