/**
 * The executor for a Slurm cluster: each phase an array job whose elements run `curate task`, and every phase that can
 * be told in advance is queued at once behind the one before it (afterok), so that the work goes on when nobody
 * watches. What is done is told by the reports in the workdir, never by Slurm: the queue only says who is still at it.
 * Which jobs belong to a workdir stands in `work/slurm.json`; a later run watches those instead of sending new ones.
 */

import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { writeAtomic } from "../../lib/atomic.ts";
import { UserError } from "../../lib/errors.ts";
import { makeFolder } from "../../lib/folder.ts";
import type { Executor, JobEvents, JobFailure } from "./executor.ts";
import { failureSaid, readSaid, type Said, saidDir, writeGroup } from "./group.ts";
import type { Phase } from "./phase.ts";
import { type Plan, planKeys } from "./plan.ts";
import { begin } from "./prepare.ts";
import { readReport, reportedJobs } from "./reports.ts";
import { arrayLimit, cancel, type Queued, queued, stateOf, submit } from "./slurm-commands.ts";

export type SlurmOptions = {
  readonly plan: Plan;
  readonly phases: readonly Phase[];
  /** No phase after this one is sent. */
  readonly until?: string | undefined;
  /** Node.js and the script that understands `task`. */
  readonly command: readonly string[];
  /** What becomes of the jobs when the run is stopped. */
  readonly onStop: "leave" | "cancel";
  readonly say: (line: string) => void;
};

/** Times an element is sent again after it failed for no reason of the user's. */
const retries = 2;
/** Milliseconds after its end in which an element's report may still be on its way through a network file system. */
const grace = 10_000;
/** Milliseconds for which Slurm may not answer, as when its controller starts anew, before a run gives up watching. */
const silence = 900_000;
const firstPoll = 300;
const longestPoll = 5000;
const logLines = 20;

/** An array job of ours. */
type Sent = { readonly phase: string; readonly id: string; readonly elements: number; readonly key: string };
type Record = { readonly jobs: readonly Sent[] };

const recordPath = (workdir: string): string => join(workdir, "work", "slurm.json");

function readRecord(workdir: string): Sent[] {
  try {
    return [...(JSON.parse(readFileSync(recordPath(workdir), "utf8")) as Record).jobs];
  } catch {
    return [];
  }
}

/** The jobs of a workdir that are still in Slurm's queue. */
export function jobsInQueue(workdir: string): string[] {
  if (!existsSync(recordPath(workdir))) return [];
  const ids = readRecord(workdir).map(({ id }) => id);
  return [...new Set(queued(ids).map(({ id }) => id))];
}

