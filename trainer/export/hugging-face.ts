/**
 * Writes a Hugging Face folder that `transformers` loads by itself: config.json, generation_config.json and
 * model.safetensors. The tokenizer's files are the tokenizer room's; the caller puts them beside these.
 */

import { join } from "node:path";
import { writeAtomic } from "../../lib/atomic.ts";
import { makeFolder } from "../../lib/folder.ts";
import { type ModelConfig, qkvWidth, type RopeScaling } from "../config.ts";
import { gpt2Names, gpt2Sizes, transpose } from "../import/hugging-face.ts";
import { type TensorToWrite, writeSafetensors } from "../safetensors.ts";
import type { Weights } from "../weights.ts";

/** The ids that begin and end a text; without a `bos` the end of one text begins the next. */
export type Ends = { readonly eot: number; readonly bos?: number };

function configJson(config: ModelConfig, { bos, eot }: Ends): Record<string, unknown> {
  const { layers, heads, kvHeads, width, hidden, context, vocabulary, tied, eps, ropeBase } = config;
  const shared = {
    ...{ vocab_size: vocabulary, bos_token_id: bos ?? eot, eos_token_id: eot, tie_word_embeddings: tied },
    torch_dtype: "float32",
  };
  if (config.family === "gpt2") {
    return {
      ...{ architectures: ["GPT2LMHeadModel"], model_type: "gpt2", ...shared },
      ...{
        n_layer: layers,
        n_head: heads,
        n_embd: width,
        n_inner: hidden,
        n_positions: context,
        n_ctx: context,
      },
      ...{ activation_function: "gelu_new", layer_norm_epsilon: eps },
      ...{ attn_pdrop: 0, embd_pdrop: 0, resid_pdrop: 0, initializer_range: 0.02 },
    };
  }
  return {
    ...{ architectures: ["LlamaForCausalLM"], model_type: "llama", ...shared, hidden_act: "silu" },
    ...{
      num_hidden_layers: layers,
      num_attention_heads: heads,
      num_key_value_heads: kvHeads,
      hidden_size: width,
    },
    ...{
      intermediate_size: hidden,
      max_position_embeddings: context,
      rms_norm_eps: eps,
      rope_theta: ropeBase,
    },
    ...(config.ropeScaling && { rope_scaling: scalingJson(config.ropeScaling) }),
    ...{ attention_bias: false, mlp_bias: false, attention_dropout: 0, initializer_range: 0.02 },
  };
}

const scalingJson = (scaling: RopeScaling) => ({
  rope_type: "llama3",
  factor: scaling.factor,
  low_freq_factor: scaling.lowFrequencyFactor,
  high_freq_factor: scaling.highFrequencyFactor,
  original_max_position_embeddings: scaling.originalContext,
});

export async function exportHuggingFace(dir: string, weights: Weights, ends: Ends) {
  makeFolder(dir);
  const tensors = weights.config.family === "gpt2" ? gpt2Tensors(weights) : llamaTensors(weights);
  await writeSafetensors(join(dir, "model.safetensors"), tensors, { format: "pt" });
  const json = (value: unknown) => JSON.stringify(value, null, 2) + "\n";
  writeAtomic(join(dir, "config.json"), json(configJson(weights.config, ends)));
  const { bos = ends.eot, eot } = ends;
  const generation = { _from_model_config: true, bos_token_id: bos, eos_token_id: eot };
  writeAtomic(join(dir, "generation_config.json"), json(generation));
}

/** Rows `from` to `to` of a parameter whose rows are `width` long. */
const rowsOf = (weights: Weights, name: string, width: number, from: number, to: number) => async () =>
  (await weights.tensor(name)).subarray(from * width, to * width);

function gpt2Tensors(weights: Weights): TensorToWrite[] {
  const { config } = weights;
  const { width, vocabulary, context, layers, tied } = config;
  const read = (name: string) => () => weights.tensor(name);
  const list: TensorToWrite[] = [
    {
      name: "transformer.wte.weight",
      shape: [vocabulary, width],
      data: rowsOf(weights, "wte", width, 0, vocabulary),
    },
    { name: "transformer.wpe.weight", shape: [context, width], data: read("wpe") },
  ];
  for (let layer = 0; layer < layers; layer++) {
    for (const [part, theirs] of Object.entries(gpt2Names)) {
      const [ours, name] = [`layers.${layer}.${part}`, `transformer.h.${layer}.${theirs}`];
      const norm = part.startsWith("norm");
      const [inputs, outputs] = norm ? [0, width] : gpt2Sizes(config, part);
      const transposed = async () => transpose(await read(`${ours}.weight`)(), outputs, inputs);
      const weight = norm
        ? { shape: [width], data: read(`${ours}.weight`) }
        : { shape: [inputs, outputs], data: transposed };
      list.push({ name: `${name}.weight`, ...weight });
      list.push({ name: `${name}.bias`, shape: [outputs], data: read(`${ours}.bias`) });
    }
  }
  list.push({ name: "transformer.ln_f.weight", shape: [width], data: read("norm.weight") });
  list.push({ name: "transformer.ln_f.bias", shape: [width], data: read("norm.bias") });
  if (!tied) {
    list.push({
      name: "lm_head.weight",
      shape: [vocabulary, width],
      data: rowsOf(weights, "head", width, 0, vocabulary),
    });
  }
  return list;
}

function llamaTensors(weights: Weights): TensorToWrite[] {
  const { config } = weights;
  const { width: C, vocabulary, layers, hidden: F, heads, tied } = config;
  const kv = (qkvWidth(config) - C) / 2;
  const part = (name: string, ours: string, columns: number, from: number, to: number): TensorToWrite => {
    return { name, shape: [to - from, columns], data: rowsOf(weights, ours, columns, from, to) };
  };
  const norm = (name: string, ours: string): TensorToWrite => {
    return { name, shape: [C], data: rowsOf(weights, ours, C, 0, 1) };
  };
  const list: TensorToWrite[] = [part("model.embed_tokens.weight", "wte", C, 0, vocabulary)];
  for (let layer = 0; layer < layers; layer++) {
    const [ours, theirs] = [`layers.${layer}`, `model.layers.${layer}`];
    list.push(
      norm(`${theirs}.input_layernorm.weight`, `${ours}.norm1.weight`),
      part(`${theirs}.self_attn.q_proj.weight`, `${ours}.qkv.weight`, C, 0, C),
      part(`${theirs}.self_attn.k_proj.weight`, `${ours}.qkv.weight`, C, C, C + kv),
      part(`${theirs}.self_attn.v_proj.weight`, `${ours}.qkv.weight`, C, C + kv, C + 2 * kv),
      part(`${theirs}.self_attn.o_proj.weight`, `${ours}.projection.weight`, heads * (C / heads), 0, C),
      norm(`${theirs}.post_attention_layernorm.weight`, `${ours}.norm2.weight`),
      part(`${theirs}.mlp.gate_proj.weight`, `${ours}.up.weight`, C, 0, F),
      part(`${theirs}.mlp.up_proj.weight`, `${ours}.up.weight`, C, F, 2 * F),
      part(`${theirs}.mlp.down_proj.weight`, `${ours}.down.weight`, F, 0, C),
    );
  }
  list.push(norm("model.norm.weight", "norm.weight"));
  if (!tied) list.push(part("lm_head.weight", "head", C, 0, vocabulary));
  return list;
}
