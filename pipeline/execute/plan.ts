/**
 * The plan: recipe, inputs and version on disk, enough for any process on any machine to run any job of the run.
 * Depends on the recipe and its inputs only; the number of workers is not in it.
 */
import { createHash } from "node:crypto";
import type { Input } from "../inputs.ts";
import type { Recipe } from "../recipe.ts";
import type { Phase } from "./phase.ts";

export type Plan = {
  readonly version: string;
  readonly recipe: Recipe;
  /** Folder of the recipe, absolute: relative names in the recipe start here. */
  readonly base: string;
  readonly workdir: string;
  readonly inputs: readonly Input[];
};

/** The key of each phase: a hash of its settings, its inputs and every phase before it. */
export function phaseKeys(plan: Plan, phases: readonly Phase[]): string[] {
  let previous = hash(["curate", plan.version, plan.recipe.seed, plan.inputs]);
  return phases.map(phase => {
    previous = hash([phase.name, phase.settings, previous]);
    return previous;
  });
}

function hash(value: unknown): string {
  return createHash("sha256").update(JSON.stringify(value)).digest("hex").slice(0, 32);
}
