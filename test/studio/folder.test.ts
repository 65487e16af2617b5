/** Which folder `curate studio` opens: also one in which nothing has been run yet, never one that is not there. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { folderOf } from "../../cli/serve-studio.ts";

test("a folder without a run is opened, one that is not there is named with its nearest, a file is none", t => {
  const dir = mkdtempSync(join(tmpdir(), "curate-folder-"));
  t.after(() => rmSync(dir, { recursive: true }));
  const run = join(dir, "fixtures");
  mkdirSync(run);
  assert.equal(folderOf(run), run);
  const misspelt = join(dir, "fixtuers");
  assert.throws(() => folderOf(misspelt), {
    message: `there is no folder ${misspelt}. Did you mean ${run}?`,
    hint: `Begin with  curate run stages.yaml --workdir ${misspelt}  or name the workdir of a run.`,
  });
  const far = join(dir, "nowhere", "at-all");
  assert.throws(() => folderOf(far), { message: `there is no folder ${far}` });
  const file = join(dir, "run.txt");
  writeFileSync(file, "");
  assert.throws(() => folderOf(file), { message: `${file} is a file, expected the workdir of a run` });
});

test("without a name it is the workdir of stages.yaml here, though no run has made it yet", t => {
  const dir = mkdtempSync(join(tmpdir(), "curate-folder-"));
  const before = process.cwd();
  t.after(() => {
    process.chdir(before);
    rmSync(dir, { recursive: true });
  });
  process.chdir(dir);
  writeFileSync(
    join(dir, "stages.yaml"),
    "version: 1\nworkdir: out/later\nsource: { jsonl: [a.jsonl] }\nstages:\n  - exact-dedup: {}\n",
  );
  assert.equal(folderOf(undefined), join(process.cwd(), "out", "later"));
});
