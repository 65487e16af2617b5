/**
 * What a run wrote about itself: its plan, its statistics, how it stands. Read anew each time, because a run may be
 * going on; the files are replaced whole, so they are never half.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../../lib/errors.ts";
import { isLocked } from "../execute/lock.ts";
import type { Plan } from "../execute/plan.ts";
import { type RunState, readRunState } from "../execute/state.ts";
import type { StageStats } from "../stats.ts";

/** Throws UserError where the folder holds no run. */
export function readPlan(workdir: string): Plan {
  const path = join(workdir, "work", "plan.json");
  if (!existsSync(path))
    throw new UserError(
      `${workdir} holds no run: it has no work/plan.json`,
      "Name the folder that curate run wrote to.",
    );
  return JSON.parse(readFileSync(path, "utf8")) as Plan;
}

/** How a run stands, for people and pages. */
export type Standing = {
  /** As run.json has it; "cut off" where it says that the run goes on and no process does. */
  readonly state: RunState["state"] | "cut off" | "unknown";
  /** The phase at work, or the one the run ended in; null between phases and when all are done. */
  readonly phase: string | null;
  /** The last phase that is done. */
  readonly after: string | null;
  /** Of a run that failed: what went wrong, and on a second line what its user can do. */
  readonly error: string | null;
};

export function standingOf(workdir: string): Standing {
  const run = readRunState(workdir);
  if (!run) return { state: "unknown", phase: null, after: null, error: null };
  const phases = Object.entries(run.phases);
  const [phase = null, at] = phases.find(([, { state }]) => state !== "done" && state !== "waiting") ?? [];
  const after = phases.findLast(([, { state }]) => state === "done")?.[0] ?? null;
  const state = run.state === "running" && !isLocked(workdir) ? "cut off" : run.state;
  return { state, phase, after, error: at?.error ?? null };
}

/** Of the stages that have ended so far; none before the first phase has. */
export function statsSoFar(workdir: string): readonly StageStats[] {
  const path = join(workdir, "stats.json");
  if (!existsSync(path)) return [];
  return (JSON.parse(readFileSync(path, "utf8")) as { stages: StageStats[] }).stages;
}

/** Throws UserError before the first phase has ended. */
export function readStats(workdir: string): readonly StageStats[] {
  if (!existsSync(join(workdir, "stats.json")))
    throw new UserError(
      `${workdir} has no stats.json yet: no phase of the run has ended`,
      "Let the run go on, then ask again.",
    );
  return statsSoFar(workdir);
}
