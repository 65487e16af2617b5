/**
 * A phase as a cluster's array job: its jobs dealt out over `elements` array elements, element i running jobs i,
 * i + elements, i + 2 elements, … that are not done yet. Everything an element needs is in files, and so is everything
 * it leaves: reports, and while it runs or after it failed what `work/<phase>/elements` says of each job. Knows no
 * cluster; Slurm's arrays hold 1,001 elements unless the site says otherwise, a crawl has 90,000 files.
 */

import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { temporaryName, writeAtomic } from "../../lib/atomic.ts";
import { shown, UserError } from "../../lib/errors.ts";
import { makeFolder } from "../../lib/folder.ts";
import { planPath } from "./execute.ts";
import type { JobProgress, JobReport, Phase } from "./phase.ts";
import { type Plan, planKeys } from "./plan.ts";
import { readReport } from "./reports.ts";
import { readPlanFile, taskRunner } from "./task.ts";
import { errorOf, type FromWorker, failureOf } from "./workers.ts";

/** What a group's file holds. */
export type Group = {
  /** The plan's file, relative to this one. */
  readonly plan: string;
  readonly phase: string;
  readonly elements: number;
};

export const groupPath = (workdir: string, phase: string): string =>
  join(workdir, "work", "groups", `${phase}.json`);

export function writeGroup(plan: Plan, phase: string, elements: number): string {
  const path = groupPath(plan.workdir, phase);
  const group: Group = { plan: relative(dirname(path), planPath(plan)), phase, elements };
  writeAtomic(path, `${JSON.stringify(group)}\n`);
  return path;
}

/** A group and the plan it belongs to. Throws UserError. */
export function readGroup(path: string): { readonly group: Group; readonly plan: Plan } {
  const wrong = (what: string) =>
    new UserError(
      `${path}: expected a group of tasks as  curate plan  writes them (work/groups/*.json), ${what}`,
      "Run  curate plan stages.yaml  and name one of the files it lists.",
    );
  let group: Group;
  try {
    group = JSON.parse(readFileSync(path, "utf8")) as Group;
  } catch (error) {
    throw wrong((error as Error).message);
  }
  const { plan, phase, elements } = group ?? {};
  if (typeof plan !== "string" || typeof phase !== "string" || !Number.isInteger(elements) || elements < 1)
    throw wrong(`got ${shown(group)}`);
  const at = resolve(dirname(path), plan);
  try {
    return { group, plan: readPlanFile(at) };
  } catch (error) {
    throw wrong(`and its plan ${at} cannot be read: ${(error as Error).message}`);
  }
}

/** What a running or failed job says of itself, cumulative. */
export type Said = {
  readonly documents: number;
  readonly bytes: number;
  readonly units: number;
  readonly note: string;
  readonly lines: readonly string[];
  readonly failed: Failure | null;
};
type Failure = Extract<FromWorker, { kind: "failed" }>;

export const saidDir = (workdir: string, phase: string): string => join(workdir, "work", phase, "elements");
const saidPath = (workdir: string, phase: string, job: number) =>
  join(saidDir(workdir, phase), `${job}.json`);

export function readSaid(workdir: string, phase: string, job: number): Said | null {
  try {
    return JSON.parse(readFileSync(saidPath(workdir, phase, job), "utf8")) as Said;
  } catch {
    return null;
  }
}

export const failureSaid = ({ failed }: Said): Error | null => (failed ? errorOf(failed) : null);

/** How often a running job says how far it is, milliseconds. */
const sayEvery = 2000;

type Speaker = { add(step: JobProgress): void; end(failed: Failure | null): void; forget(): void };

/** Not flushed to disk: what is lost in a crash is only progress. */
function openSpeaker(workdir: string, phase: string, job: number): Speaker {
  const path = saidPath(workdir, phase, job);
  const aside = temporaryName(path);
  let said: Said = { documents: 0, bytes: 0, units: 0, note: "", lines: [], failed: null };
  let last = performance.now();
  makeFolder(dirname(path));
  rmSync(path, { force: true });
  const write = () => {
    writeFileSync(aside, JSON.stringify(said));
    renameSync(aside, path);
    last = performance.now();
  };
  return {
    add({ documents = 0, bytes = 0, units = 0, note, line }) {
      said = {
        documents: said.documents + documents,
        bytes: said.bytes + bytes,
        units: said.units + units,
        note: note ?? said.note,
        lines: line === undefined ? said.lines : [...said.lines, line],
        failed: null,
      };
      if (performance.now() - last > sayEvery) write();
    },
    end(failed) {
      said = { ...said, failed };
      write();
    },
    forget: () => rmSync(path, { force: true }),
  };
}

export type ElementEvents = {
  /** Before each job that is run. */
  begin(job: number): void;
  end(job: number, report: JobReport, seconds: number): void;
  failed(job: number, error: Error): void;
};

export type Ran = { readonly done: number; readonly alreadyDone: number; readonly failed: number };

/** Runs one element of a group. `phases` are those of the plan. A job that fails does not keep the next from running. */
export async function runElement(
  plan: Plan,
  phases: readonly Phase[],
  group: Group,
  index: number,
  signal: AbortSignal,
  on: ElementEvents,
): Promise<Ran> {
  const at = phases.findIndex(({ name }) => name === group.phase);
  if (at < 0) throw new UserError(`the plan has no phase ${shown(group.phase)}`);
  const { workdir, recipe } = plan;
  const phase = phases[at]!;
  const keys = planKeys(plan, phases)[at]!;
  const runTask = taskRunner(plan, phases);
  const jobs = await phase.jobs({ workdir, memory: recipe.memory });
  const ran = { done: 0, alreadyDone: 0, failed: 0 };
  for (let job = index; job < jobs; job += group.elements) {
    const found = readReport(workdir, phase.name, job, false);
    if (found.state === "done" && found.report.key === keys.job(job)) {
      ran.alreadyDone++;
      continue;
    }
    signal.throwIfAborted();
    on.begin(job);
    const speaker = openSpeaker(workdir, phase.name, job);
    const started = performance.now();
    try {
      const report = await runTask({ phase: phase.name, job }, { signal, progress: speaker.add });
      speaker.forget();
      ran.done++;
      on.end(job, report, (performance.now() - started) / 1000);
    } catch (error) {
      if (signal.aborted) throw error;
      ran.failed++;
      speaker.end(failureOf(error) as Failure);
      on.failed(job, error as Error);
    }
  }
  return ran;
}
