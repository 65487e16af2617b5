/** Training: merges equal to the trainers of others, and the same whatever the threads, the memory and the cuts. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { gzipSync } from "node:zlib";
import { UserError } from "../../../lib/errors.ts";
import { createTable } from "../../../lib/parquet.ts";
import { random } from "../../../lib/random.ts";
import { bytesOfCharacters, charactersOfBytes } from "../../../tokenizer/formats/byte-characters.ts";
import { type PatternName, pieceEnds, scanner } from "../../../tokenizer/pretokenizer/patterns.ts";
import { type CountOptions, countTexts, createCounter } from "../../../tokenizer/training/counter.ts";
import { joinWords, mergeCounts, trainingBytes } from "../../../tokenizer/training/merge-counts.ts";
import { trainBpe, trainFromCounts } from "../../../tokenizer/training/train.ts";
import { trainTokenizer } from "../../../tokenizer/training/train-files.ts";
import { type TieRule, tieRules } from "../../../tokenizer/training/training.ts";
import type { Vocabulary } from "../../../tokenizer/vocabulary.ts";
import {
  c4Documents,
  dataPath,
  dataText,
  fuzzedTexts,
  novels,
  tokenizers,
  versionOf,
  withoutData,
} from "../oracles.ts";

const root = mkdtempSync(join(tmpdir(), "curate-training-"));
after(() => rmSync(root, { recursive: true, force: true }));
let files = 0;
const fileOf = (content: string | Uint8Array, ending = ".txt") => {
  const path = join(root, `${files++}${ending}`);
  writeFileSync(path, content);
  return path;
};

function mergesAsText({ merges, tokens }: Pick<Vocabulary, "merges" | "tokens">): string[] {
  const text = (id: number) => charactersOfBytes(tokens.get(id)!);
  return Array.from(
    { length: merges.length / 3 },
    (_, i) => `${text(merges[3 * i]!)} ${text(merges[3 * i + 1]!)}`,
  );
}

function huggingFaceMerges(path: string): string[] {
  const tokenizer = new tokenizers.Tokenizer(tokenizers.BPE.empty());
  tokenizer.setPreTokenizer(tokenizers.byteLevelPreTokenizer(false, true));
  tokenizer.train([path]);
  const saved = join(root, "hugging-face.json");
  tokenizer.save(saved);
  const { merges } = (JSON.parse(readFileSync(saved, "utf8")) as { model: { merges: [string, string][] } })
    .model;
  return merges.map(pair => pair.join(" "));
}

const corpora: Record<string, () => string> = {
  "web pages": () => c4Documents().slice(0, 400).join("\n"),
  novels: () => novels(1_200_000),
  Japanese: () => dataText("text/wagahaiwa_nekodearu.txt").slice(0, 120_000),
  mixed: () =>
    [
      ...c4Documents().slice(400, 500),
      dataText("text/wagahaiwa_nekodearu.txt").slice(0, 30_000),
      dataText("text/cs336_dedup_quality_fixtures/moby.html"),
      ...fuzzedTexts(31, 400),
      "a".repeat(3000) + " " + "=".repeat(999) + "\r\n\r\n  \t x",
    ].join("\n"),
};

for (const [name, text] of Object.entries(corpora))
  test(`merges on ${name} equal those of tokenizers ${versionOf("tokenizers")}, in order`, {
    skip: withoutData(),
  }, async () => {
    const path = fileOf(text());
    const ours = await trainTokenizer({
      files: [path],
      pattern: "gpt2",
      split: "lines",
      ties: "hugging-face",
      vocabSize: 30000,
      pieceCap: 60000,
      workers: 1,
    });
    const merges = mergesAsText(ours.vocabulary);
    const theirs = huggingFaceMerges(path);
    assert.ok(merges.length > 4000);
    assert.deepEqual(merges.slice(0, theirs.length), theirs.slice(0, merges.length));
  });

test("merges equal the known answers of Stanford CS336 under greatest-bytes", {
  skip: withoutData(),
}, async () => {
  const fixtures = "tokenizer/assignment1-basics/tests/fixtures";
  const ours = await trainTokenizer({
    files: [dataPath(`${fixtures}/corpus.en`)],
    pattern: "gpt2",
    ties: "greatest-bytes",
    vocabSize: 500,
  });
  const known = dataText(`${fixtures}/train-bpe-reference-merges.txt`).trimEnd().split("\n");
  assert.equal(known.length, 243);
  assert.deepEqual(mergesAsText(ours.vocabulary), known);
});

/** BPE training as a textbook has it: count all pairs anew for every merge. Ties as each rule says. */
function naiveMerges(
  texts: readonly string[],
  pattern: PatternName,
  rule: TieRule,
  wanted: number,
): string[] {
  const scan = scanner(pattern);
  const pieces: string[][] = texts.flatMap(text => {
    const bytes = Buffer.from(text, "utf8");
    let start = 0;
    return pieceEnds(scan, bytes).map(end => [...charactersOfBytes(bytes.subarray(start, (start = end)))]);
  });
  const ids = new Map<string, number>();
  for (let byte = 0; byte < 256; byte++) ids.set(charactersOfBytes(Uint8Array.of(byte)), byte);
  const rank = (token: string) =>
    rule === "hugging-face" && token.length === 1 ? token.charCodeAt(0) - 1000 : ids.get(token)!;
  const bytes = (token: string) => Buffer.from(bytesOfCharacters(token)!);
  const comesFirst = ([a1, a2]: [string, string], [b1, b2]: [string, string]) => {
    if (rule === "first-seen") return false;
    if (rule === "greatest-bytes")
      return (Buffer.compare(bytes(a1), bytes(b1)) || Buffer.compare(bytes(a2), bytes(b2))) > 0;
    return (rank(a1) - rank(b1) || rank(a2) - rank(b2)) < 0;
  };
  const merges: string[] = [];
  while (merges.length < wanted) {
    const counts = new Map<string, { pair: [string, string]; count: number }>();
    for (const piece of pieces)
      for (let i = 0; i + 1 < piece.length; i++) {
        const key = `${piece[i]} ${piece[i + 1]}`;
        const entry = counts.get(key);
        if (entry) entry.count++;
        else counts.set(key, { pair: [piece[i]!, piece[i + 1]!], count: 1 });
      }
    let best: { pair: [string, string]; count: number } | null = null;
    for (const entry of counts.values())
      if (
        !best ||
        entry.count > best.count ||
        (entry.count === best.count && comesFirst(entry.pair, best.pair))
      )
        best = entry;
    if (!best) break;
    const [left, right] = best.pair;
    merges.push(`${left} ${right}`);
    ids.set(left + right, 256 + merges.length);
    for (const piece of pieces)
      for (let i = 0; i + 1 < piece.length; i++)
        if (piece[i] === left && piece[i + 1] === right) piece.splice(i, 2, left + right);
  }
  return merges;
}

