/**
 * Runs a plan's phases in order, or goes on where an earlier run stopped. Knows phases and jobs, not what they do.
 * A job is done when its report exists and its files are whole; a phase whose key changed is redone, and so is
 * everything after it. All state is in the workdir.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { writeAtomic } from "../../lib/atomic.ts";
import { UserError } from "../../lib/errors.ts";
import { mergeStats, type StageStats } from "../stats.ts";
import type { JobProgress, JobReport, Phase } from "./phase.ts";
import { type Plan, phaseKeys } from "./plan.ts";
import { forgetReport, readKey, readReport, resetPhase, sweepTemporary, writeReport } from "./reports.ts";
import type { Pool } from "./workers.ts";

export type RunEvents = {
  /** A phase begins: how many jobs it has and how many of them are done already. */
  phase(phase: Phase, jobs: number, done: number): void;
  progress(phase: Phase, progress: JobProgress): void;
  job(phase: Phase, job: number, report: JobReport): void;
  end(phase: Phase, stats: readonly StageStats[], fresh: boolean): void;
  /** Something a person should know: a phase redone and why, a damaged file, a warning of a job. */
  say(line: string): void;
};

export type RunState = {
  readonly state: "running" | "done" | "failed" | "stopped";
  readonly version: string;
  readonly node: string;
  readonly name: string;
  readonly phases: Record<
    string,
    {
      key: string;
      state: "waiting" | "running" | "done" | "failed";
      jobs?: number;
      started?: string;
      finished?: string;
    }
  >;
};

export type ExecuteOptions = {
  readonly plan: Plan;
  readonly phases: readonly Phase[];
  readonly pool: Pool;
  readonly signal: AbortSignal;
  readonly on: RunEvents;
  /** Stop after this phase. */
  readonly until?: string;
};

export function readRunState(workdir: string): RunState | null {
  try {
    return JSON.parse(readFileSync(join(workdir, "run.json"), "utf8")) as RunState;
  } catch {
    return null;
  }
}

/** Statistics of every stage, in recipe order, written to stats.json as phases end. */
export async function execute({
  plan,
  phases,
  pool,
  signal,
  on,
  until,
}: ExecuteOptions): Promise<StageStats[]> {
  const { workdir } = plan;
  const keys = phaseKeys(plan, phases);
  const earlier = readRunState(workdir);
  const thorough = earlier !== null && earlier.state !== "done";
  if (thorough && sweepTemporary(workdir) > 0)
    on.say("removed the unfinished files of a run that was cut off");
  const state: RunState = {
    state: "running",
    version: plan.version,
    node: process.version,
    name: plan.recipe.name,
    phases: Object.fromEntries(
      phases.map((phase, i) => [
        phase.name,
        { ...earlier?.phases[phase.name], key: keys[i]!, state: "waiting" as const },
      ]),
    ),
  };
  const save = (change: Partial<RunState> = {}) =>
    writeAtomic(join(workdir, "run.json"), `${JSON.stringify({ ...state, ...change }, null, 2)}\n`);
  const collected: StageStats[][] = [];
  let redoing = false;
  save();
  try {
    for (const [i, phase] of phases.entries()) {
      const entry = state.phases[phase.name]!;
      const key = readKey(workdir, phase.name);
      if (key !== keys[i]) {
        if (key !== null && !redoing)
          on.say(
            `the recipe or its inputs changed: redoing ${phase.name} (${phase.about}) and what comes after it`,
          );
        if (key !== null) redoing = true;
        resetPhase(workdir, phase, keys[i]!);
      }
      const reports = await runPhase(
        phase,
        { workdir, memory: plan.recipe.memory },
        pool,
        thorough,
        signal,
        on,
        (jobs, fresh) => {
          entry.jobs = jobs;
          entry.state = "running";
          if (fresh || !entry.started) entry.started = new Date().toISOString();
          save();
        },
      );
      const stats = mergeStats(reports.map(report => report.stats));
      collected.push(stats);
      if (entry.state === "running" || !entry.finished) entry.finished = new Date().toISOString();
      entry.state = "done";
      writeAtomic(
        join(workdir, "stats.json"),
        `${JSON.stringify({ stages: inOrder(plan, mergeStats(collected)) }, null, 2)}\n`,
      );
      save();
      if (phase.name !== until) continue;
      const rest = phases.slice(i + 1).map((later, j) => earlierReports(workdir, later, keys[i + 1 + j]!));
      collected.push(...rest.map(reports => mergeStats(reports.map(report => report.stats))));
      break;
    }
    const merged = inOrder(plan, mergeStats(collected));
    writeAtomic(join(workdir, "stats.json"), `${JSON.stringify({ stages: merged }, null, 2)}\n`);
    save({ state: until && phases[phases.length - 1]!.name !== until ? "stopped" : "done" });
    return merged;
  } catch (error) {
    if (existsSync(workdir)) save({ state: signal.aborted ? "stopped" : "failed" });
    throw error;
  }
}

