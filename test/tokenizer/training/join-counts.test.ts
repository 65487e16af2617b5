/** Joined counting files hold what the files hold one after another. */
import assert from "node:assert/strict";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { countTexts } from "../../../tokenizer/training/counter.ts";
import { joinCounts } from "../../../tokenizer/training/join-counts.ts";
import { mergeCounts } from "../../../tokenizer/training/merge-counts.ts";

async function* texts(from: number, n: number): AsyncGenerator<string> {
  for (let i = from; i < from + n; i++) yield `word${i % 7} and word${i % 11} again, déjà ${i}`;
}

test("training from joined counts is training from the counts themselves", async () => {
  const dir = mkdtempSync(join(tmpdir(), "curate-join-"));
  const files: string[] = [];
  for (let part = 0; part < 5; part++) {
    files.push(join(dir, `${part}.counts`));
    await countTexts(texts(part * 40, 40), { pattern: "gpt2" }, files[part]!);
  }
  const joined = [join(dir, "a.counts"), join(dir, "b.counts")];
  joinCounts(files.slice(0, 3), joined[0]!);
  joinCounts(files.slice(3), joined[1]!);
  assert.deepEqual(mergeCounts(joined), mergeCounts(files));
  assert.equal(mergeCounts(joined).corpus.documents, 200);
});
