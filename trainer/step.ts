/**
 * One optimizer step: gradients of a batch in micro-batches, their global norm, AdamW. All of it is queued on the
 * device; the losses and the norm are read once, at the end.
 */
import type { Device, Tensor } from "../kernels/device.ts";
import type { Batch } from "./batches.ts";
import type { Moments } from "./checkpoint.ts";
import type { LossPlan } from "./evaluate.ts";
import {
  allocParameters,
  attendBatch,
  backward,
  forward,
  type Gradients,
  headLosses,
  type Model,
  planGradients,
} from "./model.ts";
import { decays, lengthOf, parametersOf } from "./parameters.ts";

export type Optimizer = {
  readonly gradients: Gradients;
  readonly moments: Moments;
  readonly norm: Tensor;
  /** Losses of each micro-batch of a step. */
  readonly losses: readonly Tensor[];
};

export type Settings = {
  readonly lr: number;
  readonly weightDecay: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly clip: number;
  /** What the loss is multiplied by before its gradient is taken, and the gradient divided by after; a power of two. Default 1. */
  readonly lossScale?: number;
};

export function planOptimizer(model: Model, rows: number, microBatches: number): Optimizer {
  const { device, config } = model;
  const N = rows * config.context;
  return {
    gradients: planGradients(model, N),
    moments: {
      m: allocParameters(device, config, "mean gradient"),
      v: allocParameters(device, config, "mean squared gradient"),
    },
    norm: device.alloc("gradient norm", 1),
    losses: Array.from({ length: microBatches }, (_, i) => device.alloc(`losses ${i}`, N)),
  };
}

export type StepResult = {
  /** Mean loss of each micro-batch, nats per token. */
  readonly losses: readonly number[];
  readonly loss: number;
  /** Before clipping. A norm that is not finite means that nothing was changed. */
  readonly gradNorm: number;
};

/** `step` counts from 1. */
export async function optimizerStep(
  model: Model,
  plan: LossPlan,
  optimizer: Optimizer,
  batches: readonly Batch[],
  step: number,
  settings: Settings,
): Promise<StepResult> {
  const { device, config, weights } = model;
  const { gradients, moments, norm } = optimizer;
  const { lossScale = 1, ...adamw } = settings;
  const shape = { B: plan.rows, T: config.context, position: 0 };
  const N = shape.B * shape.T;
  for (const tensor of gradients.parameters.values()) device.fill(tensor, 0);
  for (const [i, { inputs, targets }] of batches.entries()) {
    device.write(plan.ids, inputs);
    device.write(plan.targets, targets);
    forward(model, plan.activations, plan.ids, shape, attendBatch(model, shape));
    headLosses(model, plan.activations, plan.head, {
      ...{
        losses: optimizer.losses[i]!,
        targets: plan.targets,
        N,
        scale: lossScale / (N * batches.length),
        gradients,
      },
    });
    backward(model, plan.activations, gradients, plan.ids, shape);
  }
  device.globalNorm({ norm, tensors: [...gradients.parameters.values()], scale: 1 / lossScale });
  for (const parameter of parametersOf(config)) {
    const { name } = parameter;
    device.adamw({
      ...{ param: weights.get(name)!, grad: gradients.parameters.get(name)! },
      ...{ m: moments.m.get(name)!, v: moments.v.get(name)!, N: lengthOf(parameter), norm, step, eps: 1e-8 },
      ...adamw,
      weightDecay: decays(parameter) ? settings.weightDecay : 0,
      gradScale: 1 / lossScale,
    });
  }
  const losses: number[] = [];
  for (let i = 0; i < batches.length; i++) {
    const each = await device.read(optimizer.losses[i]!);
    losses.push(each.reduce((sum, loss) => sum + loss, 0) / N);
  }
  const [gradNorm] = await device.read(norm);
  return { losses, loss: losses.reduce((a, b) => a + b, 0) / losses.length, gradNorm: gradNorm! };
}

/** Names of the tensors that hold a number that is not finite: gradients first, then weights. */
export async function notFinite(device: Device, model: Model, optimizer: Optimizer): Promise<string[]> {
  const found: string[] = [];
  for (const [what, tensors] of [
    ["gradient of", optimizer.gradients.parameters],
    ["weight", model.weights],
  ] as const) {
    for (const [name, tensor] of tensors) {
      const values = await device.read(tensor);
      if (!values.every(Number.isFinite)) found.push(`${what} ${name}`);
    }
  }
  return found;
}