export function openSlurm({ plan, phases, until, command, onStop, say }: SlurmOptions): Executor {
  const { workdir } = plan;
  const keys = planKeys(plan, phases);
  const stopping = new AbortController();
  const limit = arrayLimit();
  const logs = join(workdir, "work", "slurm");
  makeFolder(logs);
  /** Of some jobs, those that still wait or run and can come to something. */
  const atWork = (jobs: readonly Sent[]): Sent[] => {
    const queue = queued(jobs.map(({ id }) => id)).filter(({ hopeless }) => !hopeless);
    return jobs.filter(({ id }) => queue.some(entry => entry.id === id));
  };
  const earlier = atWork(readRecord(workdir));
  /** A job sent for another recipe writes nothing that counts: its phase has another key by now. */
  const right = (sent: Sent) => keys.some(({ key }, i) => phases[i]!.name === sent.phase && key === sent.key);
  cancel(earlier.filter(job => !right(job)).map(({ id }) => id));
  let sent = earlier.filter(right);
  const record = (jobs: readonly Sent[]) => {
    sent = [...jobs];
    writeAtomic(recordPath(workdir), `${JSON.stringify({ jobs: sent } satisfies Record)}\n`);
  };
  record(sent);
  if (sent.length > 0) say(`watching the jobs of an earlier run: ${sent.map(({ id }) => id).join(", ")}`);

  const send = (
    at: number,
    elements: number,
    which: readonly number[] | null,
    after: string | null,
  ): Sent => {
    const phase = phases[at]!;
    const id = submit({
      name: `curate-${phase.name}`,
      array: which === null ? [[0, elements - 1]] : ranges(which),
      log: join(logs, `${phase.name}-%A_%a.log`),
      cpus: phase.place === "main" ? plan.recipe.workers : 1,
      after,
      asks: asksOf(plan, phase),
      command: [...command, "task", writeGroup(plan, phase.name, elements)],
    });
    const job = { phase: phase.name, id, elements, key: keys[at]!.key };
    record([...sent, job]);
    return job;
  };

  const elementsOf = async (phase: Phase): Promise<number> => {
    const jobs = phase.mostJobs ?? (await phase.jobs({ workdir, memory: plan.recipe.memory }));
    return Math.max(1, Math.min(limit, jobs));
  };

  /** Queues the phases behind `at`, each behind the one before. */
  const sendFollowing = async (at: number, first: Sent) => {
    let before = first.id;
    for (let i = at + 1; i < phases.length && phases[i - 1]!.name !== until; i++) {
      const phase = phases[i]!;
      const there = atWork(sent.filter(job => job.phase === phase.name))[0];
      if (!there) begin(plan, phases, i, keys[i]!, say);
      before = (there ?? send(i, await elementsOf(phase), null, before)).id;
    }
  };

  return {
    takesMain: phase => phase.name !== "fetch",
    busy: () => sent.length > 0,
    async run(phase, jobs, on) {
      const at = phases.indexOf(phase);
      const own = atWork(sent.filter(job => job.phase === phase.name));
      record([...sent.filter(job => job.phase !== phase.name), ...own]);
      const elements = own[0]?.elements ?? (await elementsOf(phase));
      if (own.length === 0) {
        own.push(send(at, elements, [...new Set(jobs.map(job => job % elements))], null));
        await sendFollowing(at, own[0]!);
      }
      const failures = await watch({ phase, jobs, on, elements, own, key: job => keys[at]!.job(job) });
      rmSync(saidDir(workdir, phase.name), { recursive: true, force: true });
      record(sent.filter(job => job.phase !== phase.name));
      if (failures.length > 0) {
        cancel(sent.map(({ id }) => id));
        record([]);
      }
      return failures;
    },
    async stop() {
      if (stopping.signal.aborted) return;
      stopping.abort(new Error("stopped"));
      let left = sent.map(({ id }) => id);
      try {
        left = atWork(sent).map(({ id }) => id);
      } catch {
        say(
          `Slurm does not answer: the jobs ${left.join(" ")} may go on; the same command watches them again`,
        );
        return;
      }
      if (left.length === 0) return;
      const ids = left.join(" ");
      if (onStop === "cancel") {
        cancel(left);
        record([]);
        say(`cancelled the jobs ${ids}`);
      } else say(`the jobs ${ids} go on; the same command watches them again, scancel ${ids} ends them`);
    },
  };

  async function watch(options: {
    readonly phase: Phase;
    readonly jobs: readonly number[];
    readonly on: JobEvents;
    readonly elements: number;
    readonly own: readonly Sent[];
    readonly key: (job: number) => string;
  }): Promise<JobFailure[]> {
    const { phase, on, elements, own, key } = options;
    const at = phases.indexOf(phase);
    const pending = new Set(options.jobs);
    const ids = own.map(({ id }) => id);
    const tries = new Map<number, number>();
    const gone = new Map<number, number>();
    const heard = new Map<number, Said>();
    const failures: JobFailure[] = [];
    const fail = (element: number, of: (job: number) => Error) => {
      for (const job of [...pending].filter(job => job % elements === element)) {
        pending.delete(job);
        failures.push({ job, error: of(job) });
      }
    };
    let silentSince = 0;
    for (let poll = firstPoll; pending.size > 0; poll = Math.min(longestPoll, poll * 1.2)) {
      stopping.signal.throwIfAborted();
      let queue: Queued[];
      try {
        queue = queued(ids);
        silentSince = 0;
      } catch (error) {
        if (error instanceof UserError || (silentSince > 0 && Date.now() - silentSince > silence))
          throw error;
        if (silentSince === 0) say(`${(error as Error).message}; the jobs go on, asking again`);
        silentSince ||= Date.now();
        collect(phase, pending, key, on, heard);
        await delay(poll, undefined, { signal: stopping.signal });
        continue;
      }
      collect(phase, pending, key, on, heard);
      const live = new Map<number, Queued>();
      for (const entry of queue) {
        if (entry.element === null) for (let i = 0; i < elements; i++) live.set(i, entry);
        else live.set(entry.element, entry);
      }
      const again: number[] = [];
      for (const element of new Set([...pending].map(job => job % elements))) {
        const entry = live.get(element);
        if (entry && !entry.hopeless) {
          gone.delete(element);
          continue;
        }
        const since = gone.get(element) ?? Date.now();
        gone.set(element, since);
        const said = [...pending]
          .filter(job => job % elements === element)
          .flatMap(job => {
            const found = readSaid(workdir, phase.name, job);
            return found?.failed ? [{ job, error: failureSaid(found)! }] : [];
          });
        const early = said.length === 0 && !entry?.hopeless && Date.now() - since < grace;
        const { log, ended, failed } = endOf(ids, phase.name, element);
        if (early && !failed) continue;
        const tried = (tries.get(element) ?? 0) + 1;
        tries.set(element, tried);
        gone.delete(element);
        if (said.some(({ error }) => error instanceof UserError)) {
          const users = said.find(({ error }) => error instanceof UserError)!.error;
          fail(element, job => said.find(found => found.job === job)?.error ?? users);
        } else if (tried > retries) {
          fail(element, job => {
            const why = said.find(found => found.job === job)?.error.message ?? ended;
            return new Error(`${why}\nThe log of its last of ${tried} tries is ${log.path}:\n${log.tail}`);
          });
        } else {
          say(`${phase.name}: element ${element} failed (${said[0]?.error.message ?? ended}); trying again`);
          again.push(element);
        }
      }
      if (again.length > 0) ids.push(send(at, elements, again, null).id);
      for (const job of pending) {
        if (!live.has(job % elements)) continue;
        const said = readSaid(workdir, phase.name, job);
        if (said) tell(said, heard.get(job), on);
        if (said) heard.set(job, said);
      }
      if (pending.size > 0) await delay(poll, undefined, { signal: stopping.signal });
    }
    return failures;
  }

  /** Reports that came since the last look. */
  function collect(
    phase: Phase,
    pending: Set<number>,
    key: (job: number) => string,
    on: JobEvents,
    heard: Map<number, Said>,
  ): void {
    for (const job of reportedJobs(workdir, phase.name)) {
      if (!pending.has(job)) continue;
      const found = readReport(workdir, phase.name, job, false);
      if (found.state !== "done" || found.report.key !== key(job)) continue;
      pending.delete(job);
      const { bytes = 0, documents = 0 } = heard.get(job) ?? {};
      const first = found.report.stats[0];
      const size = plan.inputs[job]?.bytes ?? 0;
      if (phase.total?.bytes) on.progress({ bytes: Math.max(0, size - bytes) });
      if (first) on.progress({ documents: Math.max(0, first.in - documents) });
      heard.delete(job);
      on.done(job, found.report);
    }
  }

  /** The last try of an element: its log, and how it ended as Slurm has it. */
  function endOf(ids: readonly string[], phase: string, element: number) {
    const at = (id: string) => join(logs, `${phase}-${id}_${element}.log`);
    const id = [...ids].reverse().find(candidate => existsSync(at(candidate))) ?? ids[ids.length - 1]!;
    const path = at(id);
    const tail = existsSync(path)
      ? readFileSync(path, "utf8").trimEnd().split("\n").slice(-logLines).join("\n")
      : "(there is none)";
    const { words, failed } = stateOf(id, element);
    return { log: { path, tail }, ended: words, failed };
  }
}

/** What the jobs of a phase ask of the cluster: what all do, then what the stages they work for do. */
export function asksOf({ recipe }: Pick<Plan, "recipe">, { stages }: Pick<Phase, "stages">): string[] {
  const asked = recipe.slurm ?? {};
  return ["all", ...stages].flatMap(name => asked[name]?.trim().split(/\s+/) ?? []);
}

/** Passes on what a job said since the last time. */
function tell(said: Said, before: Said | undefined, on: JobEvents): void {
  const { documents, bytes, units, note, lines } = said;
  on.progress({
    documents: documents - (before?.documents ?? 0),
    bytes: bytes - (before?.bytes ?? 0),
    units: units - (before?.units ?? 0),
    ...(note && note !== before?.note ? { note } : {}),
  });
  for (const line of lines.slice(before?.lines.length ?? 0)) on.progress({ line });
}

/** Ascending numbers as ranges. */
export function ranges(numbers: readonly number[]): [number, number][] {
  const found: [number, number][] = [];
  for (const n of [...numbers].sort((a, b) => a - b)) {
    const last = found[found.length - 1];
    if (last && n === last[1] + 1) last[1] = n;
    else found.push([n, n]);
  }
  return found;
}