function count(texts: readonly string[], options: Partial<CountOptions> & { pattern: PatternName }) {
  const counter = createCounter(options, join(root, "spill"));
  for (const text of texts) counter.addText(text);
  return counter;
}

for (const ties of tieRules)
  test(`${ties}: merges equal a recount of all pairs for every merge, on 80 small corpora full of ties`, () => {
    const source = random(17);
    const letters = [..."aab", ..."abc ", "aaaa", "é", "  ", "\n"];
    for (let round = 0; round < 80; round++) {
      const alphabet = letters.slice(0, 3 + source.below(letters.length - 3));
      const texts = Array.from({ length: 1 + source.below(4) }, () =>
        Array.from({ length: source.below(60) }, () => alphabet[source.below(alphabet.length)]!).join(""),
      );
      const { merges, tokens } = trainBpe(count(texts, { pattern: "gpt2" }).words()!, { merges: 40, ties });
      const ours = mergesAsText({ merges, tokens: new Map(tokens.entries()) });
      assert.deepEqual(ours, naiveMerges(texts, "gpt2", ties, 40), JSON.stringify(texts));
    }
  });

test("first-seen: merges on minbpe's text equal a recount of all pairs", { skip: withoutData() }, () => {
  const text = dataText("tokenizer/minbpe/tests/taylorswift.txt").slice(0, 12_000);
  const { merges, tokens } = trainBpe(count([text], { pattern: "cl100k" }).words()!, {
    merges: 120,
    ties: "first-seen",
  });
  assert.deepEqual(
    mergesAsText({ merges, tokens: new Map(tokens.entries()) }),
    naiveMerges([text], "cl100k", "first-seen", 120),
  );
});

