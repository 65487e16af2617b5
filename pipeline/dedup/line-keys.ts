/**
 * Lines of all documents by hash, on disk: collected per task in sorted runs split into partitions by the hash's first bits, so
 * that every partition can be merged over all tasks by a job of its own; then, per partition and task, which lines are
 * repetitions. A record is three words of hash, the document's number and the line's number.
 */
import { type OutputFile, temporaryName } from "../../lib/atomic.ts";
import type { CorpusContext } from "../corpus-stage.ts";
import {
  createChecked,
  Damaged,
  openChecked,
  readRecords,
  readTrailer,
  recordWriter,
  type Section,
} from "./checked-file.ts";
import { createSorter, sortRecords } from "./external-sort.ts";
import { mergeRuns, type Run } from "./merge.ts";
import { collectedPath, roundPath } from "./paths.ts";

export const partitions = 16;
const hashWords = 3;
const lineWords = hashWords + 2;

type LinesTrailer = {
  readonly task: number;
  readonly documents: number;
  readonly runs: readonly (readonly Section[])[];
};

/** 96 bits of a text in three lanes of multiply and shift; not cryptographic. */
export function hashLine(text: string, into: Uint32Array): void {
  let [x, y, z] = [0x9e3779b9, 0x85ebca6b, 0xc2b2ae35];
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    x = Math.imul(x ^ unit, 0x01000193) ^ (x >>> 13);
    y = Math.imul(y + unit, 0x2c1b3c6d) ^ (y >>> 15);
    z = Math.imul(z ^ (unit << 7), 0x297a2d39) + (z >>> 11);
  }
  const finish = (h: number) => {
    h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
    return (h ^ (h >>> 16)) >>> 0;
  };
  into[0] = finish(x ^ (y >>> 5));
  into[1] = finish(y ^ (z >>> 7));
  into[2] = finish(z ^ (x >>> 9) ^ text.length);
}

export function createLineKeys(dir: string, task: number, memory: number) {
  const file = createChecked<LinesTrailer>(collectedPath(dir, task, "lines"));
  const capacity = Math.max(1024, Math.floor(memory / (lineWords * 4 * 2)));
  let data = new Uint32Array(Math.min(capacity, 8192) * lineWords);
  let count = 0;
  const runs: Section[][] = [];
  const spill = () => {
    sortRecords(data, lineWords, count);
    const sections: Section[] = [];
    let from = 0;
    for (let partition = 0; partition < partitions; partition++) {
      let to = from;
      while (to < count && data[to * lineWords]! >>> 28 === partition) to++;
      file.write(new Uint8Array(data.buffer, from * lineWords * 4, (to - from) * lineWords * 4));
      sections.push(file.endSection());
      from = to;
    }
    runs.push(sections);
    count = 0;
  };
  return {
    add(hash: Uint32Array, document: number, line: number) {
      if (count === capacity) spill();
      if (count * lineWords === data.length) {
        const longer = new Uint32Array(Math.min(capacity * lineWords, data.length * 2));
        longer.set(data);
        data = longer;
      }
      const at = count++ * lineWords;
      data.set(hash, at);
      data[at + hashWords] = document;
      data[at + hashWords + 1] = line;
    },
    commit(documents: number): OutputFile {
      if (count > 0 || runs.length === 0) spill();
      return file.commit({ task, documents, runs });
    },
  };
}

type RepeatedTrailer = {
  readonly partition: number;
  /** Documents of each task. */
  readonly documents: readonly number[];
  /** Of each task: records of document and line, ascending. */
  readonly tasks: readonly Section[];
};

const repeatedPath = (dir: string, partition: number) => roundPath(dir, "lines", partition, "repeated");

/**
 * One partition: lines that occur at least `copies` times. With `keepFirst` all but the first (in the order of the
 * inputs) are repetitions, else all of them.
 */
