/**
 * A model of another program, in our shape: the config and every parameter by our names. From here it goes into
 * device memory, or to a folder that `openModel` reads like a checkpoint.
 */

import { join } from "node:path";
import type { Device } from "../../kernels/device.ts";
import { writeAtomic } from "../../lib/atomic.ts";
import { makeFolder } from "../../lib/folder.ts";
import type { ModelFile } from "../checkpoint.ts";
import { type ModelConfig, paddedVocabulary } from "../config.ts";
import { allocModel, type Model } from "../model.ts";
import { lengthOf, parametersOf } from "../parameters.ts";
import { writeSafetensors } from "../safetensors.ts";

export type ImportedModel = {
  readonly config: ModelConfig;
  /** By our parameter name; asked for one at a time, so that a large model is never in memory twice. */
  tensor(name: string): Float32Array;
  /** End-of-text id. */
  readonly eot: number;
  /** Id that begins a text, where it is another than the end of text. */
  readonly bos?: number;
  /** sha256 of the tokenizer, where it is known. */
  readonly tokenizer: string | null;
};

export function loadImported(device: Device, imported: ImportedModel): Model {
  const model = allocModel(device, imported.config);
  for (const parameter of parametersOf(imported.config)) {
    device.write(model.weights.get(parameter.name)!, checked(imported, parameter.name, lengthOf(parameter)));
  }
  return model;
}

/** Writes model.safetensors and config.json. */
export async function saveImported(dir: string, imported: ImportedModel) {
  makeFolder(dir);
  const { config, eot, bos, tokenizer } = imported;
  const tensors = parametersOf(config).map(({ name, shape }) => ({
    name,
    shape,
    data: () => checked(imported, name, lengthOf({ shape })),
  }));
  await writeSafetensors(join(dir, "model.safetensors"), tensors, { format: "pt" });
  const file: ModelFile = {
    format: "curate-model-1",
    ...config,
    eot,
    ...(bos !== undefined && { bos }),
    tokenizer,
  };
  writeAtomic(join(dir, "config.json"), JSON.stringify(file, null, 2) + "\n");
}

function checked(imported: ImportedModel, name: string, length: number): Float32Array {
  const values = imported.tensor(name);
  if (values.length !== length) throw new Error(`imported ${name}: ${values.length} numbers for ${length}`);
  return values;
}

/** Rows of an embedding with zero rows up to the padded vocabulary. */
export function padRows(values: Float32Array, config: ModelConfig): Float32Array {
  const padded = new Float32Array(paddedVocabulary(config) * config.width);
  padded.set(values);
  return padded;
}

export function concatenate(...parts: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/**
 * Rows of a query or key matrix from rotating neighbours (2i, 2i+1) to rotating halves (i, i + D/2), head by head:
 * the same model, since queries and keys are permuted alike. `inverse` goes the other way.
 */
export function permuteRotary(
  values: Float32Array,
  width: number,
  headSize: number,
  inverse = false,
): Float32Array {
  const result = new Float32Array(values.length);
  const rows = values.length / width;
  for (let row = 0; row < rows; row++) {
    const head = Math.floor(row / headSize) * headSize;
    const i = row % headSize;
    const half = headSize / 2;
    const neighbour = head + (i < half ? 2 * i : 2 * (i - half) + 1);
    const [from, to] = inverse ? [row, neighbour] : [neighbour, row];
    result.set(values.subarray(from * width, (from + 1) * width), to * width);
  }
  return result;
}