test("first-seen: 1,000 merges on minbpe's text are those minbpe's own RegexTokenizer gave", {
  skip: withoutData(),
}, () => {
  const text = dataText("tokenizer/minbpe/tests/taylorswift.txt").slice(0, 60_000).trimEnd();
  const words = count([text], { pattern: "cl100k" }).words()!;
  const { merges } = trainBpe(words, { merges: 1000, ties: "first-seen" });
  const pairs = Array.from({ length: 1000 }, (_, i) => `${merges[3 * i]} ${merges[3 * i + 1]}`);
  assert.deepEqual(
    [pairs.slice(0, 3), pairs.slice(-3)],
    [
      ["32 97", "104 101", "32 116"],
      ["1045 1145", "411 577", "1254 108"],
    ],
  );
  assert.equal(
    createHash("sha256").update(pairs.join("\n")).digest("hex"),
    "90c25b82c89e99b6145922e8ad610f77f11ff44b8a3a3bb5f92dfe79d6634afd",
  );
});

test("first-seen: the merges of the example that minbpe takes from Wikipedia", () => {
  const { merges, tokens } = trainBpe(count(["aaabdaaabac"], { pattern: "gpt2" }).words()!, {
    merges: 3,
    ties: "first-seen",
  });
  assert.deepEqual(mergesAsText({ merges, tokens: new Map(tokens.entries()) }), ["a a", "aa a", "aaa b"]);
});

test("the order of the files decides nothing but under first-seen", async () => {
  const files = [fileOf(fuzzedTexts(43, 300).join("\n")), fileOf("zq zq xv xv"), fileOf("xv xv zq zq")];
  const merges = async (ties: TieRule, order: readonly string[]) =>
    mergesAsText(
      (await trainTokenizer({ files: order, pattern: "gpt2", ties, vocabSize: 700, workers: 1 })).vocabulary,
    );
  for (const ties of tieRules) {
    const [one, other] = [await merges(ties, files), await merges(ties, [...files].reverse())];
    if (ties === "first-seen") assert.notDeepEqual(one, other);
    else assert.deepEqual(one, other, ties);
  }
});

test("counts of merges never rise and are at least minFrequency, and no two merges make the same bytes", () => {
  const texts = fuzzedTexts(41, 2000);
  for (const ties of tieRules) {
    const { mergeCounts, tokens } = trainBpe(count(texts, { pattern: "llama3" }).words()!, {
      merges: 5000,
      ties,
      minFrequency: 3,
    });
    assert.ok(mergeCounts.length > 300 && mergeCounts.length < 5000);
    assert.ok(mergeCounts.every((n, i) => n >= 3 && (i === 0 || n <= mergeCounts[i - 1]!)));
    assert.equal(new Set(tokens.map(charactersOfBytes)).size, tokens.length);
  }
});

test("counts above 2^31 stay exact, where 32-bit trainers turn negative", () => {
  const words = count(["the cat the hat"], { pattern: "gpt2" }).words()!;
  words.counts.fill(3e9);
  const { merges, mergeCounts, tokens } = trainBpe(words, { merges: 4, ties: "byte-ids" });
  // "the", " cat", " the" and " hat" 3e9 times each: "at", "he" and "th" are in two of them.
  assert.deepEqual(mergesAsText({ merges, tokens: new Map(tokens.entries()) }), [
    "a t",
    "h e",
    "t he",
    "Ġ c",
  ]);
  assert.deepEqual([...mergeCounts], [6e9, 6e9, 6e9, 3e9]);
});

