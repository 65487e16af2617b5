/**
 * The local executor: a pool of worker threads, each running whole jobs. Threads get a phase's name and a job's
 * number and rebuild everything else from the plan on disk; what they send back is progress and a report. The order
 * in which jobs end does not matter. Messages cost under 1 % at this grain.
 */
import { setTimeout } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { type MessagePort, Worker } from "node:worker_threads";
import { DamagedFile, UserError } from "../../lib/errors.ts";
import type { Executor, JobFailure } from "./executor.ts";
import type { JobProgress, JobReport } from "./phase.ts";
import type { Task } from "./task.ts";

/** "stop": leave the job at its next document, then end. */
export type ToWorker = Task | "stop";
export type FromWorker =
  /** Its modules are loaded. */
  | { readonly kind: "ready" }
  | { readonly kind: "progress"; readonly progress: JobProgress }
  | { readonly kind: "done"; readonly report: JobReport }
  | {
      readonly kind: "failed";
      readonly message: string;
      readonly hint: string | null;
      readonly user: boolean;
      readonly stack: string;
      /** Of the system: ENOSPC, EACCES. */
      readonly code: string | null;
      /** The file that was found damaged. */
      readonly damaged: string | null;
      readonly path: string | null;
    };

/**
 * Room for new objects between two collections. V8 lets it grow to 48 MB a thread, which is most of what grows with the
 * input where `memory` is small; from 384 MB on it is left alone.
 */
export const youngMegabytes = (memory: number): number => Math.min(48, Math.max(8, Math.floor(memory / 8e6)));

/**
 * Where `memory` is small, has V8 collect before it asks for more: over twelve thousand pages the heap of a thread stays at
 * 35 MB instead of growing to 80.
 */
export function keepHeapsSmall(memory: number): void {
  if (memory < 384e6) setFlagsFromString("--optimize-for-size");
}

/**
 * Milliseconds a thread has to end by itself. Ended from outside in the middle of its work, one of some hundred took
 * Node.js 20.20 down with it, by an assertion while its environment was taken apart.
 */
const patience = { loading: 8000, atWork: 1000 };

export function openWorkers(options: {
  readonly entry: URL;
  readonly planPath: string;
  readonly threads: number;
  /** Bytes one job may hold. */
  readonly memory: number;
  /** A port for each thread, to what it needs of this one besides its jobs. */
  readonly port?: () => MessagePort;
}): Executor {
  const idle: Worker[] = [];
  const all = new Set<Worker>();
  const ready = new Set<Worker>();
  let stopped = false;
  const start = () => {
    const port = options.port?.();
    const worker = new Worker(options.entry, {
      workerData: { planPath: options.planPath, port },
      transferList: port ? [port] : [],
      resourceLimits: { maxYoungGenerationSizeMb: youngMegabytes(options.memory) },
      stdout: false,
      stderr: false,
    });
    all.add(worker);
    worker.once("message", () => ready.add(worker)).once("exit", () => all.delete(worker));
    return worker;
  };

  const runJob = (phase: string, job: number, onProgress: (p: JobProgress) => void): Promise<JobReport> =>
    new Promise((resolve, reject) => {
      const worker = idle.pop() ?? start();
      const finish = (act: () => void, reusable: boolean) => {
        worker.off("message", onMessage).off("error", onError).off("exit", onExit);
        if (reusable && !stopped) idle.push(worker);
        else if (!stopped) void worker.terminate();
        act();
      };
      const onMessage = (message: FromWorker) => {
        if (message.kind === "ready") return;
        if (message.kind === "progress") onProgress(message.progress);
        else if (message.kind === "done") finish(() => resolve(message.report), true);
        else finish(() => reject(errorOf(message)), true);
      };
      const onError = (error: Error) => finish(() => reject(error), false);
      const onExit = (code: number) => {
        const what = stopped ? "stopped" : `the worker thread ended with code ${code}`;
        finish(() => reject(new Error(what)), false);
      };
      worker.on("message", onMessage).on("error", onError).on("exit", onExit);
      worker.postMessage({ phase, job } satisfies ToWorker);
    });

  return {
    async run(phase, jobs, on) {
      const failures: JobFailure[] = [];
      let next = 0;
      const lane = async () => {
        while (next < jobs.length && !stopped) {
          const job = jobs[next++]!;
          try {
            on.done(job, await runJob(phase.name, job, on.progress));
          } catch (error) {
            failures.push({ job, error: error as Error });
          }
        }
      };
      await Promise.all(Array.from({ length: Math.min(options.threads, jobs.length) }, lane));
      if (stopped) throw new Error("stopped");
      return failures;
    },
    async stop() {
      stopped = true;
      const ended = [...all].map(worker => new Promise(resolve => worker.once("exit", resolve)));
      for (const worker of all) worker.postMessage("stop" satisfies ToWorker);
      const late = new AbortController();
      const wait = [...all].every(worker => ready.has(worker)) ? patience.atWork : patience.loading;
      await Promise.race([
        Promise.all(ended),
        setTimeout(wait, null, { signal: late.signal }).catch(() => {}),
      ]);
      late.abort();
      await Promise.all([...all].map(worker => worker.terminate()));
    },
  };
}

/** The error that `failureOf` was given, on the other side. */
export function errorOf(failure: Extract<FromWorker, { kind: "failed" }>): Error {
  const { message, hint, user, stack, code, damaged, path } = failure;
  if (damaged !== null) return new DamagedFile(damaged, message.replace(`${damaged} is damaged: `, ""));
  if (user) return new UserError(message, hint);
  return Object.assign(new Error(message), { stack, ...(code ? { code } : {}), ...(path ? { path } : {}) });
}

/** What a thread says of an error, so that `errorOf` makes the same of it on the other side. */
export function failureOf(error: unknown): FromWorker {
  const { message, stack, code, path } = error as NodeJS.ErrnoException;
  const user = error instanceof UserError;
  return {
    kind: "failed",
    message,
    hint: user ? error.hint : null,
    user,
    stack: stack ?? "",
    code: code ?? null,
    damaged: error instanceof DamagedFile ? error.path : null,
    path: path ?? null,
  };
}
