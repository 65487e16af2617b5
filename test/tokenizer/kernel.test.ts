/**
 * The encoding kernel in WebAssembly against the reference in plain JavaScript: the same ids for every text, piece
 * length and vocabulary, whether pieces are merged by rank or put together by longest tokens.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { random } from "../../lib/random.ts";
import { createEncoder } from "../../tokenizer/encoder.ts";
import { loadTokenizer } from "../../tokenizer/files.ts";
import { kernelModule } from "../../tokenizer/kernel.ts";
import { patternNames } from "../../tokenizer/pretokenizer/patterns.ts";
import { trainFromCounts } from "../../tokenizer/training/train.ts";
import { tieRules } from "../../tokenizer/training/training.ts";
import { greatestId, type Vocabulary } from "../../tokenizer/vocabulary.ts";
import { countTexts } from "./counted.ts";
import { fuzzedTexts } from "./oracles.ts";

const absent = kernelModule() === null && process.env["CI"] !== "true";
const skip = absent ? "tokenizer/wasm/encode.wasm is not built (npm run build)" : false;

const source = random(41);
const pick = <T>(list: readonly T[]): T => list[source.below(list.length)]!;
const letters = (n: number, alphabet: string) =>
  Array.from({ length: n }, () => alphabet[source.below(alphabet.length)]).join("");

/** Pieces of any length up to `longest` bytes: runs, periods, random letters, what base64 has, scripts without spaces. */
function longPieces(count: number, longest: number): Uint8Array[] {
  const unit = () =>
    pick([
      () => pick(["a", "^", "=", " ", "\n", "é", "漢", "ก", "-", "_"]),
      () => letters(1 + source.below(9), "abcdefghijklmnopqrstuvwxyz"),
      () => letters(1 + source.below(7), "eaotin"),
      () => letters(1 + source.below(5), "漢字日本語中文のをに"),
      () => letters(1 + source.below(30), "ABCDEFghijklmnop+/"),
    ])();
  return Array.from({ length: count }, () => {
    const most = 1 + source.below(longest);
    let text = "";
    while (text.length < most) text += unit().repeat(1 + source.below(most));
    return Buffer.from(text.slice(0, most)).subarray(0, longest);
  });
}

function randomBytes(count: number, longest: number): Uint8Array[] {
  return Array.from({ length: count }, () =>
    Uint8Array.from({ length: source.below(longest) }, () => source.below(256)),
  );
}

function assertSame(ids: ArrayLike<number>, expected: ArrayLike<number>, bytes: Uint8Array): void {
  let at = 0;
  while (at < ids.length && ids[at] === expected[at]) at++;
  if (at === ids.length && at === expected.length) return;
  assert.fail(`differs at token ${at} of ${JSON.stringify(Buffer.from(bytes.subarray(0, 300)).toString())}`);
}

const counted = countTexts(
  [...fuzzedTexts(31, 2000), ...longPieces(120, 90).map(bytes => Buffer.from(bytes).toString("utf8"))],
  "llama3",
);

const vocabularies: Readonly<Record<string, () => Vocabulary>> = {
  gpt2: () => loadTokenizer("gpt2").vocabulary,
  cl100k_base: () => loadTokenizer("cl100k_base").vocabulary,
  o200k_base: () => loadTokenizer("o200k_base").vocabulary,
  ...Object.fromEntries(
    tieRules.map(ties => [
      `one trained with ties by ${ties}`,
      () => trainFromCounts(counted, { vocabSize: 1500, specials: ["<|endoftext|>"], ties }).vocabulary,
    ]),
  ),
};

for (const [name, make] of Object.entries(vocabularies))
  test(`${name}: the kernel gives the ids of the reference, twice, with a small cache and a large one`, {
    skip,
  }, () => {
    const vocabulary = make();
    const reference = createEncoder(vocabulary, { kernel: false });
    const kernels = [createEncoder(vocabulary), createEncoder(vocabulary, { cacheBits: 3 })];
    assert.ok(kernels.every(kernel => kernel.usesKernel) && !reference.usesKernel);
    const texts = [
      ...fuzzedTexts(32, 400).map(text => Buffer.from(text)),
      ...fuzzedTexts(33, 5, 10_000).map(text => Buffer.from(text)),
      ...longPieces(400, 400),
      ...longPieces(20, 5000),
      ...randomBytes(100, 400),
    ];
    for (const bytes of texts) {
      const ids = reference.encodeBytes(bytes);
      for (const kernel of kernels)
        for (let round = 0; round < 2; round++) assertSame(kernel.encodeBytes(bytes), ids, bytes);
    }
  });

test("every pattern cuts the same pieces in the kernel, also where bytes are no characters", { skip }, () => {
  const vocabulary = vocabularies["gpt2"]!();
  for (const pattern of patternNames) {
    const kernel = createEncoder({ ...vocabulary, pattern });
    const reference = createEncoder({ ...vocabulary, pattern }, { kernel: false });
    for (const text of fuzzedTexts(34, 600))
      assert.deepEqual(kernel.encode(text), reference.encode(text), text);
    for (const bytes of randomBytes(300, 60))
      assert.deepEqual(kernel.encodeBytes(bytes), reference.encodeBytes(bytes));
  }
});

