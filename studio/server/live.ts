/**
 * A run's statistics while it goes on: stats.json holds the phases that have ended, the reports of jobs what has ended of
 * the phase that runs, or in which the run ended. Reports are read once each, at most 3,000 a look, so that a phase of 90,000 jobs is caught up
 * with over some looks and never held up by one.
 */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { RunState } from "../../pipeline/execute/execute.ts";
import type { JobReport } from "../../pipeline/execute/phase.ts";
import { statsSoFar } from "../../pipeline/report/workdir.ts";
import { type StageStats, sumStats } from "../../pipeline/stats.ts";

const mostReports = 3000;

function reportsOf(workdir: string, phase: string): string[] {
  try {
    return readdirSync(join(workdir, "work", phase, "jobs")).filter(name => /^\d+\.json$/.test(name));
  } catch {
    return [];
  }
}

export const endedJobs = (workdir: string, phase: string): number => reportsOf(workdir, phase).length;

type Held = { readonly of: string; readonly seen: Set<string>; readonly sum: ReturnType<typeof sumStats> };
const held = new Map<string, Held>();

/** Of the phases that have ended and of the ended jobs of the one that runs. */
export function liveStats(workdir: string, run: RunState | null): readonly StageStats[] {
  const phases = Object.entries(run?.phases ?? {});
  const running = phases.find(([, { state }]) => state !== "done" && state !== "waiting");
  if (!run || run.state === "done" || !running) return statsSoFar(workdir);
  const [phase, { key, started, jobs }] = running;
  // Before a phase of this run has ended, stats.json is an earlier run's.
  const ended = phases.some(([, { state }]) => state === "done") ? statsSoFar(workdir) : [];
  const names = reportsOf(workdir, phase);
  const of = `${phase} ${key} ${started}`;
  let now = held.get(workdir);
  if (now?.of !== of || now.seen.size > names.length) now = { of, seen: new Set(), sum: sumStats() };
  held.set(workdir, now);
  for (const name of names.filter(one => !now.seen.has(one)).slice(0, mostReports)) {
    try {
      const path = join(workdir, "work", phase, "jobs", name);
      now.sum.add((JSON.parse(readFileSync(path, "utf8")) as JobReport).stats);
      now.seen.add(name);
    } catch {
      // Being replaced or taken away: the next look finds it.
    }
  }
  const written = statSync(join(workdir, "stats.json"), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const last = names.at(-1);
  const lastWritten = last
    ? (statSync(join(workdir, "work", phase, "jobs", last), { throwIfNoEntry: false })?.mtimeMs ?? 0)
    : 0;
  // The phase has just ended: stats.json holds it already.
  if (names.length === jobs && ended.length > 0 && written >= lastWritten) return ended;
  const both = sumStats();
  both.add(ended);
  both.add(now.sum.list());
  return both.list();
}
