/**
 * The training run: shards in, checkpoints, metrics and text samples out. Resumes by itself from the newest whole
 * checkpoint in `out`; on the same kind of device the resumed run ends with the same bytes as one never stopped.
 * Knows no flags and prints nothing: what happens is told to `on`.
 */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Device } from "../kernels/device.ts";
import { shown, UserError } from "../lib/errors.ts";
import { defaults } from "../lib/options.ts";
import { openShards } from "../tokenizer/shards/read.ts";
import {
  type Batch,
  type BatchStream,
  start as beginning,
  type Cursor,
  streamBatches,
  type TokenShards,
} from "./batches.ts";
import {
  type Checkpoint,
  configOfFile,
  loadTensors,
  modelFolder,
  newestCheckpoint,
  prune,
  readModelFile,
  sweep,
  writeCheckpoint,
} from "./checkpoint.ts";
import { configOf, type ModelConfig } from "./config.ts";
import { precisionOf } from "./devices.ts";
import { freeLosses, type LossPlan, planLosses, type Validation, validate } from "./evaluate.ts";
import { flopsPerToken } from "./flops.ts";
import { firstLossScale, type LossScale, nextLossScale, smallestLossScale } from "./loss-scale.ts";
import { checkMemory, deviceMemory, fastMicroBatch } from "./memory.ts";
import {
  append,
  lastMetrics,
  type SampleRecord,
  type StepMetrics,
  timeByKernel,
  truncateAfter,
} from "./metrics.ts";
import { allocModel, freeModel, type Model } from "./model.ts";
import { type TrainOptions, trainOptions } from "./options.ts";
import { watchOutliers } from "./outliers.ts";
import { countParameters, parametersOf, startingValues } from "./parameters.ts";
import { measurePeak } from "./peak.ts";
import { type ProductShape, productsOf } from "./products.ts";
import { openSafetensors } from "./safetensors.ts";
import { sample } from "./sample.ts";
import { learningRate } from "./schedule.ts";
import {
  freeOptimizer,
  notFinite,
  type Optimizer,
  optimizerStep,
  planOptimizer,
  type Settings,
  type StepResult,
} from "./step.ts";
import type { Vocabulary } from "./vocabulary.ts";

export type TrainStart = {
  readonly config: ModelConfig;
  readonly parameters: number;
  readonly device: string;
  /** Step of the checkpoint the run goes on from; 0 for a new run. */
  readonly resumedFrom: number;
  /** Checkpoints passed over because they are damaged. */
  readonly damaged: readonly string[];
  readonly steps: number;
  readonly microBatch: number;
  readonly microBatches: number;
  readonly trainTokens: number;
  readonly trainDocuments: number;
  /** null: there are no validation shards. */
  readonly validationTokens: number | null;
  readonly flopsPerToken: number;
  /** FLOP/s of the device's best matrix product, against which MFU is stated. */
  readonly peakFlops: number;
  /** Times each training token is seen. */
  readonly epochs: number;
};

export type TrainResult = {
  readonly step: number;
  readonly tokens: number;
  readonly loss: number;
  readonly validation: Validation | null;
  readonly best: { readonly step: number; readonly loss: number } | null;
  /** Folder of the last checkpoint. */
  readonly checkpoint: string;
  /** Whether all steps were made, or the signal ended the run. */
  readonly finished: boolean;
};

export type TrainEvents = {
  /** A line for people, before the start: what the device tunes itself for. */
  note?(line: string): void;
  start?(start: TrainStart): void;
  step?(metrics: StepMetrics): void;
  validation?(step: number, validation: Validation): void;
  sample?(sample: SampleRecord): void;
  checkpoint?(step: number, dir: string): void;
};

export type TrainRequest = {
  /** Folder of token shards. */
  readonly shards: string;
  /** Folder for checkpoints/, metrics.jsonl and samples.jsonl. */
  readonly out: string;
  readonly options: TrainOptions;
  readonly device: Device;
  readonly vocabulary: Vocabulary;
  /** A model to begin from, in place of drawn weights: its shape counts, not that of the options. */
  readonly init?: string | null;
  readonly signal?: AbortSignal | null;
  readonly on?: TrainEvents;
};

