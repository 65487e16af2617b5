/**
 * Models of other programs: stories260K (llama2.c) gives the reference logits and the reference's greedy text, a
 * three-layer GPT (minGPT, as shown by llm-viz) its every activation, and what we export is read back as the same model.
 */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { openCpu } from "../../kernels/cpu/device.ts";
import type { Tensor } from "../../kernels/device.ts";
import { UserError } from "../../lib/errors.ts";
import { random } from "../../lib/random.ts";
import { openModel } from "../../trainer/checkpoint.ts";
import {
  type ModelConfig,
  paddedVocabulary,
  rotaryDivisors,
  rotaryFrequencies,
} from "../../trainer/config.ts";
import { openDecoder } from "../../trainer/decoder.ts";
import { lossesOf, planLosses } from "../../trainer/evaluate.ts";
import { exportHuggingFace } from "../../trainer/export/hugging-face.ts";
import { readHuggingFace } from "../../trainer/import/hugging-face.ts";
import {
  type ImportedModel,
  loadImported,
  padRows,
  permuteRotary,
  saveImported,
} from "../../trainer/import/imported.ts";
import { readLlama2c } from "../../trainer/import/llama2c.ts";
import {
  allocModel,
  attendBatch,
  forward,
  logitsOf,
  type Model,
  planActivations,
} from "../../trainer/model.ts";
import { parametersOf, startingValues } from "../../trainer/parameters.ts";
import { openSafetensors, writeSafetensors } from "../../trainer/safetensors.ts";
import { sample } from "../../trainer/sample.ts";
import { weightsOnDevice } from "../../trainer/weights.ts";
import { sharedData } from "./shared-data.ts";
import { temporary, tinyConfig } from "./toy.ts";

const device = await openCpu({ threads: 2 });
after(() => device.destroy());
const dir = temporary();

function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  assert.equal(a.length, b.length);
  return Array.from(a, (x, i) => Math.abs(x - b[i]!)).reduce((x, y) => Math.max(x, y), 0);
}

type Stories = {
  greedy_tokens: number[];
  text_tokens: number[];
  mean_nll_nats: number;
  logits_after_bos: number[];
  logits_last: number[];
};

describe("stories260K, a llama2.c checkpoint", () => {
  test("gives the reference's logits, loss and 200 greedy tokens", async t => {
    const path = sharedData(t, "weights", "esp32-llm", "data", "stories260K.bin");
    if (!path) return;
    const known = sharedData(t, "weights", "derived", "stories260K_reference.json");
    const reference = JSON.parse(readFileSync(known!, "utf8")) as Stories;
    const model = loadImported(device, readLlama2c(path));
    const decoder = openDecoder(model, 1);
    const losses: number[] = [];
    let logits: Float32Array = new Float32Array(0);
    for (const [i, token] of reference.text_tokens.entries()) {
      [logits] = (await decoder.step(Uint32Array.of(token))) as [Float32Array];
      if (i === 0) assert.ok(largestDifference(logits, reference.logits_after_bos) < 1e-3);
      const next = reference.text_tokens[i + 1];
      const max = Math.max(...logits);
      const log = max + Math.log(logits.reduce((sum, x) => sum + Math.exp(x - max), 0));
      if (next !== undefined) losses.push(log - logits[next]!);
    }
    decoder.free();
    assert.ok(largestDifference(logits, reference.logits_last) < 1e-3);
    const mean = losses.reduce((a, b) => a + b, 0) / losses.length;
    assert.ok(Math.abs(mean - reference.mean_nll_nats) < 1e-4, `${mean} and ${reference.mean_nll_nats}`);

    const tokens = reference.greedy_tokens.slice(0, 1);
    const options = { temperature: 0, maxTokens: reference.greedy_tokens.length - 1 };
    for await (const { token } of sample(model, Uint32Array.from(tokens), options)) tokens.push(token);
    assert.deepEqual(tokens, reference.greedy_tokens);
  });

  test("is the same model after it was saved and opened", async t => {
    const path = sharedData(t, "weights", "esp32-llm", "data", "stories260K.bin");
    if (!path) return;
    await saveImported(join(dir, "stories"), readLlama2c(path));
    const opened = await openModel(join(dir, "stories"), device);
    const direct = loadImported(device, readLlama2c(path));
    for (const [name, tensor] of direct.weights) {
      assert.deepEqual(await device.read(opened.weights.get(name)!), await device.read(tensor), name);
    }
    assert.equal(opened.file.eot, 1);
    opened.free();
  });

  test("is refused where it is cut, quantised or no checkpoint", t => {
    const path = sharedData(t, "weights", "esp32-llm", "data", "stories260K.bin");
    if (!path) return;
    const whole = readFileSync(path);
    const broken = join(dir, "broken.bin");
    const quantised = Buffer.alloc(256);
    quantised.writeUInt32LE(0x616b3432, 0);
    quantised.writeInt32LE(2, 4);
    const cases: readonly (readonly [Buffer, RegExp])[] = [
      [whole.subarray(0, whole.length - 4), /its header asks for 1056540 bytes, it has 1056536/],
      [whole.subarray(0, 20), /it has only 20 bytes/],
      [Buffer.alloc(100), /model layers: expected a whole number of at least 1, got 0/],
      [quantised, /expected a llama2\.c checkpoint of version 0 or 1, got version 2/],
    ];
    for (const [bytes, message] of cases) {
      writeFileSync(broken, bytes);
      assert.throws(
        () => readLlama2c(broken),
        (e: unknown) => e instanceof UserError && message.test(e.message),
      );
    }
    assert.throws(() => readLlama2c(join(dir, "none")), /expected a llama2\.c checkpoint at/);
  });
});

