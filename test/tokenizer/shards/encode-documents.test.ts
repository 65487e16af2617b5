/** The job that encodes documents: what goes where, and that nothing else decides it. */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { defaults } from "../../../lib/options.ts";
import { createDecoder } from "../../../tokenizer/decoder.ts";
import { createEncoder } from "../../../tokenizer/encoder.ts";
import { loadTokenizer } from "../../../tokenizer/files.ts";
import { shardsOptions, tokenizerOptions } from "../../../tokenizer/options.ts";
import { encodeDocuments, splitOf } from "../../../tokenizer/shards/encode-documents.ts";
import { type Split, shardFileName } from "../../../tokenizer/shards/format.ts";
import { openShards } from "../../../tokenizer/shards/read.ts";
import { fuzzedTexts } from "../oracles.ts";

const root = mkdtempSync(join(tmpdir(), "curate-encode-"));
after(() => rmSync(root, { recursive: true, force: true }));
const { vocabulary, hash } = loadTokenizer("gpt2");
const encoder = createEncoder(vocabulary);
const documents = fuzzedTexts(4, 400).map((text, i) => ({ id: `<urn:uuid:${i}>`, text }));

async function encode(name: string, input: typeof documents, tokensPerShard?: number) {
  const dir = join(root, name);
  const encoded = await encodeDocuments(input, encoder, {
    path: (split, part) => join(dir, shardFileName(split, 0, part)),
    validation: 0.2,
    seed: 5,
    tokenizerHash: hash,
    ...(tokensPerShard ? { tokensPerShard } : {}),
  });
  return { dir, encoded };
}

function textsOf(dir: string, split: Split): Map<string, string> {
  const set = openShards(dir, split);
  const decoder = createDecoder(vocabulary);
  const texts = new Map<string, string>();
  set.files.forEach((_, i) => {
    const { tokens, starts, ids } = set.shard(i);
    for (let row = 0; row + 1 < starts.length; row++) {
      assert.equal(tokens[starts[row + 1]! - 1], set.eot);
      texts.set(ids(row), decoder.decode(tokens.subarray(starts[row], starts[row + 1]! - 1)));
    }
  });
  return texts;
}

test("every document stands in exactly one split, as text that decodes to itself", async () => {
  const { dir, encoded } = await encode("all", documents);
  const [train, val] = [textsOf(dir, "train"), textsOf(dir, "val")];
  assert.equal(train.size + val.size, 400);
  assert.equal(encoded.documents, 400);
  for (const { id, text } of documents)
    assert.equal((splitOf(id, 0.2, 5) === "val" ? val : train).get(id), text);
  assert.ok(val.size > 50 && val.size < 110);
  const set = openShards(dir, "train");
  assert.deepEqual([set.eot, set.vocabularySize, set.tokenizerHash], [50256, 50257, hash]);
  assert.equal(encoded.uses[50256], 400);
  assert.equal(
    encoded.uses.reduce((sum, n) => sum + n),
    encoded.tokens,
  );
});

test("the validation documents are the same whatever the order and whatever else is there", async () => {
  const { dir } = await encode("all-again", documents);
  const { dir: half } = await encode("half", documents.slice(200).reverse());
  const chosen = [...textsOf(dir, "val").keys()];
  const kept = documents
    .slice(200)
    .map(document => document.id)
    .filter(id => chosen.includes(id));
  assert.deepEqual([...textsOf(half, "val").keys()].sort(), kept.sort());
});

test("a new file is begun when one is full, and names sort in order", async () => {
  const { dir, encoded } = await encode("parts", documents, 1000);
  const names = readdirSync(dir).filter(name => name.startsWith("train"));
  assert.ok(names.length > 3);
  assert.deepEqual(names.slice(0, 2), ["train-00000-001.arrow", "train-00000-002.arrow"]);
  assert.ok(encoded.files.every(file => file.tokens <= 1000 || file.documents === 1));
  const { dir: whole } = await encode("whole", documents);
  const concatenated = (folder: string) => [...textsOf(folder, "train")].sort();
  assert.deepEqual(concatenated(dir), concatenated(whole));
});

test("a job without documents writes an empty file of each split; one that fails leaves none", async () => {
  const { dir } = await encode("none", []);
  assert.deepEqual([openShards(dir, "train").documents, openShards(dir, "val").documents], [0, 0]);
  const failing = join(root, "failing");
  async function* broken() {
    yield documents[0]!;
    throw new Error("the disk is gone");
  }
  const run = encodeDocuments(broken(), encoder, {
    path: split => join(failing, shardFileName(split, 0)),
    validation: 0,
    seed: 1,
    tokenizerHash: hash,
  });
  await assert.rejects(run, /the disk is gone/);
  assert.deepEqual(existsSync(failing) ? readdirSync(failing) : [], []);
});

test("the options' defaults are what they accept", () => {
  for (const options of [tokenizerOptions, shardsOptions])
    for (const [name, option] of Object.entries(options)) {
      assert.deepEqual(option.parse(option.default), option.default, name);
      assert.ok(option.about.length > 20 && option.expects.length > 3);
    }
  const { vocabSize, eot, docCap } = defaults(tokenizerOptions);
  assert.deepEqual([vocabSize, eot, docCap], [32768, "<|endoftext|>", null]);
});