test("a special token is never made by merging, whatever the text says", () => {
  const words = count(["abcabcabc abc"], { pattern: "gpt2" }).words()!;
  const free = trainBpe(words, { merges: 20, ties: "byte-ids" });
  assert.ok(free.tokens.some(token => charactersOfBytes(token) === "abc"));
  const words2 = count(["abcabcabc abc"], { pattern: "gpt2" }).words()!;
  const reserved = trainBpe(words2, { merges: 20, ties: "byte-ids", reserved: [Buffer.from("abc")] });
  assert.ok(!reserved.tokens.some(token => charactersOfBytes(token) === "abc"));
});

const trained = (texts: readonly string[], options: Partial<CountOptions>, memory?: number) => {
  const counter = count(texts, { pattern: "gpt2", ...options });
  const path = join(root, `counts-${files++}`);
  const file = counter.finish(path);
  counter.dispose();
  return { file, counted: mergeCounts([path], memory ? { memory } : {}) };
};

test("a table that spills gives the very same file as one that does not, and leaves nothing behind", () => {
  const texts = [...fuzzedTexts(51, 3000), "x".repeat(5000), ""];
  const whole = trained(texts, { memory: 2 ** 30 }).file;
  const dir = mkdtempSync(join(root, "spilled-"));
  const counter = createCounter({ pattern: "gpt2", memory: 600_000 }, join(dir, "run"));
  for (const text of texts) counter.addText(text);
  assert.ok(readdirSync(dir).length >= 2, "it did not spill");
  assert.equal(counter.words(), null);
  const spilled = counter.finish(join(dir, "counts"));
  counter.dispose();
  assert.equal(spilled.sha256, whole.sha256);
  assert.deepEqual(readdirSync(dir), ["counts"]);
});

test("counting jobs give the same vocabulary however the corpus is shared among them", async () => {
  const texts = fuzzedTexts(61, 1500);
  const paths: string[] = [];
  for (const [from, to] of [
    [0, 200],
    [200, 200],
    [200, 1400],
    [1400, 1500],
  ] as const) {
    const path = join(root, `job-${paths.length}`);
    const file = await countTexts(texts.slice(from, to), { pattern: "llama3" }, path);
    assert.equal(file.corpus.documents, to - from);
    paths.push(path);
  }
  const one = join(root, "one-job");
  async function* slowly() {
    yield* texts;
  }
  await countTexts(slowly(), { pattern: "llama3" }, one);
  for (const ties of tieRules) {
    const shared = trainFromCounts(mergeCounts(paths), { vocabSize: 900, ties });
    const alone = trainFromCounts(mergeCounts([one]), { vocabSize: 900, ties });
    assert.deepEqual(shared, alone);
    assert.equal(shared.training.corpus.documents, 1500);
    assert.equal(shared.vocabulary.specials.get("<|endoftext|>"), 899);
  }
});

test("one, two, three and eight threads give the same vocabulary of documents and of lines", {
  skip: withoutData(),
}, async () => {
  const text = novels(5_500_000);
  const jsonl = c4Documents()
    .slice(0, 300)
    .map(page => JSON.stringify({ text: page }))
    .join("\n");
  const paths = [
    fileOf(text),
    fileOf(jsonl, ".jsonl"),
    fileOf(gzipSync(fuzzedTexts(71, 500).join("\n")), ".txt.gz"),
  ];
  for (const [ties, split] of [
    ["first-seen", "documents"],
    ["byte-ids", "lines"],
  ] as const) {
    const runs = [];
    for (const workers of ties === "first-seen" ? [1, 2, 3] : [1, 2, 8]) {
      const progress: string[] = [];
      const run = await trainTokenizer({
        files: paths,
        pattern: "gpt2",
        split,
        ties,
        vocabSize: 2000,
        workers,
        onProgress: ({ phase, done, total, perSecond }) => {
          assert.ok(done <= total && perSecond > 0);
          if (progress.at(-1) !== phase) progress.push(phase);
        },
      });
      assert.deepEqual(progress, ["count", "merge"]);
      runs.push(run);
    }
    assert.deepEqual(runs[1], runs[0]);
    assert.deepEqual(runs[2], runs[0]);
  }
});

