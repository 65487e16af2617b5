/**
 * The network at work on a short prompt: every layer's residual stream, who attends to whom, and what each layer
 * would say next if it were the last (the final norm and head applied to it: the logit lens, nostalgebraist 2020).
 * Runs the trainer's own forward pass with its training buffers, which keep every layer.
 */

import type { Tensor } from "../../kernels/device.ts";
import { UserError } from "../../lib/errors.ts";
import { headSize, paddedVocabulary, qkvWidth } from "../../trainer/config.ts";
import { attendBatch, forward, freeActivations, logitsOf, planActivations } from "../../trainer/model.ts";
import { countParameters, parametersOf } from "../../trainer/parameters.ts";
import { likeliest, probabilities } from "../../trainer/pick.ts";
import type { Alternative, Inside, TensorWindow } from "../api.ts";
import type { Speaker } from "./model.ts";
import { tokenText } from "./vocabulary.ts";

export const mostTokens = 48;
const shownGuesses = 5;
const windowSide = 128;

/** Softmax weights of each head: the lower triangle, row by row. */
export function attentionWeights(
  qkv: Float32Array,
  { T, H, KV, D }: { readonly T: number; readonly H: number; readonly KV: number; readonly D: number },
): number[][] {
  const row = (H + 2 * KV) * D;
  return Array.from({ length: H }, (_, h) => {
    const shared = H + Math.floor((h * KV) / H);
    const weights: number[] = [];
    for (let i = 0; i < T; i++) {
      const scores = Array.from({ length: i + 1 }, (_, j) => {
        let dot = 0;
        for (let d = 0; d < D; d++) dot += qkv[i * row + h * D + d]! * qkv[j * row + shared * D + d]!;
        return dot / Math.sqrt(D);
      });
      const most = Math.max(...scores);
      const powers = scores.map(score => Math.exp(score - most));
      const sum = powers.reduce((a, b) => a + b, 0);
      weights.push(...powers.map(power => round(power / sum)));
    }
    return weights;
  });
}

/** Length of the difference of two vectors of C numbers that begin at `from`. */
function distance(a: ArrayLike<number>, b: ArrayLike<number>, from: number, C: number): number {
  let sum = 0;
  for (let i = from; i < from + C; i++) sum += (a[i]! - b[i]!) ** 2;
  return round(Math.sqrt(sum));
}

const round = (value: number) => Math.round(value * 1e4) / 1e4;

export async function lookInside({ model, encoder, decoder }: Speaker, prompt: string): Promise<Inside> {
  const { device, config, weights } = model;
  const { eot, bos = eot } = model.file;
  const ids = [bos, ...encoder.encode(prompt)];
  const most = Math.min(mostTokens, config.context);
  if (ids.length > most)
    throw new UserError(
      `expected at most ${most - 1} tokens to look at, got ${ids.length - 1}`,
      "Shorten the prompt.",
    );
  const T = ids.length;
  const [H, KV, D, C] = [config.heads, config.kvHeads, headSize(config), config.width];
  const Vp = paddedVocabulary(config);
  const label = (id: number) => (id === eot || id === bos ? "start" : tokenText(decoder.bytesOf(id)));
  const activations = planActivations(model, T, true);
  const input = device.alloc("prompt to look into", T, "u32");
  const logits = device.alloc("logits of every position", T * Vp);
  try {
    device.write(input, Uint32Array.from(ids));
    const shape = { B: 1, T, position: 0 };
    forward(model, activations, input, shape, attendBatch(model, shape));
    const attention: number[][][] = [];
    for (const { qkv } of activations.blocks) {
      const rows = await device.read(qkv);
      attention.push(attentionWeights(rows.subarray(0, T * qkvWidth(config)), { T, H, KV, D }));
    }
    const lens: Alternative[][][] = [];
    const norms: number[][] = [];
    const streams: Tensor[] = [...activations.blocks.map(({ x }) => x), activations.x];
    const [weight, bias] = [weights.get("norm.weight")!, weights.get("norm.bias") ?? null];
    const { out, mean, rstd } = activations.norm;
    for (const inp of streams) {
      const stream = await device.read(inp);
      norms.push(
        Array.from({ length: T }, (_, t) => round(Math.hypot(...stream.subarray(t * C, (t + 1) * C)))),
      );
      if (bias) device.layerNorm({ out, mean, rstd, inp, weight, bias, N: T, C, eps: config.eps });
      else device.rmsNorm({ out, rstd, inp, weight, N: T, C, eps: config.eps });
      logitsOf(model, logits, out, T);
      const rows = await device.read(logits);
      lens.push(
        Array.from({ length: T }, (_, t) => {
          const shares = probabilities(rows.slice(t * Vp, t * Vp + config.vocabulary));
          return likeliest(shares, shownGuesses).map(id => ({
            id,
            text: id === eot ? "end of text" : tokenText(decoder.bytesOf(id)),
            probability: round(shares[id]!),
          }));
        }),
      );
    }
    const added: Inside["added"][number][] = [];
    for (const [layer, { x, middle }] of activations.blocks.entries()) {
      const [before, half, after] = [
        await device.read(x),
        await device.read(middle),
        await device.read(streams[layer + 1]!),
      ];
      added.push(
        Array.from({ length: T }, (_, t) => ({
          attention: distance(before, half, t * C, C),
          mlp: distance(half, after, t * C, C),
        })),
      );
    }
    return {
      config: { ...config },
      parameters: countParameters(config),
      tokens: ids.map(id => ({ id, text: label(id) })),
      ...{ attention, lens, norms, added },
      tensors: parametersOf(config).map(({ name, shape: sides }) => ({ name, shape: sides })),
    };
  } finally {
    freeActivations(device, activations);
    device.free(input);
    device.free(logits);
  }
}

/** A window of a weight matrix, at most 128 × 128; a vector is one row. */
export async function tensorWindow(
  { model }: Speaker,
  name: string,
  row: number,
  column: number,
): Promise<TensorWindow> {
  const parameter = parametersOf(model.config).find(one => one.name === name);
  if (!parameter) throw new UserError(`the model has no tensor ${JSON.stringify(name)}`);
  const [rows, columns] =
    parameter.shape.length === 2 ? (parameter.shape as [number, number]) : [1, parameter.shape[0]!];
  const values = await model.device.read(model.weights.get(name)!);
  const [top, left] = [clamp(row, rows - 1), clamp(column, columns - 1)];
  const [height, width] = [Math.min(windowSide, rows - top), Math.min(windowSide, columns - left)];
  const shown: number[] = [];
  for (let r = top; r < top + height; r++)
    for (let c = left; c < left + width; c++) shown.push(Number(values[r * columns + c]!.toPrecision(5)));
  let [min, max, squares, sum] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, 0];
  for (const value of values) {
    min = Math.min(min, value);
    max = Math.max(max, value);
    sum += value;
    squares += value * value;
  }
  const mean = sum / values.length;
  return {
    ...{
      name,
      shape: parameter.shape,
      row: top,
      column: left,
      rows: height,
      columns: width,
      values: shown,
      min,
      max,
    },
    deviation: Math.sqrt(Math.max(0, squares / values.length - mean * mean)),
  };
}

const clamp = (value: number, most: number) =>
  Number.isFinite(value) ? Math.max(0, Math.min(most, Math.floor(value))) : 0;
