/** Validation and HellaSwag against losses computed one by one. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { openCpu } from "../../kernels/cpu/device.ts";
import { UserError } from "../../lib/errors.ts";
import { random } from "../../lib/random.ts";
import { openDecoder } from "../../trainer/decoder.ts";
import { evaluate, hellaSwag, hellaSwagItems } from "../../trainer/evaluate.ts";
import { allocModel } from "../../trainer/model.ts";
import { parametersOf, startingValues } from "../../trainer/parameters.ts";
import { probabilities } from "../../trainer/pick.ts";
import { documents, shardsOf, tinyConfig, vocabulary } from "./toy.ts";

const device = await openCpu({ threads: 1 });
after(() => device.destroy());
const config = tinyConfig("llama", { context: 24 });
const model = allocModel(device, config);
const source = random(4);
for (const parameter of parametersOf(config)) {
  const values = startingValues(parameter, config, 1);
  for (let i = 0; i < values.length; i++) values[i]! += source.normal() * 0.15;
  device.write(model.weights.get(parameter.name)!, values);
}

/** Losses of each token of a text after the first, by the decoder. */
async function lossesByHand(tokens: readonly number[]): Promise<number[]> {
  const decoder = openDecoder(model, 1);
  const losses: number[] = [];
  for (let i = 0; i + 1 < tokens.length; i++) {
    const [logits] = await decoder.step(Uint32Array.of(tokens[i]!));
    losses.push(-Math.log(probabilities(logits!)[tokens[i + 1]!]!));
  }
  decoder.free();
  return losses;
}

test("validation is the mean loss of its tokens, and bits per byte leave out special tokens", async () => {
  const shards = shardsOf([documents(3, 5), documents(2, 6)]);
  const stream = [...shards.shard(0).tokens, ...shards.shard(1).tokens];
  const count = Math.min(100, stream.length - 1);
  let [nats, textNats, bytes] = [0, 0, 0];
  for (let at = 0; at < count; at += config.context) {
    const end = Math.min(count, at + config.context);
    const losses = await lossesByHand(stream.slice(at, end + 1));
    for (const [i, loss] of losses.entries()) {
      nats += loss;
      if (stream[at + i + 1] !== vocabulary.eot) [textNats, bytes] = [textNats + loss, bytes + 1];
    }
  }
  const { loss, bitsPerByte, tokens } = await evaluate(model, shards, vocabulary, 100);
  assert.equal(tokens, count);
  assert.ok(Math.abs(loss - nats / count) < 1e-4, `${loss}, ${nats / count}`);
  assert.ok(Math.abs(bitsPerByte! - textNats / bytes / Math.LN2) < 1e-4);
});

test("HellaSwag takes the ending with the lowest loss, and states its standard error", async () => {
  const encode = (text: string) =>
    Uint32Array.from(text, c => (c === " " ? 24 : (c.codePointAt(0)! - 97) % 24));
  const items = Array.from({ length: 12 }, (_, i) => ({
    ctx: "abcdefgh".slice(i % 4),
    endings: ["xyz", "bcdefgh", "a", "qwertyuiop"].map(ending =>
      ending.slice(0, 1 + ((i * 3 + ending.length) % 7)),
    ),
    label: i % 4,
  }));
  let [right, rightNorm] = [0, 0];
  for (const { ctx, endings, label } of items) {
    const sums: number[] = [];
    const means: number[] = [];
    for (const ending of endings) {
      const [head, tail] = [encode(ctx), encode(" " + ending)];
      const losses = (await lossesByHand([...head, ...tail])).slice(head.length - 1);
      sums.push(losses.reduce((a, b) => a + b, 0));
      means.push(sums.at(-1)! / losses.length);
    }
    if (sums.indexOf(Math.min(...sums)) === label) right++;
    if (means.indexOf(Math.min(...means)) === label) rightNorm++;
  }
  const seen: number[] = [];
  const result = await hellaSwag(model, items, encode, done => seen.push(done));
  assert.equal(result.acc, right / 12);
  assert.equal(result.accNorm, rightNorm / 12);
  assert.ok(Math.abs(result.accNormError - Math.sqrt((result.accNorm * (1 - result.accNorm)) / 12)) < 1e-12);
  assert.equal(seen.at(-1), 12);
});

test("HellaSwag's file is checked line by line", () => {
  const good = JSON.stringify({ ctx: "a", endings: ["b", "c"], label: 1, ind: 5 });
  assert.deepEqual(hellaSwagItems(`${good}\n\n${good}\n`, "f").length, 2);
  for (const bad of [
    "{",
    '{"ctx":1,"endings":["a"],"label":0}',
    '{"ctx":"a","endings":["a"],"label":3}',
    "null",
  ]) {
    assert.throws(
      () => hellaSwagItems(`${good}\n${bad}`, "file.jsonl"),
      (error: unknown) => error instanceof UserError && /file\.jsonl, line 2: expected/.test(error.message),
    );
  }
});
