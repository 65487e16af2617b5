/**
 * A model that reads one position after the other: keys and values of what was read stay in a cache on the device.
 * The prompt is read once, in pieces of at most 64 tokens, and its cache copied to every row. Knows only token ids.
 */
import type { Tensor } from "../kernels/device.ts";
import { headSize, paddedVocabulary } from "./config.ts";
import {
  type Activations,
  type Attend,
  forward,
  freeActivations,
  logitsOf,
  type Model,
  planActivations,
} from "./model.ts";

const pieceTokens = 64;

export type Decoder = {
  /** Positions read so far, the same in every row. */
  position(): number;
  /** Reads a text into every row, from the beginning. */
  readAll(tokens: Uint32Array): void;
  /** Reads a text of its own into each row, all of one length, from the beginning. */
  readEach(tokens: readonly Uint32Array[]): void;
  /** Reads one token in each row and gives the logits (rows, vocabulary) of what comes next. */
  step(tokens: Uint32Array): Promise<Float32Array[]>;
  free(): void;
};

type Cache = { readonly keys: Tensor; readonly values: Tensor };

export function openDecoder(model: Model, rows: number): Decoder {
  const { device, config } = model;
  const { heads: H, kvHeads: KV, layers, context } = config;
  const D = headSize(config);
  const maxT = Math.ceil(context / 64) * 64;
  const slot = maxT * KV * D;
  const most = Math.max(pieceTokens, rows);
  const caches: Cache[] = Array.from({ length: layers }, (_, layer) => ({
    keys: device.alloc(`key cache of layer ${layer}`, rows * slot),
    values: device.alloc(`value cache of layer ${layer}`, rows * slot),
  }));
  const activations: Activations = planActivations(model, most, false);
  const ids = device.alloc("tokens to read", most, "u32");
  const logits = device.alloc("logits of the next token", rows * paddedVocabulary(config));
  let position = 0;

  /** Attention over row `row` alone, or over all. */
  const attend =
    (B: number, T: number, row: number | null): Attend =>
    ({ attended, qkv }, layer) => {
      const cache = caches[layer]!;
      const of = (tensor: Tensor) => (row === null ? tensor : device.view(tensor, row * slot, slot));
      device.attentionCached({
        ...{
          out: attended,
          qkv,
          kcache: of(cache.keys),
          vcache: of(cache.values),
          B,
          T,
          H,
          KV,
          D,
          position,
          maxT,
        },
      });
    };

  function readRow(tokens: Uint32Array, row: number) {
    position = 0;
    while (position < tokens.length) {
      const piece = tokens.slice(position, position + pieceTokens);
      const T = piece.length;
      device.write(T === most ? ids : device.view(ids, 0, T), piece);
      forward(model, activations, ids, { B: 1, T, position }, attend(1, T, row));
      position += T;
    }
  }

  function readAll(tokens: Uint32Array) {
    readRow(tokens, 0);
    const length = position * KV * D;
    if (length === 0) return;
    for (const { keys, values } of caches) {
      for (let row = 1; row < rows; row++) {
        for (const tensor of [keys, values]) {
          device.copy(device.view(tensor, row * slot, length), device.view(tensor, 0, length));
        }
      }
    }
  }

  function readEach(tokens: readonly Uint32Array[]) {
    for (const [row, text] of tokens.entries()) readRow(text, row);
  }

  async function step(tokens: Uint32Array): Promise<Float32Array[]> {
    if (position >= context) throw new RangeError(`position ${position} of a context of ${context}`);
    device.write(rows === most ? ids : device.view(ids, 0, rows), tokens);
    forward(model, activations, ids, { B: rows, T: 1, position }, attend(rows, 1, null));
    position++;
    logitsOf(model, logits, activations.norm.out, rows);
    const all = await device.read(logits);
    const Vp = paddedVocabulary(config);
    return Array.from({ length: rows }, (_, row) => all.slice(row * Vp, row * Vp + config.vocabulary));
  }

  function free() {
    for (const { keys, values } of caches) for (const tensor of [keys, values]) device.free(tensor);
    freeActivations(device, activations);
    device.free(ids);
    device.free(logits);
  }

  return { position: () => position, readAll, readEach, step, free };
}
