/** What a run must survive, through the real command: files and folders without permission, lists that change, stages that share folders. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { builtRoot } from "../../../lib/package-root.ts";
import { readTable } from "../../../lib/parquet.ts";
import { article, curate, project, warc } from "../../cli/curate.ts";

/**
 * Runs the command as somebody who may not do everything. Root passes over permissions by two capabilities, which
 * setpriv (util-linux) takes away; becoming another user would not do, who may not even read a package in root's folder.
 */
function withoutPrivileges(
  dir: string,
  ...args: readonly string[]
): { readonly code: number | null; readonly stderr: string } {
  const command = [process.execPath, join(builtRoot, "cli", "main.js"), ...args];
  if (process.getuid?.() === 0)
    command.unshift("setpriv", "--bounding-set", "-dac_override,-dac_read_search");
  const { status, stderr, error } = spawnSync(command[0]!, command.slice(1), {
    cwd: dir,
    env: { ...process.env, NO_COLOR: "1" },
    encoding: "utf8",
  });
  assert.ifError(error);
  return { code: status, stderr };
}

test("an input that may not be read is named before any work", () => {
  const dir = project({ files: 2, pages: 1, stages: "  - extract\n" });
  chmodSync(join(dir, "crawl-1.warc.gz"), 0);
  const { code, stderr } = withoutPrivileges(dir, "run");
  assert.equal(code, 2, stderr);
  assert.match(stderr, /stages\.yaml: source\.warc: cannot read .*crawl-1\.warc\.gz: permission denied/);
  assert.match(stderr, /Change its permissions, or take it out of the recipe\./);
  assert.equal(existsSync(join(dir, "out")), false);
});

test("a workdir that may not be written is named before any work", () => {
  const dir = project({ files: 1, pages: 1, stages: "  - extract\n" });
  mkdirSync(join(dir, "out"));
  chmodSync(join(dir, "out"), 0o555);
  const { code, stderr } = withoutPrivileges(dir, "run");
  assert.equal(code, 2, stderr);
  assert.match(stderr, /cannot write the workdir .*out: EACCES/);
  assert.deepEqual(readdirSync(join(dir, "out")), []);
});

test("a workdir where no folder can be made is refused, not tried for ever", {
  skip: existsSync("/proc/self") ? false : "no /proc here",
}, () => {
  const dir = project({ files: 1, pages: 1, stages: "  - extract\n" });
  const { code, stderr } = withoutPrivileges(dir, "run", "--workdir", "/proc/nowhere/out");
  assert.equal(code, 2, stderr);
  assert.match(stderr, /cannot write the workdir \/proc\/nowhere\/out: ENOENT/);
});

test("filters that drop everything are named before a later stage finds nothing to do", async () => {
  const dir = project({
    files: 1,
    pages: 4,
    stages:
      "  - extract\n  - gopher-quality: { minWords: 90000 }\n  - tokenizer: { vocabSize: 300 }\n  - shards\n  - train: { steps: 2, device: cpu }\n",
  });
  const { code, stderr } = await curate(["run"], { cwd: dir });
  assert.equal(code, 2);
  const [warned, failed] = [
    /warning: stage gopher-quality dropped all 4 documents/,
    /the filters kept almost nothing/,
  ];
  assert.match(stderr, warned);
  assert.ok(stderr.search(warned) < stderr.search(failed), stderr);
});

test("input files without a record are said to be so, and the run ends as it should", async () => {
  const dir = project({ files: 0, stages: "  - extract\n" });
  writeFileSync(join(dir, "a.warc.gz"), "");
  const { code, stderr } = await curate(["run"], { cwd: dir });
  assert.equal(code, 0);
  assert.match(stderr, /warning: the input files hold no record: there is nothing to work on/);
});

const copies = [1, 2, 3, 1, 2].map((seed, i) => ({
  url: `https://stories.example/${seed === 3 ? 3 : i}`,
  html: article(seed),
}));

test("several stages that remove duplicates each keep their clusters, one alone keeps the plain folder", async () => {
  const dir = project({ files: 0, stages: "  - extract\n  - url-dedup\n  - exact-dedup\n  - minhash\n" });
  writeFileSync(join(dir, "a.warc.gz"), warc([...copies, copies[2]!]));
  const several = await curate(["run"], { cwd: dir });
  assert.equal(several.code, 0, several.stderr);
  assert.deepEqual(readdirSync(join(dir, "out", "duplicates")).sort(), [
    "exact-dedup",
    "minhash",
    "url-dedup",
  ]);
  const clusters = async (...folder: readonly string[]) => {
    let rows = 0;
    for await (const _ of readTable(join(dir, "out", "duplicates", ...folder, "part-00000.parquet"))) rows++;
    return rows;
  };
  assert.equal(await clusters("url-dedup"), 3);
  assert.equal(await clusters("exact-dedup"), 2);
  assert.equal(await clusters("minhash"), 0);
  const recipe = readFileSync(join(dir, "stages.yaml"), "utf8");
  writeFileSync(join(dir, "stages.yaml"), recipe.replace("  - url-dedup\n", "").replace("  - minhash\n", ""));
  const one = await curate(["run"], { cwd: dir });
  assert.equal(one.code, 0, one.stderr);
  assert.match(one.stderr, /minhash-buckets is no longer part of the recipe/);
  assert.deepEqual(readdirSync(join(dir, "out", "duplicates")), ["part-00000.parquet"]);
  assert.deepEqual(
    readdirSync(join(dir, "out", "work")).filter(name => /minhash|url/.test(name)),
    [],
  );
});

test("a list or a vocabulary whose content changed is noticed, named, and what depends on it redone", async () => {
  const stages =
    "  - url-filter: { domains: [lists/bad.txt] }\n  - extract\n  - tokenizer: { use: mine }\n  - shards\n";
  const dir = project({ files: 2, pages: 3, stages });
  mkdirSync(join(dir, "lists"));
  writeFileSync(join(dir, "lists", "bad.txt"), "nothing.example\n");
  const train = ["tokenizer", "train", "stages.yaml", "--vocab-size", "300", "--pattern", "gpt2"];
  assert.equal((await curate([...train, "--out", "mine"], { cwd: dir })).code, 0);
  assert.equal((await curate(["run"], { cwd: dir })).code, 0);
  const same = await curate(["run"], { cwd: dir });
  assert.ok(!same.stderr.includes("changed since"), same.stderr);

  assert.equal((await curate([...train, "--vocab-size", "290", "--out", "other"], { cwd: dir })).code, 0);
  cpSync(join(dir, "other"), join(dir, "mine"), { recursive: true });
  const vocabulary = await curate(["run"], { cwd: dir });
  assert.match(
    vocabulary.stderr,
    /changed since the last run: tokenizer: the content of mine\/tokenizer\.json.* Redoing tokenizer, shards; keeping read, url-filter, extract$/m,
  );

  writeFileSync(join(dir, "lists", "bad.txt"), "stories.example\n");
  const list = await curate(["run"], { cwd: dir });
  assert.match(
    list.stderr,
    /changed since the last run: url-filter: the content of lists\/bad\.txt\. Redoing read, url-filter, extract, tokenizer, shards$/m,
  );
  const { stages: counted } = JSON.parse(readFileSync(join(dir, "out", "stats.json"), "utf8")) as {
    stages: { name: string; dropped: Record<string, number> }[];
  };
  assert.equal(counted.find(({ name }) => name === "url-filter")!.dropped["domain"], 6);
});
