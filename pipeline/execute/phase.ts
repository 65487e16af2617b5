/**
 * What a run consists of: phases one after the other, each a number of independent jobs. A job reads files and
 * writes files; its report says which, so that its existence means done. How many jobs a phase has depends on the
 * recipe and its inputs, never on the machine. The executors (threads, a cluster's array jobs) know nothing else.
 */
import { readFileSync } from "node:fs";
import type { OutputFile } from "../../lib/atomic.ts";
import type { OpenStreamed } from "../fetch/stream-reader.ts";
import type { StageStats } from "../stats.ts";

export type JobReport = {
  readonly stats: readonly StageStats[];
  /** Paths relative to the workdir. */
  readonly outputs: readonly OutputFile[];
  /** Said to the user at the end of the phase. */
  readonly warnings?: readonly string[];
  /** What the job depended on, set when the report is written. */
  readonly key?: string;
};

export type PhaseContext = {
  readonly workdir: string;
  /** Bytes one job may hold. */
  readonly memory: number;
};

export type JobProgress = {
  readonly documents?: number;
  readonly bytes?: number;
  /** Of whatever the phase counts: merges, training steps. */
  readonly units?: number;
  /** Replaces the last words of the progress line. */
  readonly note?: string;
  /** A line of its own: a sample of a model's text. */
  readonly line?: string;
};

export type JobContext = PhaseContext & {
  readonly signal: AbortSignal;
  /** How inputs are opened that are read as they come; where there is none, no such input can be read. */
  readonly openStreamed?: OpenStreamed | undefined;
  /** What was done since the last call. */
  progress(done: JobProgress): void;
};

export type Phase = {
  readonly name: string;
  /** One short clause for the progress line: "reading and filtering". */
  readonly about: string;
  /** The recipe's stages it works for. */
  readonly stages: readonly string[];
  /** Everything its output depends on besides the phases before it; hashed into its key. */
  readonly settings: unknown;
  /** As `settings`, for what changes only files that no later phase reads. */
  readonly local?: unknown;
  /** What one job reads: an input, the files of the same job of the phase before, or (the default) anything before. */
  readonly reads?: "input" | "part" | "all";
  /** Files and folders, relative to the workdir, that belong to it alone; removed when it has to be redone. */
  readonly outputs: readonly string[];
  /** `main` for a single long job that brings its own threads and resumes by itself. */
  readonly place: "workers" | "main";
  /** What the progress line counts; "jobs" where a job has no smaller unit. */
  readonly total?: { readonly bytes?: number; readonly documents?: number; readonly units?: number };
  /** At most so many jobs, where `jobs` depends on what earlier phases write. */
  readonly mostJobs?: number;
  jobs(context: PhaseContext): number | Promise<number>;
  run(job: number, context: JobContext): Promise<JobReport>;
};

/** CPU seconds used so far by the calling thread; of the whole process where the system cannot tell threads apart. */
export function cpuSeconds(): number {
  try {
    return Number(readFileSync("/proc/thread-self/schedstat", "utf8").split(" ", 1)[0]) / 1e9;
  } catch {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  }
}

export const partName = (job: number): string => `part-${String(job).padStart(5, "0")}`;
