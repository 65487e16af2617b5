/**
 * The local executor: a pool of worker threads, each running whole jobs. Threads get a phase's name and a job's
 * number and rebuild everything else from the plan on disk; what they send back is progress and a report. The order
 * in which jobs end does not matter. Messages cost under 1 % at this grain.
 */
import { Worker } from "node:worker_threads";
import { UserError } from "../../lib/errors.ts";
import type { JobProgress, JobReport } from "./phase.ts";

export type ToWorker = { readonly phase: string; readonly job: number };
export type FromWorker =
  | { readonly kind: "progress"; readonly progress: JobProgress }
  | { readonly kind: "done"; readonly report: JobReport }
  | {
      readonly kind: "failed";
      readonly message: string;
      readonly hint: string | null;
      readonly user: boolean;
      readonly stack: string;
    };

export type JobFailure = { readonly job: number; readonly error: Error };

export type Pool = {
  /** Runs the jobs, calling back as each ends; gives the failures. Rejects only when stopped. */
  run(
    phase: string,
    jobs: readonly number[],
    on: { progress(p: JobProgress): void; done(job: number, report: JobReport): void },
  ): Promise<JobFailure[]>;
  /** Ends all threads at once; what they were writing stays under temporary names. */
  stop(): Promise<void>;
};

export function openPool(options: {
  readonly entry: URL;
  readonly planPath: string;
  readonly threads: number;
}): Pool {
  const idle: Worker[] = [];
  const all = new Set<Worker>();
  let stopped = false;
  const start = () => {
    const worker = new Worker(options.entry, {
      workerData: { planPath: options.planPath },
      stdout: false,
      stderr: false,
    });
    all.add(worker);
    return worker;
  };

  const runJob = (phase: string, job: number, onProgress: (p: JobProgress) => void): Promise<JobReport> =>
    new Promise((resolve, reject) => {
      const worker = idle.pop() ?? start();
      const finish = (act: () => void, reusable: boolean) => {
        worker.off("message", onMessage).off("error", onError).off("exit", onExit);
        if (reusable && !stopped) idle.push(worker);
        else {
          all.delete(worker);
          void worker.terminate();
        }
        act();
      };
      const onMessage = (message: FromWorker) => {
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
      const queue = [...jobs];
      const lane = async () => {
        for (let job = queue.shift(); job !== undefined && !stopped; job = queue.shift()) {
          try {
            on.done(job, await runJob(phase, job, on.progress));
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
      await Promise.all([...all].map(worker => worker.terminate()));
    },
  };
}

function errorOf({ message, hint, user, stack }: Extract<FromWorker, { kind: "failed" }>): Error {
  return user ? new UserError(message, hint) : Object.assign(new Error(message), { stack });
}
