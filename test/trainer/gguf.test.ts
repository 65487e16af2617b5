/** GGUF export, read back by an independent reading of the format's specification. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import fc from "fast-check";
import { openCpu } from "../../kernels/cpu/device.ts";
import { UserError } from "../../lib/errors.ts";
import { random } from "../../lib/random.ts";
import { type ModelConfig, rotaryDivisors } from "../../trainer/config.ts";
import { exportGguf, type GgufTokenizer, ggufTokenizer } from "../../trainer/export/gguf.ts";
import { encodeTensor, floatToHalf } from "../../trainer/export/quantise.ts";
import { permuteRotary } from "../../trainer/import/imported.ts";
import { allocModel } from "../../trainer/model.ts";
import { lengthOf, parametersOf } from "../../trainer/parameters.ts";
import { halfToFloat } from "../../trainer/safetensors.ts";
import { weightsOnDevice } from "../../trainer/weights.ts";
import { temporary, tinyConfig } from "./toy.ts";

const device = await openCpu({ threads: 1 });
after(() => device.destroy());
const dir = temporary();

/** Reads a GGUF file: its pairs and its tensors as numbers. */
function readGguf(path: string) {
  const bytes = readFileSync(path);
  let at = 0;
  const u32 = () => bytes.readUInt32LE((at += 4) - 4);
  const u64 = () => Number(bytes.readBigUInt64LE((at += 8) - 8));
  const text = () => {
    const length = u64();
    return bytes.toString("utf8", at, (at += length));
  };
  const value = (type: number): unknown => {
    if (type === 4) return u32();
    if (type === 5) return bytes.readInt32LE((at += 4) - 4);
    if (type === 6) return bytes.readFloatLE((at += 4) - 4);
    if (type === 7) return bytes[at++] === 1;
    if (type === 8) return text();
    assert.equal(type, 9);
    const inner = u32();
    return Array.from({ length: u64() }, () => value(inner));
  };
  assert.equal(bytes.toString("latin1", 0, 4), "GGUF");
  at = 4;
  assert.equal(u32(), 3);
  const [tensorCount, pairCount] = [u64(), u64()];
  const pairs = Object.fromEntries(Array.from({ length: pairCount }, () => [text(), value(u32())]));
  const infos = Array.from({ length: tensorCount }, () => {
    const name = text();
    const shape = Array.from({ length: u32() }, u64);
    return { name, shape, type: u32(), offset: u64() };
  });
  const base = Math.ceil(at / 32) * 32;
  const tensors = new Map(
    infos.map(({ name, shape, type, offset }) => {
      assert.equal(offset % 32, 0);
      const count = lengthOf({ shape });
      const from = base + offset;
      const values = Array.from({ length: count }, (_, i) => {
        if (type === 0) return bytes.readFloatLE(from + 4 * i);
        if (type === 1) return halfToFloat(bytes.readUInt16LE(from + 2 * i));
        const block = from + 34 * Math.floor(i / 32);
        return halfToFloat(bytes.readUInt16LE(block)) * bytes.readInt8(block + 2 + (i % 32));
      });
      return [name, { shape, type, values }];
    }),
  );
  return { pairs, tensors };
}

const tokenizer: GgufTokenizer = {
  tokens: Array.from({ length: 25 }, (_, i) => `t${i}`),
  merges: ["a b", "ab c"],
  special: new Set([24]),
  eot: 24,
  pattern: "gpt2",
};

function randomModel(config: ModelConfig) {
  const model = allocModel(device, config);
  const source = random(1);
  for (const parameter of parametersOf(config)) {
    const values = Float32Array.from({ length: lengthOf(parameter) }, () => source.normal());
    device.write(model.weights.get(parameter.name)!, values);
  }
  return model;
}