/** Options that the course of the training does not depend on, or that may change between two runs of it. */
const free = new Set<keyof TrainOptions>([
  ...(["steps", "evalEvery", "evalTokens", "sampleEvery", "sampleTokens", "checkpointEvery"] as const),
  ...(["keep", "device", "threads", "preset", "layers", "heads", "kvHeads", "width", "context"] as const),
  ...(["family", "recompute"] as const),
]);

export async function train(request: TrainRequest): Promise<TrainResult> {
  const { options, device, vocabulary, out } = request;
  const shards = openShards(request.shards, "train");
  const validation = hasSplit(request.shards, "val") ? openShards(request.shards, "val") : null;
  // A corpus so small that no document fell to validation has an empty split, which has no loss.
  const held = validation !== null && validation.tokens > 1 ? validation : null;
  if (shards.vocabularySize !== vocabulary.size) {
    throw new UserError(
      `${request.shards}: the shards were made with a vocabulary of ${shards.vocabularySize}, the tokenizer has ${vocabulary.size}`,
      "run the recipe from its shards stage again",
    );
  }
  const config = request.init
    ? configToBeginFrom(request.init, vocabulary, shards.tokenizerHash)
    : configOf({ ...options, vocabulary: vocabulary.size });
  const sequences = sequencesOf(options, config);
  const { checkpoint, damaged } = newestCheckpoint(out);
  const microBatch = microBatchOf(options, config, sequences, device, checkpoint);
  checkMemory(config, microBatch, deviceMemory(device), options);
  const course = { ...courseOf(options), microBatch };
  if (checkpoint) checkResumable(checkpoint, config, shards.tokenizerHash, course);
  sweep(out);

  const model = allocModel(device, config);
  const plan = planLosses(model, microBatch, options.recompute);
  const optimizer = planOptimizer(model, microBatch, sequences / microBatch, options.optimizer);
  const file = { eot: vocabulary.eot, tokenizer: shards.tokenizerHash };
  const run: Run = { ...request, shards, held, model, plan, optimizer, config, sequences, course, file };
  try {
    if (checkpoint) restore(run, checkpoint);
    else initialise(run);
    const totalTokens = options.steps * options.batchTokens;
    const peakFlops = await tunedPeak(run, totalTokens * flopsPerToken(config));
    request.on?.start?.({
      ...{ config, parameters: countParameters(config), device: device.about, damaged, peakFlops },
      ...{ resumedFrom: checkpoint?.state.step ?? 0, steps: options.steps, microBatch },
      ...{
        microBatches: sequences / microBatch,
        trainTokens: shards.tokens,
        trainDocuments: shards.documents,
      },
      ...{ validationTokens: held && Math.min(options.evalTokens, held.tokens) },
      ...{ flopsPerToken: flopsPerToken(config), epochs: totalTokens / shards.tokens },
    });
    return await loop(run, checkpoint, peakFlops);
  } finally {
    release(run);
  }
}

type Run = Omit<TrainRequest, "shards"> & {
  readonly shards: TokenShards;
  readonly held: TokenShards | null;
  readonly model: Model;
  readonly plan: LossPlan;
  readonly optimizer: Optimizer;
  readonly config: ModelConfig;
  readonly sequences: number;
  readonly course: Readonly<Record<string, unknown>>;
  readonly file: { readonly eot: number; readonly tokenizer: string };
};

function hasSplit(dir: string, split: string): boolean {
  return (
    existsSync(dir) && readdirSync(dir).some(name => name.startsWith(`${split}-`) && name.endsWith(".arrow"))
  );
}

type Tunable = Device & {
  readonly tune?: (products: readonly ProductShape[], log?: (line: string) => void) => Promise<void>;
};

/** Seconds of training from which tuning, about a second a product, pays for itself. */
const worthTuning = 120;

/** The device's best rate, after it has tuned itself for the products of a step where the run is long enough. */
async function tunedPeak({ device, config, plan, on }: Run, flops: number): Promise<number> {
  const peak = await measurePeak(device);
  const { tune } = device as Tunable;
  if (!tune || flops / peak < worthTuning) return peak;
  const products = productsOf(config, plan.rows * config.context, plan.head.rows);
  await tune.call(device, products, line => on?.note?.(line));
  return Math.max(peak, await measurePeak(device));
}

