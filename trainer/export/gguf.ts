/**
 * Writes GGUF version 3, which llama.cpp, Ollama and LM Studio read. Everything is little-endian; each tensor's data
 * begins at a multiple of 32. The head and matrices are stored in the wanted type, norms, biases and positions as float32;
 * a matrix whose rows are no multiple of 32 is stored as f16 where q8_0 was wanted. Llama's rows of queries and keys
 * are permuted, for llama.cpp rotates neighbours where we rotate halves.
 */
import { createAtomic, type OutputFile } from "../../lib/atomic.ts";
import { shown, UserError } from "../../lib/errors.ts";
import { headSize, type ModelConfig, qkvWidth, rotaryDivisors } from "../config.ts";
import { permuteRotary } from "../import/imported.ts";
import type { Weights } from "../weights.ts";
import { encodeTensor, type GgufType, ggufTypes } from "./quantise.ts";

export type GgufTokenizer = {
  /** In GPT-2's byte alphabet, by id; undefined where no token has the id. */
  readonly tokens: readonly (string | undefined)[];
  /** "left right" in the same alphabet, by rank. */
  readonly merges: readonly string[];
  /** Ids of special tokens. */
  readonly special: ReadonlySet<number>;
  readonly eot: number;
  /** Id that begins a text, where it is another than the end of text. */
  readonly bos?: number;
  /** Name of the pretokenizer pattern. */
  readonly pattern: string;
};

/** llama2.c's tokenizer: SentencePiece's, which merges by score. */
export type ScoredGgufTokenizer = {
  readonly pieces: readonly { readonly bytes: Uint8Array; readonly score: number }[];
  readonly eot: number;
};

/** llama.cpp's types of tokens. A model may have more rows than its tokenizer has tokens: those are unused. */
const [normal, unknown, control, unused, byte] = [1, 2, 3, 5, 6];

/** llama.cpp's names of the patterns it knows: with another name it would cut the text differently. */
const preNames: Readonly<Record<string, string>> = {
  ...{ gpt2: "gpt-2", cl100k: "dbrx", llama3: "llama-bpe", o200k: "gpt-4o", qwen2: "qwen2" },
};

/** The parts of a tokenizer.json that GGUF wants. UserError where the file is none of a byte-level BPE. */
export function ggufTokenizer(json: unknown, pattern: string, eot: number): GgufTokenizer {
  const refuse = (what: string) =>
    new UserError(
      `tokenizer.json: expected a byte-level BPE, but ${what}`,
      "export with the tokenizer of the run",
    );
  const { model, added_tokens: added } = (json ?? {}) as {
    model?: { vocab?: Record<string, number>; merges?: unknown[] };
    added_tokens?: { id: number; content: string; special?: boolean }[];
  };
  if (!model?.vocab || !Array.isArray(model.merges)) throw refuse("it has no vocabulary or no merges");
  const tokens: (string | undefined)[] = [];
  for (const [token, id] of Object.entries(model.vocab)) tokens[id] = token;
  for (const { id, content } of added ?? []) tokens[id] = content;
  const merges = model.merges.map(merge => {
    if (typeof merge === "string") return merge;
    if (Array.isArray(merge) && merge.length === 2) return merge.join(" ");
    throw refuse(`it has the merge ${shown(merge)}`);
  });
  const special = new Set((added ?? []).filter(({ special }) => special !== false).map(({ id }) => id));
  return { tokens, merges, special, eot, pattern };
}

type Value =
  | { readonly u32: number }
  | { readonly bool: boolean }
  | { readonly f32: number }
  | { readonly text: string }
  | { readonly texts: readonly string[] }
  | { readonly ints: readonly number[] }
  | { readonly floats: readonly number[] };

/** Bytes of the header, grown as needed. */
function headerWriter() {
  const parts: Buffer[] = [];
  const number = (value: number, kind: "u32" | "i32" | "f32" | "u64") => {
    const bytes = Buffer.alloc(kind === "u64" ? 8 : 4);
    if (kind === "u64") bytes.writeBigUInt64LE(BigInt(value));
    else if (kind === "u32") bytes.writeUInt32LE(value);
    else if (kind === "i32") bytes.writeInt32LE(value);
    else bytes.writeFloatLE(value);
    parts.push(bytes);
  };
  const text = (value: string) => {
    const bytes = Buffer.from(value, "utf8");
    number(bytes.length, "u64");
    parts.push(bytes);
  };
  const pair = (key: string, value: Value) => {
    text(key);
    if ("u32" in value) {
      number(4, "u32");
      number(value.u32, "u32");
    } else if ("bool" in value) {
      number(7, "u32");
      parts.push(Buffer.from([value.bool ? 1 : 0]));
    } else if ("f32" in value) {
      number(6, "u32");
      number(value.f32, "f32");
    } else if ("text" in value) {
      number(8, "u32");
      text(value.text);
    } else if ("texts" in value) {
      number(9, "u32");
      number(8, "u32");
      number(value.texts.length, "u64");
      for (const one of value.texts) text(one);
    } else {
      const [type, list] =
        "ints" in value ? (["i32", value.ints] as const) : (["f32", value.floats] as const);
      number(9, "u32");
      number(type === "i32" ? 5 : 6, "u32");
      number(list.length, "u64");
      for (const one of list) number(one, type);
    }
  };
  return { number, text, pair, bytes: () => Buffer.concat(parts) };
}