export function writeRepeated(
  partition: number,
  tasks: number,
  copies: number,
  keepFirst: boolean,
  { dir, memory }: CorpusContext,
): OutputFile[] {
  const runs: Run[] = [];
  const documents: number[] = [];
  for (let task = 0; task < tasks; task++) {
    const path = collectedPath(dir, task, "lines");
    const trailer = readTrailer<LinesTrailer>(path);
    if (trailer.task !== task) throw new Damaged(path, `it belongs to task ${trailer.task}`);
    documents.push(trailer.documents);
    for (const sections of trailer.runs)
      runs.push({ path, section: sections[partition]!, words: lineWords, insert: { word: task, before: 2 } });
  }
  const temporary = (what: string) => (n: number) =>
    temporaryName(roundPath(dir, "lines", partition, `${what}-${n}`));
  const sorter = createSorter(3, Math.floor(memory / 4), temporary("sort"));
  const key = new Uint32Array(hashWords);
  /** Places of a line seen fewer than `copies` times so far. */
  let waiting: number[] = [];
  let seen = 0;
  const place = (task: number, document: number, line: number) => {
    seen++;
    if (seen === 1 && keepFirst) return;
    if (seen < copies) {
      waiting.push(task, document, line);
      return;
    }
    for (let i = 0; i < waiting.length; i += 3) sorter.add(waiting[i]!, waiting[i + 1]!, waiting[i + 2]!);
    waiting = [];
    sorter.add(task, document, line);
  };
  mergeRuns(
    runs,
    lineWords + 1,
    { fanIn: 64, memory: Math.floor(memory / 4), temporary: temporary("merge") },
    record => {
      if (record[0] !== key[0] || record[1] !== key[1] || record[2] !== key[2]) {
        key.set(record.subarray(0, hashWords));
        waiting = [];
        seen = 0;
      }
      place(record[hashWords]!, record[hashWords + 1]!, record[hashWords + 2]!);
    },
  );
  const file = createChecked<RepeatedTrailer>(repeatedPath(dir, partition));
  try {
    const writer = recordWriter(file, 2);
    const sections: Section[] = [];
    const finishTask = () => {
      writer.flush();
      sections.push(file.endSection());
    };
    sorter.drain(record => {
      while (sections.length < record[0]!) finishTask();
      writer.push(record[1]!, record[2]!);
    });
    while (sections.length < tasks) finishTask();
    return [file.commit({ partition, documents, tasks: sections })];
  } catch (error) {
    file.abandon();
    throw error;
  }
}

/** Repeated lines of one task's documents; asked in ascending order of documents. */
export function readRepeated(dir: string, task: number): (document: number) => ReadonlySet<number> | null {
  const parts: Uint32Array[] = [];
  let documents = 0;
  for (let partition = 0; partition < partitions; partition++) {
    const file = openChecked<RepeatedTrailer>(repeatedPath(dir, partition));
    try {
      documents = file.trailer.documents[task] ?? 0;
      const section = file.trailer.tasks[task];
      if (!section) throw new Damaged(file.path, `it knows no task ${task}`);
      const records = readRecords(file, section, 2, 1 << 16);
      const part = new Uint32Array(section.bytes / 4);
      for (let at = 0; records.next(); at += 2)
        part.set(records.data.subarray(records.at, records.at + 2), at);
      parts.push(part);
    } finally {
      file.close();
    }
  }
  const all = new Uint32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let filled = 0;
  for (const part of parts) {
    all.set(part, filled);
    filled += part.length;
  }
  sortRecords(all, 2, all.length / 2);
  let at = 0;
  return document => {
    if (document >= documents)
      throw new Damaged(repeatedPath(dir, 0), `it was made for ${documents} documents of task ${task}`);
    while (at < all.length && all[at]! < document) at += 2;
    if (all[at] !== document || at >= all.length) return null;
    const lines = new Set<number>();
    for (; at < all.length && all[at] === document; at += 2) lines.add(all[at + 1]!);
    return lines;
  };
}
