/** `curate tokenizer` as a person runs it: processes, files and pipes. */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { gzipSync } from "node:zlib";
import { createTable } from "../../lib/parquet.ts";
import { createEncoder } from "../../tokenizer/encoder.ts";
import { loadTokenizer } from "../../tokenizer/files.ts";
import { encodeDocuments } from "../../tokenizer/shards/encode-documents.ts";
import { shardFileName } from "../../tokenizer/shards/format.ts";
import { writeManifest } from "../../tokenizer/shards/manifest.ts";
import { endOfTextId } from "../../tokenizer/vocabulary.ts";
import { curate, temporary } from "../cli/curate.ts";
import { fuzzedTexts } from "./oracles.ts";

const dir = temporary("tokenizer");
after(() => rmSync(dir, { recursive: true, force: true }));
const run = (args: readonly string[], input?: string | Buffer) =>
  curate(["tokenizer", ...args], { cwd: dir, ...(input === undefined ? {} : { input }) });

const texts = fuzzedTexts(77, 300, 60);
writeFileSync(join(dir, "a.txt"), texts.join("\n"));
writeFileSync(join(dir, "b.jsonl"), texts.map(text => `${JSON.stringify({ text })}\n`).join(""));
writeFileSync(join(dir, "c.txt.gz"), gzipSync("packed text, packed text\n"));
const table = createTable(join(dir, "d.parquet"), { text: "string" });
for (const text of texts.slice(0, 50)) table.add({ text });
table.commit();

const published = createEncoder(loadTokenizer("gpt2").vocabulary);
const joined = (text: string) => `${published.encode(text).join(" ")}\n`;

test("train reads text, JSON lines, packed files and Parquet, and says what sampling and caps left out", async () => {
  const out = join(dir, "own");
  const files = ["a.txt", "b.jsonl", "c.txt.gz", "d.parquet"];
  const { code, stdout, stderr } = await run([
    ...[
      "train",
      ...files,
      "--vocab-size",
      "400",
      "--pattern",
      "gpt2",
      "--ties",
      "hugging-face",
      "--split",
      "lines",
    ],
    ...["--sample", "0.5", "--doc-cap", "40", "--piece-cap", "16", "--unicode", "15.0.0", "--out", out],
  ]);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^400 tokens from [\d.]+ kB in [\d,]+ documents, [\d,]+ different pieces/);
  assert.match(stdout, /sampling left out [\d,]+ of [\d,]+ documents, [\d,]+ bytes/);
  assert.match(stdout, /the document cap left out [\d,]+ bytes of [\d,]+ bytes, in \d+ of \d+ documents/);
  assert.match(stdout, /\d+ of [\d,]+ pieces were longer than the piece cap and cut/);
  const { vocabulary, training } = loadTokenizer(out);
  assert.deepEqual(
    [vocabulary.unicode, training?.ties, vocabulary.pattern],
    ["15.0.0", "hugging-face", "gpt2"],
  );
});

test("train says where the corpus gives fewer tokens than were asked for", async () => {
  writeFileSync(join(dir, "short.txt"), "abc abc");
  const { code, stdout } = await run(["train", "short.txt", "--out", join(dir, "short"), "--json"]);
  assert.equal(code, 0);
  const { vocabulary, costs } = JSON.parse(stdout) as { vocabulary: number; costs: string[] };
  assert.equal(vocabulary, 260);
  assert.deepEqual(costs, ["the corpus gives 260 tokens, not 32,768: no other pair occurs at all"]);
});

