/** Sampling: the cache gives the logits of a full forward pass, seeds give texts, and each knob does what it says. */
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import fc from "fast-check";
import { openCpu } from "../../kernels/cpu/device.ts";
import { UserError } from "../../lib/errors.ts";
import { random } from "../../lib/random.ts";
import { type ModelConfig, paddedVocabulary } from "../../trainer/config.ts";
import { openDecoder } from "../../trainer/decoder.ts";
import { allocModel, attendBatch, forward, logitsOf, planActivations } from "../../trainer/model.ts";
import { parametersOf, startingValues } from "../../trainer/parameters.ts";
import { likeliest, type PickSettings, pick, probabilities } from "../../trainer/pick.ts";
import { type SampleOptions, sample } from "../../trainer/sample.ts";
import { assertNear } from "../kernels/tensors.ts";
import { tinyConfig } from "./toy.ts";

const device = await openCpu({ threads: 2 });
after(() => device.destroy());

function randomModel(config: ModelConfig) {
  const model = allocModel(device, config);
  const source = random(4);
  for (const parameter of parametersOf(config)) {
    const values = startingValues(parameter, config, 1);
    for (let i = 0; i < values.length; i++) values[i]! += source.normal() * 0.15;
    device.write(model.weights.get(parameter.name)!, values);
  }
  return model;
}

const models = (["gpt2", "llama"] as const).map(family => randomModel(tinyConfig(family, { context: 90 })));
const model = models[0]!;

const prompt = Uint32Array.of(3, 1, 4, 1, 5);

async function textsOf(options: Partial<SampleOptions>, from = prompt, of = model): Promise<number[][]> {
  const texts: number[][] = Array.from({ length: options.n ?? 1 }, () => []);
  for await (const { sample: i, token } of sample(of, from, options)) texts[i]!.push(token);
  return texts;
}

describe("the cache", () => {
  for (const model of models) {
    test(`gives the logits of a full forward pass, for prompts of any length (${model.config.family})`, async () => {
      const { config } = model;
      const source = random(3);
      const tokens = Uint32Array.from({ length: config.context }, () => source.below(config.vocabulary));
      const N = config.context;
      const ids = device.alloc("ids", N, "u32");
      device.write(ids, tokens);
      const activations = planActivations(model, N, true);
      const shape = { B: 1, T: N, position: 0 };
      forward(model, activations, ids, shape, attendBatch(model, shape));
      const logits = device.alloc("logits", N * paddedVocabulary(config));
      logitsOf(model, logits, activations.norm.out, N);
      const expected = await device.read(logits);
      const row = (t: number) =>
        expected.subarray(t * paddedVocabulary(config), t * paddedVocabulary(config) + config.vocabulary);
      for (const start of [0, 1, 63, 64, 65, 88]) {
        const decoder = openDecoder(model, 3);
        decoder.readAll(tokens.subarray(0, start));
        for (let t = start; t < Math.min(N, start + 4); t++) {
          const all = await decoder.step(Uint32Array.of(tokens[t]!, tokens[t]!, tokens[t]!));
          for (const one of all)
            assertNear(one, row(t), 1e-4, `logits after ${t + 1} tokens, prompt of ${start}`);
        }
        decoder.free();
      }
    });
  }

  test("is freed with the sample, also one that is left early", async () => {
    const before = device.memory().bytes;
    await textsOf({ maxTokens: 5, n: 2 });
    for await (const _ of sample(model, prompt, { maxTokens: 50 })) break;
    assert.equal(device.memory().bytes, before);
  });
});

