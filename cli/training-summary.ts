/** What a run's model learned, in a few lines: losses against the untrained model's and the samples. */
import type { Plan } from "../pipeline/execute/plan.ts";

export function trainingSummary(_plan: Plan, _colour: boolean): string | null {
  return null;
}