/** The shape of a model to go on with. UserError where the shards are of another vocabulary. */
function configToBeginFrom(init: string, vocabulary: Vocabulary, tokenizer: string): ModelConfig {
  const dir = modelFolder(init);
  const file = readModelFile(dir);
  const known = file.tokenizer !== null && file.tokenizer !== tokenizer;
  if (known || file.vocabulary < vocabulary.size) {
    throw new UserError(
      `${dir}: the model has ${known ? "another tokenizer" : `a vocabulary of ${file.vocabulary}`} than the shards, ` +
        `whose tokenizer has ${vocabulary.size} tokens`,
      "make the shards with the model's own tokenizer",
    );
  }
  return configOfFile(file);
}

/** Sequences in a batch. UserError where it is no multiple of the context. */
export function sequencesOf({ batchTokens }: TrainOptions, { context }: ModelConfig): number {
  if (batchTokens % context === 0) return batchTokens / context;
  const near = Math.max(1, Math.round(batchTokens / context)) * context;
  throw new UserError(
    `batchTokens: expected a multiple of the context (${context}), got ${batchTokens}`,
    `use batchTokens ${near}`,
  );
}

/** Sequences of a micro-batch. UserError where they do not divide the batch. */
export function microBatchOf(
  options: TrainOptions,
  config: ModelConfig,
  sequences: number,
  device: Device,
  checkpoint: Checkpoint | null,
): number {
  const before = checkpoint?.state.options["microBatch"];
  // The size of a micro-batch decides the order of sums, so a resumed run keeps what was chosen at its start.
  const rows = options.microBatch ?? (typeof before === "number" ? before : null);
  if (rows === null) return fastMicroBatch(config, sequences, device, options);
  if (sequences % rows === 0) return rows;
  const divisors = Array.from({ length: sequences }, (_, i) => i + 1).filter(d => sequences % d === 0);
  throw new UserError(
    `microBatch: expected a divisor of the ${sequences} sequences in a batch (batchTokens / context), got ${rows}`,
    `use one of ${divisors.slice(0, 12).join(", ")}`,
  );
}

function courseOf(options: TrainOptions): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(options).filter(([name]) => !free.has(name as keyof TrainOptions)),
  );
}

/** UserError when the checkpoint belongs to another run than the one asked for. */
function checkResumable(
  { dir, state }: Checkpoint,
  config: ModelConfig,
  tokenizer: string,
  course: Readonly<Record<string, unknown>>,
) {
  const file = readModelFile(dir);
  const differences: string[] = [];
  // What a checkpoint does not know of is younger than it, and was as it is by default.
  const absent: Readonly<Record<string, unknown>> = defaults(trainOptions);
  const compare = (before: object, now: object) => {
    for (const [name, value] of Object.entries(now)) {
      const old = name in before ? (before as Record<string, unknown>)[name] : absent[name];
      if (JSON.stringify(old) !== JSON.stringify(value))
        differences.push(`${name} was ${shown(old)}, now ${shown(value)}`);
    }
  };
  compare(configOfFile(file), config);
  compare(state.options, course);
  if (file.tokenizer !== tokenizer) differences.push("the shards were made with another tokenizer");
  if (differences.length === 0) return;
  throw new UserError(
    `${dir} is of another run: ${differences.join("; ")}`,
    "go back to those options, or train into another folder, or delete the checkpoints to begin anew",
  );
}

function initialise({ device, model, options, init }: Run) {
  if (init) {
    const path = join(modelFolder(init), "model.safetensors");
    const file = openSafetensors(path);
    try {
      return loadTensors(file, path, device, model.config, model.weights);
    } finally {
      file.close();
    }
  }
  for (const parameter of parametersOf(model.config)) {
    device.write(model.weights.get(parameter.name)!, startingValues(parameter, model.config, options.seed));
  }
}

