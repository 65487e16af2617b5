/**
 * A task is one job of one phase, run by any process that can read the plan and write the workdir. It leaves the
 * job's files and then its report; whoever watches needs nothing else. Knows no executor.
 */
import { readFileSync } from "node:fs";
import { temporaryEnding } from "../../lib/atomic.ts";
import type { JobContext, JobProgress, JobReport, Phase } from "./phase.ts";
import { type Plan, planKeys } from "./plan.ts";
import { readKey, sweepTemporary, writeReport } from "./reports.ts";

/** Everything that tells a process which job to run, besides the plan. */
export type Task = { readonly phase: string; readonly job: number };

export type TaskHooks = Pick<JobContext, "signal" | "openStreamed"> & { progress(step: JobProgress): void };

export type RunTask = (task: Task, hooks: TaskHooks) => Promise<JobReport>;

export function readPlanFile(path: string): Plan {
  return JSON.parse(readFileSync(path, "utf8")) as Plan;
}

/**
 * Runs tasks of a plan. `phases` are those of the plan, in order. Throws when the phase has not been begun, or was
 * begun anew for another recipe since the plan was written.
 */
export function taskRunner(plan: Plan, phases: readonly Phase[]): RunTask {
  const keys = planKeys(plan, phases);
  return async ({ phase: name, job }, hooks) => {
    const at = phases.findIndex(phase => phase.name === name);
    if (at < 0) throw new Error(`the plan has no phase ${name}`);
    if (readKey(plan.workdir, name) !== keys[at]!.key)
      throw new Error(`${plan.workdir} is not ready for ${name} of this plan: it belongs to another recipe`);
    const { workdir } = plan;
    let report: JobReport;
    try {
      report = await phases[at]!.run(job, { workdir, memory: plan.recipe.memory, ...hooks });
    } catch (error) {
      // Another thread may do the job again, under other temporary names.
      sweepTemporary(workdir, temporaryEnding);
      throw error;
    }
    const keyed = { ...report, key: keys[at]!.job(job) };
    writeReport(workdir, name, job, keyed);
    return keyed;
  };
}
