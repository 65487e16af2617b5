/**
 * Slurm's commands: submit, look at the queue, cancel. Knows their words, not what is run. Partition, account, time and
 * memory come from the recipe's `slurm`, else from Slurm's own variables (SBATCH_PARTITION, SBATCH_TIMELIMIT, …), which
 * sbatch reads.
 */
import { spawnSync } from "node:child_process";
import { UserError } from "../../lib/errors.ts";

export type Submission = {
  readonly name: string;
  /** Element numbers, as ranges. */
  readonly array: readonly (readonly [number, number])[];
  /** With %A for the job and %a for the element. */
  readonly log: string;
  /** Null for what the cluster gives unasked. */
  readonly cpus: number | null;
  /** The job that has to have succeeded before. */
  readonly after: string | null;
  /** Further words for sbatch, which come last and so count most. */
  readonly asks: readonly string[];
  readonly command: readonly string[];
};

type Result = { readonly code: number; readonly out: string; readonly error: string };

function slurm(program: string, args: readonly string[], input?: string): Result {
  const ran = spawnSync(program, args, { encoding: "utf8", input: input ?? "", maxBuffer: 1 << 28 });
  if ((ran.error as NodeJS.ErrnoException | undefined)?.code === "ENOENT")
    throw new UserError(
      `--executor slurm: there is no ${program} on this machine`,
      "Run it on a machine that may submit jobs to the cluster, or leave --executor away to run here.",
    );
  if (ran.error) throw ran.error;
  return { code: ran.status ?? 1, out: ran.stdout, error: ran.stderr.trim() };
}

/** Submits an array job; gives its number. Throws UserError with what Slurm said. */
export function submit({ name, array, log, cpus, after, asks, command }: Submission): string {
  const spec = array.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(",");
  const script = `#!/bin/sh\nexec ${command.map(quoted).join(" ")}\n`;
  const { code, out, error } = slurm(
    "sbatch",
    [
      "--parsable",
      `--job-name=${name}`,
      `--array=${spec}`,
      `--output=${log}`,
      "--open-mode=truncate",
      "--ntasks=1",
      ...(cpus === null ? [] : [`--cpus-per-task=${cpus}`]),
      ...(after === null ? [] : [`--dependency=afterok:${after}`, "--kill-on-invalid-dep=yes"]),
      ...asks,
    ],
    script,
  );
  const id = /^(\d+)/.exec(out.trim())?.[1];
  if (code !== 0 || id === undefined)
    throw new UserError(
      `sbatch did not take the job ${name}: ${error || out.trim() || `it ended with code ${code}`}`,
      "Partition, account, time and memory are told by the recipe's  slurm: { all: … }  or through Slurm's variables: SBATCH_PARTITION, SBATCH_ACCOUNT, SBATCH_TIMELIMIT, SBATCH_MEM_PER_CPU.",
    );
  return id;
}

/** A word as a shell takes it, whatever is in it. */
export const quoted = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`;

export type Queued = {
  readonly id: string;
  /** Null for an array of which no element has begun and whose elements are not listed one by one. */
  readonly element: number | null;
  readonly running: boolean;
  /** It waits for a job that failed. */
  readonly hopeless: boolean;
};

/** Those of the jobs that wait or run, an entry an element. */
export function queued(ids: readonly string[]): Queued[] {
  if (ids.length === 0) return [];
  const { code, out, error } = slurm("squeue", ["-h", "-r", "-j", ids.join(","), "-o", "%F|%K|%T|%r"]);
  if (code !== 0 && !/invalid job id/i.test(error)) throw new Error(`squeue: ${error || `code ${code}`}`);
  if (code !== 0 && ids.length > 1) return ids.flatMap(id => queued([id]));
  return parseQueue(out);
}

export function parseQueue(out: string): Queued[] {
  return out.split("\n").flatMap(line => {
    const [id = "", element = "", state = "", reason = ""] = line.trim().split("|");
    if (!/^\d+$/.test(id) || state === "COMPLETED" || state === "FAILED" || state === "CANCELLED") return [];
    return {
      id,
      element: /^\d+$/.test(element) ? Number(element) : null,
      running: state === "RUNNING",
      hopeless: reason === "DependencyNeverSatisfied",
    };
  });
}

export function cancel(ids: readonly string[]): void {
  if (ids.length > 0) slurm("scancel", ids);
}

const ended = /^(FAILED|CANCELLED|TIMEOUT|OUT_OF_MEMORY|NODE_FAIL|BOOT_FAIL|DEADLINE|PREEMPTED)/;

/** How an element that is no longer there ended; Slurm forgets it after some minutes. */
export function stateOf(id: string, element: number): { readonly words: string; readonly failed: boolean } {
  const { out } = slurm("scontrol", ["show", "job", "-o", `${id}_${element}`]);
  const state = /\bJobState=(\S+)/.exec(out)?.[1];
  const code = /\bExitCode=(\S+)/.exec(out)?.[1] ?? "unknown";
  if (state === undefined) return { words: "it ended without a report", failed: false };
  return { words: `Slurm says ${state}, exit code ${code}`, failed: ended.test(state) };
}

/** The most elements an array may have here. */
export function arrayLimit(): number {
  const { out } = slurm("scontrol", ["show", "config"]);
  const size = Number(/^MaxArraySize\s*=\s*(\d+)/m.exec(out)?.[1] ?? 1001);
  return Math.max(1, Math.min(size - 1, 10_000));
}
