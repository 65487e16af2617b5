/**
 * A workdir kept in an object store: work goes on in a local folder, what is done is sent as it is done (a job's files
 * first, its report last, so that a report in the store means whole files), and a run on another machine begins by
 * bringing what is missing here. Objects appear whole. Knows paths and reports, not what is in them.
 */
import { existsSync, readdirSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import type { RunEvents } from "../execute/execute.ts";
import type { JobReport, Phase } from "../execute/phase.ts";
import { reportPath } from "../execute/reports.ts";
import { etagOfFile, type Listed, parseAddress, type Store } from "./s3.ts";

/** Transfers under way at a time. */
const lanes = 4;

export type Mirror = {
  /** Brings objects for which `wants` says yes and that are missing or older here. Gives how many. */
  pull(wants: (path: string) => boolean): Promise<number>;
  /** Sends what a job wrote, then its report. */
  pushJob(phase: string, job: number, report: JobReport): Promise<void>;
  /** Sends files by their paths in the workdir; those that are not there are passed over. */
  push(paths: readonly string[]): Promise<void>;
  /** Makes the store's copy of some files and folders what it is here: sends what differs, removes what is gone. */
  settle(paths: readonly string[]): Promise<void>;
  /** Events that also send what is done. `finish` waits for it and rejects if something could not be sent. */
  following(on: RunEvents): { readonly on: RunEvents; finish(): Promise<void> };
};

/** Files of a run that belong to no phase. */
const ownFiles = ["recipe.yaml", "stats.json", "run.json"];

export function openMirror(store: Store, url: string, workdir: string): Mirror {
  const { bucket, key } = parseAddress(url);
  const prefix = key === "" ? "" : `${key.replace(/\/+$/, "")}/`;
  const at = (path: string) => ({ bucket, key: `${prefix}${path}` });

  const listed = async (folder: string): Promise<Map<string, Listed>> => {
    const found = new Map<string, Listed>();
    for await (const object of store.list(at(folder))) found.set(object.key.slice(prefix.length), object);
    return found;
  };
  const same = (path: string, object: Listed): boolean =>
    statSync(path).size === object.bytes && etagOfFile(path) === object.etag;
  const push = async (paths: readonly string[]) => {
    const there = paths.filter(path => existsSync(join(workdir, path)));
    await each(there, path => store.upload(join(workdir, path), at(path)));
  };
  const pushJob = async (phase: string, job: number, report: JobReport) => {
    await push(report.outputs.map(({ path }) => path).filter(isInside));
    await push([relative(workdir, reportPath(workdir, phase, job))]);
  };
  const settle = async (paths: readonly string[]) => {
    for (const path of paths) {
      const objects = new Map(
        [...(await listed(path))].filter(([name]) => name === path || name.startsWith(`${path}/`)),
      );
      const here = filesOf(workdir, path);
      const changed = here.filter(name => {
        const object = objects.get(name);
        return !object || !same(join(workdir, name), object);
      });
      await push(changed);
      const gone = [...objects.keys()].filter(name => !here.includes(name));
      await each(gone, name => store.remove(at(name)));
    }
  };

  return {
    push,
    pushJob,
    settle,
    async pull(wants) {
      const missing: string[] = [];
      for (const [path, object] of await listed("")) {
        const local = join(workdir, path);
        if (!isInside(path) || !wants(path)) continue;
        const stat = statSync(local, { throwIfNoEntry: false });
        if (!stat || (stat.mtime < object.modified && !same(local, object))) missing.push(path);
      }
      await each(missing, path => store.download(at(path), join(workdir, path)));
      return missing.length;
    },
    following(on) {
      let sending: Promise<void> = Promise.resolve();
      const then = (act: () => Promise<void>) => {
        sending = sending.then(act);
        sending.catch(() => {});
      };
      const phases = new Map<string, Phase>();
      return {
        on: {
          ...on,
          phase(phase, jobs, done) {
            phases.set(phase.name, phase);
            then(() => push([`work/${phase.name}/begun.json`, "work/plan.json"]));
            on.phase(phase, jobs, done);
          },
          job(phase, job, report) {
            then(() => pushJob(phase.name, job, report));
            on.job(phase, job, report);
          },
          end(phase, stats, ran) {
            then(() => settle([...phase.outputs, `work/${phase.name}/jobs`]));
            on.end(phase, stats, ran);
          },
        },
        async finish() {
          await sending;
          await push(ownFiles);
        },
      };
    },
  };

  /** What a report or a listing names is only followed inside the workdir. */
  function isInside(path: string): boolean {
    const parts = path.split("/");
    return (
      path !== "" && path !== "lock" && !path.endsWith(".tmp") && !parts.includes("..") && !parts.includes("")
    );
  }
}

/** Which files of earlier phases a job of a phase may read: all but the passages of other parts. */
export function neededBy(phase: Phase, before: readonly Phase[], jobs: ReadonlySet<number>) {
  const folders = before.flatMap(({ name, outputs }) => [...outputs, `work/${name}`]);
  return (path: string): boolean => {
    if (path.startsWith(`work/${phase.name}/`)) return true;
    if (!folders.some(folder => path === folder || path.startsWith(`${folder}/`))) return false;
    const part = /^work\/documents-\d+\/part-(\d+)\./.exec(path);
    return part === null || jobs.has(Number(part[1]));
  };
}

/** Paths of the files at or below a path, relative to the workdir, without those that are being written. */
function filesOf(workdir: string, path: string): string[] {
  const full = join(workdir, path);
  const stat = statSync(full, { throwIfNoEntry: false });
  if (!stat) return [];
  if (stat.isFile()) return [path];
  return readdirSync(full, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile() && !entry.name.endsWith(".tmp"))
    .map(entry => relative(workdir, join(entry.parentPath, entry.name)));
}

async function each<T>(items: readonly T[], act: (item: T) => Promise<unknown>): Promise<void> {
  let next = 0;
  const lane = async () => {
    while (next < items.length) await act(items[next++]!);
  };
  await Promise.all(Array.from({ length: Math.min(lanes, items.length) }, lane));
}