test("little memory on several threads spills and gives the same vocabulary as plenty on one", async () => {
  const text = fuzzedTexts(81, 4000).join("\n");
  const paths = [fileOf(text), fileOf(text)];
  const options = {
    files: paths,
    pattern: "gpt2",
    ties: "first-seen",
    split: "lines",
    vocabSize: 700,
  } as const;
  const plenty = await trainTokenizer({ ...options, workers: 1 });
  const counter = count(text.split(/(?<=\n)/), { pattern: "gpt2", split: "lines" });
  const { size, starts } = counter.words()!;
  let memory = 0;
  for (let i = 0; i < size; i++) memory += trainingBytes(starts[i + 1]! - starts[i]!);
  const half = count(text.split(/(?<=\n)/), { pattern: "gpt2", split: "lines", memory: memory / 2 });
  assert.equal(half.words(), null, "a thread's half of the memory holds all words, so this would not spill");
  half.dispose();
  const little = await trainTokenizer({ ...options, workers: 2, memory });
  assert.equal(little.training.wordsFrom, 1);
  assert.deepEqual(little.vocabulary, plenty.vocabulary);
  assert.equal(little.training.wordsHash, plenty.training.wordsHash);
});

test("text that Parquet, JSONL and compressed files hold trains the same vocabulary as the plain texts", async () => {
  // The Parquet reader drops U+FEFF at the start of a text.
  const texts = fuzzedTexts(91, 310)
    .filter(text => !text.startsWith("\ufeff"))
    .slice(0, 300);
  const table = createTable(join(root, "texts.parquet"), { id: "string", text: "string" });
  texts.forEach((text, i) => {
    table.add({ id: String(i), text });
  });
  table.commit();
  const lines = texts.map(text => JSON.stringify({ text })).join("\n");
  const options = { pattern: "cl100k", vocabSize: 600, workers: 1 } as const;
  const words = count(texts, { pattern: "cl100k" }).words()!;
  const direct = trainBpe(words, { merges: 600 - 257, ties: "byte-ids" });
  for (const path of [
    join(root, "texts.parquet"),
    fileOf(lines, ".jsonl"),
    fileOf(gzipSync(lines), ".jsonl.gz"),
  ]) {
    const { vocabulary, training } = await trainTokenizer({ ...options, files: [path] });
    assert.deepEqual(vocabulary.merges, direct.merges, path);
    assert.equal(training.corpus.documents, 300);
  }
});

test("caps and sampling report what they cost, and a piece cut loses no byte", () => {
  const long = "é".repeat(700);
  const cut = count([long], { pattern: "gpt2", pieceCap: 101 });
  const { size, arena, starts, counts } = cut.words()!;
  let bytes = 0;
  for (let i = 0; i < size; i++) {
    const word = arena.subarray(starts[i]!, starts[i + 1]!);
    assert.ok(word.length <= 101 && Buffer.from(word).toString("utf8").replaceAll("é", "") === "");
    bytes += word.length * counts[i]!;
  }
  assert.equal(bytes, 1400);
  assert.equal(cut.corpus().cutPieces, 1);

  const capped = count(["hello world ".repeat(30), "éé", "short"], { pattern: "gpt2", docCap: 101 });
  const { documents, bytes: seen, cappedDocuments, cappedDocumentBytes } = capped.corpus();
  assert.deepEqual([documents, seen, cappedDocuments, cappedDocumentBytes], [3, 369, 1, 259]);

  const texts = fuzzedTexts(95, 2000);
  const sampled = count(texts, { pattern: "gpt2", sample: 0.25, seed: 3 }).corpus();
  assert.equal(sampled.documents + sampled.sampledOut, 2000);
  assert.ok(Math.abs(sampled.documents - 500) < 100);
  const reversed = count([...texts].reverse(), { pattern: "gpt2", sample: 0.25, seed: 3 }).corpus();
  assert.equal(reversed.bytes, sampled.bytes);
});

