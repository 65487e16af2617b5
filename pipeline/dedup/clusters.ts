/**
 * Pairs to clusters: documents connected by pairs, however long the chain, are one cluster, of which one is kept. One
 * job, because connection is global; writes for each task which of its documents are in a cluster, with the kept one
 * and the size (`clusters/<task>.members`). Which one is kept depends on the documents alone: by the policy, ties
 * by id; `first` by the order of the inputs.
 */
import type { OutputFile } from "../../lib/atomic.ts";
import type { CorpusContext } from "../corpus-stage.ts";
import {
  createChecked,
  openChecked,
  readRecords,
  readTrailer,
  recordWriter,
  type Section,
} from "./checked-file.ts";
import { disjointSets, rankedSet } from "./disjoint-sets.ts";
import {
  type Facts,
  type FactsLookup,
  type FactsTrailer,
  factBytes,
  lookUpFacts,
  readFacts,
} from "./facts.ts";
import { readPairs } from "./pairs.ts";
import { collectedPath, roundPath } from "./paths.ts";

export const keepPolicies = ["first", "longest", "newest"] as const;
export type Keep = (typeof keepPolicies)[number];

/** Document, task and number of the kept one, size of the cluster. */
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
function eachFacts(dir: string, task: number, visit: (document: number, facts: Facts) => void): void {
  const file = openChecked<FactsTrailer>(collectedPath(dir, task, "facts"));
  try {
    const records = readRecords(file, file.trailer.section, factBytes / 4, 1 << 18);
    const view = new DataView(records.data.buffer);
    for (let document = 0; records.next(); document++) visit(document, readFacts(view, records.at * 4));
  } finally {
    file.close();
  }
}

export function writeClusters(
  tasks: number,
  buckets: number,
  keep: Keep,
  { dir }: CorpusContext,
): OutputFile[] {
  const counts = Array.from(
    { length: tasks },
    (_, task) => readTrailer<FactsTrailer>(collectedPath(dir, task, "facts")).documents,
  );
  /** Number of a task's first document among all documents. */
  const base: number[] = [];
  let total = 0;
  for (const count of counts) {
    base.push(total);
    total += count;
  }
  const involved = rankedSet(total);
  for (let bucket = 0; bucket < buckets; bucket++) {
    readPairs(dir, bucket, (taskA, a, taskB, b) => {
      involved.add(base[taskA]! + a);
      involved.add(base[taskB]! + b);
    });
  }
  const size = involved.seal();
  const sets = disjointSets(size);
  for (let bucket = 0; bucket < buckets; bucket++) {
    readPairs(dir, bucket, (taskA, a, taskB, b) =>
      sets.union(involved.rank(base[taskA]! + a), involved.rank(base[taskB]! + b)),
    );
  }

  const sizes = new Uint32Array(size);
  const keptTask = new Uint32Array(size);
  const keptDocument = new Uint32Array(size);
  const lookup = lookUpFacts(dir);
  try {
    chooseKept();
    return counts.map((count, task) => writeMembers(task, count));
  } finally {
    lookup.close();
  }

  function chooseKept(): void {
    const value = preference[keep];
    const best = keep === "first" ? null : new Float64Array(size);
    let rank = 0;
    for (let task = 0; task < tasks; task++) {
      const consider = (document: number, facts: Facts | null) => {
        const root = sets.find(rank++);
        const isFirst = sizes[root] === 0;
        sizes[root]!++;
        if (!isFirst && !(best && facts)) return;
        const own = facts ? value(facts) : 0;
        if (!isFirst) {
          if (own < best![root]!) return;
          if (own === best![root] && !idBefore(lookup, task, document, keptTask[root]!, keptDocument[root]!))
            return;
        }
        if (best) best[root] = own;
        keptTask[root] = task;
        keptDocument[root] = document;
      };
      if (best)
        eachFacts(dir, task, (document, facts) => {
          if (involved.has(base[task]! + document)) consider(document, facts);
        });
      else
        for (let document = 0; document < counts[task]!; document++)
          if (involved.has(base[task]! + document)) consider(document, null);
    }
  }

  function writeMembers(task: number, documents: number): OutputFile {
    const file = createChecked<MembersTrailer>(membersPath(dir, task));
    try {
      const writer = recordWriter(file, memberWords);
      for (let document = 0; document < documents; document++) {
        const number = base[task]! + document;
        if (!involved.has(number)) continue;
        const root = sets.find(involved.rank(number));
        writer.push(document, keptTask[root]!, keptDocument[root]!, sizes[root]!);
      }
      writer.flush();
      const section = file.endSection();
      return file.commit({ task, documents, members: writer.count, section });
    } catch (error) {
      file.abandon();
      throw error;
    }
  }
}

function idBefore(lookup: FactsLookup, taskA: number, a: number, taskB: number, b: number): boolean {
  return lookup.id(taskA, a) < lookup.id(taskB, b);
}