/** base64 of little-endian float32 or int64, as llm-viz stores tensors. */
type Stored = { shape: number[]; dtype: string; data: string };

function floats({ data, dtype }: Stored): Float32Array {
  const bytes = new Uint8Array(Buffer.from(data, "base64"));
  if (dtype === "torch.float32") return new Float32Array(bytes.buffer);
  return Float32Array.from(new BigInt64Array(bytes.buffer), Number);
}

test("a GPT that sorts gives every activation that was stored with it, to 1e-4", async t => {
  const path = sharedData(t, "weights", "llm-viz", "public", "gpt-nano-sort-model.json");
  if (!path) return;
  const partials = sharedData(t, "weights", "llm-viz", "public", "gpt-nano-sort-t0-partials.json")!;
  const weights = JSON.parse(readFileSync(path, "utf8")) as Record<string, Stored>;
  const stored = JSON.parse(readFileSync(partials, "utf8")) as Record<string, Stored>;
  const config: ModelConfig = {
    ...{
      family: "gpt2",
      layers: 3,
      heads: 3,
      kvHeads: 3,
      width: 48,
      hidden: 192,
      context: 11,
      vocabulary: 3,
    },
    ...{ tied: false, eps: 1e-5, ropeBase: 10000 },
  };
  const theirs: Record<string, string> = {
    ...{
      norm1: "ln_1",
      norm2: "ln_2",
      qkv: "attn.c_attn",
      projection: "attn.c_proj",
      up: "mlp.c_fc",
      down: "mlp.c_proj",
    },
  };
  const imported: ImportedModel = {
    ...{ config, eot: 0, tokenizer: null },
    tensor(name) {
      if (name === "wte") return padRows(floats(weights["transformer.wte.weight"]!), config);
      if (name === "head") return padRows(floats(weights["lm_head.weight"]!), config);
      if (name === "wpe") return floats(weights["transformer.wpe.weight"]!);
      if (name.startsWith("norm.")) return floats(weights[`transformer.${name.replace("norm", "ln_f")}`]!);
      const [, layer, part, kind] = /^layers\.(\d)\.(\w+)\.(\w+)$/.exec(name)!;
      return floats(weights[`transformer.h.${layer}.${theirs[part!]}.${kind}`]!);
    },
  };
  const model = loadImported(device, imported);
  const [B, T] = [3, 11];
  const ids = device.alloc("ids", B * T, "u32");
  device.write(ids, Uint32Array.from(floats(stored["idx"]!)));
  const a = planActivations(model, B * T, true);
  const shape = { B, T, position: 0 };
  forward(model, a, ids, shape, attendBatch(model, shape));
  const logits = device.alloc("logits", B * T * paddedVocabulary(config));
  logitsOf(model, logits, a.norm.out, B * T);
  const [first, second, third] = a.blocks;
  const ours: Record<string, Tensor> = {
    ...{ x: first!.x, ln1: first!.norm1.out, qkv: first!.qkv, y: first!.attended, attnResid: first!.middle },
    ...{ ln2: first!.norm2.out, fc: first!.up, gelu: first!.active, mlpResid: second!.x, block0: second!.x },
    ...{ block1: third!.x, block2: a.x, ln_f: a.norm.out },
  };
  for (const [name, tensor] of Object.entries(ours)) {
    const difference = largestDifference(await device.read(tensor), floats(stored[name]!));
    assert.ok(difference < 1e-4, `${name} differs by ${difference}`);
  }
  const difference = async (a: Tensor, b: Tensor) => {
    const [x, y] = [await device.read(a), await device.read(b)];
    return x.map((value, i) => value - y[i]!);
  };
  const projected = await difference(first!.middle, first!.x);
  assert.ok(largestDifference(projected, floats(stored["yProj"]!)) < 1e-4);
  const fed = await difference(second!.x, first!.middle);
  assert.ok(largestDifference(fed, floats(stored["mlp"]!)) < 1e-4);
  const padded = await device.read(logits);
  const real = padded.filter((_, i) => i % paddedVocabulary(config) < config.vocabulary);
  assert.ok(largestDifference(real, floats(stored["lm_head"]!)) < 1e-4);
});

