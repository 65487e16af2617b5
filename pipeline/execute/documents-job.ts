/**
 * One job of a documents phase: documents from an input file or from the pass before, through the line of stages, to
 * the next pass or the curated corpus, with the account of every one of them. Nothing is visible under its final
 * name before the whole job has succeeded.
 */
import { join } from "node:path";
import type { CorpusStage } from "../corpus-stage.ts";
import type { Document } from "../document.ts";
import { openEvents } from "../fetch/read.ts";
import type { RecipeStage } from "../recipe.ts";
import { documentBytes, openLine, type RunningStage } from "../run.ts";
import { corpusStages, documentStages } from "../stages.ts";
import { checkConservation, emptyStats, type StageStats } from "../stats.ts";
import { type Account, openAccount } from "../writers/account.ts";
import { createDocuments } from "../writers/documents.ts";
import { createPassage, readPassage } from "../writers/passage.ts";
import { corpusDir, relativeTo, type Segment } from "./documents.ts";
import { cpuSeconds, type JobContext, type JobReport, partName } from "./phase.ts";
import type { Plan } from "./plan.ts";

const passagePath = (workdir: string, segment: number, job: number) =>
  join(workdir, "work", `documents-${segment}`, `${partName(job)}.passage`);

type Flow = {
  readonly push: (document: Document) => void;
  readonly account: Account;
  readonly context: JobContext;
};

export async function runDocuments(
  plan: Plan,
  segment: Segment,
  job: number,
  stages: readonly RunningStage[],
  context: JobContext,
): Promise<JobReport> {
  const { index, after, before, last } = segment;
  const { workdir, memory } = context;
  const { seed, keepRejected } = plan.recipe;
  const [cpuStart, wallStart] = [cpuSeconds(), performance.now()];
  const measured = stages
    .map(({ name }) => [name, documentStages.get(name)!.measures] as const)
    .filter(([, names]) => names.length > 0);
  const account = openAccount({
    workdir,
    part: partName(job),
    phase: `documents-${index}`,
    seed,
    keepRejected,
    measures: new Map(measured),
    duplicates: segment.duplicates,
  });
  const line = openLine(stages, account, () => performance.now());
  const out = last
    ? createDocuments(join(workdir, "documents", `${partName(job)}.parquet`))
    : createPassage(passagePath(workdir, index, job));
  const gathering = before ? emptyStats(before.name) : null;
  const collector = before
    ? await (corpusStages.get(before.name) as CorpusStage).collect(before.options, {
        dir: corpusDir(workdir, before.name),
        memory,
        seed,
        task: job,
      })
    : null;
  const push = (document: Document) => {
    const leaving = line.push(document);
    if (!leaving) return;
    if (last) account.kept(leaving);
    if (collector) {
      const started = performance.now();
      collector.add(leaving, out.count);
      gathering!.wallSeconds += (performance.now() - started) / 1000;
    }
    out.add(leaving);
  };
  try {
    const flow: Flow = { push, account, context };
    const fed = after ? await fromPassage(plan, after, index, job, flow) : await fromInput(plan, job, flow);
    const started = performance.now();
    const collected = collector ? await collector.finish() : [];
    if (gathering) gathering.wallSeconds += (performance.now() - started) / 1000;
    const outputs = relativeTo(workdir, [out.commit(), ...account.commit(), ...collected]);
    const stats = [fed.first, ...line.stats, ...(gathering ? [gathering] : [])];
    shareTime(stats, cpuSeconds() - cpuStart, (performance.now() - wallStart) / 1000);
    checkConservation(stats);
    return { stats, outputs, ...(fed.warnings.length > 0 ? { warnings: fed.warnings } : {}) };
  } catch (error) {
    out.abandon();
    account.abandon();
    throw error;
  }
}

/** Time that no stage claimed (reading, writing) goes to the first; CPU time is shared as wall time was. */
function shareTime(stats: readonly StageStats[], cpu: number, wall: number): void {
  const claimed = stats.reduce((sum, { wallSeconds }) => sum + wallSeconds, 0);
  stats[0]!.wallSeconds += Math.max(0, wall - claimed);
  for (const stage of stats) stage.cpuSeconds = wall > 0 ? (stage.wallSeconds * cpu) / wall : 0;
}

/** What the line of stages was fed by, and what there is to say of it. */
type Fed = { readonly first: StageStats; readonly warnings: readonly string[] };

async function fromInput(plan: Plan, job: number, { push, account, context }: Flow): Promise<Fed> {
  const input = plan.inputs[job]!;
  const stats = emptyStats("read");
  let seen = 0;
  const { events, warnings } = await openEvents(plan, input, context.openStreamed);
  if (events === null) return { first: { ...stats, notes: { "missing-file": 1 } }, warnings };
  for await (const event of events) {
    if (context.signal.aborted) throw new Error("stopped");
    if (event.kind === "skip") {
      stats.notes ??= {};
      stats.notes[event.type] = (stats.notes[event.type] ?? 0) + 1;
      continue;
    }
    const at = event.kind === "document" ? event.document.at : event.at;
    stats.in++;
    stats.bytesIn += at.length;
    if (event.kind === "document") {
      stats.out++;
      stats.bytesOut += documentBytes(event.document);
      push(event.document);
    } else if (event.kind === "drop") {
      stats.dropped[event.reason] = (stats.dropped[event.reason] ?? 0) + 1;
      account.dropped(
        "read",
        { id: event.id, url: event.url, text: "", at },
        { drop: event.reason, value: event.value },
      );
    } else {
      stats.failed++;
      account.failed("read", "", null, at, event.code, event.message);
    }
    const elsewhere = at.file !== input.name;
    const end = Math.min(input.bytes, (elsewhere ? seen : at.offset) + at.length);
    context.progress({ documents: 1, bytes: Math.max(0, end - seen) });
    seen = Math.max(seen, end);
  }
  context.progress({ bytes: input.bytes - seen });
  return { first: stats, warnings };
}

async function fromPassage(
  plan: Plan,
  after: RecipeStage,
  index: number,
  job: number,
  { push, account, context }: Flow,
): Promise<Fed> {
  const { workdir, memory } = context;
  const stage = corpusStages.get(after.name) as CorpusStage;
  const stats = emptyStats(after.name);
  const judge = await stage.apply(after.options, {
    dir: corpusDir(workdir, after.name),
    memory,
    seed: plan.recipe.seed,
    task: job,
  });
  for (const document of readPassage(passagePath(workdir, index - 1, job))) {
    if (context.signal.aborted) throw new Error("stopped");
    const { verdict, membership } = judge(document, stats.in++);
    stats.bytesIn += documentBytes(document);
    if (membership) account.member(document.id, membership);
    if ("drop" in verdict) {
      stats.dropped[verdict.drop] = (stats.dropped[verdict.drop] ?? 0) + 1;
      account.dropped(after.name, document, verdict);
    } else {
      stats.out++;
      stats.bytesOut += documentBytes(verdict.keep);
      push(verdict.keep);
    }
    context.progress({ documents: 1 });
  }
  return { first: stats, warnings: [] };
}
