/** The learning rate of a step: linear warm-up, then cosine to minLr, or constant with a linear decay over the last fifth. */
export type Schedule = {
  readonly schedule: "cosine" | "warmup-stable-decay";
  readonly lr: number;
  readonly minLr: number;
  readonly warmup: number;
  readonly steps: number;
};

/** Share of the steps in which warmup-stable-decay decays. */
const decayShare = 0.2;

/** `step` counts from 1; beyond the last step the rate stays at minLr. */
export function learningRate({ schedule, lr, minLr, warmup, steps }: Schedule, step: number): number {
  if (step <= warmup) return (lr * step) / (warmup + 1);
  if (schedule === "cosine") {
    const done = Math.min(1, (step - warmup) / Math.max(1, steps - warmup));
    return minLr + 0.5 * (lr - minLr) * (1 + Math.cos(Math.PI * done));
  }
  const decay = Math.max(1, Math.min(Math.round(steps * decayShare), steps - warmup));
  const left = Math.max(0, (steps - step) / decay);
  return left >= 1 ? lr : minLr + (lr - minLr) * left;
}
