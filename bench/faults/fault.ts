/** What a fault is to the script: something that happens to a run, and a row of the table. */
import type { Project, Snapshot } from "./project.ts";

export type Setting = {
  readonly project: Project;
  /** The workdir of a run that nothing disturbed, and what is in it. */
  readonly whole: string;
  readonly expected: Snapshot;
  readonly phases: readonly { readonly name: string; readonly seconds: number }[];
  readonly seed: number;
  readonly short: boolean;
  readonly kills: number;
};

/** One time the fault was tried. */
export type Trial = {
  readonly recovered: boolean;
  readonly lost: number;
  readonly doubled: number;
  /** What went wrong, for the log. */
  readonly note?: string;
};

export type Fault = {
  readonly name: string;
  /** Trials as they end, or why it cannot be tried on this machine. */
  run(setting: Setting, on: (trial: Trial) => void): Promise<string | null>;
};
