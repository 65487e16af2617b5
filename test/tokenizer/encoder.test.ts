/** Encoding and decoding: ids equal to those of others on the text we have, and no text that is slow or lost. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { UserError } from "../../lib/errors.ts";
import { random } from "../../lib/random.ts";
import { createDecoder } from "../../tokenizer/decoder.ts";
import { createEncoderPool } from "../../tokenizer/encode-batch.ts";
import { createEncoder, type Encoder } from "../../tokenizer/encoder.ts";
import { loadTokenizer } from "../../tokenizer/files.ts";
import { createMerger, pairTableOf } from "../../tokenizer/merge.ts";
import { createPairTable, noMerge } from "../../tokenizer/pair-table.ts";
import { encodeWithSpecials } from "../../tokenizer/specials.ts";
import { createTokenSink } from "../../tokenizer/token-array.ts";
import { trainFromCounts } from "../../tokenizer/training/train.ts";
import { byteIds, endOfTextId, type Vocabulary } from "../../tokenizer/vocabulary.ts";
import { countTexts } from "./counted.ts";
import { c4Documents, dataText, fuzzedTexts, novels, tiktoken, versionOf, withoutData } from "./oracles.ts";

function assertSameIds(ours: ArrayLike<number>, theirs: ArrayLike<number>, text: string): void {
  let at = 0;
  while (at < ours.length && ours[at] === theirs[at]) at++;
  if (at === ours.length && at === theirs.length) return;
  const near = (ids: ArrayLike<number>) => Array.from(ids).slice(Math.max(0, at - 2), at + 4);
  assert.fail(
    `at token ${at}: ${near(ours)} against ${near(theirs)} in ${JSON.stringify(text.slice(0, 200))}`,
  );
}

const realTexts = () => [
  ...c4Documents().filter((_, i) => i % 4 === 0),
  ...novels(200_000).split(/(?<=\n\n)(?=\S)/),
  dataText("text/wagahaiwa_nekodearu.txt").slice(0, 30_000),
  dataText("text/wikitext-2/valid.txt").slice(0, 60_000),
  dataText("text/cs336_dedup_quality_fixtures/moby.html"),
];

for (const name of ["gpt2", "cl100k_base", "o200k_base"])
  test(`${name}: ids equal tiktoken ${versionOf("tiktoken")} on web pages, novels, Japanese, markup and generated texts`, {
    skip: withoutData(),
  }, () => {
    const encoder = createEncoder(loadTokenizer(name).vocabulary);
    const theirs = tiktoken.get_encoding(name);
    for (const text of [...realTexts(), ...fuzzedTexts(21, 1000)])
      assertSameIds(encoder.encode(text), theirs.encode_ordinary(text), text);
    theirs.free();
  });

for (const name of ["r50k_base", "p50k_base"])
  test(`${name}: ids equal tiktoken ${versionOf("tiktoken")} on generated texts`, () => {
    const encoder = createEncoder(loadTokenizer(name).vocabulary);
    const theirs = tiktoken.get_encoding(name);
    for (const text of fuzzedTexts(22, 500))
      assertSameIds(encoder.encode(text), theirs.encode_ordinary(text), text);
    theirs.free();
  });

const gpt2 = loadTokenizer("gpt2").vocabulary;
const cl100k = loadTokenizer("cl100k_base").vocabulary;

function trainOn(texts: readonly string[], vocabSize: number, specials = ["<|endoftext|>"]): Vocabulary {
  return trainFromCounts(countTexts(texts, "llama3"), { vocabSize, specials }).vocabulary;
}
const own = trainOn(fuzzedTexts(1, 3000), 2000, ["<|endoftext|>", "<|end|>", "<|end|>x"]);

for (const [name, vocabulary] of Object.entries({ gpt2, cl100k, own })) {
  const encoder = createEncoder(vocabulary);
  const decoder = createDecoder(vocabulary);

  test(`${name}: decoding what was encoded gives back any bytes`, () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), bytes => {
        assert.deepEqual(decoder.decodeBytes(encoder.encodeBytes(bytes)), bytes);
      }),
      { seed: 1, numRuns: 1500 },
    );
    for (const text of fuzzedTexts(2, 1000)) assert.equal(decoder.decode(encoder.encode(text)), text);
  });

  test(`${name}: a stream gives the same ids however the text is cut into parts, bytes within characters too`, () => {
    const source = random(6);
    const texts = [
      ...fuzzedTexts(8, 150, 200),
      "x".repeat(200_000),
      "漢字".repeat(30_000),
      fuzzedTexts(9, 3000).join(" "),
    ];
    for (const text of texts) {
      const whole = encoder.encode(text);
      for (const asBytes of [true, false]) {
        const parts = asBytes ? Buffer.from(text) : text;
        const stream = encoder.stream();
        const ids: number[] = [];
        const longest = parts.length > 1000 ? 40_000 : 12;
        for (let at = 0; at < parts.length; ) {
          const next = Math.min(parts.length, at + 1 + source.below(longest));
          for (const id of stream.push(parts.slice(at, next) as string)) ids.push(id);
          at = next;
        }
        for (const id of stream.end()) ids.push(id);
        assertSameIds(ids, whole, text);
      }
    }
  });
}

test("a stream hands out ids before its end and starts afresh after it", () => {
  const encoder = createEncoder(gpt2);
  const stream = encoder.stream();
  assert.ok(stream.push("many words of text here").length > 2);
  stream.end();
  const again = [...stream.push("hello"), ...stream.end()];
  assert.deepEqual(again, [...encoder.encode("hello")]);
});

test("a small cache, a large one and merging alone give the same ids", () => {
  const small = createEncoder(own, { cacheBits: 4 });
  const large = createEncoder(own);
  for (const text of fuzzedTexts(12, 2000)) assertSameIds(small.encode(text), large.encode(text), text);
  const pieces = [
    " ",
    "a",
    "ab",
    "abc",
    "abcd",
    "abcdefg",
    "abcdefgh",
    "abcdefghi",
    "abcdefghijkl",
    "abcdefghijklmnop",
    "abcdefghijklmnopq",
  ];
  const merger = createMerger(byteIds(own), pairTableOf(own.merges));
  for (const piece of pieces) {
    const bytes = Buffer.from(piece);
    const out = new Int32Array(64);
    const n = merger.merge(bytes, 0, bytes.length, out, 0);
    for (let round = 0; round < 3; round++)
      assert.deepEqual([...large.encode(piece)], [...out.subarray(0, n)], piece);
  }
});

test("a piece that differs from a known one only by a NUL byte, or by its length, is another piece", () => {
  const encoder = createEncoder(own);
  const decoder = createDecoder(own);
  const texts = [
    "a",
    "a\0",
    "a\0\0",
    "ab",
    "ab\0",
    "\0",
    "\0\0",
    "abcdefgh",
    "abcdefgh\0",
    "abcdefghijklmno",
    "abcdefghijklmno\0",
  ];
  for (let round = 0; round < 2; round++)
    for (const text of texts) assert.equal(decoder.decode(encoder.encode(text)), text, JSON.stringify(text));
});

test("long pieces merged by heap give the ids that scanning gives", () => {
  const source = random(14);
  const pairs = pairTableOf(gpt2.merges);
  const idOf = byteIds(gpt2);
  const merger = createMerger(idOf, pairs);
  for (let round = 0; round < 60; round++) {
    const unit = ["a", "ab", "the ", "=", "漢", "lol"][round % 6]!;
    const text = unit.repeat(1 + source.below(60)) + "e".repeat(source.below(90));
    const bytes = Buffer.from(text);
    let ids = Array.from(bytes, byte => idOf[byte]!);
    for (;;) {
      const ranks = ids.slice(0, -1).map((id, i) => pairs.rank(id, ids[i + 1]!));
      const best = Math.min(...ranks, noMerge);
      if (best === noMerge) break;
      const at = ranks.indexOf(best);
      ids = [...ids.slice(0, at), pairs.id(best), ...ids.slice(at + 2)];
    }
    const out = new Int32Array(bytes.length);
    const n = merger.merge(bytes, 0, bytes.length, out, 0);
    assert.deepEqual([...out.subarray(0, n)], ids);
  }
});

test("no run of one character is quadratic: twice the text asks for the rank of less than 2.5 times the pairs", () => {
  for (const unit of ["a", "^", "=", " ", "\n", "ab", "QUJD", '{"a":1},', "漢"]) {
    const asked = (length: number) => {
      let count = 0;
      const pairs = pairTableOf(gpt2.merges);
      const rank = (left: number, right: number) => {
        count++;
        return pairs.rank(left, right);
      };
      const merger = createMerger(byteIds(gpt2), { ...pairs, rank });
      const bytes = Buffer.from(unit.repeat(Math.ceil(length / unit.length)).slice(0, length));
      merger.merge(bytes, 0, bytes.length, new Int32Array(bytes.length), 0);
      return count;
    };
    assert.ok(asked(16_000) < 2.5 * asked(8000), unit);
  }
});

test("a run of 300,000 equal characters, base64 and minified JSON are encoded and come back", () => {
  const encoder = createEncoder(cl100k);
  const decoder = createDecoder(cl100k);
  const source = random(15);
  const base64 = Buffer.from(Uint8Array.from({ length: 50_000 }, () => source.below(256))).toString("base64");
  const json = JSON.stringify(Array.from({ length: 5000 }, (_, i) => ({ id: i, v: source.below(1e9) })));
  for (const text of ["a".repeat(300_000), "^".repeat(300_000), " ".repeat(300_000), base64, json])
    assert.equal(decoder.decode(encoder.encode(text)), text);
});

test("empty text, one byte, only white space, text that ends in white space, NUL", () => {
  const encoder = createEncoder(cl100k);
  const theirs = tiktoken.get_encoding("cl100k_base");
  assert.equal(encoder.encode("").length, 0);
  for (const text of [
    "a",
    " ",
    "\n",
    "   ",
    "\n\n  x",
    "x  ",
    "x\n",
    "x \n ",
    "\0",
    "\r\n\r\n",
    "\ta",
    "  \t\n\u3000 a",
  ])
    assertSameIds(encoder.encode(text), theirs.encode_ordinary(text), text);
  theirs.free();
});

test("lone surrogates are encoded as U+FFFD by every way in, and pairs are never cut", () => {
  const encoder = createEncoder(gpt2);
  const replaced = [...encoder.encode("a\ufffdb")];
  assert.deepEqual([...encoder.encode("a\ud83db")], replaced);
  const sink = createTokenSink(encoder.size);
  encoder.encodeInto("a\udc00b", sink);
  assert.deepEqual([...sink.view()], replaced);
  assert.equal(encoder.count("a\ud83db"), replaced.length);
  assert.deepEqual([...encodeWithSpecials(encoder, "a\ud83db", "all")], replaced);
  assert.deepEqual(
    [...encodeWithSpecials(encoder, "a\ud83d<|endoftext|>\ude00b", "all")],
    [...encoder.encode("a\ufffd"), endOfTextId(gpt2), ...encoder.encode("\ufffdb")],
  );
  const stream = encoder.stream();
  assert.deepEqual([...stream.push("a\ud83d"), ...stream.push("b"), ...stream.end()], replaced);
  assert.deepEqual([...stream.push("a\ud83d"), ...stream.end()], [...encoder.encode("a\ufffd")]);
  assert.deepEqual(
    [...stream.push("😀"[0]!), ...stream.push("😀"[1]!), ...stream.end()],
    [...encoder.encode("😀")],
  );
  const long = "😀".repeat(40_000);
  assert.equal(createDecoder(gpt2).decode(encoder.encode(`x${long}`)), `x${long}`);
});

test("a byte order mark is text like any other, encoded and decoded", () => {
  const encoder = createEncoder(gpt2);
  const theirs = tiktoken.get_encoding("gpt2");
  for (const text of ["\ufeffb a", "\ufeff", "a\ufeff"]) {
    assertSameIds(encoder.encode(text), theirs.encode_ordinary(text), text);
    const decoder = createDecoder(gpt2);
    assert.equal(decoder.decode(encoder.encode(text)), text);
    const stream = decoder.stream();
    assert.equal(stream.push(encoder.encode(text)) + stream.end(), text);
  }
  theirs.free();
});

test("decoding in parts holds incomplete characters back and never loses or doubles one", () => {
  const encoder = createEncoder(own);
  const decoder = createDecoder(own);
  for (const text of fuzzedTexts(16, 300)) {
    const stream = decoder.stream();
    let out = "";
    for (const id of encoder.encode(text)) {
      const part = stream.push([id]);
      assert.ok(!part.includes("\ufffd") || text.includes("\ufffd"));
      out += part;
    }
    assert.equal(out + stream.end(), text);
  }
  const half = decoder.stream();
  assert.equal(half.push(encoder.encodeBytes(Uint8Array.of(0xe6, 0xbc))), "");
  assert.equal(half.end(), "\ufffd");
  assert.throws(() => decoder.decodeBytes([1_000_000]), /token id 1000000 is not in the vocabulary of 2000/);
});

test("counting stops once the limit is passed", () => {
  const encoder = createEncoder(gpt2);
  const text = "word ".repeat(200_000);
  const all = encoder.encode(text).length;
  assert.equal(encoder.count(text), all);
  assert.equal(encoder.count(text, all), all);
  assert.equal(encoder.count(text, 10), 11);
  assert.equal(encoder.count("word word", 10), 2);
});

test("offsets are bytes of the UTF-8 text", () => {
  const encoder = createEncoder(gpt2);
  const text = "né 漢 end";
  const ids = encoder.encode(text);
  const offsets = encoder.offsets(ids);
  assert.equal(offsets.length, ids.length + 1);
  assert.equal(offsets.at(-1), Buffer.byteLength(text));
  const bytes = Buffer.from(text);
  const decoder = createDecoder(gpt2);
  ids.forEach((id, i) => {
    assert.deepEqual(decoder.decodeBytes([id]), new Uint8Array(bytes.subarray(offsets[i], offsets[i + 1])));
  });
});

test("of a line of 16 MB that comes in parts, a stream never holds back more than a few bytes", () => {
  const encoder = createEncoder(own);
  const stream = encoder.stream();
  const part = Buffer.from("a line without an end, é ".repeat(2500));
  let tokens = 0;
  let bytes = 0;
  for (let pushed = part.length; pushed <= 256 * part.length; pushed += part.length) {
    const ids = stream.push(part);
    tokens += ids.length;
    bytes += encoder.offsets(ids).at(-1)!;
    assert.ok(pushed - bytes < 64, `${pushed - bytes} bytes of ${pushed} are held back`);
  }
  tokens += stream.end().length;
  assert.equal(tokens, encoder.count(part.toString("utf8").repeat(256)));
});

test("batches on threads give each text the ids it has alone, in order, and end with the pool", async () => {
  const pool = createEncoderPool(own, { workers: 2 });
  const encoder = createEncoder(own);
  const texts = [...fuzzedTexts(23, 400), "", "long ".repeat(100_000), "\ud800"];
  const [ids, again, none] = await Promise.all([
    pool.encodeBatch(texts),
    pool.encodeBatch(texts.slice(0, 3)),
    pool.encodeBatch([]),
  ]);
  assert.deepEqual(
    ids,
    texts.map(text => encoder.encode(text)),
  );
  assert.deepEqual(again, ids.slice(0, 3));
  assert.deepEqual(none, []);
  const last = pool.encodeBatch(["late"]);
  const rejected = assert.rejects(last, /the encoder's threads were closed/);
  await pool.close();
  await rejected;
  await assert.rejects(pool.encodeBatch(["later"]), /the encoder's threads were closed/);
});

test("ids come in 16 bits up to 65,536 tokens and in 32 above", () => {
  assert.ok(createEncoder(gpt2).encode("a") instanceof Uint16Array);
  assert.ok(createEncoder(cl100k).encode("a") instanceof Uint32Array);
});

test("a special token in a text is text, and special only where it is asked for by name", () => {
  const encoder = createEncoder(own);
  const [eot, end, endX] = ["<|endoftext|>", "<|end|>", "<|end|>x"].map(name => own.specials.get(name)!);
  const text = "hi<|endoftext|>there<|end|>x<|end|>";
  const plain: Encoder["encode"] = encoder.encode;
  for (const id of [eot, end, endX]) assert.ok(!plain(text).includes(id!));
  assert.deepEqual([...encodeWithSpecials(encoder, text, [])], [...plain(text)]);
  assert.deepEqual(
    [...encodeWithSpecials(encoder, text, "all")],
    [...plain("hi"), eot, ...plain("there"), endX, end],
  );
  assert.deepEqual(
    [...encodeWithSpecials(encoder, text, ["<|end|>"])],
    [...plain("hi<|endoftext|>there"), end, ...plain("x"), end],
  );
  assert.throws(() => encodeWithSpecials(encoder, text, ["<|pad|>"]), UserError);
  assert.equal(createDecoder(own).decode(encodeWithSpecials(encoder, text, "all")), text);
  assert.equal(endOfTextId(own), eot);
});

test("special tokens equal tiktoken's", () => {
  const encoder = createEncoder(cl100k);
  const theirs = tiktoken.get_encoding("cl100k_base");
  for (const text of ["<|endoftext|>", "a<|fim_prefix|><|endofprompt|> b <|endof", "<|<|endoftext|>|>"])
    assertSameIds(encodeWithSpecials(encoder, text, "all"), theirs.encode(text, "all"), text);
  theirs.free();
});

test("a vocabulary without an end of text, and one without a byte the text has, are refused by name", () => {
  assert.throws(
    () => endOfTextId({ ...gpt2, specials: new Map(), endOfText: null }),
    /has no end-of-text token among its special tokens \(none\)/,
  );
  const tokens = new Map([...own.tokens].filter(([id]) => id !== 0xe3));
  const encoder = createEncoder({ ...own, tokens, merges: new Int32Array(0) });
  assert.equal(encoder.encode("abc").length, 3);
  assert.throws(
    () => encoder.encode("あ"),
    /the text has the byte 0xe3, for which the tokenizer has no token/,
  );
});

test("a pair table finds what was put in, keeps the first of two, and grows", () => {
  const table = createPairTable(4);
  const source = random(18);
  const known = new Map<string, number>();
  for (let rank = 0; rank < 5000; rank++) {
    const [a, b] = [source.below(300), source.below(300)];
    if (!known.has(`${a} ${b}`)) known.set(`${a} ${b}`, rank);
    table.add(a, b, rank, rank + 7);
  }
  assert.equal(table.size, known.size);
  for (let a = 0; a < 300; a++)
    for (let b = 0; b < 300; b++) {
      const rank = known.get(`${a} ${b}`);
      assert.equal(table.rank(a, b), rank ?? noMerge);
      if (rank !== undefined) assert.equal(table.id(rank), rank + 7);
    }
});
