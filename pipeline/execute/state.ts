/** `run.json`: what a run is doing or did, for people and for the other commands. Resume does not depend on it. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { writeAtomic } from "../../lib/atomic.ts";

export type PhaseState = {
  key: string;
  state: "waiting" | "running" | "done" | "failed" | "stopped";
  jobs?: number;
  started?: string;
  finished?: string;
  /** Of a phase that failed: what went wrong, and on a second line what its user can do. */
  error?: string;
};

export type RunState = {
  readonly state: "running" | "done" | "failed" | "stopped";
  readonly version: string;
  readonly node: string;
  readonly name: string;
  readonly phases: Record<string, PhaseState>;
};

export function readRunState(workdir: string): RunState | null {
  try {
    return JSON.parse(readFileSync(join(workdir, "run.json"), "utf8")) as RunState;
  } catch {
    return null;
  }
}

export function writeRunState(workdir: string, state: RunState): void {
  writeAtomic(join(workdir, "run.json"), `${JSON.stringify(state, null, 2)}\n`);
}
