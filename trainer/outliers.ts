/**
 * Losses and gradient norms that stand out: how many standard deviations a value lies above the mean of the 128 steps
 * before it (llm.c's window). Knows no files; a resumed run feeds it what its metrics say.
 */
import type { StepMetrics } from "./metrics.ts";

export type Outliers = Partial<Readonly<Record<"loss" | "gradNorm", number>>>;

const window = 128;
/** Fewer values than this have no deviation worth the name. */
const fewest = 32;
/** From here on a value is flagged: in a normal distribution one step of 3.5 million. */
export const flaggedFrom = 5;

/** Deviations above the mean of the values; null where there are too few. */
export function deviations(values: readonly number[], value: number): number | null {
  if (values.length < fewest) return null;
  const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
  const variance = values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length;
  return variance > 0 ? (value - mean) / Math.sqrt(variance) : null;
}

export type OutlierWatch = {
  /** What stands out in a step, in deviations; null: nothing. The step then joins the window. */
  next(step: Pick<StepMetrics, "loss" | "gradNorm">): Outliers | null;
};

/** `before`: steps already made, oldest first. */
export function watchOutliers(before: readonly Pick<StepMetrics, "loss" | "gradNorm">[] = []): OutlierWatch {
  const seen = before.slice(-window).map(({ loss, gradNorm }) => ({ loss, gradNorm }));
  return {
    next({ loss, gradNorm }) {
      const found: { loss?: number; gradNorm?: number } = {};
      for (const [name, value] of [
        ["loss", loss],
        ["gradNorm", gradNorm],
      ] as const) {
        const z = deviations(
          seen.map(step => step[name]),
          value,
        );
        if (z !== null && z >= flaggedFrom) found[name] = Math.round(z * 10) / 10;
      }
      seen.push({ loss, gradNorm });
      if (seen.length > window) seen.shift();
      return Object.keys(found).length > 0 ? found : null;
    },
  };
}