function randomModel(config: ModelConfig): Model {
  const model = allocModel(device, config);
  const source = random(4);
  for (const parameter of parametersOf(config)) {
    const values = startingValues(parameter, config, 1);
    const end = ["wte", "head"].includes(parameter.name) ? config.vocabulary * config.width : values.length;
    for (let i = 0; i < end; i++) values[i]! += source.normal() * 0.1;
    device.write(model.weights.get(parameter.name)!, values);
  }
  return model;
}

async function losses(model: Model): Promise<Float32Array> {
  const { config } = model;
  const source = random(6);
  const draw = () => Uint32Array.from({ length: 2 * config.context }, () => source.below(config.vocabulary));
  return await lossesOf(model, planLosses(model, 2), { inputs: draw(), targets: draw() });
}

function writeFolder(folder: string, files: Readonly<Record<string, string | Buffer>>) {
  mkdirSync(folder, { recursive: true });
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
}

const ropeScaling = { factor: 4, lowFrequencyFactor: 1, highFrequencyFactor: 3, originalContext: 16 };

test("Llama 3's scaling keeps short wavelengths, stretches long ones by the factor and blends between", () => {
  const config = tinyConfig("llama", { width: 48, heads: 4, ropeScaling });
  const plain = rotaryFrequencies(tinyConfig("llama", { width: 48, heads: 4 }));
  const turns = [...plain].map(rate => (16 * rate) / (2 * Math.PI));
  const ratio = [...rotaryFrequencies(config)].map((rate, i) => rate / plain[i]!);
  for (const [i, turn] of turns.entries()) {
    const expected = turn > 3 ? 1 : turn < 1 ? 1 / 4 : (turn - 1) / 2 + (1 - (turn - 1) / 2) / 4;
    assert.ok(Math.abs(ratio[i]! - expected) < 1e-6, `${i}: ${ratio[i]}, ${expected}`);
  }
  assert.ok(
    turns[0]! > 1 && turns[0]! < 3 && turns.at(-1)! < 1,
    "a blend and a stretched one are among them",
  );
  assert.deepEqual(
    [...rotaryDivisors({ ...config, ropeScaling: { ...ropeScaling, factor: 1 } })],
    Array(6).fill(1),
  );
});

