/**
 * Runs a plan's phases in order, or goes on where an earlier run stopped. Knows phases and jobs, not what they do.
 * A job is done when its report exists and its files are whole. A phase whose key changed is redone, and so is what
 * depends on it; where only the list of inputs changed, the jobs of the inputs that stayed are kept. A file found
 * damaged, at the start or when a later job reads it, costs the job that wrote it. All state is in the workdir.
 */
import { existsSync } from "node:fs";
import { join, relative } from "node:path";
import { type OutputFile, writeAtomic } from "../../lib/atomic.ts";
import { DamagedFile, UserError } from "../../lib/errors.ts";
import { type StageStats, sumStats } from "../stats.ts";
import type { Executor, JobFailure } from "./executor.ts";
import type { JobProgress, JobReport, Phase } from "./phase.ts";
import { type PhaseKeys, type Plan, planKeys } from "./plan.ts";
import { begin, tellChanges } from "./prepare.ts";
import { begunPhases, forgetReport, readKey, readReport, reportedJobs, sweepTemporary } from "./reports.ts";
import { type PhaseState, type RunState, readRunState, writeRunState } from "./state.ts";
import { taskRunner } from "./task.ts";

export { type RunState, readRunState } from "./state.ts";

export type RunEvents = {
  /** A phase begins: how many jobs it has and how many of them are done already. */
  phase(phase: Phase, jobs: number, done: number): void;
  progress(phase: Phase, progress: JobProgress): void;
  job(phase: Phase, job: number, report: JobReport): void;
  end(phase: Phase, stats: readonly StageStats[], fresh: boolean): void;
  /** Something a person should know: a phase redone and why, a damaged file, a warning of a job. */
  say(line: string): void;
};

export type ExecuteOptions = {
  readonly plan: Plan;
  readonly phases: readonly Phase[];
  readonly executor: Executor;
  readonly signal: AbortSignal;
  readonly on: RunEvents;
  /** Stop after this phase. */
  readonly until?: string;
  /** Compare every file with its checksum first, however much that is. */
  readonly verify?: boolean;
};

/**
 * Bytes that are compared with their checksums before a run goes on, about 20 s; of more only the sizes. What later
 * jobs read they check themselves, so a crawl of terabytes need not be read again to be trusted.
 */
const comparedAtStart = 20e9;

/** How often one file may be found damaged before the run gives up: a disk that corrupts what it is given. */
const repairs = 3;

/** Statistics of every stage, in recipe order, written to stats.json as phases end. */
export async function execute(options: ExecuteOptions): Promise<StageStats[]> {
  const { plan, phases, signal, on, until, verify = false } = options;
  const { workdir } = plan;
  const keys = planKeys(plan, phases);
  const earlier = readRunState(workdir);
  const begun = begunPhases(workdir).length > 0;
  const changed = tellChanges(plan, phases, keys, on.say);
  const cutOff = begun && earlier?.state !== "done";
  if (cutOff && !options.executor.busy?.() && sweepTemporary(workdir) > 0)
    on.say("removed the unfinished files of a run that was cut off");
  const state: RunState = {
    state: "running",
    version: plan.version,
    node: process.version,
    name: plan.recipe.name,
    phases: Object.fromEntries(
      phases.map((phase, i) => [
        phase.name,
        { ...timesOf(earlier?.phases[phase.name]), key: keys[i]!.whole, state: "waiting" as const },
      ]),
    ),
  };
  const save = (change: Partial<RunState> = {}) => writeRunState(workdir, { ...state, ...change });
  const collected: (readonly StageStats[])[] = phases.map(() => []);
  const unchecked = new Set(cutOff || changed || verify ? phases : []);
  const compare = { left: verify ? Number.POSITIVE_INFINITY : comparedAtStart };
  const damages = new Map<string, number>();
  const runTask = taskRunner(plan, phases);
  let atWork: PhaseState | null = null;
  save();
  try {
    for (let i = 0; i < phases.length; i++) {
      const phase = phases[i]!;
      const entry = state.phases[phase.name]!;
      atWork = entry;
      begin(plan, phases, i, keys[i]!, on.say);
      const found = await look(options, phase, keys[i]!, unchecked.delete(phase) ? compare : null);
      on.phase(phase, found.jobs, found.jobs - found.pending.length);
      if (found.pending.length > 0) {
        if (found.pending.length === found.jobs || !entry.started) entry.started = new Date().toISOString();
        Object.assign(entry, { jobs: found.jobs, state: "running" });
        delete entry.finished;
        save();
        const failures = await runJobs(options, phase, found, runTask);
        if (failures.length > 0) {
          const writer = damagedWriter(plan, phases.slice(0, i + 1), failures, damages, on.say);
          if (writer === null) throw failed(phase, failures);
          entry.state = "waiting";
          i = writer - 1;
          continue;
        }
        entry.finished = new Date().toISOString();
      }
      collected[i] = found.stats.list();
      on.end(phase, collected[i]!, found.pending.length > 0);
      entry.state = "done";
      entry.finished ??= new Date().toISOString();
      writeStats(plan, collected);
      save();
      atWork = null;
      if (phase.name !== until) continue;
      for (let later = i + 1; later < phases.length; later++)
        collected[later] = earlierStats(workdir, phases[later]!, keys[later]!);
      break;
    }
    const stats = writeStats(plan, collected);
    save({ state: until && phases[phases.length - 1]!.name !== until ? "stopped" : "done" });
    return stats;
  } catch (error) {
    const ended = signal.aborted ? "stopped" : "failed";
    if (atWork) Object.assign(atWork, { state: ended }, signal.aborted ? {} : { error: inWords(error) });
    try {
      if (existsSync(workdir)) save({ state: ended });
    } catch {
      // A full disk or a folder taken away: what went wrong first is what the user must hear.
    }
    throw error;
  }
}

