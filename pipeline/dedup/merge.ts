/**
 * Merges sorted runs of records from any number of files with a bounded number of them open: at most `fanIn` at a
 * time; of more, as many as are too many are merged first, into temporary files. Records come out ascending by all their words. Knows nothing of
 * what the words mean.
 */
import { rmSync } from "node:fs";
import {
  type CheckedReader,
  createChecked,
  openChecked,
  type RecordReader,
  readRecords,
  recordWriter,
  type Section,
} from "./checked-file.ts";

export type Run = {
  readonly path: string;
  readonly section: Section;
  /** Words of a record as stored. */
  readonly words: number;
  /** A word put in when a record is read, before its last `before` words: the task of a document number. */
  readonly insert?: { readonly word: number; readonly before: number };
};

type Source = { readonly data: Uint32Array; next(): boolean };

/** One record at a time, `words` long, in `data`. */
function openRun(
  run: Run,
  words: number,
  bufferBytes: number,
): Source & { readonly file: CheckedReader<unknown> } {
  const file = openChecked<unknown>(run.path);
  const records: RecordReader = readRecords(file, run.section, run.words, bufferBytes);
  const data = new Uint32Array(words);
  const { insert } = run;
  const insertAt = insert === undefined ? -1 : run.words - insert.before;
  const next = (): boolean => {
    if (!records.next()) return false;
    const { at } = records;
    for (let k = 0, from = 0; k < words; k++)
      data[k] = k === insertAt ? insert!.word : records.data[at + from++]!;
    return true;
  };
  return { data, next, file };
}

function before(a: Uint32Array, b: Uint32Array): boolean {
  for (let k = 0; k < a.length; k++) {
    if (a[k] !== b[k]) return a[k]! < b[k]!;
  }
  return false;
}

/** Calls `visit` with every record of the sources in order; the array is reused. */
function mergeOpen(sources: readonly Source[], visit: (record: Uint32Array) => void): void {
  const heap = sources.filter(source => source.next());
  const down = (i: number) => {
    const item = heap[i]!;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1]!.data, heap[child]!.data)) child++;
      if (!before(heap[child]!.data, item.data)) break;
      heap[i] = heap[child]!;
      i = child;
    }
    heap[i] = item;
  };
  for (let i = (heap.length >> 1) - 1; i >= 0; i--) down(i);
  while (heap.length > 0) {
    visit(heap[0]!.data);
    if (!heap[0]!.next()) {
      const last = heap.pop()!;
      if (heap.length === 0) return;
      heap[0] = last;
    }
    down(0);
  }
}

export type MergeLimits = {
  /** Files open at a time, at least 2. */
  readonly fanIn: number;
  /** Bytes for all buffers. */
  readonly memory: number;
  /** Path for the n-th temporary file. */
  temporary(n: number): string;
};

/** Merges all runs into one ascending stream of records of `words` words. */
export function mergeRuns(
  runs: readonly Run[],
  words: number,
  limits: MergeLimits,
  visit: (record: Uint32Array) => void,
): void {
  const { fanIn, memory } = limits;
  let made = 0;
  const mergeSome = (some: readonly Run[], onRecord: (record: Uint32Array) => void) => {
    const bufferBytes = Math.max(4096, Math.min(1 << 18, Math.floor(memory / Math.max(1, some.length))));
    const sources: ReturnType<typeof openRun>[] = [];
    try {
      for (const run of some) sources.push(openRun(run, words, bufferBytes));
      mergeOpen(sources, onRecord);
    } finally {
      for (const { file } of sources) file.close();
    }
  };
  /** Oldest first: what was merged goes to the end, so that no record is merged much more often than another. */
  const waiting = [...runs];
  const temporaries: string[] = [];
  const remove = (paths: readonly string[]) => {
    for (const path of paths) rmSync(path, { force: true });
  };
  try {
    while (waiting.length > fanIn) {
      // No more than are too many: each run merged here is written once more.
      const some = waiting.splice(0, Math.min(fanIn, waiting.length - fanIn + 1));
      const path = limits.temporary(made++);
      const file = createChecked<null>(path);
      temporaries.push(path);
      const writer = recordWriter(file, words);
      try {
        mergeSome(some, writer.pushRecord);
        writer.flush();
        const section = file.endSection();
        file.commit(null);
        waiting.push({ path, section, words });
      } catch (error) {
        file.abandon();
        throw error;
      }
      remove(some.filter(run => temporaries.includes(run.path)).map(run => run.path));
    }
    mergeSome(waiting, visit);
  } finally {
    remove(temporaries);
  }
}
