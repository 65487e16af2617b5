/** The studio's pure parts: guard, thresholds told by trying, marks, differences, row indexes, longest runs. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { createTable } from "../../lib/parquet.ts";
import { linesOf } from "../../pipeline/report/replay.ts";
import { difference } from "../../studio/difference.ts";
import { namesUs } from "../../studio/server/guard.ts";
import { attentionWeights } from "../../studio/server/inside.ts";
import { markTaken } from "../../studio/server/marked.ts";
import { longestRun } from "../../studio/server/memorised.ts";
import { wanted } from "../../studio/server/openai.ts";
import { hashOf, indexRows } from "../../studio/server/row-index.ts";
import { spellsFrom, wordsOf } from "../../studio/server/spelling.ts";
import { thinned } from "../../studio/server/training.ts";
import { tokenText } from "../../studio/server/vocabulary.ts";

test("only this machine's names with the studio's own port are taken for the studio", () => {
  for (const host of ["127.0.0.1:4270", "localhost:4270", "[::1]:4270"]) assert.ok(namesUs(host, 4270), host);
  for (const host of ["127.0.0.1", "127.0.0.1:80", "evil.example:4270", "127.0.0.1.evil.example:4270", ""])
    assert.ok(!namesUs(host, 4270), host);
});

test("the longest run found in a token stream is as long as the one found by trying every pair of places", () => {
  const tokens = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 60 });
  fc.assert(
    fc.property(tokens, tokens, (ids, stream) => {
      let longest = 0;
      for (let i = 0; i < ids.length; i++) {
        for (let j = 0; j < stream.length; j++) {
          let n = 0;
          while (i + n < ids.length && j + n < stream.length && ids[i + n] === stream[j + n]) n++;
          longest = Math.max(longest, n);
        }
      }
      const { length, end } = longestRun(ids, stream);
      assert.equal(length, longest);
      const run = stream.slice(end - length, end).join(" ");
      assert.ok(length === 0 || ` ${ids.join(" ")} `.includes(` ${run} `));
    }),
    { seed: 11, numRuns: 300 },
  );
});

test("attention weights of every head and position sum to one, and equal keys share alike", () => {
  const [T, H, KV, D] = [3, 2, 1, 2];
  const heads = attentionWeights(new Float32Array(T * (H + 2 * KV) * D).fill(0.5), { T, H, KV, D });
  assert.equal(heads.length, H);
  assert.deepEqual(heads[0], [1, 0.5, 0.5, 0.3333, 0.3333, 0.3333]);
});

test("the option of a rule's line is the one that moves it", () => {
  const marks = (options: object) => {
    const { minWords, maxWords } = options as { minWords: number; maxWords: number };
    return [
      { measure: "words", at: minWords, drops: "below", reason: "short" },
      { measure: "words", at: maxWords, drops: "above", reason: "long" },
    ] as const;
  };
  assert.deepEqual(linesOf({ marks }, { decoy: 50, minWords: 50, maxWords: 900 }), [
    { measure: "words", option: "minWords", at: 50, drops: "below", reason: "short" },
    { measure: "words", option: "maxWords", at: 900, drops: "above", reason: "long" },
  ]);
});

test("what was taken is marked between tags only, never in scripts or titles", () => {
  const html = "<title>The plum</title><script>var a='The plum'</script><p>The&nbsp;plum</p><b>Menu</b>";
  const marked = markTaken(html, "The plum is ripe.");
  assert.match(marked, /<p><span style="[^"]+">The&nbsp;plum<\/span><\/p><b>Menu<\/b>$/);
  assert.ok(marked.startsWith("<title>The plum</title><script>var a='The plum'</script>"));
});

test("differences joined again give both texts", () => {
  const words = fc
    .array(fc.constantFrom("a", "bb", "c", "d e"), { maxLength: 25 })
    .map(list => list.join(" "));
  fc.assert(
    fc.property(words, words, (from, to) => {
      const changes = difference(from, to)!;
      const text = (skip: string) =>
        changes
          .filter(({ kind }) => kind !== skip)
          .map(change => change.text)
          .join("");
      assert.equal(text("added"), from);
      assert.equal(text("removed"), to);
    }),
    { seed: 5, numRuns: 300 },
  );
});

test("a token that is part of a character is shown by its bytes", () => {
  assert.equal(tokenText(Uint8Array.of(0xe2, 0x82)), "\\xe2\\x82");
  assert.equal(tokenText(Uint8Array.from(Buffer.from(" é"))), " é");
});

test("long runs are thinned for drawing, validation losses and the last times by kernel stay", () => {
  const steps = Array.from({ length: 10_000 }, (_, i) => ({
    ...{ step: i + 1, tokens: i, loss: 1, lr: 1, gradNorm: 1, tokensPerSecond: 1, mfu: null, ms: 1 },
    ...(i === 4321 ? { valLoss: 2 } : {}),
    ...(i % 20 === 19 && i < 9995 ? { kernels: { adamw: 1 } } : {}),
  }));
  const kept = thinned(steps, 1000);
  // Every tenth, the last, the one with a validation loss, the one with times.
  assert.equal(kept.length, 1000 + 3);
  assert.ok(kept.some(({ valLoss }) => valLoss === 2));
  assert.ok(kept.some(({ step }) => step === 9980));
  assert.equal(kept.at(-1)!.step, 10_000);
});

test("fields that a base model cannot honour are refused by name", () => {
  assert.throws(() => wanted({ prompt: "a", suffix: "b" }), { message: "suffix is not supported" });
  assert.throws(() => wanted({ prompt: "a", frobnicate: 1 }), { message: "unknown field frobnicate" });
  assert.throws(() => wanted({ prompt: ["a", "b"] }), {
    message: "prompt: expected one text; several prompts are several requests",
  });
  assert.throws(() => wanted({ prompt: "a", max_tokens: 10_000 }), {
    message: /^maxTokens: expected 1 to 512/,
  });
});

test("rows are found by a value in whichever part they stand, also when hashes agree or a part has changed", async t => {
  const dir = mkdtempSync(join(tmpdir(), "curate-rows-"));
  t.after(() => rmSync(dir, { recursive: true }));
  const [a, b] = ["costarring", "liquid"];
  assert.equal(hashOf(a), hashOf(b));
  const write = (name: string, ids: readonly string[]) => {
    const table = createTable(join(dir, name), { id: "string", n: "int" });
    ids.forEach((id, n) => {
      table.add({ id, n });
    });
    table.commit();
  };
  write("part-00000.parquet", ["x", a, "y"]);
  write("part-00001.parquet", ["x", "z", b]);
  const paths = ["part-00000.parquet", "part-00001.parquet"].map(name => join(dir, name));
  const index = indexRows(() => paths, "id");
  const places = async (id: string, most = 1) =>
    (await index.find(id, { most })).map(({ path, at }) => `${paths.indexOf(path)}.${at}`);
  assert.deepEqual(await places(b), ["1.2"]);
  assert.deepEqual(await places(a), ["0.1"]);
  assert.deepEqual(await places("x", 9), ["0.0", "1.0"]);
  assert.deepEqual(await places("nobody"), []);
  write("part-00000.parquet", ["y", "y", "y", "late"]);
  assert.deepEqual(await places("late"), ["0.3"]);
  assert.deepEqual(await places(a), []);
});

test("a model spells from where a third of the words it puts together exist, over five samples", () => {
  const samples = [0, 1, 0, 0, 0, 2, 1, 0, 3, 1].map((right, i) => ({
    ...{ step: 20 * (i + 1), words: 9, unknown: 0, strange: [], made: 3, right },
  }));
  assert.equal(spellsFrom(samples), 100);
  assert.equal(spellsFrom(samples.slice(0, 5)), null);
  assert.deepEqual(wordsOf("It's naïve, 12 days’ WORK"), ["it's", "naïve", "days", "work"]);
});