test("encode and decode are filters that lose no byte, byte order marks and broken UTF-8 included", async () => {
  const input = Buffer.concat([
    Buffer.from("\ufeffhi \u2028there\r\n\0 "),
    Buffer.of(0xff, 0xc3),
    Buffer.from("x"),
  ]);
  const encoded = await run(["encode", "--tokenizer", "gpt2"], input);
  assert.deepEqual(encoded, {
    code: 0,
    stdout: `${published.encodeBytes(input).join(" ")}\n`,
    stderr: "",
  });
  writeFileSync(join(dir, "ids"), encoded.stdout);
  const bytes = join(dir, "decoded");
  const decoded = await run(["decode", "--tokenizer", "gpt2", "--file", "ids"]);
  assert.equal(decoded.code, 0);
  writeFileSync(bytes, decoded.stdout);
  assert.equal(decoded.stdout, input.toString("utf8"));
});

test("encode --jsonl gives a line of ids for each text, whatever it holds, on one thread and on two", async () => {
  const odd = ["a\u2028b\u2029c", "", "\ufeff", "<|endoftext|>"];
  const many = Array.from({ length: 1200 }, (_, i) => texts[i % texts.length]! + "word ".repeat(500));
  const rows = [...odd, ...many].map(text => `${JSON.stringify({ text })}\n`).join("\r\n");
  const expected = [...odd, ...many].map(joined).join("");
  for (const workers of ["1", "2"]) {
    const { code, stdout, stderr } = await run(
      ["encode", "--tokenizer", "gpt2", "--jsonl", "--workers", workers],
      rows,
    );
    assert.equal(code, 0, stderr);
    assert.ok(stdout === expected, `the ids differ on ${workers} threads`);
  }
});

test("special tokens are text unless --specials is given, and --offsets are bytes", async () => {
  const text = "é<|endoftext|>";
  const [plain, special] = await Promise.all([
    run(["encode", "--tokenizer", "gpt2", "--offsets"], text),
    run(["encode", "--tokenizer", "gpt2", "--specials", "--json", "--offsets"], text),
  ]);
  assert.match(plain.stdout, /^2634@0 27@2 91@3 /);
  assert.deepEqual(JSON.parse(special.stdout), { ids: [2634, 50256], offsets: [0, 2, 15] });
});

test("inspect reports on the vocabulary of a run, on a text and on a word, in words and as JSON", async () => {
  const workdir = join(dir, "run");
  const documents = Array.from({ length: 40 }, (_, i) => ({
    id: String(i),
    url: `https://www.site-${i % 3}.example/${i}`,
    language: i % 4 === 0 ? "de" : "en",
    text: `the cat and the dog number ${i} ${i === 7 ? "boilerplate ".repeat(40) : ""}`,
  }));
  writeFileSync(join(dir, "plain.jsonl"), documents.map(row => `${JSON.stringify(row)}\n`).join(""));
  const trained = await curate(
    [
      "tokenizer",
      "train",
      "plain.jsonl",
      "--vocab-size",
      "300",
      "--pattern",
      "gpt2",
      "--out",
      join(workdir, "tokenizer"),
    ],
    { cwd: dir },
  );
  assert.equal(trained.code, 0, trained.stderr);
  const { vocabulary, hash } = loadTokenizer(join(workdir, "tokenizer"));
  const encoded = await encodeDocuments(documents, createEncoder(vocabulary), {
    path: (split, part) => join(workdir, "shards", shardFileName(split, 0, part)),
    ...{ validation: 0, seed: 1, tokensPerShard: 1e6, tokenizerHash: hash },
  });
  writeManifest(
    join(workdir, "shards"),
    { tokenizerHash: hash, eot: endOfTextId(vocabulary), vocabularySize: 300 },
    encoded.files,
  );
  const kept = createTable(join(workdir, "documents", "part-00000.parquet"), {
    ...{ id: "string", url: "string", language: "string", text: "string" },
  });
  for (const row of documents) kept.add(row);
  kept.commit();
  writeFileSync(join(workdir, "run.json"), "{}");

  const words = await run(["inspect", "--tokenizer", join(workdir, "tokenizer")]);
  assert.equal(words.code, 0, words.stderr);
  for (const expected of [
    /^\d+ tokens, pattern gpt2, ties byte-ids, Unicode 16\.0\.0$/m,
    /^trained on [\d.]+ kB in 40 documents/m,
    /the first pair that merged occurred \d+ times, the last \d+: "/,
    /word after a space/,
    /by language +documents +this +gpt2/,
    /^ {2}de +10 /m,
    /site-2\.example +13 /,
    /words that are one token: this/,
    /in one or two documents only: \d+\n[^\n]*" boilerplate" ×40/,
    /never used \(\d+\)/,
    /single bytes, which are there for any text to come/,
  ])
    assert.match(words.stdout, expected);

  const report = JSON.parse(
    (await run(["inspect", "--tokenizer", join(workdir, "tokenizer"), "--json"])).stdout,
  );
  assert.deepEqual(
    report.compression.map((row: { group: string; documents: number }) => [row.group, row.documents]),
    [
      ["de", 10],
      ["en", 30],
      ["all", 40],
    ],
  );
  assert.ok(
    report.odd.some(
      (token: { text: string; documents: number }) =>
        token.text === '" boilerplate"' && token.documents === 1,
    ),
  );

  const text = join(dir, "text.txt");
  writeFileSync(text, "the cat\u001b[2J 漢");
  const shown = await run(["inspect", "--tokenizer", join(workdir, "tokenizer"), "--file", text]);
  assert.match(shown.stdout, /^the\| cat\|\\/);
  assert.match(
    shown.stdout,
    /\d+ tokens, 15 bytes, [\d.]+ bytes a token {2}· {2}gpt2 \d+, cl100k_base \d+, o200k_base \d+ tokens/,
  );
  const replayed = await run(["inspect", "--tokenizer", join(workdir, "tokenizer"), "--word", "the 漢"]);
  assert.match(replayed.stdout, /^"the"\n +"t" "h" "e"\n {2}merge \d+ +/);
  assert.match(replayed.stdout, /" " "\\xe6" "\\xbc" "\\xa2"/);
});

