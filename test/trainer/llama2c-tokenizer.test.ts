/** llama2.c's tokenizer against the reference's ids, over any text, and over files that are none. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { type TestContext, test } from "node:test";
import fc from "fast-check";
import { UserError } from "../../lib/errors.ts";
import { readLlama2cTokenizer } from "../../trainer/import/llama2c-tokenizer.ts";
import { sharedData } from "./shared-data.ts";

const size = 512;

function open(t: TestContext) {
  const path = sharedData(t, "weights", "esp32-llm", "data", "tok512.bin");
  if (!path) return null;
  const file = readFileSync(path);
  return { file, tokenizer: readLlama2cTokenizer(file, size, path) };
}

const textOf = (ids: Iterable<number>, bytesOf: (id: number) => Uint8Array | undefined) =>
  Buffer.concat([...ids].map(id => bytesOf(id) ?? new Uint8Array(0))).toString("utf8");

test("a text has the reference's ids, and they its text", t => {
  const opened = open(t);
  if (!opened) return;
  const { encode, bytesOf } = opened.tokenizer;
  const known = sharedData(t, "weights", "derived", "stories260K_reference.json")!;
  const reference = JSON.parse(readFileSync(known, "utf8")) as { text: string; text_tokens: number[] };
  assert.deepEqual([1, ...encode(reference.text)], reference.text_tokens);
  assert.equal(textOf(reference.text_tokens, bytesOf), ` ${reference.text}`);
  assert.deepEqual([...encode("")], []);
  assert.equal(bytesOf(1), undefined, "what begins a text stands for none");
  assert.deepEqual(bytesOf(13), Uint8Array.of(10));
});

test("any text comes back, characters that are no piece byte by byte", t => {
  const opened = open(t);
  if (!opened) return;
  const { encode, bytesOf } = opened.tokenizer;
  const text = fc.string({ unit: "grapheme", maxLength: 60 });
  fc.assert(
    fc.property(text, text => {
      if (text !== "") assert.equal(textOf(encode(text), bytesOf), ` ${text.toWellFormed()}`);
    }),
    { numRuns: 300, seed: 7 },
  );
});

test("of neighbours the pair with the best score merges first, the leftmost of equals", () => {
  const pieces = ["a", "b", "ab", "ba", " ", "aba"];
  const scores = [-9, -9, -1, -1, -9, -2];
  const parts = [Buffer.alloc(4)];
  const piece = (text: string, score: number) => {
    const head = Buffer.alloc(8);
    head.writeFloatLE(score, 0);
    head.writeInt32LE(Buffer.byteLength(text), 4);
    parts.push(head, Buffer.from(text));
  };
  for (let i = 0; i < 259; i++) piece("", 0);
  for (const [i, text] of pieces.entries()) piece(text, scores[i]!);
  const { encode } = readLlama2cTokenizer(Buffer.concat(parts), 265, "made");
  const names = (text: string) => Array.from(encode(text), id => pieces[id - 259]);
  assert.deepEqual(names("aba"), [" ", "aba"]);
  assert.deepEqual(names("baba"), [" ", "ba", "ba"]);
  assert.deepEqual(names("bab"), [" ", "ba", "b"]);
});

test("files that are none are refused with what is wrong", t => {
  const opened = open(t);
  if (!opened) return;
  const { file } = opened;
  const cases: readonly (readonly [Uint8Array, number, RegExp])[] = [
    [file.subarray(0, 3000), size, /of 512 pieces: (it ends after|piece \d+ has) \d+/],
    [Buffer.concat([file, Buffer.alloc(2)]), size, /it has 2 bytes more/],
    [file, 511, /it has \d+ bytes more/],
    [file, 513, /it ends after 512/],
    [Buffer.concat([Buffer.alloc(8), Buffer.from([255, 255, 255, 255])]), size, /piece 0 has -1 bytes/],
    [Buffer.alloc(4), 0, /no room for the bytes/],
  ];
  for (const [bytes, count, message] of cases) {
    assert.throws(
      () => readLlama2cTokenizer(bytes, count, "tok.bin"),
      (e: unknown) => e instanceof UserError && message.test(e.message),
    );
  }
});
