/**
 * One optimizer step: gradients of a batch in micro-batches, their global norm, AdamW, or Muon for the matrices of the
 * blocks. All of it is queued on the device; the losses and the norm are read once, at the end.
 */
import type { Device, Tensor } from "../kernels/device.ts";
import { freeMuon, type MatrixShape, type MuonSpace, muon, planMuon } from "../kernels/muon.ts";
import type { Batch } from "./batches.ts";
import type { Moments } from "./checkpoint.ts";
import type { ModelConfig } from "./config.ts";
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
import { decays, lengthOf, type Parameter, parametersOf } from "./parameters.ts";

export type Optimizer = {
  readonly gradients: Gradients;
  readonly moments: Moments;
  readonly norm: Tensor;
  /** Muon's buffers; null: AdamW alone. */
  readonly muon: MuonSpace | null;
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

export type OptimizerName = "adamw" | "muon";

/** Muon's: matrices of the blocks, for which a step in every direction alike makes sense. */
export const isMuons = ({ name, shape }: Parameter) => shape.length === 2 && name.startsWith("layers.");

export const muonShapes = (config: ModelConfig): MatrixShape[] =>
  parametersOf(config)
    .filter(isMuons)
    .map(({ shape }) => [shape[0]!, shape[1]!]);

/** Customary decay of Muon's momentum. */
const muonBeta = 0.95;

export function planOptimizer(
  model: Model,
  rows: number,
  microBatches: number,
  name: OptimizerName = "adamw",
): Optimizer {
  const { device, config } = model;
  const N = rows * config.context;
  const squared = (parameter: Parameter) => name === "adamw" || !isMuons(parameter);
  return {
    gradients: planGradients(model, N),
    moments: {
      m: allocParameters(device, config, "mean gradient"),
      v: allocParameters(device, config, "mean squared gradient", squared),
    },
    muon: name === "muon" ? planMuon(device, muonShapes(config)) : null,
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
  const gradScale = 1 / lossScale;
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
  device.globalNorm({ norm, tensors: [...gradients.parameters.values()], scale: gradScale });
  for (const parameter of parametersOf(config)) {
    const { name, shape } = parameter;
    const tensors = { param: weights.get(name)!, grad: gradients.parameters.get(name)! };
    if (optimizer.muon && isMuons(parameter)) {
      muon(device, optimizer.muon, {
        ...{ ...tensors, m: moments.m.get(name)!, rows: shape[0]!, columns: shape[1]!, norm, gradScale },
        ...{ lr: settings.lr, beta: muonBeta, weightDecay: settings.weightDecay, clip: settings.clip },
      });
      continue;
    }
    device.adamw({
      ...tensors,
      ...{ m: moments.m.get(name)!, v: moments.v.get(name)!, N: lengthOf(parameter), norm, step, eps: 1e-8 },
      ...adamw,
      weightDecay: decays(parameter) ? settings.weightDecay : 0,
      gradScale,
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

export function freeOptimizer(device: Device, { gradients, moments, norm, losses, muon: space }: Optimizer) {
  const { parameters, ...buffers } = gradients;
  const maps = [parameters, moments.m, moments.v].flatMap(tensors => [...tensors.values()]);
  for (const tensor of [...maps, ...Object.values(buffers), ...losses, norm]) device.free(tensor);
  if (space) freeMuon(device, space);
}

/**
 * Names of the tensors that hold a number that is not finite, in the order of computation: weights, activations of the
 * last micro-batch from the first block to the last, gradients from the last block to the first. The first is where
 * the numbers broke.
 */
export async function notFinite(
  device: Device,
  model: Model,
  { activations }: LossPlan,
  optimizer: Optimizer,
): Promise<string[]> {
  const found: string[] = [];
  const look = async (name: string, tensor: Tensor) => {
    const values = await device.read(tensor);
    if (!values.every(Number.isFinite)) found.push(name);
  };
  for (const [name, tensor] of model.weights) await look(`weight ${name}`, tensor);
  for (const [layer, block] of activations.blocks.entries()) {
    await look(`residual before layers.${layer}`, block.x);
    // What blocks share was overwritten by the way back.
    if (activations.recompute) continue;
    const { norm1, qkv, attended, middle, norm2, up, active } = block;
    const inOrder = {
      norm1: norm1.out,
      qkv,
      attention: attended,
      middle,
      norm2: norm2.out,
      up,
      hidden: active,
    };
    for (const [part, tensor] of Object.entries(inOrder)) await look(`layers.${layer} ${part}`, tensor);
  }
  await look("residual after the last layer", activations.x);
  await look("last norm", activations.norm.out);
  const gradients = [...optimizer.gradients.parameters].reverse();
  for (const [name, tensor] of gradients) await look(`gradient of ${name}`, tensor);
  return found;
}
