/**
 * The parameters of a model: names, shapes, starting values. A linear layer's weight is (outputs, inputs).
 * Starting values come from the seed and the parameter's name alone, in float32, so they are the same on every device
 * and do not change when a layer is added elsewhere. GPT-2's scheme: N(0, 0.02), and the projections that write to the
 * residual stream N(0, 0.02/√(2·layers)); biases 0, norms 1. Rows of the padded vocabulary are 0 and stay so.
 */
import { hash32, random } from "../lib/random.ts";
import { headSize, type ModelConfig, paddedVocabulary, qkvWidth } from "./config.ts";

export type Parameter = {
  readonly name: string;
  readonly shape: readonly number[];
  readonly start: "normal" | "residual" | "one" | "zero";
};

export const lengthOf = (parameter: Pick<Parameter, "shape">) => parameter.shape.reduce((a, b) => a * b, 1);

/** Weight decay touches matrices only, never norms and biases. */
export const decays = (parameter: Parameter) => parameter.shape.length === 2;

function linear(name: string, outputs: number, inputs: number, bias: boolean, start: "normal" | "residual") {
  const weight: Parameter = { name: `${name}.weight`, shape: [outputs, inputs], start };
  const offset: Parameter = { name: `${name}.bias`, shape: [outputs], start: "zero" };
  return bias ? [weight, offset] : [weight];
}

function norm(name: string, width: number, bias: boolean): Parameter[] {
  const weight: Parameter = { name: `${name}.weight`, shape: [width], start: "one" };
  return bias ? [weight, { name: `${name}.bias`, shape: [width], start: "zero" }] : [weight];
}

/** Every parameter, in the order in which they are stored. */
export function parametersOf(config: ModelConfig): Parameter[] {
  const { family, layers, heads, width, hidden, context, tied } = config;
  const gpt2 = family === "gpt2";
  const rows = paddedVocabulary(config);
  const list: Parameter[] = [{ name: "wte", shape: [rows, width], start: "normal" }];
  if (gpt2) list.push({ name: "wpe", shape: [context, width], start: "normal" });
  for (let layer = 0; layer < layers; layer++) {
    const at = `layers.${layer}`;
    list.push(
      ...norm(`${at}.norm1`, width, gpt2),
      ...linear(`${at}.qkv`, qkvWidth(config), width, gpt2, "normal"),
      ...linear(`${at}.projection`, width, heads * headSize(config), gpt2, "residual"),
      ...norm(`${at}.norm2`, width, gpt2),
      ...linear(`${at}.up`, gpt2 ? hidden : 2 * hidden, width, gpt2, "normal"),
      ...linear(`${at}.down`, width, hidden, gpt2, "residual"),
    );
  }
  list.push(...norm("norm", width, gpt2));
  if (!tied) list.push({ name: "head", shape: [rows, width], start: "normal" });
  return list;
}

/** Numbers to train, the rows of the padded vocabulary not counted. */
export function countParameters(config: ModelConfig): number {
  const all = parametersOf(config).reduce((sum, parameter) => sum + lengthOf(parameter), 0);
  const padding = (paddedVocabulary(config) - config.vocabulary) * config.width;
  return all - padding * (config.tied ? 1 : 2);
}

export function startingValues(parameter: Parameter, config: ModelConfig, seed: number): Float32Array {
  const values = new Float32Array(lengthOf(parameter));
  if (parameter.start === "zero") return values;
  if (parameter.start === "one") return values.fill(1);
  const deviation = parameter.start === "residual" ? 0.02 / Math.sqrt(2 * config.layers) : 0.02;
  const source = random(hash32(seed, `parameter ${parameter.name}`));
  const vocabularyRows = parameter.name === "wte" || parameter.name === "head";
  const end = vocabularyRows ? config.vocabulary * config.width : values.length;
  for (let i = 0; i < end; i++) values[i] = source.normal() * deviation;
  return values;
}
