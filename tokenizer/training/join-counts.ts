/**
 * Joins files of counted words into one of the same format, so that training opens hundreds of files where a crawl has
 * 90,000 jobs. Holds 64 KiB a file. Knows no merges of pairs.
 */
import type { OutputFile } from "../../lib/atomic.ts";
import { createCountFile } from "./count-file.ts";
import { addCorpora, mergeSorted, readHeaders, type Source } from "./count-merge.ts";

/** `files` in the order of the corpus; the same words, counts and first positions as the files have one after another. */
export function joinCounts(files: readonly string[], path: string): OutputFile {
  const headers = readHeaders(files);
  let offset = 0;
  const sources: Source[] = files.map((file, i) => {
    const source = { path: file, offset };
    offset += headers[i]!.corpus.bytes;
    return source;
  });
  const { pattern, unicode } = headers[0]!;
  const corpus = addCorpora(headers.map(header => header.corpus));
  const out = createCountFile(path, { pattern, unicode, corpus });
  try {
    mergeSorted(sources, (bytes, start, end, count, first) => out.add(bytes, start, end, count, first));
    return out.commit();
  } catch (error) {
    out.abandon();
    throw error;
  }
}