function metadata(
  config: ModelConfig,
  tokenizer: GgufTokenizer | ScoredGgufTokenizer,
  type: GgufType,
  name: string,
): [string, Value][] {
  const { family, layers, heads, kvHeads, width, hidden, context, eps, ropeBase, vocabulary } = config;
  const arch = family;
  const own: [string, Value][] =
    family === "gpt2"
      ? [["attention.layer_norm_epsilon", { f32: eps }]]
      : [
          ["attention.layer_norm_rms_epsilon", { f32: eps }],
          ["attention.head_count_kv", { u32: kvHeads }],
          ["rope.dimension_count", { u32: headSize(config) }],
          ["rope.freq_base", { f32: ropeBase }],
          ["vocab_size", { u32: vocabulary }],
        ];
  return [
    ["general.architecture", { text: arch }],
    ["general.name", { text: name }],
    ["general.file_type", { u32: { f32: 0, f16: 1, q8_0: 7 }[type] }],
    [`${arch}.context_length`, { u32: context }],
    [`${arch}.embedding_length`, { u32: width }],
    [`${arch}.block_count`, { u32: layers }],
    [`${arch}.feed_forward_length`, { u32: hidden }],
    [`${arch}.attention.head_count`, { u32: heads }],
    ...own.map(([key, value]): [string, Value] => [`${arch}.${key}`, value]),
    ...("pieces" in tokenizer ? scoredPairs(tokenizer) : mergedPairs(tokenizer, vocabulary)),
    // A text begins after this token here, as in training; llama.cpp would leave it out.
    ["tokenizer.ggml.add_bos_token", { bool: true }],
  ];
}

/** Byte-level BPE, merges by rank. */
function mergedPairs(tokenizer: GgufTokenizer, vocabulary: number): [string, Value][] {
  const pre = preNames[tokenizer.pattern];
  if (!pre) {
    throw new UserError(
      `GGUF export: llama.cpp knows no pretokenizer like ${shown(tokenizer.pattern)}`,
      `train the tokenizer with one of ${Object.keys(preNames).join(", ")}`,
    );
  }
  if (tokenizer.tokens.length > vocabulary) {
    throw new UserError(
      `GGUF export: the tokenizer has ${tokenizer.tokens.length} tokens, the model ${vocabulary}`,
      "export with the tokenizer the model was trained with",
    );
  }
  const kind = (id: number) =>
    !tokenizer.tokens[id] ? unused : tokenizer.special.has(id) ? control : normal;
  const ids = Array.from({ length: vocabulary }, (_, id) => id);
  return [
    ["tokenizer.ggml.model", { text: "gpt2" }],
    ["tokenizer.ggml.pre", { text: pre }],
    ["tokenizer.ggml.tokens", { texts: ids.map(id => tokenizer.tokens[id] ?? `[PAD${id}]`) }],
    ["tokenizer.ggml.token_type", { ints: ids.map(kind) }],
    ["tokenizer.ggml.merges", { texts: tokenizer.merges }],
    ["tokenizer.ggml.bos_token_id", { u32: tokenizer.bos ?? tokenizer.eot }],
    ["tokenizer.ggml.eos_token_id", { u32: tokenizer.eot }],
  ];
}

/** SentencePiece: a space is written as U+2581, bytes by their names. */
function scoredPairs({ pieces, eot }: ScoredGgufTokenizer): [string, Value][] {
  const isByte = (id: number) => id >= 3 && id < 259;
  const name = (id: number, bytes: Uint8Array) => {
    if (isByte(id)) return `<0x${(id - 3).toString(16).toUpperCase().padStart(2, "0")}>`;
    const text = Buffer.from(bytes).toString("utf8");
    return id < 3 ? text.trim() : text.replaceAll(" ", "\u2581");
  };
  const kind = (id: number) => (id === 0 ? unknown : id < 3 ? control : isByte(id) ? byte : normal);
  return [
    ["tokenizer.ggml.model", { text: "llama" }],
    ["tokenizer.ggml.pre", { text: "default" }],
    ["tokenizer.ggml.tokens", { texts: pieces.map(({ bytes }, id) => name(id, bytes)) }],
    ["tokenizer.ggml.scores", { floats: pieces.map(({ score }) => score) }],
    ["tokenizer.ggml.token_type", { ints: pieces.map((_, id) => kind(id)) }],
    ["tokenizer.ggml.bos_token_id", { u32: eot }],
    ["tokenizer.ggml.eos_token_id", { u32: eot }],
    ["tokenizer.ggml.unknown_token_id", { u32: 0 }],
    ["tokenizer.ggml.add_space_prefix", { bool: true }],
  ];
}

type GgufTensor = {
  readonly name: string;
  /** (rows, columns) or (length). */
  readonly shape: readonly number[];
  readonly type: GgufType;
  data(): Promise<Float32Array>;
};