/** Of an earlier run's note of a phase: how many jobs it had and when they ran. */
function timesOf(earlier: PhaseState | undefined): Pick<PhaseState, "jobs" | "started" | "finished"> {
  const { jobs, started, finished } = earlier ?? {};
  return { ...(jobs ? { jobs } : {}), ...(started ? { started } : {}), ...(finished ? { finished } : {}) };
}

/** What went wrong, and on a second line what its user can do. */
function inWords(error: unknown): string {
  const hint = error instanceof UserError && error.hint ? `\n${error.hint}` : "";
  return `${error instanceof Error ? error.message : error}${hint}`;
}

type Found = {
  readonly jobs: number;
  readonly pending: readonly number[];
  /** Of the jobs that are done; those of the others are added as they end. */
  readonly stats: ReturnType<typeof sumStats>;
};

/** Which jobs of a phase are done, by their reports; `compare` is how many bytes may still be compared. */
async function look(
  { plan, on }: ExecuteOptions,
  phase: Phase,
  keys: PhaseKeys,
  compare: { left: number } | null,
): Promise<Found> {
  const { workdir } = plan;
  const jobs = await phase.jobs({ workdir, memory: plan.recipe.memory });
  const pending: number[] = [];
  const stats = sumStats();
  for (let job = 0; job < jobs; job++) {
    const found = readReport(workdir, phase.name, job, compare !== null && compare.left > 0);
    if (compare && found.state === "done")
      for (const { bytes } of found.report.outputs) compare.left -= bytes;
    if (found.state === "damaged") {
      on.say(`${found.path} is damaged or missing: redoing job ${job} of ${phase.name}`);
      forgetReport(workdir, phase.name, job);
    }
    if (found.state === "done" && found.report.key === keys.job(job)) stats.add(found.report.stats);
    else pending.push(job);
  }
  return { jobs, pending, stats };
}

async function runJobs(
  { plan, executor, signal, on }: ExecuteOptions,
  phase: Phase,
  { pending, stats }: Found,
  runTask: ReturnType<typeof taskRunner>,
): Promise<readonly JobFailure[]> {
  const progress = (step: JobProgress) => on.progress(phase, step);
  const done = (job: number, report: JobReport) => {
    stats.add(report.stats);
    on.job(phase, job, report);
    for (const warning of report.warnings ?? []) on.say(warning);
  };
  if (phase.place === "workers" || executor.takesMain?.(phase))
    return executor.run(phase, pending, { progress, done });
  for (const job of pending) {
    try {
      const report = await runTask({ phase: phase.name, job }, { signal, progress });
      done(job, report);
    } catch (error) {
      signal.throwIfAborted();
      if (!existsSync(plan.workdir)) throw error;
      return [{ job, error: error as Error }];
    }
  }
  return [];
}

