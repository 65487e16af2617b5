/**
 * Memory of a training run, from the shape alone, before anything is allocated: weights, gradients and both moments
 * of AdamW (16 bytes a parameter), activations (float32, kept for every block, or for one and the inputs of all where
 * they are recomputed), the head's logits, the sampler's cache.
 */
import type { Device } from "../kernels/device.ts";
import { muonFloats } from "../kernels/muon.ts";
import { UserError } from "../lib/errors.ts";
import { headSize, type ModelConfig, paddedVocabulary, presetNames, presets, qkvWidth } from "./config.ts";
import { availableMemory } from "./machine.ts";
import { headChunk } from "./model.ts";
import { lengthOf, parametersOf } from "./parameters.ts";
import { muonShapes, type OptimizerName } from "./step.ts";

/** Bytes of logits at a time: large enough that the head's weights are read a few times only, and one binding of 128 MiB. */
export const logitsBytes = 100 * 1024 * 1024;

export type MemoryPlan = {
  readonly parameters: number;
  readonly optimizer: number;
  readonly activations: number;
  readonly logits: number;
  readonly cache: number;
  readonly total: number;
};

export type MemoryOptions = {
  /** Activations are computed again on the way back. */
  readonly recompute?: boolean;
  readonly optimizer?: OptimizerName;
};

/** Bytes, `rows` sequences of the whole context at a time. */
export function memoryPlan(
  config: ModelConfig,
  rows: number,
  { recompute = false, optimizer = "adamw" }: MemoryOptions = {},
): MemoryPlan {
  const { width, hidden, layers, heads, kvHeads, context, family } = config;
  const N = rows * context;
  const weights = 4 * parametersOf(config).reduce((sum, parameter) => sum + lengthOf(parameter), 0);
  const up = family === "gpt2" ? hidden : 2 * hidden;
  const block = 5 * width + qkvWidth(config) + heads + up + hidden + 4;
  const backward = 3 * width + qkvWidth(config) + up + hidden;
  const kept = recompute ? block + (layers - 1) * width : layers * block;
  const activations = 4 * N * (kept + 2 * width + 2 + backward + 3);
  const logits = 4 * headChunk(config, N, logitsBytes) * paddedVocabulary(config);
  const cache = 8 * layers * (Math.ceil(context / 64) * 64) * kvHeads * headSize(config);
  const moments = optimizer === "adamw" ? 2 * weights : 2 * weights + muonBytes(config);
  const plan = { parameters: weights, optimizer: weights + moments, activations, logits, cache };
  return { ...plan, total: Object.values(plan).reduce((a, b) => a + b, 0) };
}

const gib = (bytes: number) => `${(bytes / 2 ** 30).toFixed(2)} GiB`;

/** Bytes by which Muon needs more than AdamW: its space, less the second moment of its matrices. */
function muonBytes(config: ModelConfig): number {
  const shapes = muonShapes(config);
  return 4 * (muonFloats(shapes) - shapes.reduce((sum, [rows, columns]) => sum + rows * columns, 0));
}

/** UserError with what would fit, when a run needs more than `limit` bytes. */
export function checkMemory(config: ModelConfig, rows: number, limit: number, options: MemoryOptions = {}) {
  const { total, parameters, optimizer, activations, logits } = memoryPlan(config, rows, options);
  if (total <= limit) return;
  const parts =
    `${gib(parameters + optimizer)} for weights and optimizer, ${gib(activations + logits)} for ` +
    `activations of ${rows} x ${config.context} tokens`;
  throw new UserError(
    `this model needs ${gib(total)} (${parts}), and the device has ${gib(limit)}`,
    whatFits(config, rows, limit, options),
  );
}

function whatFits(config: ModelConfig, rows: number, limit: number, options: MemoryOptions): string {
  const fits = (rows: number, more: MemoryOptions = {}, other = config) =>
    memoryPlan(other, rows, { ...options, ...more }).total <= limit;
  const largestOf = (more: MemoryOptions) => {
    for (let fewer = rows; fewer >= 1; fewer--) if (fits(fewer, more)) return fewer;
    return 0;
  };
  const [plain, recomputed] = [largestOf({}), options.recompute ? 0 : largestOf({ recompute: true })];
  const found = [
    ...(plain > 0 ? [`microBatch ${plain}`] : []),
    ...(recomputed > plain ? [`recompute true with microBatch ${recomputed}`] : []),
  ];
  if (found.length > 0) return `${found.join(", or ")} would fit`;
  const smaller = presetNames.filter(name => fits(1, {}, { ...config, ...withPreset(name, config) }));
  const largest = smaller.at(-1);
  return largest ? `the preset ${largest} with microBatch 1 would fit` : "no preset fits: free memory first";
}

function withPreset(name: (typeof presetNames)[number], { family, vocabulary }: ModelConfig) {
  const { heads, width, ...rest } = presets[name];
  const hidden = family === "gpt2" ? 4 * width : Math.ceil((8 * width) / 3 / 64) * 64;
  return { ...rest, heads, kvHeads: heads, width, hidden, vocabulary };
}

/** Bytes a device may be filled with: what the adapter says, for the CPU also what the machine has free. */
export function deviceMemory(device: Device): number {
  const said = device.adapter.details["memoryBytes"];
  const own = typeof said === "number" ? said : Number.POSITIVE_INFINITY;
  return device.kind === "webgpu" ? own : Math.min(own, 2 ** 32, availableMemory());
}

/** Sequences at a time when none were asked for: enough tokens to be fast, a divisor of the batch, and within memory. */
export function fastMicroBatch(
  config: ModelConfig,
  sequences: number,
  device: Device,
  options: MemoryOptions = {},
): number {
  const tokens = device.kind === "webgpu" ? 32768 : 4096;
  const limit = deviceMemory(device);
  for (let rows = sequences; rows > 1; rows--) {
    if (sequences % rows !== 0 || rows * config.context > tokens) continue;
    if (memoryPlan(config, rows, options).total <= limit) return rows;
  }
  return 1;
}
