/**
 * A model's weights for those who copy them elsewhere: the config and one tensor at a time, by our names. They come
 * from a model on a device or straight from a checkpoint's file, which needs no device and no memory for a second copy.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { shown, UserError } from "../lib/errors.ts";
import { configOfFile, type ModelFile, modelFolder, readModelFile } from "./checkpoint.ts";
import type { ModelConfig } from "./config.ts";
import type { Model } from "./model.ts";
import { parametersOf } from "./parameters.ts";
import { openSafetensors } from "./safetensors.ts";

export type Weights = {
  readonly config: ModelConfig;
  /** Values of a parameter, rows of the padded vocabulary included. */
  tensor(name: string): Promise<Float32Array> | Float32Array;
};

export type StoredWeights = Weights & {
  readonly file: ModelFile;
  /** The folder they lie in. */
  readonly dir: string;
  close(): void;
};

export const weightsOnDevice = ({ config, device, weights }: Model): Weights => ({
  config,
  tensor: name => device.read(weights.get(name)!),
});

/** The weights of a checkpoint, of a model folder's newest one, or of an imported model. UserError where a tensor is missing. */
export function openWeights(path: string): StoredWeights {
  const dir = modelFolder(path);
  const file = readModelFile(dir);
  const config = configOfFile(file);
  const weights = join(dir, "model.safetensors");
  if (!existsSync(weights)) throw new UserError(`expected the weights of a model at ${weights}, found none`);
  const opened = openSafetensors(weights);
  for (const { name, shape } of parametersOf(config)) {
    const found = opened.tensors.get(name)?.shape;
    if (found?.join() === shape.join()) continue;
    opened.close();
    throw new UserError(
      `${weights}: expected a tensor ${shown(name)} of shape [${shape}], found ${found ? `[${found}]` : "none"}`,
    );
  }
  return { config, file, dir, tensor: opened.read, close: opened.close };
}