/** What a phase that is not run now left from an earlier run of the same recipe. */
function earlierReports(workdir: string, phase: Phase, key: string): JobReport[] {
  if (readKey(workdir, phase.name) !== key) return [];
  const reports: JobReport[] = [];
  for (let job = 0; ; job++) {
    const found = readReport(workdir, phase.name, job, false);
    if (found.state !== "done") return reports;
    reports.push(found.report);
  }
}

async function runPhase(
  phase: Phase,
  context: { readonly workdir: string; readonly memory: number },
  pool: Pool,
  thorough: boolean,
  signal: AbortSignal,
  on: RunEvents,
  started: (jobs: number, fresh: boolean) => void,
): Promise<JobReport[]> {
  const { workdir } = context;
  const jobs = await phase.jobs(context);
  const reports = new Map<number, JobReport>();
  const pending: number[] = [];
  for (let job = 0; job < jobs; job++) {
    const found = readReport(workdir, phase.name, job, thorough);
    if (found.state === "damaged") {
      on.say(`${found.path} is damaged or missing: redoing job ${job} of ${phase.name}`);
      forgetReport(workdir, phase.name, job);
    }
    if (found.state === "done") reports.set(job, found.report);
    else pending.push(job);
  }
  on.phase(phase, jobs, reports.size);
  if (pending.length > 0) started(jobs, reports.size === 0);
  const done = (job: number, report: JobReport) => {
    writeReport(workdir, phase.name, job, report);
    reports.set(job, report);
    on.job(phase, job, report);
    for (const warning of report.warnings ?? []) on.say(warning);
  };
  if (phase.place === "main") {
    for (const job of pending) {
      const report = await phase.run(job, {
        ...context,
        signal,
        progress: progress => on.progress(phase, progress),
      });
      signal.throwIfAborted();
      done(job, report);
    }
  } else if (pending.length > 0) {
    const failures = await pool.run(phase.name, pending, {
      progress: progress => on.progress(phase, progress),
      done,
    });
    if (failures.length > 0) throw failed(phase, failures);
  }
  const ordered = Array.from({ length: jobs }, (_, job) => reports.get(job)!);
  on.end(phase, mergeStats(ordered.map(report => report.stats)), pending.length > 0);
  return ordered;
}

function failed(phase: Phase, failures: readonly { readonly job: number; readonly error: Error }[]): Error {
  const { job, error } = failures[0]!;
  if (error instanceof UserError) return error;
  const others =
    failures.length > 1 ? ` (and ${failures.length - 1} other job${failures.length > 2 ? "s" : ""})` : "";
  const wrapped = new Error(`job ${job} of ${phase.name} failed${others}: ${error.message}`);
  if (error.stack) wrapped.stack = error.stack;
  return wrapped;
}

/** Stages as the recipe orders them, `read` first. */
function inOrder(plan: Plan, stats: readonly StageStats[]): StageStats[] {
  const order = ["read", ...plan.recipe.stages.map(stage => stage.name)];
  return [...stats].sort((a, b) => order.indexOf(a.name) - order.indexOf(b.name));
}

/** Where the plan lies for other threads, processes and machines to read. */
export const planPath = ({ workdir }: Pick<Plan, "workdir">): string => join(workdir, "work", "plan.json");

export function writePlan(plan: Plan): void {
  writeAtomic(planPath(plan), `${JSON.stringify(plan, null, 2)}\n`);
}
