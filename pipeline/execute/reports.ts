/**
 * What is done, as files: `work/<phase>/key` says for which recipe the phase's files were made, and
 * `work/<phase>/jobs/00007.json` that a job is done, with its statistics and the checksums of what it wrote.
 * Resume looks at nothing else.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { sha256File, writeAtomic } from "../../lib/atomic.ts";
import type { JobReport, Phase } from "./phase.ts";

const phaseDir = (workdir: string, phase: string) => join(workdir, "work", phase);
const jobPath = (workdir: string, phase: string, job: number) =>
  join(phaseDir(workdir, phase), "jobs", `${String(job).padStart(5, "0")}.json`);

export function readKey(workdir: string, phase: string): string | null {
  try {
    return readFileSync(join(phaseDir(workdir, phase), "key"), "utf8");
  } catch {
    return null;
  }
}

/** Removes all that the phase wrote and starts it anew under `key`. */
export function resetPhase(workdir: string, phase: Phase, key: string): void {
  rmSync(join(phaseDir(workdir, phase.name), "key"), { force: true });
  for (const output of phase.outputs) rmSync(join(workdir, output), { recursive: true, force: true });
  rmSync(phaseDir(workdir, phase.name), { recursive: true, force: true });
  mkdirSync(join(phaseDir(workdir, phase.name), "jobs"), { recursive: true });
  writeAtomic(join(phaseDir(workdir, phase.name), "key"), key);
}

export function writeReport(workdir: string, phase: string, job: number, report: JobReport): void {
  writeAtomic(jobPath(workdir, phase, job), JSON.stringify(report));
}

export type ReportState =
  | { readonly state: "done"; readonly report: JobReport }
  | { readonly state: "missing" }
  | { readonly state: "damaged"; readonly path: string };

/** Whether a job is done and what it wrote is still there, whole. `thorough` compares checksums, else sizes. */
export function readReport(workdir: string, phase: string, job: number, thorough: boolean): ReportState {
  const path = jobPath(workdir, phase, job);
  let report: JobReport;
  try {
    report = JSON.parse(readFileSync(path, "utf8")) as JobReport;
  } catch {
    return existsSync(path) ? { state: "damaged", path } : { state: "missing" };
  }
  for (const file of report.outputs) {
    const full = join(workdir, file.path);
    const stat = statSync(full, { throwIfNoEntry: false });
    if (!stat || stat.size !== file.bytes) return { state: "damaged", path: full };
    if (thorough && sha256File(full) !== file.sha256) return { state: "damaged", path: full };
  }
  return { state: "done", report };
}

export function forgetReport(workdir: string, phase: string, job: number): void {
  rmSync(jobPath(workdir, phase, job), { force: true });
}

/** Deletes the temporary files of a run that was killed. Call it only while holding the lock. */
export function sweepTemporary(workdir: string): number {
  if (!existsSync(workdir)) return 0;
  const left = readdirSync(workdir, { recursive: true, encoding: "utf8" }).filter(name =>
    name.endsWith(".tmp"),
  );
  for (const name of left) rmSync(join(workdir, name), { recursive: true, force: true });
  return left.length;
}