function restore({ device, model, optimizer }: Run, { dir }: Checkpoint) {
  const load = (name: string, sets: readonly (readonly [string, ReadonlyMap<string, never>])[]) => {
    const path = join(dir, name);
    const file = openSafetensors(path);
    try {
      for (const [prefix, tensors] of sets) loadTensors(file, path, device, model.config, tensors, prefix);
    } finally {
      file.close();
    }
  };
  load("model.safetensors", [["", model.weights as never]]);
  load("optimizer.safetensors", [
    ["m.", optimizer.moments.m as never],
    ["v.", optimizer.moments.v as never],
  ]);
}

function release({ device, model, plan, optimizer }: Run) {
  freeOptimizer(device, optimizer);
  freeLosses(model, plan);
  freeModel(model);
}

/** Where the time goes is taken of every so many steps, and of the last: a step of them is slower, by little. */
const profileEvery = 20;

async function loop(run: Run, checkpoint: Checkpoint | null, peakFlops: number): Promise<TrainResult> {
  const { options, config, on, out, shards, sequences, plan, signal } = run;
  const files = { metrics: join(out, "metrics.jsonl"), samples: join(out, "samples.jsonl") };
  const from = checkpoint?.state.step ?? 0;
  for (const path of Object.values(files)) truncateAfter(path, from);
  const stream = streamBatches(shards, config.context, options.seed, checkpoint?.state.cursor ?? beginning);
  const flops = flopsPerToken(config);
  const outliers = watchOutliers(lastMetrics(files.metrics, 128));
  const half = precisionOf(run.device) === "f16" && options.precision === "f16";
  const progress: Progress = {
    step: from,
    tokens: checkpoint?.state.tokens ?? 0,
    loss: checkpoint?.state.loss ?? Number.NaN,
    validation: checkpoint?.state.validation ?? null,
    best: checkpoint?.state.best ?? null,
    lossScale: half ? (checkpoint?.state.lossScale ?? firstLossScale) : null,
    dir: checkpoint?.dir ?? "",
    written: from,
  };
  while (progress.step < options.steps && !signal?.aborted) {
    const step = progress.step + 1;
    const began = performance.now();
    const cursor = stream.cursor();
    const batches = Array.from({ length: sequences / plan.rows }, () => stream.next(plan.rows));
    const { weightDecay, beta1, beta2, clip } = options;
    const lr = learningRate(options, step);
    const last = step === options.steps;
    const profiler = step % profileEvery === 0 || last ? run.device.profiler : null;
    profiler?.begin();
    const result = await scaledStep(run, progress, batches, step, { lr, weightDecay, beta1, beta2, clip });
    const kernels = profiler && timeByKernel(await profiler.end());
    if (!Number.isFinite(result.loss) || !Number.isFinite(result.gradNorm))
      await diverged(run, progress, step, result, cursor);
    const seconds = (performance.now() - began) / 1000;
    progress.step = step;
    progress.tokens += options.batchTokens;
    progress.loss = result.loss;
    const validated = run.held !== null && (step % options.evalEvery === 0 || last);
    progress.validation = validated ? await validateNow(run, step) : null;
    const tokensPerSecond = options.batchTokens / seconds;
    const strange = outliers.next(result);
    const metrics: StepMetrics = {
      ...{ step, tokens: progress.tokens, loss: result.loss, lr, gradNorm: result.gradNorm },
      ...{ tokensPerSecond, mfu: (tokensPerSecond * flops) / peakFlops, ms: seconds * 1000 },
      ...(kernels && { kernels }),
      ...(strange && { outliers: strange }),
      ...(validated && {
        valLoss: progress.validation!.loss,
        valBitsPerByte: progress.validation!.bitsPerByte,
      }),
    };
    append(files.metrics, metrics);
    on?.step?.(metrics);
    if (options.sampleEvery > 0 && (step % options.sampleEvery === 0 || last)) {
      const record = await sampleNow(run, step);
      append(files.samples, record);
      on?.sample?.(record);
    }
    if (step % options.checkpointEvery === 0 || last) await checkpointNow(run, progress, stream);
    await nextTurn();
  }
  if (progress.written !== progress.step || progress.dir === "") await checkpointNow(run, progress, stream);
  const { step, tokens, loss, validation, best, dir } = progress;
  return { step, tokens, loss, validation, best, checkpoint: dir, finished: step >= options.steps };
}

