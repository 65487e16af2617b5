/**
 * The frame every deduplication by keys shares: collect keys and facts, pair equal keys bucket by bucket, cluster,
 * list removals, judge. What a key is made of is the stage's own business: a bucket of a signature, a hash of the
 * text, an address.
 */
import type { Collector, CorpusContext, Membership, Round } from "../corpus-stage.ts";
import type { Document } from "../document.ts";
import type { Verdict } from "../stage.ts";
import { createKeys } from "./band-keys.ts";
import { type Keep, writeClusters } from "./clusters.ts";
import { type Tasks, tasksOf } from "./earlier.ts";
import { createFacts } from "./facts.ts";
import { writePairs } from "./pairs.ts";
import { type MemberOf, readRemovals, writeRemovals } from "./removals.ts";
import { keyWords } from "./signature.ts";

/** Fills `keys` (`keyWords` for each bucket) and says whether the document has any. */
export type FillKeys = (document: Document, keys: Uint32Array) => boolean;

type TaskContext = CorpusContext & { readonly task: number };

export function collectKeyed(
  { dir, task, memory }: TaskContext,
  buckets: number,
  fill: FillKeys,
  shinglesOf: (() => Uint32Array) | null = null,
): Collector {
  const facts = createFacts(dir, task, shinglesOf !== null);
  const keys = createKeys(dir, task, buckets, Math.floor(memory / 4));
  const documentKeys = new Uint32Array(buckets * keyWords);
  return {
    add(document, index) {
      if (index !== facts.count) throw new Error(`document ${index} came where ${facts.count} was expected`);
      const keyed = fill(document, documentKeys);
      facts.add(document, keyed && shinglesOf ? shinglesOf() : null);
      if (keyed) keys.add(index, documentKeys);
    },
    finish: () => [keys.commit(facts.count), ...facts.commit()],
  };
}

const ownTasks = (tasks: number) => (dir: string) => tasksOf(dir, tasks, [], {}, false);

/**
 * `verify`: the part of their shingles that two documents with equal keys must share, null for none. `tasksIn` gives
 * the tasks to look at for the stage's folder; by default this run's own.
 */
export function keyedRounds(
  buckets: number,
  tasks: number,
  keep: Keep,
  verify: number | null,
  tasksIn: (dir: string) => Tasks = ownTasks(tasks),
): Round[] {
  return [
    {
      name: "buckets",
      jobs: buckets,
      run: (job, context) => writePairs(job, tasksIn(context.dir), verify, context),
    },
    {
      name: "clusters",
      jobs: 1,
      run: (_, context) => writeClusters(tasksIn(context.dir), buckets, keep, context),
    },
    {
      name: "removals",
      jobs: tasks,
      run: (job, context) => writeRemovals(job, tasksIn(context.dir), context),
    },
  ];
}

type Applied = (
  document: Document,
  index: number,
) => { readonly verdict: Verdict; readonly membership: Membership | null };

/** `kept` gives a document that stays, with its cluster or null. */
export function applyKeyed(
  { dir, task }: TaskContext,
  kept: (document: Document, member: MemberOf | null) => Document,
): Applied {
  const memberOf = readRemovals(dir, task);
  return (document, index) => {
    const member = memberOf(document, index);
    if (!member) return { verdict: { keep: kept(document, null) }, membership: null };
    const { isKept, ...membership } = member;
    const verdict: Verdict = isKept
      ? { keep: kept(document, member) }
      : { drop: "duplicate", value: member.kept };
    return { verdict, membership };
  };
}
