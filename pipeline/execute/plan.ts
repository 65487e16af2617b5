/**
 * The plan: recipe, inputs, files that stages read, and version, on disk; enough for any process on any machine to run
 * any job of the run. Depends on the recipe and its inputs only; the number of workers is not in it. From it come the
 * keys that say what a job's output depends on.
 */
import { createHash } from "node:crypto";
import type { Input } from "../inputs.ts";
import type { Recipe } from "../recipe.ts";
import type { Phase } from "./phase.ts";

/** A list, a model or a vocabulary that a stage reads: its content is part of what the output depends on. */
export type StageFile = { readonly stage: string; readonly path: string; readonly sha256: string };

export type Plan = {
  readonly version: string;
  readonly recipe: Recipe;
  /** Folder of the recipe, absolute: relative names in the recipe start here. */
  readonly base: string;
  readonly workdir: string;
  /** Address in an object store of which the workdir is this machine's copy. */
  readonly remote?: string;
  readonly inputs: readonly Input[];
  readonly files: readonly StageFile[];
};

export type PhaseKeys = {
  /** Of what all jobs of the phase depend on. */
  readonly key: string;
  /** Of one job: what all depend on, and the input it reads. */
  job(index: number): string;
  /** Of the whole phase: key and inputs. */
  readonly whole: string;
};

/**
 * A phase that reads one input a job, directly or through the same job of the phase before, depends on the inputs job
 * by job: more inputs leave the jobs that are done alone. Every other phase depends on all that came before.
 */
export function planKeys(plan: Plan, phases: readonly Phase[]): PhaseKeys[] {
  const root = [plan.version, plan.recipe.seed];
  const inputs = hash(plan.inputs);
  const keys: PhaseKeys[] = [];
  let passed = hash([...root, inputs]);
  let alone = hash(root);
  let apart = true;
  for (const { name, settings, local, reads = "all" } of phases) {
    apart = reads === "input" || (reads === "part" && apart);
    const before = apart ? alone : passed;
    const own = hash([name, settings, before]);
    const key = local === undefined ? own : hash([own, local]);
    if (apart) alone = own;
    passed = hash([own, inputs]);
    const whole = hash([key, inputs]);
    const each = apart;
    keys.push({ key, whole, job: index => (each ? hash([key, plan.inputs[index]]) : key) });
  }
  return keys;
}

/** The key of each phase: a hash of its settings, its inputs and every phase before it. */
export function phaseKeys(plan: Plan, phases: readonly Phase[]): string[] {
  return planKeys(plan, phases).map(({ whole }) => whole);
}

export function hash(value: unknown): string {
  return createHash("sha256")
    .update(JSON.stringify(value) ?? "")
    .digest("hex")
    .slice(0, 32);
}