describe("a sample", () => {
  test("is the same for the same seed, alone or among others, and another for another", async () => {
    const [alone] = await textsOf({ seed: 7, maxTokens: 30 });
    const three = await textsOf({ seed: 7, maxTokens: 30, n: 3 });
    const thirty = await textsOf({ seed: 7, maxTokens: 30, n: 30 });
    const [other] = await textsOf({ seed: 8, maxTokens: 30 });
    assert.deepEqual(three[0], alone);
    assert.deepEqual(thirty.slice(0, 3), three);
    assert.notDeepEqual(three[1], three[0]);
    assert.notDeepEqual(other, alone);
  });

  test("at temperature 0 is the likeliest token each time, whatever the seed", async () => {
    const [a] = await textsOf({ temperature: 0, maxTokens: 20, seed: 1 });
    const [b] = await textsOf({ temperature: 0, maxTokens: 20, seed: 2 });
    const [k] = await textsOf({ temperature: 1, topK: 1, maxTokens: 20 });
    assert.deepEqual(a, b);
    assert.deepEqual(a, k);
  });

  for (const model of models) {
    test(`goes on beyond the context with the second half of what it has (${model.config.family})`, async () => {
      const { context, vocabulary } = model.config;
      const [text] = await textsOf({ temperature: 0, maxTokens: 2 * context, n: 1 }, prompt, model);
      assert.equal(text!.length, 2 * context);
      assert.ok(text!.every(token => token < vocabulary));
      // The first token after the slide is what the kept half alone would be followed by.
      const made = context - prompt.length + 1;
      const whole = [...prompt, ...text!.slice(0, made)];
      const [next] = await textsOf(
        { temperature: 0, maxTokens: 1 },
        Uint32Array.from(whole.slice(-context / 2)),
        model,
      );
      assert.equal(text![made], next![0]);
    });
  }

  test("of a prompt longer than the context reads its end", async () => {
    const { context } = model.config;
    const long = Uint32Array.from({ length: 3 * context }, (_, i) => (i * 7) % 25);
    const whole = await textsOf({ temperature: 0, maxTokens: 1 }, long);
    assert.deepEqual(await textsOf({ temperature: 0, maxTokens: 1 }, long.slice(-context)), whole);
  });

  test("ends after a stop sequence, which is part of it, while others go on", async () => {
    const free = await textsOf({ seed: 3, maxTokens: 40, n: 4 });
    const stop = [free[1]!.slice(10, 12)];
    const ends: Record<number, string | null> = {};
    const texts: number[][] = [[], [], [], []];
    for await (const { sample: i, token, end } of sample(model, prompt, {
      seed: 3,
      maxTokens: 40,
      n: 4,
      stop,
    })) {
      texts[i]!.push(token);
      assert.equal(ends[i] ?? null, null, "nothing comes after the end");
      ends[i] = end;
    }
    assert.equal(ends[1], "stop");
    assert.deepEqual(texts[1]!.slice(-2), stop[0]);
    for (const [i, text] of texts.entries()) {
      assert.deepEqual(text, free[i]!.slice(0, text.length));
      if (ends[i] === "length") assert.equal(text.length, 40);
    }
  });

  test("reports probabilities and alternatives of the model itself, likeliest first", async () => {
    for await (const { token, probability, alternatives } of sample(model, prompt, {
      maxTokens: 5,
      top: 25,
    })) {
      assert.equal(alternatives.length, 25);
      assert.ok(Math.abs(alternatives.reduce((sum, { probability }) => sum + probability, 0) - 1) < 1e-9);
      for (let i = 1; i < 25; i++)
        assert.ok(alternatives[i]!.probability <= alternatives[i - 1]!.probability);
      assert.equal(alternatives.find(one => one.token === token)!.probability, probability);
    }
  });

  const refusals: readonly (readonly [Partial<SampleOptions>, Uint32Array<ArrayBuffer>, RegExp])[] = [
    [{ temperature: -1 }, prompt, /temperature: expected a number from 0 to 100, got -1/],
    [{ topK: 1.5 }, prompt, /topK: expected a whole number from 0 to 1000000000, got 1.5/],
    [{ topP: Number.NaN }, prompt, /topP: expected a number from 0 to 1, got null/],
    [{ n: 0 }, prompt, /n: expected a whole number from 1 to 4096, got 0/],
    [{}, Uint32Array.of(1, 25), /prompt: expected token ids below 25, got 25/],
    [{}, new Uint32Array(0), /prompt: expected at least one token, got none/],
  ];
  test("is refused for options and prompts that make no sense", async () => {
    for (const [options, from, message] of refusals) {
      const error = await textsOf(options, from).catch((error: unknown) => error);
      assert.ok(error instanceof UserError && message.test(error.message), String(error));
    }
  });
});

describe("picking a token", () => {
  const plain: PickSettings = { temperature: 1, topK: 0, topP: 1, minP: 0, repetitionPenalty: 1 };
  const logits = Float32Array.of(2, 1, 0, 1.5, -1, -4, 2);

  /** Tokens that come out in many draws. */
  function drawn(settings: Partial<PickSettings>, seen: number[] = []): Set<number> {
    const source = random(1);
    const tokens = Array.from(
      { length: 3000 },
      () => pick(logits.slice(), seen, { ...plain, ...settings }, source, 0).token,
    );
    return new Set(tokens);
  }

  test("follows the probabilities", () => {
    const source = random(2);
    const counts = new Float64Array(logits.length);
    for (let i = 0; i < 50_000; i++) counts[pick(logits.slice(), [], plain, source, 0).token]!++;
    for (const [token, p] of probabilities(logits).entries()) {
      assert.ok(
        Math.abs(counts[token]! / 50_000 - p) < 5 * Math.sqrt((p * (1 - p)) / 50_000) + 1e-9,
        `token ${token}`,
      );
    }
  });

  test("is cut by topK, topP and minP to the likeliest", () => {
    assert.deepEqual(drawn({ topK: 3 }), new Set([0, 6, 3]));
    assert.deepEqual(drawn({ topP: 0.5 }), new Set([0, 6]));
    assert.deepEqual(drawn({ minP: 0.5 }), new Set([0, 3, 6]));
    assert.deepEqual(drawn({ topP: 0 }), new Set([0]));
    assert.deepEqual(drawn({ topK: 1000 }), drawn({}));
    assert.deepEqual(drawn({ topK: 2, topP: 0.99, minP: 0.1 }), new Set([0, 6]));
  });

  test("shuns what was seen under a repetition penalty, positive and negative logits alike", () => {
    assert.deepEqual(drawn({ temperature: 0, repetitionPenalty: 1.5 }, [0, 6]), new Set([3]));
    const rare = (penalty: number) => {
      const source = random(1);
      const settings = { ...plain, repetitionPenalty: penalty };
      return Array.from({ length: 5000 }, () => pick(logits.slice(), [4], settings, source, 0).token).filter(
        t => t === 4,
      ).length;
    };
    assert.ok(rare(3) < rare(1));
  });

  test("takes the lower id of equals when greedy", () => {
    assert.deepEqual(drawn({ temperature: 0 }), new Set([0]));
  });

  test("finds the k likeliest as a full sort does", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 60 }), fc.nat(70), (weights, k) => {
        const sorted = [...weights.keys()].sort((a, b) => weights[b]! - weights[a]! || a - b);
        assert.deepEqual(likeliest(Float64Array.from(weights), k), sorted.slice(0, k));
      }),
      { numRuns: 300, seed: 6 },
    );
  });
});