describe("a GGUF file", () => {
  test("of a gpt2 model has the keys, tensors and numbers that llama.cpp asks for", async () => {
    const config = tinyConfig("gpt2");
    const model = randomModel(config);
    await exportGguf(join(dir, "gpt2.gguf"), weightsOnDevice(model), tokenizer, "f32");
    const { pairs, tensors } = readGguf(join(dir, "gpt2.gguf"));
    assert.deepEqual(pairs, {
      ...{ "general.architecture": "gpt2", "general.name": "curate", "general.file_type": 0 },
      ...{ "gpt2.context_length": 20, "gpt2.embedding_length": 48, "gpt2.block_count": 2 },
      ...{ "gpt2.feed_forward_length": 192, "gpt2.attention.head_count": 4 },
      "gpt2.attention.layer_norm_epsilon": Math.fround(1e-5),
      ...{ "tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "gpt-2" },
      "tokenizer.ggml.tokens": tokenizer.tokens,
      "tokenizer.ggml.token_type": tokenizer.tokens.map((_, i) => (i === 24 ? 3 : 1)),
      "tokenizer.ggml.merges": tokenizer.merges,
      ...{ "tokenizer.ggml.bos_token_id": 24, "tokenizer.ggml.eos_token_id": 24 },
      "tokenizer.ggml.add_bos_token": true,
    });
    const read = async (name: string) => [...(await device.read(model.weights.get(name)!))];
    assert.deepEqual(tensors.get("token_embd.weight")!.shape, [48, 25]);
    assert.deepEqual(tensors.get("token_embd.weight")!.values, (await read("wte")).slice(0, 25 * 48));
    assert.deepEqual(tensors.get("blk.1.attn_qkv.weight")!.values, await read("layers.1.qkv.weight"));
    assert.deepEqual(tensors.get("blk.1.ffn_down.bias")!.values, await read("layers.1.down.bias"));
    assert.equal(tensors.has("output.weight"), false, "a tied head is not stored twice");
    assert.equal(tensors.size, 4 + 2 * 12);
  });

  test("of a llama model permutes queries and keys, and parts gate from up", async () => {
    const config = tinyConfig("llama", { hidden: 96 });
    const model = randomModel(config);
    await exportGguf(
      join(dir, "llama.gguf"),
      weightsOnDevice(model),
      { ...tokenizer, pattern: "llama3" },
      "f16",
    );
    const { pairs, tensors } = readGguf(join(dir, "llama.gguf"));
    assert.equal(pairs["llama.attention.head_count_kv"], 2);
    assert.equal(pairs["tokenizer.ggml.pre"], "llama-bpe");
    const qkv = await device.read(model.weights.get("layers.0.qkv.weight")!);
    const up = await device.read(model.weights.get("layers.0.up.weight")!);
    const half = (values: Float32Array) => Array.from(values, x => halfToFloat(floatToHalf(x)));
    const [q, k, v] = [qkv.slice(0, 48 * 48), qkv.slice(48 * 48, 72 * 48), qkv.slice(72 * 48)];
    assert.deepEqual(tensors.get("blk.0.attn_q.weight")!.values, half(permuteRotary(q, 48, 12, true)));
    assert.deepEqual(tensors.get("blk.0.attn_k.weight")!.values, half(permuteRotary(k, 48, 12, true)));
    assert.deepEqual(tensors.get("blk.0.attn_v.weight")!.values, half(v));
    assert.deepEqual(tensors.get("blk.0.ffn_gate.weight")!.values, half(up.slice(0, 96 * 48)));
    assert.deepEqual(tensors.get("blk.0.ffn_up.weight")!.values, half(up.slice(96 * 48)));
    assert.equal(tensors.get("blk.0.attn_norm.weight")!.type, 0, "norms stay float32");
    assert.deepEqual(tensors.get("output.weight")!.shape, [48, 25]);
  });

  test("of a model with scaled rotary positions names what each frequency is divided by", async () => {
    const ropeScaling = { factor: 4, lowFrequencyFactor: 1, highFrequencyFactor: 3, originalContext: 16 };
    const config = tinyConfig("llama", { ropeScaling });
    await exportGguf(join(dir, "scaled.gguf"), weightsOnDevice(randomModel(config)), tokenizer, "f16");
    const stored = readGguf(join(dir, "scaled.gguf")).tensors.get("rope_freqs.weight")!;
    assert.deepEqual([stored.shape, stored.type], [[6], 0]);
    assert.deepEqual(stored.values, [...Float32Array.from(rotaryDivisors(config))]);
    assert.equal(Math.max(...stored.values), 4);
  });

  test("in q8_0 quantises rows of whole blocks and stores the others as f16", async () => {
    const config = tinyConfig("llama", { heads: 4, kvHeads: 4, width: 64, hidden: 80 });
    const model = randomModel(config);
    await exportGguf(join(dir, "q8.gguf"), weightsOnDevice(model), tokenizer, "q8_0");
    const { pairs, tensors } = readGguf(join(dir, "q8.gguf"));
    assert.equal(pairs["general.file_type"], 7);
    const gate = tensors.get("blk.0.ffn_gate.weight")!;
    assert.equal(gate.type, 8);
    const original = (await device.read(model.weights.get("layers.0.up.weight")!)).slice(0, 80 * 64);
    for (let block = 0; block < original.length; block += 32) {
      const max = Math.max(...original.slice(block, block + 32).map(Math.abs));
      for (let i = block; i < block + 32; i++) {
        assert.ok(Math.abs(gate.values[i]! - original[i]!) <= max / 127 / 1.75, `${i}`);
      }
    }
    assert.equal(tensors.get("blk.0.ffn_down.weight")!.type, 1, "80 is no multiple of 32");
  });

  test("is refused for a pattern llama.cpp does not know and for another model's tokenizer", async () => {
    const model = randomModel(tinyConfig("gpt2"));
    const path = join(dir, "refused.gguf");
    const attempt = (changes: Partial<GgufTokenizer>) =>
      exportGguf(path, weightsOnDevice(model), { ...tokenizer, ...changes }, "f32").catch(
        (error: unknown) => error,
      );
    const pattern = await attempt({ pattern: "nanochat" });
    assert.ok(pattern instanceof UserError && /no pretokenizer like "nanochat"/.test(pattern.message));
    const size = await attempt({ tokens: [...tokenizer.tokens, "more"] });
    assert.ok(size instanceof UserError && /the tokenizer has 26 tokens, the model 25/.test(size.message));
  });

  test("fills the ids that no token has with unused ones", async () => {
    const holes = tokenizer.tokens.slice(0, 23).map((token, i) => (i === 5 ? undefined : token));
    await exportGguf(
      join(dir, "holes.gguf"),
      weightsOnDevice(randomModel(tinyConfig("gpt2"))),
      { ...tokenizer, tokens: holes, eot: 0, special: new Set([0]) },
      "f32",
    );
    const { pairs } = readGguf(join(dir, "holes.gguf"));
    const names = pairs["tokenizer.ggml.tokens"] as string[];
    const kinds = pairs["tokenizer.ggml.token_type"] as number[];
    assert.deepEqual([names.length, names[4], names[5], names[24]], [25, "t4", "[PAD5]", "[PAD24]"]);
    assert.deepEqual([kinds[0], kinds[4], kinds[5], kinds[24]], [3, 1, 5, 5]);
  });

  test("takes its tokenizer from tokenizer.json", () => {
    const json = {
      model: { vocab: { a: 0, b: 1, ab: 2 }, merges: [["a", "b"], "ab b"] },
      added_tokens: [{ id: 3, content: "<|endoftext|>", special: true }],
    };
    const read = ggufTokenizer(json, "gpt2", 3);
    assert.deepEqual(read.tokens, ["a", "b", "ab", "<|endoftext|>"]);
    assert.deepEqual(read.merges, ["a b", "ab b"]);
    assert.deepEqual(read.special, new Set([3]));
    assert.throws(() => ggufTokenizer({ model: {} }, "gpt2", 0), /it has no vocabulary or no merges/);
  });
});

describe("half precision", () => {
  test("is the nearest half, ties to even, for every half and between any two", () => {
    for (let bits = 0; bits < 0x7c00; bits++) {
      const value = halfToFloat(bits);
      assert.equal(floatToHalf(value), bits);
      assert.equal(floatToHalf(-value), bits | 0x8000);
      const next = bits + 1 < 0x7c00 ? halfToFloat(bits + 1) : 65536;
      assert.equal(floatToHalf((value + next) / 2), bits + (bits & 1), "a tie goes to the even one");
    }
    assert.equal(floatToHalf(Number.POSITIVE_INFINITY), 0x7c00);
    assert.equal(floatToHalf(1e6), 0x7c00);
    assert.equal(floatToHalf(Number.NaN) & 0x7c00, 0x7c00);
  });

  test("errs by at most half a unit", () => {
    fc.assert(
      fc.property(fc.float({ min: -65000, max: 65000, noNaN: true }), x => {
        const unit = Math.max(2 ** -24, 2 ** (Math.floor(Math.log2(Math.abs(x) || 1)) - 10));
        assert.ok(Math.abs(halfToFloat(floatToHalf(x)) - x) <= unit / 2);
      }),
      { numRuns: 500, seed: 7 },
    );
  });

  test("of a block of zeros in q8_0 is zeros", () => {
    assert.deepEqual([...encodeTensor(new Float32Array(32), "q8_0")], new Array(34).fill(0));
  });
});
