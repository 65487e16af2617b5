/** The small runs whose loss curves PyTorch made too: shapes, batches, hyperparameters. The same here and there. */
import { random } from "../../../lib/random.ts";
import type { Batch } from "../../../trainer/batches.ts";
import { configOf } from "../../../trainer/config.ts";
import { learningRate } from "../../../trainer/schedule.ts";

const shape = { preset: "nano", layers: 3, heads: 4, width: 64, context: 32, vocabulary: 97 } as const;

export const curveCases = {
  gpt2: { config: configOf({ ...shape, family: "gpt2", kvHeads: null }), rows: 8, seed: 1 },
  llama: { config: configOf({ ...shape, family: "llama", kvHeads: 2 }), rows: 8, seed: 2 },
} as const;

export const curveSteps = 100;
export const settings = { weightDecay: 0.1, beta1: 0.9, beta2: 0.95, clip: 1 } as const;

const schedule = { schedule: "cosine", lr: 3e-3, minLr: 3e-4, warmup: 10, steps: curveSteps } as const;
export const learningRates = Array.from({ length: curveSteps }, (_, i) => learningRate(schedule, i + 1));

/** Each token follows the one before it by one or by two, or now and then is a draw: something to learn, never learned quite. */
export function batchesOf(name: keyof typeof curveCases): Batch[] {
  const { config, rows, seed } = curveCases[name];
  const source = random(seed);
  const length = rows * config.context;
  const { vocabulary } = config;
  return Array.from({ length: curveSteps }, () => {
    const ids = new Uint32Array(length + 1);
    for (let i = 0; i <= length; i++) {
      const drawn = i === 0 || source.uniform() < 0.1;
      ids[i] = drawn ? source.below(vocabulary) : (ids[i - 1]! + 1 + source.below(2)) % vocabulary;
    }
    return { inputs: ids.slice(0, length), targets: ids.slice(1) };
  });
}
