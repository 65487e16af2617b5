/** Runs whose inputs and workdir are in an object store: same bytes as on disk, from any machine, after any cut. */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { createTable } from "../../lib/parquet.ts";
import { etagOfFile, openStore } from "../../pipeline/store/s3.ts";
import { bucket } from "../pipeline/store/object-store.ts";
import { curate, project, start } from "./curate.ts";
import { countsOf, outputsOf } from "./outputs.ts";

const toShards = "  - extract\n  - tokenizer: { vocabSize: 280 }\n  - shards\n";
const toMinhash = "  - extract\n  - minhash: { buckets: 1 }\n";

/** A project, its files in the store, and a second recipe that reads them there. */
async function stored(name: string, stages: string) {
  const dir = project({ files: 2, pages: 4, stages });
  const store = await openStore();
  for (let i = 0; i < 2; i++)
    await store.upload(join(dir, `crawl-${i}.warc.gz`), {
      bucket: name,
      key: `crawl/segments/${i}/crawl-${i}.warc.gz`,
    });
  store.close();
  const recipe = readFileSync(join(dir, "stages.yaml"), "utf8");
  const remote = recipe.replace('"*.warc.gz"', `"s3://${name}/crawl/**/*.warc.gz"`);
  writeFileSync(join(dir, "remote.yaml"), remote);
  return dir;
}

/** A machine of its own: nothing is in its temporary folder. */
function machine(dir: string, name: string) {
  const tmp = join(dir, name);
  mkdirSync(tmp);
  return { cwd: dir, env: { TMPDIR: tmp } };
}

/** The store's copy of a workdir, as a folder. */
async function copyOf(url: string, into: string): Promise<string> {
  const [, name, prefix] = /^s3:\/\/([^/]+)\/(.*)$/.exec(url)!;
  const store = await openStore();
  for await (const { key } of store.list({ bucket: name!, key: `${prefix}/` }))
    await store.download({ bucket: name!, key }, join(into, key.slice(prefix!.length + 1)));
  store.close();
  return into;
}

test("a run that reads from the store and keeps its workdir there leaves the bytes of a local run", async t => {
  const name = await bucket(t);
  if (!name) return;
  const dir = await stored(name, toShards);
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const local = await curate(["run", "--workdir", "local"], { cwd: dir });
  assert.equal(local.code, 0, local.stderr);
  const url = `s3://${name}/runs/one`;
  const remote = await curate(["run", "remote.yaml", "--workdir", url], machine(dir, "m1"));
  assert.equal(remote.code, 0, remote.stderr);
  const copy = await copyOf(url, join(dir, "copy"));
  // Where a record lies is part of a document, so that the two runs differ in the names of their inputs alone.
  const names = (workdir: string) => Object.keys(outputsOf(workdir));
  assert.deepEqual(names(copy), names(join(dir, "local")));
  assert.deepEqual(countsOf(copy), countsOf(join(dir, "local")));
  for (const folder of ["tokenizer/tokenizer.json", "shards/manifest.json"])
    assert.equal(etagOfFile(join(copy, folder)), etagOfFile(join(dir, "local", folder)));

  const again = await curate(["run", "remote.yaml", "--workdir", url], machine(dir, "m2"));
  assert.equal(again.code, 0, again.stderr);
  assert.match(again.stderr, /\d+ files brought from there/);
  assert.equal(again.stderr.match(/already done/g)?.length, 5, again.stderr);
});

test("a run that is cut off goes on on another machine", async t => {
  const name = await bucket(t);
  if (!name) return;
  const dir = await stored(name, toMinhash);
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const url = `s3://${name}/runs/two`;
  const running = start(["run", "remote.yaml", "--workdir", url, "--workers", "1"], machine(dir, "m1"));
  while (!/✓ documents-1/.test(running.stderr())) await delay(20);
  running.child.kill("SIGKILL");
  await running.done;
  const whole = await curate(
    ["run", "remote.yaml", "--workdir", `s3://${name}/runs/whole`],
    machine(dir, "m2"),
  );
  assert.equal(whole.code, 0, whole.stderr);
  const resumed = await curate(["run", "remote.yaml", "--workdir", url], machine(dir, "m3"));
  assert.equal(resumed.code, 0, resumed.stderr);
  const [one, two] = await Promise.all([
    copyOf(url, join(dir, "one")),
    copyOf(`s3://${name}/runs/whole`, join(dir, "two")),
  ]);
  assert.deepEqual(outputsOf(one), outputsOf(two));
});

