/**
 * What is done, as files: `work/<phase>/begun.json` says for which plan the phase's files were made, and
 * `work/<phase>/jobs/00007.json` that a job is done, with its statistics and the checksums of what it wrote. Resume
 * looks at nothing else. Reports are read one at a time and not kept: a crawl has 90,000 of them a phase.
 */

import { existsSync, readdirSync, readFileSync, rmdirSync, rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { sha256File, writeAtomic } from "../../lib/atomic.ts";
import { DamagedFile } from "../../lib/errors.ts";
import { makeFolder } from "../../lib/folder.ts";
import type { JobReport, Phase } from "./phase.ts";

/** What a phase was begun for, so that a later run can say what has changed. */
export type Begun = {
  readonly key: string;
  readonly version: string;
  readonly seed: number;
  /** Hash of the list of inputs. */
  readonly inputs: string;
  readonly settings: unknown;
  readonly local: unknown;
  readonly outputs: readonly string[];
  readonly place: Phase["place"];
};

const phaseDir = (workdir: string, phase: string) => join(workdir, "work", phase);
const begunPath = (workdir: string, phase: string) => join(phaseDir(workdir, phase), "begun.json");
const jobsDir = (workdir: string, phase: string) => join(phaseDir(workdir, phase), "jobs");
export const reportPath = (workdir: string, phase: string, job: number) =>
  join(jobsDir(workdir, phase), `${String(job).padStart(5, "0")}.json`);

export function readBegun(workdir: string, phase: string): Begun | null {
  try {
    return JSON.parse(readFileSync(begunPath(workdir, phase), "utf8")) as Begun;
  } catch {
    return null;
  }
}

export const readKey = (workdir: string, phase: string): string | null =>
  readBegun(workdir, phase)?.key ?? null;

export function writeBegun(workdir: string, phase: string, begun: Begun): void {
  makeFolder(jobsDir(workdir, phase));
  writeAtomic(begunPath(workdir, phase), `${JSON.stringify(begun)}\n`);
}

/** Every phase that has been begun in a workdir, of whatever recipe. */
export function begunPhases(workdir: string): string[] {
  const work = join(workdir, "work");
  if (!existsSync(work)) return [];
  return readdirSync(work).filter(name => existsSync(begunPath(workdir, name)));
}

/** Removes all that a phase wrote and its reports. */
export function removePhase(workdir: string, phase: string, outputs: readonly string[]): void {
  rmSync(begunPath(workdir, phase), { force: true });
  removeOutputs(workdir, outputs);
  rmSync(phaseDir(workdir, phase), { recursive: true, force: true });
}

export function removeOutputs(workdir: string, outputs: readonly string[]): void {
  for (const output of outputs) {
    const path = join(workdir, output);
    rmSync(path, { recursive: true, force: true });
    // A stage's folder goes with the last of what its phases left in it.
    if (dirname(path) !== workdir && existsSync(dirname(path)) && readdirSync(dirname(path)).length === 0)
      rmdirSync(dirname(path));
  }
}

export function writeReport(workdir: string, phase: string, job: number, report: JobReport): void {
  writeAtomic(reportPath(workdir, phase, job), JSON.stringify(report));
}

export type ReportState =
  | { readonly state: "done"; readonly report: JobReport }
  | { readonly state: "missing" }
  | { readonly state: "damaged"; readonly path: string };

/** Whether a job is done and what it wrote is still there, whole. `thorough` compares checksums, else sizes. */
export function readReport(workdir: string, phase: string, job: number, thorough: boolean): ReportState {
  const path = reportPath(workdir, phase, job);
  let report: JobReport;
  try {
    report = JSON.parse(readFileSync(path, "utf8")) as JobReport;
  } catch {
    return existsSync(path) ? { state: "damaged", path } : { state: "missing" };
  }
  if (!isReport(report)) return { state: "damaged", path };
  for (const file of report.outputs) {
    const full = join(workdir, file.path);
    const stat = statSync(full, { throwIfNoEntry: false });
    if (!stat || stat.size !== file.bytes) return { state: "damaged", path: full };
    if (thorough && sha256File(full) !== file.sha256) return { state: "damaged", path: full };
  }
  return { state: "done", report };
}

/** Compares all that a job wrote with its checksums. Throws DamagedFile. */
export function checkOutputs(workdir: string, phase: string, job: number): void {
  const found = readReport(workdir, phase, job, true);
  if (found.state === "damaged")
    throw new DamagedFile(found.path, "it does not match its checksum or is missing");
}

function isReport(report: Partial<JobReport> | null): report is JobReport {
  const { stats, outputs, warnings } = report ?? {};
  const named = Array.isArray(outputs) && outputs.every(file => typeof file?.path === "string");
  const counted = Array.isArray(stats) && stats.every(stage => typeof stage?.name === "string");
  return named && counted && (warnings === undefined || Array.isArray(warnings));
}

/** Numbers of the jobs that have a report, ascending. */
export function reportedJobs(workdir: string, phase: string): number[] {
  const dir = jobsDir(workdir, phase);
  if (!existsSync(dir)) return [];
  return readdirSync(dir)
    .filter(name => /^\d+\.json$/.test(name))
    .map(name => Number.parseInt(name, 10))
    .sort((a, b) => a - b);
}

export function forgetReport(workdir: string, phase: string, job: number): void {
  rmSync(reportPath(workdir, phase, job), { force: true });
}

/**
 * Deletes temporary files: those of a run that was killed, only while holding the lock, or with `ending` those of one
 * thread.
 */
export function sweepTemporary(workdir: string, ending = ".tmp"): number {
  if (!existsSync(workdir)) return 0;
  const left = readdirSync(workdir, { recursive: true, encoding: "utf8" }).filter(name =>
    name.endsWith(ending),
  );
  for (const name of left) rmSync(join(workdir, name), { recursive: true, force: true });
  return left.length;
}

/**
 * Removes from a phase's folders every file that no report names: what jobs for other inputs left when they were cut
 * off. `others` are the outputs of the other phases, which may lie inside these folders.
 */
export function sweepUnreported(workdir: string, phase: Phase, others: readonly string[]): void {
  const named = new Set<string>();
  for (const job of reportedJobs(workdir, phase.name)) {
    const found = readReport(workdir, phase.name, job, false);
    if (found.state === "done") for (const { path } of found.report.outputs) named.add(path);
  }
  const kept = [...others, `work/${phase.name}/begun.json`, `work/${phase.name}/jobs`];
  for (const output of phase.outputs) {
    const root = join(workdir, output);
    if (!statSync(root, { throwIfNoEntry: false })?.isDirectory()) continue;
    for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name).slice(workdir.length + 1);
      const foreign = kept.some(other => path === other || path.startsWith(`${other}/`));
      if (entry.isFile() && !foreign && !named.has(path)) rmSync(join(workdir, path), { force: true });
    }
  }
}