test("mistakes are named and nothing is written", async () => {
  mkdirSync(join(dir, "empty"));
  const mistakes: [string[], RegExp, string?][] = [
    [["train", "b.jsonl"], /--out is missing/],
    [
      ["train", "a.txt", "--sample", "0.5", "--out", "x"],
      /a share of the documents was asked for, and a\.txt is one/,
    ],
    [
      ["train", "a.txt", "--sample", "2", "--out", "x"],
      /--sample: expected a number above 0 and up to 1, got 2/,
    ],
    [
      ["train", "a.txt", "--piece-cap", "5", "--out", "x"],
      /--piece-cap: expected a whole number from 16 to 60000, got 5/,
    ],
    [["train", "a.txt", "--unicode", "12", "--out", "x"], /--unicode: expected one of 14\.0\.0, .*got "12"/],
    [
      ["train", "a.txt", "--ties", "random", "--out", "x"],
      /--ties: expected one of byte-ids, .*got "random"/,
    ],
    [["encode", "--tokenizer", "gpt3"], /got "gpt3"\s+did you mean gpt2\?/],
    [["encode", "--tokenizer", "empty"], /expected tokenizer\.json, .*in empty/],
    [
      ["encode", "--tokenizer", "own", "--jsonl"],
      /line 2: expected an object with a text, got the list \[1\]/,
      '{"text":""}\n[1]',
    ],
    [["decode", "--tokenizer", "own"], /expected token ids separated by white space, got "1x"/, "1 1x 2"],
    [["decode", "--tokenizer", "own"], /token id 400 is not in the vocabulary of 400/, "400"],
    [["encode", "a.txt"], /takes no files as words, got "a\.txt"/],
  ];
  for (const [args, message, input] of mistakes) {
    const { code, stderr } = await run(args, input);
    assert.equal(code, 2, args.join(" "));
    assert.match(stderr, message);
  }
  assert.throws(() => readFileSync(join(dir, "x", "tokenizer.json")));
});
