/**
 * Where the jobs of a phase run: threads of this process, or tasks of a cluster. An executor is given a phase and job
 * numbers, and says as each ends what its report is or why it failed. Order does not matter, and neither does running
 * a job twice: its files come whole under their final names, the same bytes each time.
 */
import type { JobProgress, JobReport, Phase } from "./phase.ts";

export type JobFailure = { readonly job: number; readonly error: Error };

export type JobEvents = {
  progress(step: JobProgress): void;
  /** The job is done and its report is on disk. */
  done(job: number, report: JobReport): void;
};

export type Executor = {
  /** Runs the jobs; gives the failures. Rejects only when stopped. */
  run(phase: Phase, jobs: readonly number[], on: JobEvents): Promise<JobFailure[]>;
  /** Whether it also runs a phase whose place is `main`; where it does not, this process does. */
  takesMain?(phase: Phase): boolean;
  /** Whether jobs of an earlier run are at work in the workdir. */
  busy?(): boolean;
  /** Ends what runs; what was being written stays under temporary names. */
  stop(): Promise<void>;
};
