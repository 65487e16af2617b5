/** MinHash within a run, a snapshot or a language, and against an earlier run. */
import assert from "node:assert/strict";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { UserError } from "../../../lib/errors.ts";
import { defaults } from "../../../lib/options.ts";
import type { CorpusStage } from "../../../pipeline/corpus-stage.ts";
import { minhash as minhashStage, snapshotOf } from "../../../pipeline/dedup/minhash.ts";
import type { Document } from "../../../pipeline/document.ts";
import {
  applied,
  collectAndCluster,
  deduplicated,
  document,
  keptIds,
  madeText,
  temporary,
} from "./corpus.ts";

const stage = minhashStage as unknown as CorpusStage;
const same = madeText(1, 80);

const from = (id: string, file: string, language: string): Document => ({
  ...document(id, same),
  meta: { language },
  at: { file, offset: 0, length: 0 },
});

test("copies meet in a run, or only within their snapshot or language", async () => {
  const path = (crawl: string, n: number) =>
    `s3://cc/crawl-data/${crawl}/segments/1.${n}/warc/x-0000${n}.warc.gz`;
  const tasks = [
    [from("a", path("CC-MAIN-2024-46", 1), "en"), from("b", path("CC-MAIN-2024-46", 2), "de")],
    [from("c", path("CC-MAIN-2024-51", 3), "en"), from("d", path("CC-MAIN-2024-51", 4), "de")],
  ];
  const kept = async (scope: string) => keptIds(await deduplicated({ stage, tasks, options: { scope } }));
  assert.deepEqual(await kept("run"), ["a"]);
  assert.deepEqual(await kept("snapshot"), ["a", "c"]);
  assert.deepEqual(await kept("language"), ["a", "b"]);
});

test("a snapshot is named by the path of its files, else it is the folder they lie in", () => {
  assert.equal(
    snapshotOf(from("a", "x/crawl-data/CC-MAIN-2013-48/segments/y/z.warc.gz", "")),
    "CC-MAIN-2013-48",
  );
  assert.equal(snapshotOf(from("a", "crawls/spring/00000.warc.gz", "")), "crawls/spring/");
  assert.equal(snapshotOf(from("a", "00000.warc.gz", "")), "");
});

/** A workdir in which `tasks` have been through minhash. */
async function ran(
  base: string,
  name: string,
  tasks: readonly (readonly Document[])[],
  options: Readonly<Record<string, unknown>> = {},
): Promise<string> {
  const dir = join(base, name, "work", "minhash");
  mkdirSync(dir, { recursive: true });
  const recipe = { stages: [{ name: "minhash", options: { ...defaults(stage.options), ...options } }] };
  writeFileSync(join(base, name, "work", "plan.json"), JSON.stringify({ recipe }));
  await collectAndCluster({ stage, tasks, options }, dir);
  return dir;
}

test("every document that is like one of an earlier run goes, and which one is said, whatever the keep policy", async () => {
  const base = temporary();
  const earlier = [[document("old-1", same), document("old-2", madeText(2, 80))], [document("old-3", same)]];
  const tasks = [
    [document("new-1", `${same} and more words at the end`), document("new-2", madeText(3, 80))],
    [document("new-3", same), document("new-4", madeText(3, 80)), document("new-5", madeText(4, 80))],
  ];
  await ran(base, "before", earlier);
  for (const keep of ["first", "longest", "newest"]) {
    const options = { against: ["../before"], keep };
    const dir = await ran(base, `after-${keep}`, tasks, options);
    const outcomes = await applied({ stage, tasks, options }, dir);
    assert.equal(keptIds(outcomes).length, 2, keep);
    assert.ok(keptIds(outcomes).includes("new-5"));
    for (const id of ["new-1", "new-3"]) {
      const { verdict, membership } = outcomes.get(id)!;
      assert.deepEqual(verdict, { drop: "duplicate", value: "old-1" }, `${keep} ${id}`);
      assert.equal(membership!.kept, "old-1");
    }
  }
  rmSync(base, { recursive: true });
});

test("against an earlier run the same documents fall with little memory, on disk, and in any order of jobs", async () => {
  const base = temporary();
  const texts = Array.from({ length: 60 }, (_, i) => madeText(i % 40, 60));
  const earlier = [texts.slice(0, 20).map((text, i) => document(`old-${i}`, text))];
  const tasks = [0, 1, 2].map(t => texts.slice(t * 20).map((text, i) => document(`new-${t}-${i}`, text)));
  await ran(base, "before", earlier);
  const options = { against: ["../before"] };
  const dir = await ran(base, "after", tasks, options);
  const expected = keptIds(await applied({ stage, tasks, options }, dir));
  assert.ok(expected.length > 10 && expected.length < 100);
  const small = join(base, "small", "work", "minhash");
  mkdirSync(small, { recursive: true });
  await collectAndCluster({ stage, tasks, options, memory: 4000, backwards: true }, small);
  assert.deepEqual(keptIds(await applied({ stage, tasks, options, memory: 4000 }, small)), expected);
  rmSync(base, { recursive: true });
});

test("verified against an earlier run, only real copies go; without its shingles that is refused", async () => {
  const base = temporary();
  await ran(base, "before", [[document("old", same)]], { verify: 0.7 });
  await ran(base, "bare", [[document("old", same)]]);
  const tasks = [[document("copy", same), document("other", madeText(9, 80))]];
  const options = { against: ["../before"], verify: 0.7 };
  const dir = await ran(base, "after", tasks, options);
  assert.deepEqual(keptIds(await applied({ stage, tasks, options }, dir)), ["other"]);
  await assert.rejects(
    ran(base, "wrong", tasks, { against: ["../bare"], verify: 0.7 }),
    (error: unknown) => error instanceof UserError && /kept no shingles to verify with/.test(error.message),
  );
  rmSync(base, { recursive: true });
});

test("an earlier run that is none, or that signed otherwise, is refused by name with what to do", async () => {
  const base = temporary();
  await ran(base, "other", [[document("old", same)]], { ngram: 7 });
  const attempt = (against: string) => ran(base, "run", [[document("a", same)]], { against: [against] });
  await assert.rejects(
    attempt("../nowhere"),
    (error: unknown) =>
      error instanceof UserError &&
      /minhash\.against: \.\.\/nowhere: expected a workdir with keys/.test(error.message) &&
      /relative one starts at this run's workdir/.test(error.hint ?? ""),
  );
  await assert.rejects(
    attempt("../other"),
    (error: unknown) =>
      error instanceof UserError && /it signed with ngram 7, this run with 5/.test(error.message),
  );
  rmSync(base, { recursive: true });
});
