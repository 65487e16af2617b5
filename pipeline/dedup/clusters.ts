/**
 * Pairs to clusters: documents connected by pairs, however long the chain, are one cluster, of which one is kept. One
 * job, because connection is global; writes for each task which of its documents are in a cluster, with the kept one
 * and the size (`clusters/<task>.members`). Which one is kept depends on the documents alone: by the policy, ties
 * by id; `first` by the order of the inputs. A cluster with a document of an earlier run keeps that one.
 */
import { rmSync } from "node:fs";
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
import { contract } from "./contraction.ts";
import { disjointSets, rankedSet } from "./disjoint-sets.ts";
import { collectedOf, type TaskPlace, type Tasks } from "./earlier.ts";
import { createSorter } from "./external-sort.ts";
import {
  type Facts,
  type FactsLookup,
  type FactsTrailer,
  factBytes,
  lookUpFacts,
  readFacts,
} from "./facts.ts";
import { readPairs } from "./pairs.ts";
import { roundPath } from "./paths.ts";

export const keepPolicies = ["first", "longest", "newest"] as const;
export type Keep = (typeof keepPolicies)[number];

/** Document, task (earlier runs' tasks come first) and number of the kept one, size of the cluster. */
export const memberWords = 4;
export type MembersTrailer = {
  readonly task: number;
  readonly documents: number;
  readonly members: number;
  readonly section: Section;
};

export const membersPath = (dir: string, task: number): string => roundPath(dir, "clusters", task, "members");

const preference: Readonly<Record<Keep, (facts: Facts) => number>> = {
  first: () => 0,
  longest: facts => facts.length,
  newest: facts => facts.date,
};

/** Reads every document's facts of one task in order. */
function eachFacts(place: TaskPlace, visit: (document: number, facts: Facts) => void): void {
  const file = openChecked<FactsTrailer>(collectedOf(place, "facts"));
  try {
    const records = readRecords(file, file.trailer.section, factBytes / 4, 1 << 18);
    const view = new DataView(records.data.buffer);
    for (let document = 0; records.next(); document++) visit(document, readFacts(view, records.at * 4));
  } finally {
    file.close();
  }
}

/** Called for every document in a cluster, ascending by task and document. */
type VisitMember = (
  task: number,
  document: number,
  keptTask: number,
  keptDocument: number,
  size: number,
) => void;

export type Corpus = {
  readonly dir: string;
  readonly tasks: Tasks;
  readonly buckets: number;
  /** Documents of each task. */
  readonly counts: readonly number[];
  readonly keep: Keep;
  readonly lookup: FactsLookup;
};

/** How much a document is to be kept: of earlier runs' more than any of this one's. */
const valueIn =
  ({ tasks, keep }: Corpus) =>
  (task: number, facts: Facts): number =>
    task < tasks.earlier ? Number.POSITIVE_INFINITY : preference[keep](facts);

/** Bytes for each document that has a duplicate: parent, size, kept task and document, preference. */
const bytesEach = 4 + 4 + 4 + 4 + 8;

/**
 * Clusters by union-find, in memory; null where `memory` does not suffice for it.
 * A bit for each document of the corpus, `bytesEach` for each that has a duplicate.
 */
export function clustersInMemory(corpus: Corpus, memory: number): ((visit: VisitMember) => void) | null {
  const { dir, buckets, counts, keep, lookup, tasks } = corpus;
  /** Number of a task's first document among all documents. */
  const base: number[] = [];
  let total = 0;
  for (const count of counts) {
    base.push(total);
    total += count;
  }
  if (total / 7 > memory / 2) return null;
  const involved = rankedSet(total);
  for (let bucket = 0; bucket < buckets; bucket++) {
    readPairs(dir, bucket, (taskA, a, taskB, b) => {
      involved.add(base[taskA]! + a);
      involved.add(base[taskB]! + b);
    });
  }
  const size = involved.seal();
  if (total / 7 + size * bytesEach > memory) return null;
  const sets = disjointSets(size);
  for (let bucket = 0; bucket < buckets; bucket++) {
    readPairs(dir, bucket, (taskA, a, taskB, b) =>
      sets.union(involved.rank(base[taskA]! + a), involved.rank(base[taskB]! + b)),
    );
  }
  const sizes = new Uint32Array(size);
  const keptTask = new Uint32Array(size);
  const keptDocument = new Uint32Array(size);
  const best = new Float64Array(size);
  const value = valueIn(corpus);
  let rank = 0;
  counts.forEach((_, task) => {
    eachFacts(tasks.places[task]!, (document, facts) => {
      if (!involved.has(base[task]! + document)) return;
      const root = sets.find(rank++);
      const own = value(task, facts);
      const isFirst = sizes[root]!++ === 0;
      if (!isFirst) {
        if (keep === "first" || own < best[root]!) return;
        const tie = own === best[root];
        if (tie && !idBefore(lookup, task, document, keptTask[root]!, keptDocument[root]!)) return;
      }
      best[root] = own;
      keptTask[root] = task;
      keptDocument[root] = document;
    });
  });
  return visit =>
    counts.forEach((count, task) => {
      for (let document = 0; document < count; document++) {
        const number = base[task]! + document;
        if (!involved.has(number)) continue;
        const root = sets.find(involved.rank(number));
        visit(task, document, keptTask[root]!, keptDocument[root]!, sizes[root]!);
      }
    });
}

