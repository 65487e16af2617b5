/**
 * The phases that handle documents: fetch what is not here; read and filter; for every deduplication a barrier of
 * rounds and another pass. One job a file in every pass: job 7 of the second pass reads what job 7 of the first wrote.
 * The last pass writes the curated corpus.
 */
import { join, relative } from "node:path";
import type { OutputFile } from "../../lib/atomic.ts";
import type { CorpusStage } from "../corpus-stage.ts";
import { readingSettings } from "../fetch/options.ts";
import { fetchPhases } from "../fetch/phase.ts";
import type { RecipeStage } from "../recipe.ts";
import { corpusStages, documentStages } from "../stages.ts";
import { emptyStats } from "../stats.ts";
import { buildStages } from "./build.ts";
import { runDocuments } from "./documents-job.ts";
import { cpuSeconds, type JobContext, type JobReport, type Phase } from "./phase.ts";
import type { Plan } from "./plan.ts";

/** A pass over the documents: `after` is the deduplication applied at its start, `before` the one collected for at its end. */
export type Segment = {
  readonly index: number;
  readonly stages: readonly RecipeStage[];
  readonly after: RecipeStage | null;
  readonly before: RecipeStage | null;
  readonly last: boolean;
};

function segments(plan: Plan): Segment[] {
  const list: { stages: RecipeStage[]; after: RecipeStage | null; before: RecipeStage | null }[] = [
    { stages: [], after: null, before: null },
  ];
  for (const stage of plan.recipe.stages) {
    const last = list[list.length - 1]!;
    if (corpusStages.has(stage.name)) {
      last.before = stage;
      list.push({ stages: [], after: stage, before: null });
    } else if (documentStages.has(stage.name)) last.stages.push(stage);
  }
  return list.map((segment, i) => ({ ...segment, index: i + 1, last: i === list.length - 1 }));
}

/** Folder of a corpus stage in the workdir. */
export const corpusDir = (workdir: string, name: string): string => join(workdir, "work", name);

export function documentPhases(plan: Plan): Phase[] {
  const passes = segments(plan).flatMap(segment => [
    documentsPhase(plan, segment),
    ...(segment.before ? roundPhases(plan, segment.before) : []),
  ]);
  return [...fetchPhases(plan), ...passes];
}

function documentsPhase(plan: Plan, segment: Segment): Phase {
  const { stages, after, before, index, last } = segment;
  const name = `documents-${index}`;
  const first = index === 1;
  const owned = [
    ...(first ? ["read"] : []),
    ...(after ? [after.name] : []),
    ...stages.map(stage => stage.name),
  ];
  let built: ReturnType<typeof buildStages> | null = null;
  return {
    name,
    about: first
      ? "reading and filtering"
      : `removing duplicates${stages.length > 0 ? `, ${stages.map(s => s.name).join(", ")}` : ""}`,
    stages: owned,
    settings: {
      stages: stages.map(({ name, mode, options }) => ({ name, mode, options })),
      apply: after && { name: after.name, options: after.options },
      collect: before && { name: before.name, options: before.options },
      source: first ? readingSettings(plan.recipe.source) : null,
      keepRejected: plan.recipe.keepRejected,
    },
    outputs: [
      ...["work", "decisions", "errors"].map(folder => `${folder}/${name}`),
      ...owned.flatMap(stage => [`measures/${stage}`, `rejected/${stage}`]),
      ...(after ? ["duplicates"] : []),
      ...(before ? [`work/${before.name}/collected`] : []),
      ...(last ? ["documents"] : []),
    ],
    place: "workers",
    total: first ? { bytes: plan.inputs.reduce((sum, input) => sum + input.bytes, 0) } : {},
    jobs: () => plan.inputs.length,
    async run(job, context) {
      built ??= buildStages(plan, stages);
      return runDocuments(plan, segment, job, await built, context);
    },
  };
}

/** The rounds between two passes. */
function roundPhases(plan: Plan, entry: RecipeStage): Phase[] {
  const stage = corpusStages.get(entry.name) as CorpusStage;
  return stage.rounds(entry.options, plan.inputs.length).map(round => ({
    name: `${entry.name}-${round.name}`,
    about: `${entry.name}: ${round.name}`,
    stages: [entry.name],
    settings: { stage: entry.name, options: entry.options, round: round.name },
    outputs: [`work/${entry.name}/${round.name}`],
    place: "workers" as const,
    jobs: () => round.jobs,
    async run(job: number, context: JobContext): Promise<JobReport> {
      const stats = emptyStats(entry.name);
      const [cpu, wall] = [cpuSeconds(), performance.now()];
      const written = await round.run(job, {
        dir: corpusDir(context.workdir, entry.name),
        memory: context.memory,
        seed: plan.recipe.seed,
      });
      stats.cpuSeconds = cpuSeconds() - cpu;
      stats.wallSeconds = (performance.now() - wall) / 1000;
      return { stats: [stats], outputs: relativeTo(context.workdir, written) };
    },
  }));
}

export function relativeTo(workdir: string, files: readonly OutputFile[]): OutputFile[] {
  return files.map(file => ({ ...file, path: relative(workdir, file.path) }));
}
