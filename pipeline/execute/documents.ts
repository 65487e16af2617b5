/**
 * The phases that handle documents: fetch what is not here; read and filter; for every deduplication a barrier of
 * rounds and another pass. One job a file in every pass: job 7 of the second pass reads what job 7 of the first wrote.
 * The last pass writes the curated corpus.
 */
import { join, relative } from "node:path";
import type { OutputFile } from "../../lib/atomic.ts";
import type { CorpusStage } from "../corpus-stage.ts";
import { ChangedInput } from "../fetch/changed-input.ts";
import { readingSettings } from "../fetch/options.ts";
import { fetchPhases } from "../fetch/phase.ts";

import { inputKeys, type RecipeStage } from "../recipe.ts";
import { corpusStages, documentStages } from "../stages.ts";
import { emptyStats } from "../stats.ts";
import { buildStages } from "./build.ts";
import { cpuSeconds, type JobContext, type JobReport, type Phase } from "./phase.ts";
import type { Plan } from "./plan.ts";

/** A pass over the documents: `after` is the deduplication applied at its start, `before` the one collected for at its end. */
export type Segment = {
  readonly index: number;
  readonly stages: readonly RecipeStage[];
  readonly after: RecipeStage | null;
  readonly before: RecipeStage | null;
  readonly last: boolean;
  /** Folder for the clusters of `after`: a folder of its own where several stages remove duplicates. */
  readonly duplicates: string | null;
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
  return list.map((segment, i) => ({
    ...segment,
    index: i + 1,
    last: i === list.length - 1,
    duplicates: segment.after && (list.length > 2 ? `duplicates/${segment.after.name}` : "duplicates"),
  }));
}

/** How often an input is begun that is another one before it has been read to its end. */
const triesOfInput = 3;

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
  const { stages, after, before, index, last, duplicates } = segment;
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
    reads: first ? "input" : "all",
    settings: {
      ...(first ? { source: readingOf(plan) } : {}),
      ...(after ? { [after.name]: after.options } : {}),
      ...Object.fromEntries(stages.map(stage => [stage.name, stageSettings(plan, stage)])),
      ...(before ? { [before.name]: collectedOf(before) } : {}),
      order: owned,
      last,
    },
    local: { keepRejected: plan.recipe.keepRejected, duplicates },
    outputs: [
      ...["work", "decisions", "errors"].map(folder => `${folder}/${name}`),
      ...owned.flatMap(stage => [`measures/${stage}`, `rejected/${stage}`]),
      ...(duplicates ? [duplicates] : []),
      ...(before ? [`work/${before.name}/collected`] : []),
      ...(last ? ["documents"] : []),
    ],
    place: "workers",
    total: first ? { bytes: plan.inputs.reduce((sum, input) => sum + input.bytes, 0) } : {},
    jobs: () => plan.inputs.length,
    async run(job, context) {
      const { runDocuments } = await import("./documents-job.ts");
      built ??= buildStages(plan, stages);
      const running = await built;
      for (let tries = 1; ; tries++) {
        try {
          return await runDocuments(plan, segment, job, running, context);
        } catch (error) {
          // Nothing of the job is visible yet: it begins again with the version the host has now.
          if (!(error instanceof ChangedInput) || tries === triesOfInput) throw error;
          context.progress({ note: error.message });
        }
      }
    },
  };
}

/** A stage's mode and options, and what the files it reads contain. */
function stageSettings(plan: Plan, { name, mode, options }: RecipeStage): Record<string, unknown> {
  return { ...(mode === "drop" ? {} : { mode }), ...options, ...contents(plan, name) };
}

/** What the files that a stage reads contain. */
function contents({ files }: Plan, name: string): Record<string, string> {
  const mine = files.filter(file => file.stage === name);
  return Object.fromEntries(mine.map(({ path, sha256 }) => [`file ${path}`, sha256]));
}

function collectedOf({ name, options }: RecipeStage): unknown {
  const stage = corpusStages.get(name) as CorpusStage;
  return stage.collected?.(options) ?? options;
}

/** How inputs are read. Which ones are read the list of inputs says. */
function readingOf(plan: Plan): Record<string, unknown> {
  const { files: _, ...source } = readingSettings(plan.recipe.source);
  const kind = (value: unknown) => (Array.isArray(value) && value.length > 0 ? "files" : value);
  return Object.fromEntries(
    Object.entries(source).map(([key, value]) => [
      key,
      (inputKeys as readonly string[]).includes(key) ? kind(value) : value,
    ]),
  );
}

/** The rounds between two passes. */
function roundPhases(plan: Plan, entry: RecipeStage): Phase[] {
  const stage = corpusStages.get(entry.name) as CorpusStage;
  return stage.rounds(entry.options, plan.inputs.length).map(round => ({
    name: `${entry.name}-${round.name}`,
    about: `${entry.name}: ${round.name}`,
    stages: [entry.name],
    settings: { [entry.name]: { ...entry.options, ...contents(plan, entry.name) } },
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