/** The same clusters by sorting on disk, within any memory. */
export function clustersOnDisk(corpus: Corpus, memory: number): (visit: VisitMember) => void {
  const { dir, buckets, keep, lookup } = corpus;
  const temporary = (what: string) => (n: number) => temporaryName(roundPath(dir, "clusters", n, what));
  const { stars } = contract(
    emit => {
      for (let bucket = 0; bucket < buckets; bucket++) readPairs(dir, bucket, emit);
    },
    Math.floor(memory / 2),
    temporary("edges"),
  );
  const half = Math.floor(memory / 4);
  const byRoot = createSorter(4, half, temporary("roots"));
  stars((task, document, rootTask, root) => {
    byRoot.add(rootTask, root, task, document);
    byRoot.add(rootTask, root, rootTask, root);
  });
  const value = valueIn(corpus);
  /** First pass: each cluster's kept document and size to one file, its members to another, both by root. */
  const [chosenPath, memberPath] = [temporary("kept")(0), temporary("members")(0)];
  const chosen = createChecked<null>(chosenPath);
  const chosenWriter = recordWriter(chosen, 5);
  const members = createChecked<null>(memberPath);
  const memberWriter = recordWriter(members, 4);
  let cluster = { rootTask: -1, root: -1, keptTask: 0, kept: 0, size: 0, best: 0 };
  const close = () => {
    if (cluster.size > 0)
      chosenWriter.push(cluster.rootTask, cluster.root, cluster.keptTask, cluster.kept, cluster.size);
  };
  byRoot.drain(record => {
    const [rootTask, root, task, document] = record as unknown as [number, number, number, number];
    memberWriter.push(rootTask, root, task, document);
    const own = keep === "first" ? 0 : value(task, lookup.facts(task, document));
    if (rootTask !== cluster.rootTask || root !== cluster.root) {
      close();
      cluster = { rootTask, root, keptTask: task, kept: document, size: 1, best: own };
      return;
    }
    cluster.size++;
    if (keep === "first" || own < cluster.best) return;
    const tie = own === cluster.best;
    if (tie && !idBefore(lookup, task, document, cluster.keptTask, cluster.kept)) return;
    cluster = { ...cluster, keptTask: task, kept: document, best: own };
  });
  close();
  const finished = (file: typeof chosen, writer: typeof chosenWriter) => {
    writer.flush();
    const section = file.endSection();
    file.commit(null);
    return section;
  };
  const chosenSection = finished(chosen, chosenWriter);
  const memberSection = finished(members, memberWriter);
  /** Second pass: every member beside its cluster's kept document, then in the order of the documents. */
  const result = createSorter(5, half, temporary("result"));
  const [chosenFile, memberFile] = [openChecked<null>(chosenPath), openChecked<null>(memberPath)];
  try {
    const kept = readRecords(chosenFile, chosenSection, 5, 1 << 16);
    const all = readRecords(memberFile, memberSection, 4, 1 << 16);
    while (all.next()) {
      const [rootTask, root, task, document] = all.data.subarray(all.at, all.at + 4);
      while (kept.at < 0 || kept.data[kept.at] !== rootTask || kept.data[kept.at + 1] !== root)
        if (!kept.next()) throw new Damaged(chosenPath, "a cluster is missing");
      const [, , keptTask, keptDocument, size] = kept.data.subarray(kept.at, kept.at + 5);
      result.add(task!, document!, keptTask!, keptDocument!, size!);
    }
  } finally {
    chosenFile.close();
    memberFile.close();
    for (const path of [chosenPath, memberPath]) rmSync(path, { force: true });
  }
  return visit =>
    result.drain(record => visit(...(record as unknown as [number, number, number, number, number])));
}

export function writeClusters(
  tasks: Tasks,
  buckets: number,
  keep: Keep,
  { dir, memory }: CorpusContext,
): OutputFile[] {
  const { places, earlier } = tasks;
  const own = places.length - earlier;
  if (own === 0) return [];
  const counts = places.map(place => readTrailer<FactsTrailer>(collectedOf(place, "facts")).documents);
  const lookup = lookUpFacts(places);
  let task = 0;
  let open = openMembers(dir, task);
  const written: OutputFile[] = [];
  const finishTask = () => {
    written.push(open.commit(counts[earlier + task]!));
    task++;
    if (task < own) open = openMembers(dir, task);
  };
  try {
    const corpus = { dir, tasks, buckets, counts, keep, lookup };
    const members = clustersInMemory(corpus, memory) ?? clustersOnDisk(corpus, memory);
    members((memberTask, document, keptTask, keptDocument, size) => {
      if (memberTask < earlier) return;
      while (task < memberTask - earlier) finishTask();
      open.writer.push(document, keptTask, keptDocument, size);
    });
    while (task < own) finishTask();
    return written;
  } catch (error) {
    open.abandon();
    throw error;
  } finally {
    lookup.close();
  }
}

function openMembers(dir: string, task: number) {
  const file = createChecked<MembersTrailer>(membersPath(dir, task));
  const writer = recordWriter(file, memberWords);
  return {
    writer,
    commit(documents: number): OutputFile {
      writer.flush();
      const section = file.endSection();
      return file.commit({ task, documents, members: writer.count, section });
    },
    abandon: () => file.abandon(),
  };
}

function idBefore(lookup: FactsLookup, taskA: number, a: number, taskB: number, b: number): boolean {
  return lookup.id(taskA, a) < lookup.id(taskB, b);
}
