/**
 * All phases of a plan in order: the pipeline's, then those of the tokenizer, the trainer and the sampler.
 */
import { documentPhases } from "../pipeline/execute/documents.ts";
import type { Phase } from "../pipeline/execute/phase.ts";
import type { Plan } from "../pipeline/execute/plan.ts";

export function allPhases(plan: Plan): Phase[] {
  return documentPhases(plan);
}

export function phaseOfStage(_plan: Plan, phases: readonly Phase[], stage: string): { first: string; last: string } | undefined {
  const found = phases.filter(phase => phase.stages.includes(stage)).map(phase => phase.name);
  return found.length > 0 ? { first: found[0]!, last: found.at(-1)! } : undefined;
}
