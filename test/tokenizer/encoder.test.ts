/** Encoding: ids equal to those of others on all the text we have, and no text that is slow or lost. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createDecoder } from "../../tokenizer/decoder.ts";
import { createEncoder } from "../../tokenizer/encoder.ts";
import { loadTokenizer } from "../../tokenizer/files.ts";
import { c4Documents, dataText, fuzzedTexts, novels, tiktoken, versionOf, withoutData } from "./oracles.ts";

for (const name of ["gpt2", "r50k_base", "p50k_base", "cl100k_base", "o200k_base"])
  test(`${name}: ids equal tiktoken ${versionOf("tiktoken")} on web pages, novels, Japanese, markup and generated texts`, {
    skip: withoutData(),
  }, () => {
    const { vocabulary } = loadTokenizer(name);
    const encoder = createEncoder(vocabulary);
    const decoder = createDecoder(vocabulary);
    const theirs = tiktoken.get_encoding(name);
    const texts = [
      ...c4Documents(),
      ...novels(1_500_000).split(/(?<=\n\n)(?=\S)/),
      dataText("text/wagahaiwa_nekodearu.txt").slice(0, 150_000),
      dataText("text/wikitext-2/valid.txt").slice(0, 300_000),
      dataText("text/cs336_dedup_quality_fixtures/moby.html"),
      ...fuzzedTexts(21, 3000),
    ];
    for (const text of texts) {
      const ours = encoder.encode(text);
      const expected = theirs.encode_ordinary(text);
      if (
        Buffer.compare(
          Buffer.from(Uint32Array.from(ours).buffer),
          Buffer.from(expected.buffer, expected.byteOffset, expected.byteLength),
        ) !== 0
      ) {
        const at = ours.findIndex((id, i) => id !== expected[i]);
        const near = (ids: ArrayLike<number>) =>
          JSON.stringify(decoder.decode(Array.from(ids).slice(Math.max(0, at - 3), at + 3)));
        assert.fail(
          `${near(ours)} [${ours.slice(at - 3, at + 3)}] against ${near(expected)} [${expected.slice(at - 3, at + 3)}]`,
        );
      }
    }
    theirs.free();
  });
