/**
 * Checkpoints: `checkpoints/step-000200/{model.safetensors,config.json,optimizer.safetensors,state.json}`. Written in
 * a folder with a temporary name, flushed, renamed: a checkpoint exists whole or not at all. state.json carries the
 * sha256 of the others, so a damaged one is noticed and the one before it taken.
 */

import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { basename, join } from "node:path";
import type { Device } from "../kernels/device.ts";
import { sha256File, temporaryName, writeAtomic } from "../lib/atomic.ts";
import { shown, UserError } from "../lib/errors.ts";
import { makeFolder } from "../lib/folder.ts";
import type { Cursor } from "./batches.ts";
import { checkConfig, type ModelConfig } from "./config.ts";
import type { Validation } from "./evaluate.ts";
import type { LossScale } from "./loss-scale.ts";
import { allocModel, freeModel, type Model, type Tensors } from "./model.ts";
import { lengthOf, parametersOf } from "./parameters.ts";
import { openSafetensors, type SafetensorsFile, writeSafetensors } from "./safetensors.ts";

export type ModelFile = ModelConfig & {
  readonly format: "curate-model-1";
  /** End-of-text id. */
  readonly eot: number;
  /** Id that begins a text, where it is another than the end of text (imported models). */
  readonly bos?: number;
  /** sha256 of the tokenizer the model was trained with; null where it is not known (imported models). */
  readonly tokenizer: string | null;
};

export type TrainingState = {
  readonly format: "curate-training-1";
  readonly step: number;
  readonly tokens: number;
  /** Mean loss of the batch of this step. */
  readonly loss: number;
  readonly cursor: Cursor;
  /** Everything the course of the training depends on. */
  readonly options: Readonly<Record<string, unknown>>;
  /** What computed it. */
  readonly device: string;
  /** Of this step, where it was validated. */
  readonly validation: Validation | null;
  readonly best: { readonly step: number; readonly loss: number } | null;
  /** Of training in half precision: what the loss is multiplied by, and for how many steps it has been. */
  readonly lossScale?: LossScale;
  readonly files: readonly { readonly name: string; readonly bytes: number; readonly sha256: string }[];
};

export type Moments = { readonly m: Tensors; readonly v: Tensors };

const folder = (out: string) => join(out, "checkpoints");
export const checkpointName = (step: number) => `step-${String(step).padStart(6, "0")}`;
const stepOf = (name: string) => Number(/^step-(\d{6,})$/.exec(name)?.[1] ?? Number.NaN);

/** Steps with a checkpoint, ascending. */
export function listCheckpoints(out: string): number[] {
  if (!existsSync(folder(out))) return [];
  return readdirSync(folder(out))
    .map(stepOf)
    .filter(step => !Number.isNaN(step))
    .sort((a, b) => a - b);
}

const tensorsToWrite = (device: Device, config: ModelConfig, tensors: Tensors, prefix = "") =>
  parametersOf(config)
    .filter(({ name }) => tensors.has(name))
    .map(({ name, shape }) => ({
      name: prefix + name,
      shape,
      data: () => device.read(tensors.get(name)!),
    }));

/** Writes model.safetensors and config.json to a folder: what a model is, without its training. */
export async function writeModel(dir: string, model: Model, file: Pick<ModelFile, "eot" | "tokenizer">) {
  const { device, config, weights } = model;
  const whole: ModelFile = { format: "curate-model-1", ...config, ...file };
  const written = [
    await writeSafetensors(join(dir, "model.safetensors"), tensorsToWrite(device, config, weights), {
      format: "pt",
    }),
    writeAtomic(join(dir, "config.json"), JSON.stringify(whole, null, 2) + "\n"),
  ];
  return written;
}

/** Writes a checkpoint and gives it its name; one of the same step is replaced. Returns its folder. */
export async function writeCheckpoint(
  out: string,
  model: Model,
  moments: Moments,
  file: Pick<ModelFile, "eot" | "tokenizer">,
  state: Omit<TrainingState, "files" | "format">,
): Promise<string> {
  const { device, config } = model;
  const final = join(folder(out), checkpointName(state.step));
  const aside = temporaryName(final);
  rmSync(aside, { recursive: true, force: true });
  makeFolder(aside);
  const optimizer = [
    ...tensorsToWrite(device, config, moments.m, "m."),
    ...tensorsToWrite(device, config, moments.v, "v."),
  ];
  const written = [
    ...(await writeModel(aside, model, file)),
    await writeSafetensors(join(aside, "optimizer.safetensors"), optimizer, {}),
  ];
  const files = written.map(({ path, bytes, sha256 }) => ({ name: basename(path), bytes, sha256 }));
  const whole: TrainingState = { format: "curate-training-1", ...state, files };
  writeAtomic(join(aside, "state.json"), JSON.stringify(whole, null, 2) + "\n");
  rmSync(final, { recursive: true, force: true });
  renameSync(aside, final);
  flushFolder(folder(out));
  return final;
}

/** Makes a rename last through a power cut. Not every system lets a folder be flushed. */
function flushFolder(path: string) {
  try {
    const fd = openSync(path, "r");
    fsyncSync(fd);
    closeSync(fd);
  } catch {
    // Windows.
  }
}

/** Removes all but the newest `keep` and `best`, and what a killed run left half written. */
export function prune(out: string, keep: number, best: number | null) {
  const steps = listCheckpoints(out);
  const kept = new Set([...steps.slice(-keep), ...(best === null ? [] : [best])]);
  for (const step of steps) {
    if (!kept.has(step)) rmSync(join(folder(out), checkpointName(step)), { recursive: true, force: true });
  }
  sweep(out);
}