/**
 * A step whose loss carries the run's scale, where it has one. Gradients too large for half precision changed nothing, so
 * the same batches are tried again with half the scale, until the fault must lie elsewhere.
 */
async function scaledStep(
  { model, plan, optimizer }: Run,
  progress: Progress,
  batches: readonly Batch[],
  step: number,
  settings: Settings,
): Promise<StepResult> {
  while (true) {
    const { lossScale } = progress;
    const scale = lossScale?.scale ?? 1;
    const result = await optimizerStep(model, plan, optimizer, batches, step, {
      ...settings,
      lossScale: scale,
    });
    if (!lossScale) return result;
    progress.lossScale = nextLossScale(lossScale, result.gradNorm);
    const overflowed = Number.isFinite(result.loss) && !Number.isFinite(result.gradNorm);
    if (!overflowed || progress.lossScale.scale < smallestLossScale) return result;
  }
}

type Progress = {
  step: number;
  tokens: number;
  loss: number;
  /** Of this very step. */
  validation: Validation | null;
  /** The checkpoint with the lowest validation loss. */
  best: { readonly step: number; readonly loss: number } | null;
  /** null: gradients are float32 all the way. */
  lossScale: LossScale | null;
  /** The last checkpoint and its step. */
  dir: string;
  written: number;
};

async function validateNow(run: Run, step: number): Promise<Validation> {
  const { model, plan, held, options, vocabulary, on } = run;
  const validation = await validate(model, plan, held!, options.evalTokens, vocabulary.bytesPerToken);
  on?.validation?.(step, validation);
  return validation;
}

async function sampleNow({ model, options, vocabulary }: Run, step: number): Promise<SampleRecord> {
  const seed = options.seed + step;
  const tokens: number[] = [];
  const settings = { maxTokens: options.sampleTokens, seed, stop: [[vocabulary.eot]] };
  for await (const { token } of sample(model, Uint32Array.of(vocabulary.eot), settings)) tokens.push(token);
  if (tokens.at(-1) === vocabulary.eot) tokens.pop();
  return { step, seed, text: vocabulary.decode(tokens) };
}

async function checkpointNow(run: Run, progress: Progress, stream: BatchStream) {
  const { out, model, optimizer, file, course, device, options, on } = run;
  const { step, tokens, loss, validation, lossScale } = progress;
  if (validation && validation.loss < (progress.best?.loss ?? Number.POSITIVE_INFINITY)) {
    progress.best = { step, loss: validation.loss };
  }
  const { best } = progress;
  const state = { step, tokens, loss, validation, best, cursor: stream.cursor(), options: course };
  progress.dir = await writeCheckpoint(out, model, optimizer.moments, file, {
    ...{ ...state, ...(lossScale && { lossScale }) },
    device: device.about,
  });
  progress.written = step;
  prune(out, options.keep, best?.step ?? null);
  on?.checkpoint?.(step, progress.dir);
}

/** The run cannot go on: says where the numbers broke. What was written stays. */
async function diverged(
  { device, model, plan, optimizer, options }: Run,
  { dir, written }: Progress,
  step: number,
  { losses, gradNorm }: { losses: readonly number[]; gradNorm: number },
  cursor: Cursor,
): Promise<never> {
  const micro = losses.findIndex(loss => !Number.isFinite(loss));
  const where = await notFinite(device, model, plan, optimizer);
  const shard = `epoch ${cursor.epoch}, shard ${cursor.shard}, document ${cursor.document}`;
  throw new UserError(
    `training diverged at step ${step}: ` +
      (micro >= 0
        ? `the loss of micro-batch ${micro} is ${losses[micro]}`
        : `the gradient norm is ${gradNorm}`) +
      ` (batch from ${shard}); first in ${where.slice(0, 3).join(", ") || "the losses only"}`,
    `lower lr (${options.lr}) or lengthen warmup (${options.warmup}); ` +
      (dir ? `the checkpoint of step ${written} is kept in ${dir}` : "no checkpoint had been written yet"),
  );
}