describe("a Hugging Face folder", () => {
  const configs = [
    tinyConfig("gpt2"),
    tinyConfig("gpt2", { tied: false, hidden: 100, eps: 1e-6 }),
    tinyConfig("llama", { ropeBase: 500_000 }),
    tinyConfig("llama", { tied: true, eps: 1e-6 }),
    tinyConfig("llama", { ropeScaling }),
  ];
  for (const [i, config] of configs.entries()) {
    test(`holds the model that was exported to it (${config.family}${config.tied ? ", tied" : ""})`, async () => {
      const model = randomModel(config);
      const folder = join(dir, `hf-${i}`);
      await exportHuggingFace(folder, weightsOnDevice(model), { eot: 7, bos: 3 });
      const back = readHuggingFace(folder);
      assert.deepEqual(back.config, config);
      assert.deepEqual([back.eot, back.bos], [7, 3]);
      const again = loadImported(device, back);
      back.close();
      assert.deepEqual(await losses(again), await losses(model));
    });
  }

  test("has the names and shapes that transformers expects", async () => {
    const shapes = (folder: string) => {
      const file = openSafetensors(join(dir, folder, "model.safetensors"));
      file.close();
      return Object.fromEntries([...file.tensors.values()].map(({ name, shape }) => [name, shape.join("x")]));
    };
    const gpt2 = shapes("hf-0");
    assert.equal(gpt2["transformer.wte.weight"], "25x48");
    assert.equal(gpt2["transformer.h.1.attn.c_attn.weight"], "48x144");
    assert.equal(gpt2["transformer.h.1.mlp.c_fc.weight"], "48x192");
    assert.equal(gpt2["transformer.h.1.mlp.c_proj.weight"], "192x48");
    assert.equal(gpt2["transformer.ln_f.bias"], "48");
    assert.equal(gpt2["lm_head.weight"], undefined);
    const llama = shapes("hf-2");
    assert.equal(llama["model.embed_tokens.weight"], "25x48");
    assert.equal(llama["model.layers.0.self_attn.q_proj.weight"], "48x48");
    assert.equal(llama["model.layers.0.self_attn.k_proj.weight"], "24x48");
    assert.equal(llama["model.layers.0.mlp.gate_proj.weight"], "128x48");
    assert.equal(llama["model.norm.weight"], "48");
    assert.equal(llama["lm_head.weight"], "25x48");
  });

  test("is read without the class prefix and in parts", async () => {
    const from = openSafetensors(join(dir, "hf-0", "model.safetensors"));
    const folder = join(dir, "hf-parts");
    const names = [...from.tensors.keys()];
    const map: Record<string, string> = {};
    for (const part of [0, 1]) {
      const tensors = names
        .filter((_, i) => i % 2 === part)
        .map(name => {
          const short = name.replace("transformer.", "");
          map[short] = `part-${part}.safetensors`;
          return { name: short, shape: from.tensors.get(name)!.shape, data: () => from.read(name) };
        });
      await writeSafetensors(join(folder, `part-${part}.safetensors`), tensors, {});
    }
    from.close();
    writeFileSync(join(folder, "model.safetensors.index.json"), JSON.stringify({ weight_map: map }));
    writeFileSync(join(folder, "config.json"), readFileSync(join(dir, "hf-0", "config.json")));
    const back = readHuggingFace(folder);
    const model = loadImported(device, back);
    back.close();
    assert.deepEqual(await losses(model), await losses(randomModel(configs[0]!)));
  });

  const refusals: readonly (readonly [string, object, RegExp])[] = [
    ["another family", { model_type: "mamba" }, /model_type: expected gpt2 or llama, got "mamba"/],
    [
      "another activation",
      { model_type: "gpt2", activation_function: "relu" },
      /activation_function: expected "gelu_new" or .* got "relu"/,
    ],
    [
      "rotary positions scaled in a way we do not know",
      { model_type: "llama", rope_scaling: { rope_type: "yarn" } },
      /rope_scaling: expected none or llama3, got "yarn"/,
    ],
    [
      "rotary positions scaled by numbers that make no sense",
      { model_type: "llama", rope_scaling: { rope_type: "llama3", low_freq_factor: 9 } },
      /ropeScaling: expected positive numbers with highFrequencyFactor above .* 9 to 4/,
    ],
    [
      "heads of their own size",
      { model_type: "llama", hidden_size: 64, num_attention_heads: 4, head_dim: 32 },
      /head_dim: expected 16 or null, got 32/,
    ],
    [
      "weights of another size",
      { ...{ model_type: "gpt2", n_embd: 96, n_head: 4, n_layer: 2, vocab_size: 25 } },
      /expected 2400 numbers for this config\.json, got 1200/,
    ],
  ];
  test("an index may name files beside it and no others", () => {
    for (const part of ["../hf-0/model.safetensors", "/etc/passwd", "..", ""]) {
      const folder = join(dir, "hf-elsewhere");
      const config = readFileSync(join(dir, "hf-0", "config.json"));
      writeFolder(folder, {
        "config.json": config,
        "model.safetensors.index.json": JSON.stringify({ weight_map: { "wte.weight": part } }),
      });
      assert.throws(
        () => readHuggingFace(folder).tensor("wte"),
        (e: unknown) => e instanceof UserError && /expected the name of a file in/.test(e.message),
        part,
      );
    }
  });

  for (const [what, json, message] of refusals) {
    test(`of ${what} is refused`, () => {
      const folder = join(dir, "hf-refused");
      const weights = readFileSync(join(dir, "hf-0", "model.safetensors"));
      writeFolder(folder, { "config.json": JSON.stringify(json), "model.safetensors": weights });
      assert.throws(
        () => readHuggingFace(folder).tensor("wte"),
        (e: unknown) => e instanceof UserError && message.test(e.message),
      );
    });
  }
});

test("rotary rows go from neighbours to halves and back", () => {
  const values = Float32Array.from({ length: 8 * 3 }, (_, i) => i);
  const there = permuteRotary(values, 3, 4);
  assert.deepEqual(
    [...there].filter((_, i) => i % 3 === 0).map(x => x / 3),
    [0, 2, 1, 3, 4, 6, 5, 7],
  );
  assert.deepEqual(permuteRotary(there, 3, 4, true), values);
});
