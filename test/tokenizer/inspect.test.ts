/** Looking into a tokenizer: every answer is data that can be checked. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { createEncoder } from "../../tokenizer/encoder.ts";
import { compression, ratios, wholeWords } from "../../tokenizer/inspect/compression.ts";
import { kindOf, oddTokens, scriptOf, spellings, swallowedBy } from "../../tokenizer/inspect/kinds.ts";
import { replay } from "../../tokenizer/inspect/replay.ts";
import { coloured, segmentsOf } from "../../tokenizer/inspect/segments.ts";
import {
  countOccurrences,
  countUses,
  longestTokens,
  rareTokens,
  type TokenFacts,
  tokenFacts,
  usage,
} from "../../tokenizer/inspect/tokens.ts";
import { encodeDocuments } from "../../tokenizer/shards/encode-documents.ts";
import { shardFileName } from "../../tokenizer/shards/format.ts";
import { trainFromCounts } from "../../tokenizer/training/train.ts";
import type { Vocabulary } from "../../tokenizer/vocabulary.ts";
import { countTexts } from "./counted.ts";

const root = mkdtempSync(join(tmpdir(), "curate-inspect-"));
after(() => rmSync(root, { recursive: true, force: true }));

function trainOn(texts: readonly string[], vocabSize: number): Vocabulary {
  return trainFromCounts(countTexts(texts, "gpt2"), { vocabSize }).vocabulary;
}

const hello = trainOn(["hello hello hello help 漢字 漢字"], 272);

test("segments are whole characters, with the bytes they cover, and concatenate to the text", () => {
  const encoder = createEncoder(trainOn(["hello hello"], 262));
  const text = "hello 漢é!";
  const segments = segmentsOf(encoder.vocabulary, encoder.encode(text));
  assert.equal(segments.map(segment => segment.text).join(""), text);
  const kanji = segments.find(segment => segment.text.includes("漢"))!;
  assert.ok(kanji.ids.length >= 3);
  assert.equal(kanji.start, 6 + (kanji.text === "漢" ? 0 : -1));
  assert.equal(
    segments.reduce((sum, segment) => sum + segment.bytes, 0),
    Buffer.byteLength(text),
  );
});

test("coloured text never gives neighbours one colour and shows control characters instead of sending them", () => {
  const segment = (text: string) => ({ ids: [0], text, start: 0, bytes: 1 });
  const shown = coloured([segment("a"), segment("b\n"), segment("\x1b[2J")]);
  const colours = [...shown.matchAll(/48;5;(\d+)m/g)].map(match => match[1]);
  assert.equal(new Set(colours).size, 3);
  assert.ok(!shown.includes("\x1b[2J") && shown.includes("\\x1b[2J"));
  assert.equal(coloured([segment(" a"), segment("\n")], { colour: false, whitespace: true }), "·a|↵\n");
});

test("compression counts bytes, characters, words and tokens by group against another vocabulary", () => {
  const ours = createEncoder(hello);
  const bytes = createEncoder(trainOn([], 257));
  const rows = compression(
    [
      { group: "en", text: "hello hello" },
      { group: "zh", text: "漢字" },
      { group: "en", text: "" },
    ],
    [
      { name: "ours", encoder: ours },
      { name: "bytes", encoder: bytes },
    ],
  );
  assert.deepEqual(
    rows.map(row => row.group),
    ["en", "zh", "all"],
  );
  assert.deepEqual(rows[0], {
    group: "en",
    documents: 2,
    bytes: 11,
    characters: 11,
    words: 2,
    tokens: [2, 11],
  });
  assert.equal(rows[2]!.bytes, 17);
  const { bytesPerToken, tokensPerWord, savedPercent } = ratios(rows[0]!, 0, 1);
  assert.deepEqual([bytesPerToken, tokensPerWord, Math.round(savedPercent)], [5.5, 1, 82]);
});

test("tokens are told apart: special, byte, part of a character, reachable, and those no text gives", () => {
  const text = (token: string) => new Uint8Array(Buffer.from(token));
  const tokens = new Map(Array.from({ length: 256 }, (_, byte) => [byte, Uint8Array.of(byte)] as const));
  tokens.set(256, text("ab"));
  tokens.set(257, text("abc"));
  tokens.set(258, text("xyz"));
  tokens.set(259, Uint8Array.of(0xe6, 0xbc));
  tokens.set(260, text("a "));
  const merges = Int32Array.of(97, 98, 256, 256, 99, 257, 0xe6, 0xbc, 259, 97, 32, 260);
  const vocabulary: Vocabulary = {
    pattern: "gpt2",
    unicode: "16.0.0",
    tokens,
    merges,
    specials: new Map([["<|endoftext|>", 300]]),
    endOfText: "<|endoftext|>",
    wholePieces: false,
  };
  const facts = tokenFacts(createEncoder(vocabulary));
  const classOf = (id: number) => facts.find(fact => fact.id === id)!.class;
  assert.deepEqual([97, 256, 257, 258, 259, 260, 300].map(classOf), [
    "byte",
    "reachable",
    "reachable",
    "unreachable",
    "partial",
    "unreached",
    "special",
  ]);
  assert.deepEqual(facts.find(fact => fact.id === 257)!.parents, [256, 99]);
  assert.deepEqual(
    longestTokens(facts, 2).map(fact => fact.id),
    [257, 258],
  );
});

test("every token of a vocabulary trained here is reachable or part of a character", () => {
  const classes = new Set(tokenFacts(createEncoder(hello)).map(fact => fact.class));
  assert.ok(!classes.has("unreachable") && !classes.has("unreached"), [...classes].join());
});

test("uses counted from shards equal those of the encoding job, and name the tokens never used", async () => {
  const encoder = createEncoder(hello);
  const dir = join(root, "shards");
  const documents = [
    { id: "a", text: "hello help" },
    { id: "b", text: "hello" },
  ];
  const { uses, tokens } = await encodeDocuments(documents, encoder, {
    path: (split, part) => join(dir, shardFileName(split, 0, part)),
    validation: 0,
    seed: 1,
    tokensPerShard: 3,
    tokenizerHash: "00",
  });
  assert.deepEqual(countUses(dir, "train"), uses);
  const facts = tokenFacts(encoder);
  const rare = rareTokens(facts, uses).map(fact => Buffer.from(fact.bytes).toString());
  assert.ok(rare.includes(" 漢字") && !rare.includes("hello"));
  assert.ok(!rareTokens(facts, uses).some(fact => fact.bytes.length === 1 && fact.bytes[0] === 0xff));
  const summary = usage(uses);
  assert.equal(summary.tokens, tokens);
  assert.ok(summary.used > 0 && summary.used < 0.1 && summary.entropy > 1 && summary.efficiency < 0.5);
});

test("occurrences count documents beside uses", async () => {
  const encoder = createEncoder(hello);
  const dir = join(root, "occurrences");
  const documents = ["hello hello", "hello", "help"].map((text, i) => ({ id: String(i), text }));
  const { uses } = await encodeDocuments(documents, encoder, {
    path: (split, part) => join(dir, shardFileName(split, 0, part)),
    validation: 0,
    seed: 1,
    tokensPerShard: 1,
    tokenizerHash: "00",
  });
  const seen = countOccurrences(dir, "train");
  assert.deepEqual(seen.uses, uses);
  const documentsWith = (text: string) =>
    Math.min(...Array.from(encoder.encode(text), id => seen.documents[id]!));
  assert.deepEqual([documentsWith("hello"), documentsWith(" hello"), documentsWith("help")], [2, 1, 1]);
  assert.equal(seen.documents[hello.specials.get("<|endoftext|>")!], 3);
});

const fact = (text: string, more: Partial<TokenFacts> = {}): TokenFacts => ({
  ...{ id: 0, bytes: new Uint8Array(Buffer.from(text)), class: "reachable", parents: null },
  ...more,
});

test("tokens are sorted by what they are made of, and words that differ in case or a space are found", () => {
  const kinds = [" the", "the", " 20", "½", "!!", " (", "\n\n", "　", "'s", ".com", " né"].map(text =>
    kindOf(fact(text)),
  );
  assert.deepEqual(kinds, [
    ...["word after a space", "word or part of one", "digits", "digits", "punctuation", "punctuation"],
    ...["white space", "white space", "mixed", "mixed", "word after a space"],
  ]);
  assert.equal(kindOf(fact("x", { class: "byte" })), "byte");
  const scripts = ["the", " дом", "漢字", "12", "\u{10900}"].map(text => scriptOf(Buffer.from(text)));
  assert.deepEqual(scripts, ["Latin", "Cyrillic", "Han", null, "other"]);
  assert.deepEqual(spellings([" the", "The", "cat", "!!", "the"].map(text => fact(text))), {
    tokens: 3,
    words: 1,
  });
});

test("odd tokens: runs of one character, boilerplate of one document, mojibake, code", () => {
  const all = ["====", "----x", " Morales", " often", " Ã¤", "h3x", " https", "<|x|>"].map((text, id) =>
    fact(text, { id, class: text === "<|x|>" ? "special" : "reachable" }),
  );
  const uses = Float64Array.of(5, 5, 16, 16, 5, 5, 5, 99);
  const documents = Float64Array.of(5, 5, 2, 3, 5, 5, 5, 1);
  const odd = oddTokens(all, { uses, documents });
  assert.deepEqual(
    odd.map(({ fact, oddity }) => [fact.id, oddity]),
    [
      [0, "repeated"],
      [2, "few-documents"],
      [4, "mojibake"],
      [5, "code-like"],
      [6, "code-like"],
    ],
  );
  assert.ok(!oddTokens(all, null).some(({ oddity }) => oddity === "few-documents"));
});

test("a token never used is shown within the most used token it was merged into", () => {
  const [part, whole, rare] = [
    fact("includ", { id: 1 }),
    fact("including", { id: 2, parents: [1, 9] }),
    fact("includxx", { id: 3, parents: [1, 8] }),
  ];
  const within = swallowedBy([part], [part, whole, rare], [0, 0, 50, 2]);
  assert.deepEqual([...within], [[1, whole]]);
});

test("words that are one token are counted as often as the texts have them", () => {
  const encoder = createEncoder(hello);
  const bytes = createEncoder(trainOn([], 257));
  const rivals = [encoder, bytes].map(encoder => ({ name: "", encoder }));
  assert.deepEqual(wholeWords(["hello, hello! hello", "xyz"], rivals), [0.75, 0]);
  assert.deepEqual(wholeWords([], rivals), [0, 0]);
});

test("replay shows merges in order of rank and ends with the ids the encoder gives", () => {
  const encoder = createEncoder(hello);
  const text = "hello help 漢字";
  const pieces = replay(encoder, text);
  assert.deepEqual(
    pieces.flatMap(piece => piece.ids),
    Array.from(encoder.encode(text)),
  );
  for (const { bytes, steps, ids } of pieces) {
    assert.deepEqual(steps.length > 0 ? steps.at(-1)!.ids : bytes, ids);
    steps.forEach((step, i) => {
      assert.equal(step.ids.length, bytes.length - i - 1);
      assert.deepEqual(
        [step.left, step.right, step.id],
        Array.from(hello.merges.subarray(3 * step.rank, 3 * step.rank + 3)),
      );
    });
  }
});