test("merges that are no tree, or that no text can fire, give the ids of the reference", { skip }, () => {
  const bytes = Array.from({ length: 256 }, (_, byte) => [byte, Uint8Array.of(byte)] as const);
  const [a, b, c] = ["a", "b", "c"].map(letter => letter.charCodeAt(0)) as [number, number, number];
  const odd: Readonly<Record<string, readonly number[]>> = {
    "two merges make one token": [a, b, 300, b, c, 301, 300, c, 302, a, 301, 302, 302, 302, 303],
    "a part comes after the whole": [300, a, 301, a, a, 300, 300, 300, 302],
    "a part no merge makes": [400, a, 301, a, b, 300, a, 400, 302],
    "the same pair twice": [a, b, 300, a, b, 301, 300, c, 302, 301, c, 303],
    "a merge that never fires": [b, c, 300, a, b, 301, 301, c, 302, a, 300, 303, 302, a, 304],
  };
  for (const [name, merges] of Object.entries(odd)) {
    const tokens = new Map<number, Uint8Array>(bytes);
    for (let round = 0; round < 3; round++)
      for (let i = 0; i < merges.length; i += 3) {
        const parts = [tokens.get(merges[i]!), tokens.get(merges[i + 1]!)];
        if (parts[0] && parts[1]) tokens.set(merges[i + 2]!, Buffer.concat([parts[0], parts[1]]));
      }
    const vocabulary: Vocabulary = {
      pattern: "gpt2",
      unicode: "16.0.0",
      tokens,
      merges: Int32Array.from(merges),
      specials: new Map([["<|end|>", 500]]),
      endOfText: "<|end|>",
      wholePieces: false,
    };
    const kernel = createEncoder(vocabulary);
    const reference = createEncoder(vocabulary, { kernel: false });
    for (let length = 1; length < 400; length += 3) {
      const text = letters(length, pick(["a", "ab", "abc"]));
      assert.deepEqual(kernel.encode(text), reference.encode(text), `${name}: ${text}`);
    }
  }
});

test("ids with holes, up to the greatest there may be, come out of the kernel as the reference gives them", {
  skip,
}, () => {
  const own = trainFromCounts(counted, { vocabSize: 900, specials: ["<|endoftext|>"] }).vocabulary;
  for (const far of [(id: number) => 7 * id + 3, (id: number) => (id < 400 ? id : greatestId - 900 + id)]) {
    const vocabulary: Vocabulary = {
      ...own,
      tokens: new Map([...own.tokens].map(([id, bytes]) => [far(id), bytes])),
      merges: own.merges.map(far),
      specials: new Map([["<|endoftext|>", far(899)]]),
    };
    const kernel = createEncoder(vocabulary);
    assert.ok(kernel.usesKernel);
    const plain = createEncoder(own, { kernel: false });
    for (const text of [...fuzzedTexts(36, 300), "x".repeat(2000)])
      for (let round = 0; round < 2; round++)
        assert.deepEqual([...kernel.encode(text)], [...plain.encode(text)].map(far), text);
  }
});

test("tokens longer than the windows that long pieces are merged by give the ids of the reference", {
  skip,
}, () => {
  const tokens = new Map<number, Uint8Array>(
    Array.from({ length: 256 }, (_, byte) => [byte, Uint8Array.of(byte)]),
  );
  const merges: number[] = [];
  const merge = (left: number, right: number) => {
    const id = 256 + merges.length / 3;
    tokens.set(id, Buffer.concat([tokens.get(left)!, tokens.get(right)!]));
    merges.push(left, right, id);
    return id;
  };
  const [a, b] = [0x61, 0x62];
  let run = a;
  for (let doubled = 0; doubled < 10; doubled++) run = merge(run, run);
  merge(merge(b, run), b);
  merge(260, b);
  const vocabulary: Vocabulary = {
    ...{ pattern: "gpt2", unicode: "16.0.0", tokens, merges: Int32Array.from(merges) },
    ...{ specials: new Map([["<|end|>", 500]]), endOfText: "<|end|>", wholePieces: false },
  };
  const kernel = createEncoder(vocabulary);
  const reference = createEncoder(vocabulary, { kernel: false });
  for (let round = 0; round < 60; round++) {
    let text = "";
    while (text.length < 6000) text += "a".repeat(source.below(1 << source.below(13))) + "b";
    assert.deepEqual(kernel.encode(text), reference.encode(text));
  }
  assert.ok(kernel.encode(`${"a".repeat(1024)}b`).length < 3);
});

test("a vocabulary that lacks a byte is encoded by the reference, one with tokens no merge makes by both", {
  skip,
}, () => {
  const gpt2 = vocabularies["gpt2"]!();
  const without = new Map([...gpt2.tokens].filter(([, bytes]) => bytes.length > 1 || bytes[0] !== 0xff));
  assert.equal(createEncoder({ ...gpt2, tokens: without }).usesKernel, false);
  const orphan = [60_000, Buffer.from(" soubor")] as const;
  const orphans = { ...gpt2, tokens: new Map([...gpt2.tokens, orphan]), specials: new Map() };
  const kernel = createEncoder(orphans);
  assert.ok(kernel.usesKernel);
  assert.ok(kernel.encode("the soubor").includes(60_000));
  const reference = createEncoder(orphans, { kernel: false });
  for (const text of fuzzedTexts(35, 300)) assert.deepEqual(kernel.encode(text), reference.encode(text));
});

test("a piece of megabytes is encoded and remembered by nobody, and what comes after it is right", {
  skip,
}, () => {
  const kernel = createEncoder(vocabularies["cl100k_base"]!());
  const reference = createEncoder(kernel.vocabulary, { kernel: false });
  for (const text of ["x".repeat(3_000_000), "short text", `${"漢".repeat(70_000)} end`])
    assert.deepEqual(kernel.encode(text), reference.encode(text));
});
