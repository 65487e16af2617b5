/** Which files of a crawl become inputs, and what is said when crawl, list or host are not what they should be. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { UserError } from "../../../lib/errors.ts";
import { baseOf, listCrawl, parseList, spread } from "../../../pipeline/fetch/commoncrawl.ts";
import type { CrawlSource } from "../../../pipeline/fetch/options.ts";
import { writeNote } from "../../../pipeline/fetch/store.ts";
import type { Input } from "../../../pipeline/inputs.ts";
import type { Host } from "./server.ts";
import { crawlSource, failure, fakeClock, folder, host, idle, noise } from "./setting.ts";

const list = "crawl-data/CC-TEST-1/warc.paths.gz";
const names = Array.from(
  { length: 12 },
  (_, i) => `crawl-data/CC-TEST-1/segments/1.${i % 3}/warc/f-${String(i).padStart(5, "0")}.warc.gz`,
);

type Set = {
  readonly server: Host;
  readonly store: string;
  list(values?: Partial<CrawlSource>, limit?: number): Promise<Input[]>;
};

async function setting(t: TestContext, lines = names.join("\n")): Promise<Set> {
  const files = new Map(names.map((name, i) => [name, noise(i, 500 + i)]));
  files.set(list, gzipSync(`${lines}\n`));
  const server = await host(t, files);
  const store = join(folder(t), "crawl");
  return {
    server,
    store,
    list: (values, limit) =>
      listCrawl({
        source: crawlSource({ base: server.base, retries: 3, ...values }),
        seed: 3,
        store,
        version: "0.0.0",
        clock: fakeClock(),
        idle,
        limit,
      }),
  };
}

test("the inputs of a crawl: names from its list, length and version from the host, nothing written", async t => {
  const set = await setting(t);
  const inputs = await set.list({ files: 4 });
  assert.equal(inputs.length, 4);
  for (const { name, bytes, fingerprint } of inputs) {
    const file = set.server.files.get(name)!;
    assert.deepEqual([bytes, fingerprint], [file.data.length, `${file.etag} ${file.data.length}`]);
  }
  assert.deepEqual(
    set.server.asked.map(({ method }) => method),
    ["GET", "HEAD", "HEAD", "HEAD", "HEAD"],
  );
  assert.ok(set.server.busiest() <= 2);
  assert.ok(!existsSync(set.store));
  assert.deepEqual(await set.list({ files: 4 }), inputs);
});

test("a limit takes the first of the same files and asks for no others", async t => {
  const set = await setting(t);
  const all = await set.list({ files: 6 });
  set.server.asked.length = 0;
  assert.deepEqual(await set.list({ files: 6 }, 2), all.slice(0, 2));
  assert.equal(set.server.asked.length, 3);
});

test("files are spread: one from each equal piece of the list, in its order, by the seed alone", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 400 }), fc.nat(), fc.nat(1000), (length, pick, seed) => {
      const all = Array.from({ length }, (_, i) => `f${i}`);
      const files = 1 + (pick % length);
      const source = crawlSource({ files });
      const chosen = spread(all, source, seed);
      assert.deepEqual(spread(all, source, seed), chosen);
      assert.equal(chosen.length, files);
      for (const [i, name] of chosen.entries()) {
        const at = all.indexOf(name);
        assert.ok(at >= Math.floor((i * length) / files) && at < Math.floor(((i + 1) * length) / files));
      }
    }),
    { seed: 11, numRuns: 100 },
  );
  const all = Array.from({ length: 90_000 }, (_, i) => `f${i}`);
  const [a, b] = [1, 2].map(seed => spread(all, crawlSource({ files: 64 }), seed));
  assert.notDeepEqual(a, b);
});

test("what the store has is not asked for again", async t => {
  const set = await setting(t);
  const inputs = await set.list({ files: 2 });
  mkdirSync(dirname(join(set.store, list)), { recursive: true });
  writeFileSync(join(set.store, list), set.server.files.get(list)!.data);
  for (const { name } of inputs) {
    const { data, etag } = set.server.files.get(name)!;
    mkdirSync(dirname(join(set.store, name)), { recursive: true });
    writeFileSync(join(set.store, name), data);
    writeNote(join(set.store, name), { bytes: data.length, etag, lastModified: null, sha256: "00" });
  }
  await set.server.close();
  assert.deepEqual(await set.list({ files: 2 }), inputs);
});

test("an unknown crawl is named with the address that was tried", async t => {
  const set = await setting(t);
  const message = await failure(set.list({ commoncrawl: "CC-MAIN-2024-99" }), true);
  assert.equal(
    message,
    `there is no crawl CC-MAIN-2024-99: ${set.server.base}/crawl-data/CC-MAIN-2024-99/warc.paths.gz was not found (404)`,
  );
});

test("more files than the crawl has are refused with their number", async t => {
  const set = await setting(t);
  assert.equal(
    await failure(set.list({ files: 13 }), true),
    "source.files: expected at most 12, the number of files in CC-TEST-1, got 13",
  );
});

test("files the host does not have fail or are marked, as the recipe says; never all of them", async t => {
  const set = await setting(t);
  const [first] = await set.list({ files: 3 });
  set.server.files.delete(first!.name);
  const message = await failure(set.list({ files: 3 }), true);
  assert.equal(
    message,
    `CC-TEST-1: the host does not have 1 of 3 files (404): ${set.server.base}/${first!.name}`,
  );
  const inputs = await set.list({ files: 3, missing: "skip" });
  assert.deepEqual(inputs[0], { name: first!.name, bytes: 0, fingerprint: "missing" });
  for (const name of names) set.server.files.delete(name);
  assert.match(await failure(set.list({ files: 3, missing: "skip" }), true), /does not have 3 of 3 files/);
});

test("a list that is no list is refused: not gzip, empty, or with names that leave the folder", async t => {
  const cases: readonly (readonly [Buffer, RegExp])[] = [
    [
      Buffer.from("<html>no list</html>"),
      /expected a gzip file with a list of paths: incorrect header check/,
    ],
    [gzipSync("\n\n"), /the list of files is empty/],
    [gzipSync("crawl-data/x.warc.gz\n../../etc/passwd\n"), /got the line "\.\.\/\.\.\/etc\/passwd"/],
    [gzipSync("/etc/passwd\n"), /expected a list of relative paths, got the line "\/etc\/passwd"/],
    [gzipSync("a//b.warc.gz\n"), /got the line "a\/\/b\.warc\.gz"/],
    [gzipSync("a\\b.warc.gz\n"), /got the line/],
    [gzipSync("a/b.warc.gz\0\n"), /got the line/],
  ];
  for (const [data, expected] of cases)
    assert.throws(
      () => parseList(data, "here", "do this"),
      (error: unknown) => error instanceof UserError && expected.test(error.message),
    );
  const set = await setting(t);
  set.server.files.set(list, { data: Buffer.from("<html>no list</html>"), etag: null });
  assert.match(await failure(set.list(), true), /warc\.paths\.gz: expected a gzip file/);
});

test("a crawl is listed through storms, breaks and stalls", async t => {
  const set = await setting(t);
  const inputs = await set.list({ files: 3 });
  set.server.faults.set(list, [
    { kind: "status", status: 503 },
    { kind: "reset", after: 10 },
    { kind: "stall", after: 10 },
  ]);
  set.server.faults.set(`HEAD ${inputs[1]!.name}`, [{ kind: "status", status: 429 }, { kind: "garbage" }]);
  assert.deepEqual(await set.list({ files: 3 }), inputs);
});

test("a host that refuses, is away or stays busy is named, with what to do", async t => {
  const set = await setting(t);
  set.server.faults.set(list, [{ kind: "status", status: 403 }]);
  assert.match(await failure(set.list(), true), /refuses to serve us: 403 Forbidden/);
  set.server.faults.set(
    list,
    Array.from({ length: 9 }, () => ({ kind: "status", status: 503 })),
  );
  assert.match(
    await failure(set.list(), true),
    /gave up on .*warc\.paths\.gz after 4 tries: .* answered 503/,
  );
  await set.server.close();
  await assert.rejects(set.list(), (error: unknown) => {
    assert.ok(error instanceof UserError);
    assert.match(error.message, /nobody listens at that address/);
    assert.match(error.hint!, /source\.base or CURATE_CC_BASE/);
    return true;
  });
});

test("the address: the recipe's, else the environment's, else Common Crawl's own", () => {
  const source = crawlSource({ commoncrawl: "CC-MAIN-2024-46" });
  assert.equal(baseOf(source, undefined), "https://data.commoncrawl.org");
  assert.equal(baseOf(source, ""), "https://data.commoncrawl.org");
  assert.equal(baseOf(source, "http://127.0.0.1:9/mirror/"), "http://127.0.0.1:9/mirror");
  assert.equal(baseOf({ ...source, base: "https://m.example" }, "http://127.0.0.1:9"), "https://m.example");
  for (const wrong of ["mirror", "s3://commoncrawl", "https://user:word@m.example", "https://m.example/?a=1"])
    assert.throws(() => baseOf(source, wrong), /CURATE_CC_BASE: expected an address such as https:/);
  for (const id of ["CC-MAIN-2009-2010", "CC-MAIN-2012", "CC-NEWS/2024/11"])
    assert.equal(baseOf(crawlSource({ commoncrawl: id }), undefined), "https://data.commoncrawl.org");
  assert.throws(
    () => baseOf(crawlSource({ commoncrawl: "CC-MAIN-2024-W46" }), undefined),
    /source\.commoncrawl: expected the id of a crawl, such as CC-MAIN-2024-46, got "CC-MAIN-2024-W46"/,
  );
  assert.equal(baseOf(crawlSource({ commoncrawl: "my-crawl" }), "http://127.0.0.1:9"), "http://127.0.0.1:9");
});