test("tasks on machines that share nothing but the store; a smaller recipe leaves nothing of the larger one", async t => {
  const name = await bucket(t);
  if (!name) return;
  const dir = await stored(name, toMinhash);
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const url = `s3://${name}/runs/three`;
  const planned = await curate(["plan", "remote.yaml", "--workdir", url, "--json"], machine(dir, "m0"));
  assert.equal(planned.code, 0, planned.stderr);
  const { groups } = JSON.parse(planned.stdout) as {
    groups: { path: string; elements: number; phase: string }[];
  };
  let made = 0;
  for (const { path, elements, phase } of groups.slice(0, 4)) {
    assert.match(path, /^s3:\/\/.*\/work\/groups\/[\w-]+\.json$/);
    const ran = await Promise.all(
      Array.from({ length: elements }, (_, index) => {
        const { cwd, env } = machine(dir, `t${made++}`);
        return curate(["task", path], { cwd, env: { ...env, AWS_BATCH_JOB_ARRAY_INDEX: String(index) } });
      }),
    );
    for (const { code, stderr } of ran) assert.equal(code, 0, `${phase}: ${stderr}`);
  }
  const end = await curate(["run", "remote.yaml", "--workdir", url], machine(dir, "m1"));
  assert.equal(end.code, 0, end.stderr);
  assert.equal(end.stderr.match(/already done/g)?.length, 4, end.stderr);
  const fewer = await curate(["run", "remote.yaml", "--workdir", url, "--limit", "1"], machine(dir, "m2"));
  assert.equal(fewer.code, 0, fewer.stderr);
  const copy = await copyOf(url, join(dir, "copy"));
  assert.ok(!Object.keys(outputsOf(copy)).some(path => /part-00001/.test(path)));
});

test("Parquet and JSON lines are read from the store too; what is not there is named", async t => {
  const name = await bucket(t);
  if (!name) return;
  const dir = project({ files: 1, pages: 1, stages: "  - gopher-repetition\n" });
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const rows = Array.from({ length: 50 }, (_, i) => ({
    id: `d${i}`,
    text: `Row ${i} has a text of its own.`,
  }));
  const table = createTable(join(dir, "rows.parquet"), { id: "string", text: "string" });
  for (const row of rows) table.add(row);
  table.commit();
  writeFileSync(join(dir, "rows.jsonl"), rows.map(row => `${JSON.stringify(row)}\n`).join(""));
  const store = await openStore();
  for (const file of ["rows.parquet", "rows.jsonl"])
    await store.upload(join(dir, file), { bucket: name, key: file });
  store.close();
  const run = (kind: string, path: string) => {
    const stage = kind === "warc" ? "extract" : "gopher-repetition";
    const recipe = `name: r\nworkdir: out-${kind}\nsource: { ${kind}: ["s3://${name}/${path}"] }\nstages:\n  - ${stage}\n`;
    writeFileSync(join(dir, `${kind}.yaml`), recipe);
    return curate(["run", `${kind}.yaml`, "--json"], { cwd: dir });
  };
  for (const kind of ["parquet", "jsonl"]) {
    const { code, stdout, stderr } = await run(kind, `rows.${kind}`);
    assert.equal(code, 0, stderr);
    assert.equal(JSON.parse(stdout).stages[0].in, 50);
  }
  const missing = await run("warc", "nothing/*.warc.gz");
  assert.equal(missing.code, 2);
  assert.match(missing.stderr, /source\.warc: no object matches "s3:\/\/.*nothing\/\*\.warc\.gz"/);
});
