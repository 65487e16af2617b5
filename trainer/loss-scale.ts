/**
 * Dynamic loss scaling, for products in half precision: gradients are carried times a power of two, as large as does
 * not overflow, so that small ones do not vanish (half precision ends at 6e-8 and 65,504). A step whose gradient norm
 * is not finite changed nothing on the device; it only halves the scale. Knows numbers, not devices.
 * Start, doubling after 2,000 clean steps and halving are those of PyTorch's GradScaler.
 */

export type LossScale = {
  readonly scale: number;
  /** Steps since the last change. */
  readonly clean: number;
};

export const firstLossScale: LossScale = { scale: 2 ** 16, clean: 0 };

const growthInterval = 2000;
const largest = 2 ** 24;

/** The scale of the next step. */
export function nextLossScale({ scale, clean }: LossScale, gradNorm: number): LossScale {
  if (!Number.isFinite(gradNorm)) return { scale: scale / 2, clean: 0 };
  if (clean + 1 < growthInterval || scale >= largest) return { scale, clean: clean + 1 };
  return { scale: scale * 2, clean: 0 };
}

/** Below this a gradient overflows for another reason than the scale: the run has diverged. */
export const smallestLossScale = 2 ** -10;
