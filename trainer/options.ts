/** The options of training: what each means, expects and defaults to. The same declaration serves recipe, flags and docs. */
import { choice, count, flag, integer, number, optional, type Values } from "../lib/options.ts";
import { presetNames } from "./config.ts";

const positive = { min: 1 };

export const trainOptions = {
  preset: choice(
    "nano",
    "Size of the model by name; layers, heads, width and context replace parts of it.",
    presetNames,
  ),
  family: choice(
    "gpt2",
    "gpt2: learned positions, LayerNorm, GELU, biases, tied head. llama: rotary positions, RMSNorm, SwiGLU.",
    ["gpt2", "llama"] as const,
  ),
  layers: optional(integer(4, "Transformer blocks, in place of the preset's.", positive)),
  heads: optional(integer(4, "Attention heads, in place of the preset's.", positive)),
  kvHeads: optional(
    integer(4, "Key/value heads (grouped-query attention); null: as many as heads.", positive),
  ),
  width: optional(
    integer(128, "Size of the residual stream, a multiple of heads, in place of the preset's.", positive),
  ),
  context: optional(integer(128, "Tokens the model sees at once, in place of the preset's.", positive)),
  batchTokens: count(
    4096,
    "Tokens in the batch of one step; larger than a micro-batch, gradients accumulate.",
    positive,
  ),
  microBatch: optional(
    integer(
      16,
      "Sequences computed at a time; null: as many as are fast on the device. Fewer need less memory.",
      positive,
    ),
  ),
  steps: integer(400, "Optimizer steps in all.", positive),
  lr: number(1e-3, "Learning rate at the end of the warm-up. GPT-2's 124M model: 6e-4.", { min: 0 }),
  minLr: number(1e-4, "Learning rate at the last step.", { min: 0 }),
  warmup: integer(40, "Steps in which the learning rate rises from 0.", { min: 0 }),
  schedule: choice(
    "cosine",
    "After the warm-up: cosine down to minLr, or constant with a linear decay in the last fifth.",
    ["cosine", "warmup-stable-decay"] as const,
  ),
  optimizer: choice(
    "adamw",
    "What moves the weights. muon: the matrices of the blocks by Muon, at the same learning rate and decay, the rest by AdamW.",
    ["adamw", "muon"] as const,
  ),
  weightDecay: number(0.1, "Decoupled decay, on matrices only.", { min: 0 }),
  beta1: number(0.9, "AdamW's decay of the gradient's mean.", { min: 0, max: 0.9999 }),
  beta2: number(0.95, "AdamW's decay of the squared gradient's mean.", { min: 0, max: 0.99999 }),
  clip: number(1, "Largest global norm of the gradient; 0: no clipping.", { min: 0 }),
  recompute: flag(
    false,
    "Compute activations again on the way back instead of keeping them: far less memory, a third more time.",
  ),
  precision: choice(
    "f32",
    "Operands of matrix products on a GPU. f16: matrix units where there are any, with dynamic loss scaling; weights stay float32.",
    ["f32", "f16"] as const,
  ),
  seed: integer(1337, "Seed of the starting weights, of the order of the documents and of the samples."),
  evalEvery: integer(100, "Steps between two validations; the last step is always validated.", positive),
  evalTokens: count(65536, "Validation tokens, the first of the split, the same every time.", positive),
  sampleEvery: integer(20, "Steps between two text samples; 0: none.", { min: 0 }),
  sampleTokens: integer(64, "Tokens of a text sample.", positive),
  checkpointEvery: integer(100, "Steps between two checkpoints; the last step always has one.", positive),
  keep: integer(2, "Newest checkpoints to keep, besides the one with the best validation loss.", positive),
  device: choice("auto", "auto: a hardware WebGPU adapter, else the CPU.", [
    "auto",
    "cpu",
    "webgpu",
  ] as const),
  threads: optional(integer(2, "Threads of the cpu device; null: as many as the machine has.", positive)),
} as const;

export type TrainOptions = Values<typeof trainOptions>;