test("words that do not fit into memory are left out from the rarest on, and the report says from which count", () => {
  const texts = fuzzedTexts(97, 3000);
  const all = trained(texts, {}).counted;
  const fitted = trained(texts, {}, 200_000).counted;
  assert.equal(all.wordsFrom, 1);
  assert.ok(fitted.wordsFrom > 1 && fitted.words.size < all.words.size);
  assert.equal(fitted.different, all.words.size);
  for (let i = 0; i < fitted.words.size; i++) assert.ok(fitted.words.counts[i]! >= fitted.wordsFrom);
  const joined = joinWords([count(texts, { pattern: "gpt2" }).words()!], { memory: 200_000 });
  assert.deepEqual([joined.wordsFrom, joined.words.size], [fitted.wordsFrom, fitted.words.size]);
  assert.throws(
    () => joinWords([count(texts, { pattern: "gpt2" }).words()!], { memory: 10 }),
    /hold none of the corpus's words/,
  );
});

test("lines without text are counted, and carriage returns are kept", async () => {
  const path = fileOf('{"text":"a b"}\nnot json\n{"body":"x"}\n"c d"\n', ".jsonl");
  const { unread, training } = await trainTokenizer({ files: [path], pattern: "gpt2", vocabSize: 260 });
  assert.deepEqual([unread, training.corpus.documents], [2, 2]);
  const crlf = await trainTokenizer({
    files: [fileOf("a\r\n\r\nb\r\n")],
    pattern: "gpt2",
    split: "lines",
    vocabSize: 300,
  });
  assert.ok([...crlf.vocabulary.tokens.values()].some(token => Buffer.from(token).toString() === "\r\n"));
});

test("an empty corpus trains the 256 bytes and the special tokens", async () => {
  const { vocabulary } = await trainTokenizer({ files: [fileOf("")], pattern: "gpt2", vocabSize: 1000 });
  assert.deepEqual(
    [vocabulary.tokens.size, vocabulary.merges.length, vocabulary.specials.get("<|endoftext|>")],
    [256, 0, 256],
  );
});

test("mistakes are named: no files, a missing file, a Parquet file without text, damaged counts, mixed patterns, too small a vocabulary", async () => {
  const train = (paths: string[], vocabSize = 300) =>
    trainTokenizer({ files: paths, pattern: "gpt2", vocabSize, workers: 2 });
  const mistake = (run: () => unknown, words: RegExp) =>
    assert.rejects(
      async () => run(),
      (error: unknown) => {
        assert.ok(error instanceof UserError, String(error));
        assert.match(error.message, words);
        return true;
      },
    );
  await mistake(() => train([]), /expected files to train on, got none/);
  await mistake(
    () => train([join(root, "nowhere.txt")]),
    /expected a file to train on at .*nowhere\.txt, which does not exist/,
  );
  const table = createTable(join(root, "other.parquet"), { body: "string" });
  table.add({ body: "x" });
  table.commit();
  await mistake(() => train([join(root, "other.parquet"), fileOf("a")]), /expected a column text, got body/);
  await assert.rejects(async () => train([fileOf("a")], 100), /a vocabulary of 100 has no room/);

  const { file } = trained(fuzzedTexts(99, 50), {});
  const bytes = readFileSync(file.path);
  for (const broken of [
    bytes.subarray(0, bytes.length - 1),
    bytes.subarray(0, 10),
    Buffer.from("{}"),
    Buffer.alloc(0),
  ]) {
    const path = fileOf(broken, ".counts");
    await mistake(() => mergeCounts([path]), /is not a whole file of counted words/);
  }
  const other = trained(["a"], { pattern: "llama3" }).file;
  await mistake(() => mergeCounts([file.path, other.path]), /was counted with llama3 .* with gpt2/);
  await mistake(() => mergeCounts([]), /expected files of counted words, got none/);
});