/**
 * When jobs failed because a file they read is damaged: forgets the report of the job that wrote it and gives that
 * job's phase, to go on from there. A job that failed for no reason of its own may have read one too, and one that
 * found a file damaged may have been misled by another, so where no named file differs from its checksum every file
 * written so far is compared.
 */
function damagedWriter(
  { workdir }: Plan,
  phases: readonly Phase[],
  failures: readonly JobFailure[],
  damages: Map<string, number>,
  say: (line: string) => void,
): number | null {
  const named = failures.flatMap(({ error }) => (error instanceof DamagedFile ? [error.path] : []));
  if (named.length === 0 && failures.every(({ error }) => error instanceof UserError || isFault(error)))
    return null;
  const wanted = new Set(named.map(path => relative(workdir, path)));
  let found = wanted.size > 0 ? damagedJobs(workdir, phases, ({ path }) => wanted.has(path)) : [];
  if (found.length === 0) found = damagedJobs(workdir, phases, () => true);
  for (const { phase, job, path } of found) {
    damages.set(path, (damages.get(path) ?? 0) + 1);
    if (damages.get(path)! > repairs) return null;
    say(`${join(workdir, path)} is damaged or missing: redoing job ${job} of ${phases[phase]!.name}`);
    forgetReport(workdir, phases[phase]!.name, job);
  }
  return found[0]?.phase ?? null;
}

type DamagedJob = { readonly phase: number; readonly job: number; readonly path: string };

/** Jobs whose report is damaged, or one of whose files that `wants` names differs from its checksum; in order. */
function damagedJobs(
  workdir: string,
  phases: readonly Phase[],
  wants: (file: OutputFile) => boolean,
): DamagedJob[] {
  return phases.flatMap(({ name }, phase) =>
    reportedJobs(workdir, name).flatMap(job => {
      const sizes = readReport(workdir, name, job, false);
      const found =
        sizes.state === "done" && sizes.report.outputs.some(wants)
          ? readReport(workdir, name, job, true)
          : sizes;
      return found.state === "damaged" ? [{ phase, job, path: relative(workdir, found.path) }] : [];
    }),
  );
}

/** The machine's fault (disk full, no permission), not a file's. */
const isFault = (error: Error): boolean =>
  ["ENOSPC", "EDQUOT", "EACCES", "EPERM", "EROFS", "EMFILE", "ENFILE"].includes(
    (error as NodeJS.ErrnoException).code ?? "",
  );

function failed(phase: Phase, failures: readonly JobFailure[]): Error {
  const { job, error } = failures.find(failure => failure.error instanceof UserError) ?? failures[0]!;
  if (error instanceof UserError || isFault(error)) return error;
  const others =
    failures.length > 1 ? ` (and ${failures.length - 1} other job${failures.length > 2 ? "s" : ""})` : "";
  const wrapped = new Error(`job ${job} of ${phase.name} failed${others}: ${error.message}`);
  if (error.stack) wrapped.stack = error.stack;
  return wrapped;
}

/** What a phase that is not run now left from an earlier run of the same recipe. */
function earlierStats(workdir: string, phase: Phase, keys: PhaseKeys): StageStats[] {
  const stats = sumStats();
  if (readKey(workdir, phase.name) === keys.key) {
    for (const job of reportedJobs(workdir, phase.name)) {
      const found = readReport(workdir, phase.name, job, false);
      if (found.state === "done" && found.report.key === keys.job(job)) stats.add(found.report.stats);
    }
  }
  return stats.list();
}

/** Stages as the recipe orders them, `read` first. */
function writeStats({ workdir, recipe }: Plan, collected: readonly (readonly StageStats[])[]): StageStats[] {
  const sum = sumStats();
  for (const stats of collected) sum.add(stats);
  const order = ["read", ...recipe.stages.map(stage => stage.name)];
  const stages = sum.list().sort((a, b) => order.indexOf(a.name) - order.indexOf(b.name));
  writeAtomic(join(workdir, "stats.json"), `${JSON.stringify({ stages }, null, 2)}\n`);
  return stages;
}

/** Where the plan lies for other threads, processes and machines to read. */
export const planPath = ({ workdir }: Pick<Plan, "workdir">): string => join(workdir, "work", "plan.json");

export function writePlan(plan: Plan): void {
  writeAtomic(planPath(plan), `${JSON.stringify(plan, null, 2)}\n`);
}