/** Removes checkpoints that were being written when a run was killed. */
export function sweep(out: string) {
  if (!existsSync(folder(out))) return;
  for (const name of readdirSync(folder(out))) {
    if (name.endsWith(".tmp")) rmSync(join(folder(out), name), { recursive: true, force: true });
  }
}

export type Checkpoint = { readonly dir: string; readonly state: TrainingState };

/** The newest checkpoint that is whole, and the damaged ones passed over on the way to it. */
export function newestCheckpoint(out: string): { checkpoint: Checkpoint | null; damaged: string[] } {
  const damaged: string[] = [];
  for (const step of listCheckpoints(out).reverse()) {
    const dir = join(folder(out), checkpointName(step));
    const state = readState(dir);
    if (typeof state !== "string") return { checkpoint: { dir, state }, damaged };
    damaged.push(`${dir}: ${state}`);
  }
  return { checkpoint: null, damaged };
}

/**
 * Removes damaged checkpoints older than the newest whole one, and gives their folders: going on from it never writes
 * them again. Newer ones are passed over and written anew.
 */
export function removeOlderDamaged(out: string): string[] {
  const removed: string[] = [];
  let whole = false;
  for (const step of listCheckpoints(out).reverse()) {
    const dir = join(folder(out), checkpointName(step));
    const damaged = typeof readState(dir) === "string";
    if (damaged && whole) {
      rmSync(dir, { recursive: true, force: true });
      removed.push(dir);
    }
    whole ||= !damaged;
  }
  return removed;
}

/** The state of a checkpoint whose files are what they were, or what is wrong with it. */
function readState(dir: string): TrainingState | string {
  let state: TrainingState;
  try {
    state = JSON.parse(readFileSync(join(dir, "state.json"), "utf8")) as TrainingState;
  } catch {
    return "state.json is missing or damaged";
  }
  if (state?.format !== "curate-training-1" || !Array.isArray(state.files)) {
    return `state.json has the format ${shown(state?.format)}`;
  }
  for (const file of state.files as readonly (Partial<TrainingState["files"][number]> | null)[]) {
    if (typeof file?.name !== "string" || basename(file.name) !== file.name) {
      return `state.json names the file ${shown(file?.name)}`;
    }
  }
  for (const { name, bytes, sha256 } of state.files) {
    const path = join(dir, name);
    if (!existsSync(path)) return `${name} is missing`;
    if (statSync(path).size !== bytes) return `${name} has ${statSync(path).size} bytes, not ${bytes}`;
    if (sha256File(path) !== sha256) return `${name} has changed since it was written`;
  }
  return state;
}

export function readModelFile(dir: string): ModelFile {
  const path = join(dir, "config.json");
  let file: ModelFile;
  try {
    file = JSON.parse(readFileSync(path, "utf8")) as ModelFile;
  } catch {
    throw new UserError(
      `expected a model in ${dir}, but ${path} is missing or not JSON`,
      "give a checkpoint's folder, a workdir's model folder, or what `curate import` wrote",
    );
  }
  if (file?.format !== "curate-model-1") {
    throw new UserError(
      `${path}: expected the format curate-model-1, got ${shown(file?.format)}`,
      "a model of another program is read by `curate import`",
    );
  }
  checkConfig(file);
  return file;
}

/** Reads the tensors of a file into device memory. UserError where one is missing or of another shape. */
export function loadTensors(
  file: SafetensorsFile,
  path: string,
  device: Device,
  config: ModelConfig,
  tensors: Tensors,
  prefix = "",
) {
  for (const { name, shape } of parametersOf(config).filter(({ name }) => tensors.has(name))) {
    const header = file.tensors.get(prefix + name);
    const found = header ? `[${header.shape}]` : "none";
    if (!header || header.shape.join() !== shape.join()) {
      throw new UserError(
        `${path}: expected a tensor "${prefix}${name}" of shape [${shape}], found ${found}`,
      );
    }
    const values = file.read(prefix + name);
    if (values.length !== lengthOf({ shape })) throw new Error(`tensor ${name}: ${values.length} values`);
    device.write(tensors.get(name)!, values);
  }
}

/** The config alone: a ModelFile without what is not the model's shape. */
export function configOfFile(file: ModelFile): ModelConfig {
  const { format: _format, eot: _eot, bos: _bos, tokenizer: _tokenizer, ...config } = file;
  return config;
}

export type OpenedModel = Model & {
  readonly file: ModelFile;
  /** The folder the weights came from. */
  readonly dir: string;
  free(): void;
};

/**
 * A model to sample or evaluate: from a checkpoint's folder, from a model folder (its newest checkpoint), or from
 * an imported model.
 */
export async function openModel(path: string, device: Device): Promise<OpenedModel> {
  const dir = modelFolder(path);
  const file = readModelFile(dir);
  const model = allocModel(device, configOfFile(file));
  const weights = join(dir, "model.safetensors");
  try {
    const opened = openSafetensors(weights);
    try {
      loadTensors(opened, weights, device, model.config, model.weights);
    } finally {
      opened.close();
    }
  } catch (error) {
    freeModel(model);
    throw error;
  }
  return { ...model, file, dir, free: () => freeModel(model) };
}

/** The folder that holds model.safetensors: `path` itself, or its newest checkpoint. */
export function modelFolder(path: string): string {
  if (existsSync(join(path, "config.json"))) return path;
  for (const out of [path, join(path, "model")]) {
    const { checkpoint, damaged } = newestCheckpoint(out);
    if (checkpoint) return checkpoint.dir;
    if (damaged.length > 0) throw new UserError(`no checkpoint in ${out} is whole: ${damaged.join("; ")}`);
  }
  throw new UserError(
    `expected a model in ${path}, found neither config.json nor checkpoints/`,
    "train one first: curate train",
  );
}