function tensorsOf(weights: Weights, type: GgufType): GgufTensor[] {
  const { config } = weights;
  const { family, layers, width: C, hidden: F, vocabulary, context, tied } = config;
  const D = headSize(config);
  const kv = (qkvWidth(config) - C) / 2;
  const list: GgufTensor[] = [];
  const read = async (ours: string, columns: number, from: number, to: number) =>
    (await weights.tensor(ours)).subarray(from * columns, to * columns);
  const vector = (name: string, ours: string, length: number) =>
    list.push({ name, shape: [length], type: "f32", data: () => read(ours, length, 0, 1) });
  const matrix = (name: string, ours: string, columns: number, from: number, to: number, rotary = false) => {
    const data = async () => {
      const values = await read(ours, columns, from, to);
      return rotary ? permuteRotary(values, columns, D, true) : values;
    };
    const kind = type === "q8_0" && columns % ggufTypes.q8_0.block !== 0 ? "f16" : type;
    list.push({ name, shape: [to - from, columns], type: kind, data });
  };
  const linear = (name: string, ours: string, outputs: number, inputs: number) => {
    matrix(`${name}.weight`, `${ours}.weight`, inputs, 0, outputs);
    if (family === "gpt2") vector(`${name}.bias`, `${ours}.bias`, outputs);
  };
  const norm = (name: string, ours: string) => {
    vector(`${name}.weight`, `${ours}.weight`, C);
    if (family === "gpt2") vector(`${name}.bias`, `${ours}.bias`, C);
  };
  matrix("token_embd.weight", "wte", C, 0, vocabulary);
  if (family === "gpt2") {
    const data = () => read("wpe", C, 0, context);
    list.push({ name: "position_embd.weight", shape: [context, C], type: "f32", data });
  }
  for (let layer = 0; layer < layers; layer++) {
    const [name, ours] = [`blk.${layer}`, `layers.${layer}`];
    norm(`${name}.attn_norm`, `${ours}.norm1`);
    if (family === "gpt2") {
      linear(`${name}.attn_qkv`, `${ours}.qkv`, 3 * C, C);
    } else {
      matrix(`${name}.attn_q.weight`, `${ours}.qkv.weight`, C, 0, C, true);
      matrix(`${name}.attn_k.weight`, `${ours}.qkv.weight`, C, C, C + kv, true);
      matrix(`${name}.attn_v.weight`, `${ours}.qkv.weight`, C, C + kv, C + 2 * kv);
    }
    linear(`${name}.attn_output`, `${ours}.projection`, C, C);
    norm(`${name}.ffn_norm`, `${ours}.norm2`);
    if (family === "gpt2") {
      linear(`${name}.ffn_up`, `${ours}.up`, F, C);
    } else {
      matrix(`${name}.ffn_gate.weight`, `${ours}.up.weight`, C, 0, F);
      matrix(`${name}.ffn_up.weight`, `${ours}.up.weight`, C, F, 2 * F);
    }
    linear(`${name}.ffn_down`, `${ours}.down`, C, F);
  }
  if (config.ropeScaling) {
    const divisors = Float32Array.from(rotaryDivisors(config));
    list.push({ name: "rope_freqs.weight", shape: [D / 2], type: "f32", data: async () => divisors });
  }
  norm("output_norm", "norm");
  if (!tied) matrix("output.weight", "head", C, 0, vocabulary);
  return list;
}

const alignment = 32;
const align = (n: number) => Math.ceil(n / alignment) * alignment;

function bytesOf({ shape, type }: GgufTensor): number {
  const { block, bytes } = ggufTypes[type];
  return (shape.reduce((a, b) => a * b, 1) / block) * bytes;
}

export async function exportGguf(
  path: string,
  weights: Weights,
  tokenizer: GgufTokenizer | ScoredGgufTokenizer,
  type: GgufType,
  name = "curate",
): Promise<OutputFile> {
  const pairs = metadata(weights.config, tokenizer, type, name);
  const tensors = tensorsOf(weights, type);
  const header = headerWriter();
  header.number(0x46554747, "u32");
  header.number(3, "u32");
  header.number(tensors.length, "u64");
  header.number(pairs.length, "u64");
  for (const [key, value] of pairs) header.pair(key, value);
  let offset = 0;
  for (const tensor of tensors) {
    header.text(tensor.name);
    header.number(tensor.shape.length, "u32");
    for (const size of [...tensor.shape].reverse()) header.number(size, "u64");
    header.number(ggufTypes[tensor.type].number, "u32");
    header.number(offset, "u64");
    offset += align(bytesOf(tensor));
  }
  const bytes = header.bytes();
  const file = createAtomic(path);
  try {
    file.write(bytes);
    file.write(new Uint8Array(align(bytes.length) - bytes.length));
    for (const tensor of tensors) {
      const data = encodeTensor(await tensor.data(), tensor.type);
      file.write(data);
      file.write(new Uint8Array(align(data.length) - data.length));
    }
    return file.commit();
  } catch (error) {
    file.abandon();
    throw error;
  }
}
