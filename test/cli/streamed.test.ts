/** A crawl read as it comes, through the real command: the bytes of a run that keeps copies, and no copy on disk. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { type Fault, startHost } from "../pipeline/fetch/server.ts";
import { article, curate, temporary, warc } from "./curate.ts";
import { countsOf, outputsOf } from "./outputs.ts";

const names = Array.from({ length: 3 }, (_, i) => `crawl-data/CC-TEST-1/segments/1/warc/f-${i}.warc.gz`);

function files(): Map<string, Buffer> {
  const all = new Map(
    names.map((name, file) => {
      const pages = Array.from({ length: 6 }, (_, i) => ({
        url: `https://stories.example/${file}/${i}`,
        html: article(file * 6 + i),
      }));
      return [name, warc(pages)] as const;
    }),
  );
  return new Map([...all, ["crawl-data/CC-TEST-1/warc.paths.gz", gzipSync(`${names.join("\n")}\n`)]]);
}

const recipe = (cache: string) =>
  `name: t\nworkdir: out\nsource: { commoncrawl: CC-TEST-1, files: 3, retries: 3, cache: ${cache} }\nstages:\n  - extract\n  - gopher-quality\n  - exact-dedup\n  - pii\n`;

function project(cache: string): string {
  const dir = temporary("streamed");
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, "stages.yaml"), recipe(cache));
  return dir;
}

test("a crawl read as it comes gives the bytes of one that is kept, with breaks on the way", async t => {
  const server = await startHost(files());
  t.after(() => server.close());
  const env = { CURATE_CC_BASE: server.base, NO_PROXY: "127.0.0.1", no_proxy: "127.0.0.1" };
  const [kept, streamed] = [project("kept"), project("none")];
  const first = await curate(["run"], { cwd: kept, env });
  assert.equal(first.code, 0, first.stderr);
  assert.match(first.stderr, /✓ fetch/);
  const faults: readonly Fault[] = [{ kind: "reset", after: 900 }, { kind: "no-range" }, { kind: "page" }];
  for (const [i, name] of names.entries()) server.faults.set(`GET ${name}`, [faults[i]!]);
  const second = await curate(["run", "--workers", "2"], { cwd: streamed, env });
  assert.equal(second.code, 0, second.stderr);
  assert.doesNotMatch(second.stderr, /fetch/);
  assert.ok(!existsSync(join(streamed, "out", "crawl")));
  assert.deepEqual(outputsOf(join(streamed, "out")), outputsOf(join(kept, "out")));
  assert.deepEqual(countsOf(join(streamed, "out")), countsOf(join(kept, "out")));

  const asked = server.asked.length;
  writeFileSync(join(streamed, "stages.yaml"), recipe("none").replace("pii\n", "pii: { email: false }\n"));
  const changed = await curate(["run"], { cwd: streamed, env });
  assert.equal(changed.code, 0, changed.stderr);
  assert.match(changed.stderr, /keeping read, extract, gopher-quality/);
  assert.equal(server.asked.length, asked, "nothing is listed or read again");

  await server.close();
  const offline = await curate(["run"], { cwd: kept, env });
  assert.equal(offline.code, 0, offline.stderr);
});

test("a crawl read as it comes is not for clusters, nor for an index, and says what to do instead", async t => {
  const server = await startHost(files());
  t.after(() => server.close());
  const env = { CURATE_CC_BASE: server.base, NO_PROXY: "127.0.0.1", no_proxy: "127.0.0.1" };
  const dir = project("none");
  for (const args of [["plan"], ["run", "--executor", "slurm"]]) {
    const refused = await curate(args, { cwd: dir, env });
    assert.equal(refused.code, 2, refused.stderr);
    assert.match(refused.stderr, /source\.cache: none reads files over one process's connections/);
    assert.match(refused.stderr, /Name a folder that all nodes see in source\.cache/);
  }
  const index = recipe("none").replace("files: 3", 'index: { url: "*.example.org" }');
  writeFileSync(join(dir, "stages.yaml"), index);
  const refused = await curate(["check"], { cwd: dir, env });
  assert.equal(refused.code, 2, refused.stderr);
  assert.match(refused.stderr, /source\.cache: none is for whole files/);
});
