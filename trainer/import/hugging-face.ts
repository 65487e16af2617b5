/**
 * Reads a Hugging Face folder of a GPT-2 or Llama model: config.json and model.safetensors, whole or in parts with
 * an index. GPT-2 stores its linear weights as (inputs, outputs), here (outputs, inputs). Llama's queries, keys and
 * values, and its gate and up, stand apart there and together here. What a config asks for that is not computed here is refused.
 */
import { existsSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { shown, UserError } from "../../lib/errors.ts";
import { checkConfig, customaryHidden, type ModelConfig } from "../config.ts";
import { openSafetensors, type SafetensorsFile } from "../safetensors.ts";
import { concatenate, type ImportedModel, padRows } from "./imported.ts";

type Json = Readonly<Record<string, unknown>>;

function readJson(path: string): Json {
  try {
    const value: unknown = JSON.parse(readFileSync(path, "utf8"));
    if (value !== null && typeof value === "object") return value as Json;
  } catch {
    // Said below.
  }
  throw new UserError(
    `expected a Hugging Face model, but ${path} is missing or not JSON`,
    "give the folder that holds config.json and model.safetensors",
  );
}

/** Values of the config that change what is computed, and the ones we compute. */
function refuse(path: string, json: Json, allowed: Readonly<Record<string, readonly unknown[]>>) {
  for (const [key, values] of Object.entries(allowed)) {
    const value = json[key];
    if (value === undefined || values.includes(value)) continue;
    const expected = values.map(shown).join(" or ");
    throw new UserError(
      `${path}: ${key}: expected ${expected}, got ${shown(value)}`,
      "such models are not supported",
    );
  }
}

const number = (json: Json, key: string, fallback: number): number =>
  typeof json[key] === "number" ? (json[key] as number) : fallback;

function gpt2Config(json: Json, path: string): ModelConfig {
  refuse(path, json, {
    activation_function: ["gelu_new", "gelu_pytorch_tanh"],
    scale_attn_weights: [true],
    scale_attn_by_inverse_layer_idx: [false],
    add_cross_attention: [false],
  });
  const width = number(json, "n_embd", 768);
  const heads = number(json, "n_head", 12);
  return {
    family: "gpt2",
    layers: number(json, "n_layer", 12),
    heads,
    kvHeads: heads,
    width,
    hidden: number(json, "n_inner", customaryHidden("gpt2", width)),
    context: number(json, "n_positions", 1024),
    vocabulary: number(json, "vocab_size", 50257),
    tied: json["tie_word_embeddings"] !== false,
    eps: number(json, "layer_norm_epsilon", 1e-5),
    ropeBase: 10000,
  };
}

/** Numbers that a file leaves out are Llama 3.1's. */
const llama3Scaling = (rope: Json) => ({
  factor: number(rope, "factor", 8),
  lowFrequencyFactor: number(rope, "low_freq_factor", 1),
  highFrequencyFactor: number(rope, "high_freq_factor", 4),
  originalContext: number(rope, "original_max_position_embeddings", 8192),
});

function llamaConfig(json: Json, path: string): ModelConfig {
  refuse(path, json, { hidden_act: ["silu"], attention_bias: [false, null], mlp_bias: [false, null] });
  const rope = (json["rope_parameters"] ?? json["rope_scaling"]) as Json | null | undefined;
  const kind = rope?.["rope_type"] ?? rope?.["type"] ?? "default";
  if (kind !== "default" && kind !== "llama3") {
    throw new UserError(
      `${path}: rope_scaling: expected none or llama3, got ${shown(kind)}`,
      "models whose rotary positions are scaled in other ways are not supported",
    );
  }
  const width = number(json, "hidden_size", 4096);
  const heads = number(json, "num_attention_heads", 32);
  refuse(path, json, { head_dim: [width / heads, null] });
  return {
    family: "llama",
    layers: number(json, "num_hidden_layers", 32),
    heads,
    kvHeads: number(json, "num_key_value_heads", heads),
    width,
    hidden: number(json, "intermediate_size", 11008),
    context: number(json, "max_position_embeddings", 2048),
    vocabulary: number(json, "vocab_size", 32000),
    tied: json["tie_word_embeddings"] === true,
    eps: number(json, "rms_norm_eps", 1e-6),
    ropeBase: number(rope ?? {}, "rope_theta", number(json, "rope_theta", 10000)),
    ...(rope && kind === "llama3" && { ropeScaling: llama3Scaling(rope) }),
  };
}

/** Finds a tensor in one file or in the parts that an index names. Files stay open until `close`. */
function openParts(dir: string) {
  const whole = join(dir, "model.safetensors");
  const index = join(dir, "model.safetensors.index.json");
  const opened = new Map<string, SafetensorsFile>();
  const open = (path: string) => {
    const file = opened.get(path) ?? openSafetensors(path);
    opened.set(path, file);
    return file;
  };
  const parts =
    !existsSync(whole) && existsSync(index) ? (readJson(index)["weight_map"] as Json | undefined) : null;
  const fileOf = (name: string) => {
    const part = parts?.[name];
    if (typeof part !== "string") return open(whole);
    // An index may come from anywhere: it may name files beside it and no others.
    if (basename(part) !== part || part === "" || part === "." || part === "..")
      throw new UserError(
        `${index}: ${shown(name)}: expected the name of a file in ${dir}, got ${shown(part)}`,
        "the index is damaged or hostile",
      );
    return open(join(dir, part));
  };
  const has = (name: string) => (parts ? Object.hasOwn(parts, name) : open(whole).tensors.has(name));
  const close = () => {
    for (const file of opened.values()) file.close();
  };
  return { fileOf, has, close };
}

export function readHuggingFace(dir: string): ImportedModel & { close(): void } {
  const path = join(dir, "config.json");
  const json = readJson(path);
  const type = json["model_type"];
  if (type !== "gpt2" && type !== "llama") {
    throw new UserError(
      `${path}: model_type: expected gpt2 or llama, got ${shown(type)}`,
      "other families are not read",
    );
  }
  const config = checkConfig(type === "gpt2" ? gpt2Config(json, path) : llamaConfig(json, path));
  const { fileOf, has, close } = openParts(dir);
  // Some GPT-2 files leave out the prefix of the language-model class.
  const prefix = type === "gpt2" && !has("wte.weight") ? "transformer." : "";
  const read = (name: string, length: number) => {
    const full = name === "lm_head.weight" ? name : prefix + name;
    const values = fileOf(full).read(full);
    if (values.length === length) return values;
    throw new UserError(
      `${dir}: ${full}: expected ${length} numbers for this config.json, got ${values.length}`,
      "config.json and the weights are of two models",
    );
  };
  const tensor = (name: string) => (type === "gpt2" ? gpt2Tensor : llamaTensor)(name, config, read);
  const said = json["eos_token_id"];
  const eot = Number(Array.isArray(said) ? said[0] : (said ?? (type === "gpt2" ? config.vocabulary - 1 : 2)));
  const bos = number(json, "bos_token_id", eot);
  return { config, tensor, eot, ...(bos !== eot && { bos }), tokenizer: null, close };
}

type Read = (name: string, length: number) => Float32Array;

/** (rows, columns) to (columns, rows). */
export function transpose(values: Float32Array, rows: number, columns: number): Float32Array {
  const result = new Float32Array(values.length);
  for (let r = 0; r < rows; r++)
    for (let c = 0; c < columns; c++) result[c * rows + r] = values[r * columns + c]!;
  return result;
}

/** Their name of each linear layer and norm of a block. */
export const gpt2Names: Readonly<Record<string, string>> = {
  ...{
    norm1: "ln_1",
    norm2: "ln_2",
    qkv: "attn.c_attn",
    projection: "attn.c_proj",
    up: "mlp.c_fc",
    down: "mlp.c_proj",
  },
};

/** Inputs and outputs of a linear layer of a gpt2 block, as [inputs, outputs]. */
export function gpt2Sizes({ width, hidden }: ModelConfig, layer: string): readonly [number, number] {
  if (layer === "qkv") return [width, 3 * width];
  if (layer === "up") return [width, hidden];
  return layer === "down" ? [hidden, width] : [width, width];
}

function gpt2Tensor(name: string, config: ModelConfig, read: Read): Float32Array {
  const { width, vocabulary, context } = config;
  if (name === "wte") return padRows(read("wte.weight", vocabulary * width), config);
  if (name === "head") return padRows(read("lm_head.weight", vocabulary * width), config);
  if (name === "wpe") return read("wpe.weight", context * width);
  if (name.startsWith("norm.")) return read(name.replace("norm.", "ln_f."), width);
  const [, layer, part, kind] = /^layers\.(\d+)\.(\w+)\.(weight|bias)$/.exec(name)!;
  const theirs = `h.${layer}.${gpt2Names[part!]}.${kind}`;
  if (part!.startsWith("norm")) return read(theirs, width);
  const [inputs, outputs] = gpt2Sizes(config, part!);
  return kind === "bias" ? read(theirs, outputs) : transpose(read(theirs, inputs * outputs), inputs, outputs);
}

function llamaTensor(name: string, config: ModelConfig, read: Read): Float32Array {
  const { width: C, vocabulary, heads, kvHeads, hidden: F } = config;
  const kv = (C / heads) * kvHeads;
  if (name === "wte") return padRows(read("model.embed_tokens.weight", vocabulary * C), config);
  if (name === "head") return padRows(read("lm_head.weight", vocabulary * C), config);
  if (name === "norm.weight") return read("model.norm.weight", C);
  const [, layer, part] = /^layers\.(\d+)\.(\w+)\.weight$/.exec(name)!;
  const of = (rest: string, length: number) => read(`model.layers.${layer}.${rest}.weight`, length);
  const makers: Record<string, () => Float32Array> = {
    norm1: () => of("input_layernorm", C),
    norm2: () => of("post_attention_layernorm", C),
    qkv: () =>
      concatenate(
        of("self_attn.q_proj", C * C),
        of("self_attn.k_proj", kv * C),
        of("self_attn.v_proj", kv * C),
      ),
    projection: () => of("self_attn.o_proj", C * C),
    up: () => concatenate(of("mlp.gate_proj", F * C), of("mlp.up_proj", F * C)),
    down: () => of("mlp.down_proj", C * F),
  };
  return makers[part!]!();
}
