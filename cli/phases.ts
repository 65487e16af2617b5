/** All phases of a plan in order: the pipeline's, then those of the tokenizer, the trainer and the sampler. */
import { documentPhases } from "../pipeline/execute/documents.ts";
import type { Phase } from "../pipeline/execute/phase.ts";
import type { Plan } from "../pipeline/execute/plan.ts";
import { shardsPhases, tokenizerPhases } from "./corpus-phases.ts";
import { modelPhases } from "./model-phases.ts";

export function allPhases(plan: Plan): Phase[] {
  return [...documentPhases(plan), ...tokenizerPhases(plan), ...shardsPhases(plan), ...modelPhases(plan)];
}

/** The first and the last phase that work for a stage of the recipe. */
export function phaseOfStage(
  phases: readonly Phase[],
  stage: string,
): { first: string; last: string } | undefined {
  const found = phases.filter(phase => phase.stages.includes(stage)).map(phase => phase.name);
  return found.length > 0 ? { first: found[0]!, last: found[found.length - 1]! } : undefined;
}
