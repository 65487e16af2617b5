/**
 * What a run wrote about itself: its plan and its statistics. Read anew each time, because a run may be going on; both
 * files are replaced whole, so they are never half.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../../lib/errors.ts";
import type { Plan } from "../execute/plan.ts";
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
