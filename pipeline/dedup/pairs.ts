/**
 * One bucket of all tasks: merges its keys and writes which documents share one, `buckets/<bucket>.pairs`. Of n documents
 * with the same key, n − 1 pairs are written, each with the first (in order of task and number), so that groups of any
 * size cost what they hold. With verification a pair is written only if the shingles of both agree enough, and every
 * document is compared with its neighbour too, because a group's first may be its odd one. Pairs within earlier
 * runs are not written: what became of those documents is decided.
 */
import { type OutputFile, temporaryName } from "../../lib/atomic.ts";
import type { CorpusContext } from "../corpus-stage.ts";
import { type KeysTrailer, keyRecordWords } from "./band-keys.ts";
import {
  createChecked,
  Damaged,
  openChecked,
  readRecords,
  readTrailer,
  recordWriter,
  type Section,
} from "./checked-file.ts";
import { collectedOf, type Tasks } from "./earlier.ts";
import { lookUpFacts } from "./facts.ts";
import { mergeRuns, type Run } from "./merge.ts";
import { roundPath } from "./paths.ts";
import { keyWords } from "./signature.ts";

export const pairWords = 4;
export type PairsTrailer = { readonly bucket: number; readonly pairs: number; readonly section: Section };

/** Files that one bucket's merge keeps open. */
const fanIn = 64;

export const pairsPath = (dir: string, bucket: number): string => roundPath(dir, "buckets", bucket, "pairs");

/** Shared shingles as a part of all shingles of two ascending sets; 0 where both are empty. */
export function jaccard(a: Uint32Array, b: Uint32Array): number {
  let [i, j, shared] = [0, 0, 0];
  while (i < a.length && j < b.length) {
    const [x, y] = [a[i]!, b[j]!];
    if (x === y) shared++;
    if (x <= y) i++;
    if (y <= x) j++;
  }
  const all = a.length + b.length - shared;
  return all === 0 ? 0 : shared / all;
}

export function writePairs(
  bucket: number,
  { places, earlier }: Tasks,
  verify: number | null,
  context: CorpusContext,
): OutputFile[] {
  const { dir, memory } = context;
  const runs: Run[] = [];
  for (const [task, place] of places.entries()) {
    const path = collectedOf(place, "keys");
    const trailer = readTrailer<KeysTrailer>(path);
    if (trailer.task !== place.task) throw new Damaged(path, `it belongs to task ${trailer.task}`);
    for (const sections of trailer.runs) {
      const section = sections[bucket];
      if (!section) throw new Damaged(path, `it has no bucket ${bucket}`);
      runs.push({ path, section, words: keyRecordWords, insert: { word: task, before: 1 } });
    }
  }
  const file = createChecked<PairsTrailer>(pairsPath(dir, bucket));
  const writer = recordWriter(file, pairWords);
  const lookup = verify === null ? null : lookUpFacts(places);
  const width = keyRecordWords + 1;
  const first = new Uint32Array(width);
  const previous = new Uint32Array(width);
  let [firstSet, previousSet]: (Uint32Array | null)[] = [null, null];
  let started = false;
  const sameKey = (record: Uint32Array): boolean => {
    for (let k = 0; k < keyWords; k++) if (record[k] !== first[k]) return false;
    return true;
  };
  const visit = (record: Uint32Array) => {
    const [task, document] = [record[keyWords]!, record[keyWords + 1]!];
    if (!started || !sameKey(record)) {
      started = true;
      first.set(record);
      previous.set(record);
      firstSet = null;
      previousSet = null;
      return;
    }
    if (task < earlier) {
      previous.set(record);
      previousSet = null;
      return;
    }
    const [firstTask, firstDocument] = [first[keyWords]!, first[keyWords + 1]!];
    if (!lookup) {
      writer.push(firstTask, firstDocument, task, document);
      return;
    }
    const [previousTask, previousDocument] = [previous[keyWords]!, previous[keyWords + 1]!];
    firstSet ??= lookup.shingles(firstTask, firstDocument);
    previousSet ??=
      previousTask === firstTask && previousDocument === firstDocument
        ? firstSet
        : lookup.shingles(previousTask, previousDocument);
    const set = lookup.shingles(task, document);
    if (jaccard(firstSet, set) >= verify!) writer.push(firstTask, firstDocument, task, document);
    else if (previousSet !== firstSet && jaccard(previousSet, set) >= verify!)
      writer.push(previousTask, previousDocument, task, document);
    previous.set(record);
    previousSet = set;
  };
  try {
    const temporary = (n: number) => temporaryName(roundPath(dir, "buckets", bucket, `merge-${n}`));
    mergeRuns(runs, width, { fanIn, memory: Math.floor(memory / 4), temporary }, visit);
    writer.flush();
    const section = file.endSection();
    return [file.commit({ bucket, pairs: writer.count, section })];
  } catch (error) {
    file.abandon();
    throw error;
  } finally {
    lookup?.close();
  }
}

/** Every pair of one bucket: task and number of the one, task and number of the other. */
export function readPairs(
  dir: string,
  bucket: number,
  visit: (taskA: number, documentA: number, taskB: number, documentB: number) => void,
): void {
  const file = openChecked<PairsTrailer>(pairsPath(dir, bucket));
  try {
    const records = readRecords(file, file.trailer.section, pairWords, 1 << 20);
    while (records.next()) {
      const { data, at } = records;
      visit(data[at]!, data[at + 1]!, data[at + 2]!, data[at + 3]!);
    }
  } finally {
    file.close();
  }
}
