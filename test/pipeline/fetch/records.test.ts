/** Pages through the index: the right ones, byte for byte, with their place in the crawl, whatever the host does. */
import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { gunzipSync, gzipSync } from "node:zlib";
import { packageRoot } from "../../../lib/package-root.ts";
import { random } from "../../../lib/random.ts";
import type { JobReport } from "../../../pipeline/execute/phase.ts";
import type { Plan } from "../../../pipeline/execute/plan.ts";
import { type CdxLine, hitOf, type IndexQuery, parseCdxj, wanted } from "../../../pipeline/fetch/cdx.ts";
import { listCrawl } from "../../../pipeline/fetch/commoncrawl.ts";
import { type CrawlSource, crawlOptions } from "../../../pipeline/fetch/options.ts";
import { fetchPhases } from "../../../pipeline/fetch/phase.ts";
import { readInput } from "../../../pipeline/fetch/read.ts";
import { partPath, storeOf } from "../../../pipeline/fetch/store.ts";
import { keyRange } from "../../../pipeline/fetch/surt.ts";
import { type Fault, type Host, startHost } from "./server.ts";
import { crawlSource, failure, fakeClock, folder, host, idle } from "./setting.ts";

const indexes = "cc-index/collections/CC-TEST-1/indexes";
const files = ["a", "b"].map(name => `crawl-data/CC-TEST-1/segments/1/warc/${name}.warc.gz`);

type Made = { readonly hosted: Map<string, Buffer>; readonly lines: readonly string[] };

/** A crawl of 240 pages of 12 hosts in two files, requests between responses, and its index in blocks of 7 lines. */
function madeCrawl(): Made {
  const stream = random(11);
  const hosted = new Map<string, Buffer>();
  const lines: string[] = [];
  for (const [f, name] of files.entries()) {
    const members: Buffer[] = [];
    let offset = 0;
    const add = (record: string): number => {
      members.push(gzipSync(record));
      offset += members[members.length - 1]!.length;
      return members[members.length - 1]!.length;
    };
    for (let i = 0; i < 120; i++) {
      const site = Math.floor(stream.next() % 12);
      const page = `page-${f}-${i}`;
      const url = `https://host${site}.example.org/${page}`;
      add(record("request", url, "GET / HTTP/1.1\r\n\r\n"));
      const padding = "x".repeat(stream.next() % 3000);
      const body = `<html><title>${page}</title><p>${padding}`;
      const at = offset;
      const status = i % 10 === 9 ? "404" : "200";
      const http = `HTTP/1.1 ${status} OK\r\nContent-Type: text/html\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
      const length = add(record("response", url, http));
      const fields = {
        ...{ url, mime: i % 7 === 0 ? "application/pdf" : "text/html", "mime-detected": "text/html", status },
        ...{
          length: String(length),
          offset: String(at),
          filename: name,
          languages: i % 3 ? "eng" : "deu,eng",
        },
      };
      lines.push(`org,example,host${site})/${page} 20241101000000 ${JSON.stringify(fields)}`);
    }
    hosted.set(name, Buffer.concat(members));
  }
  lines.sort();
  let offset = 0;
  const cluster: string[] = [];
  const blocks: Buffer[] = [];
  for (let i = 0; i < lines.length; i += 7) {
    const block = gzipSync(`${lines.slice(i, i + 7).join("\n")}\n`);
    const [key, timestamp] = lines[i]!.split(" ");
    cluster.push(`${key} ${timestamp}\tcdx-00000.gz\t${offset}\t${block.length}\t${i / 7 + 1}\n`);
    offset += block.length;
    blocks.push(block);
  }
  hosted.set(`${indexes}/cluster.idx`, Buffer.from(cluster.join("")));
  hosted.set(`${indexes}/cdx-00000.gz`, Buffer.concat(blocks));
  return { hosted, lines };
}

function record(type: string, url: string, block: string): string {
  const id = `<urn:uuid:${type}-${url.length}-${url.replace(/\W/g, "")}>`;
  return `WARC/1.0\r\nWARC-Type: ${type}\r\nWARC-Record-ID: ${id}\r\nWARC-Target-URI: ${url}\r\nWARC-Date: 2024-11-01T00:00:00Z\r\nContent-Type: application/http\r\nContent-Length: ${Buffer.byteLength(block)}\r\n\r\n${block}\r\n\r\n`;
}

const made = madeCrawl();

const queryOf = (query: Partial<IndexQuery>): IndexQuery =>
  crawlOptions.index.parse({ url: "*.example.org", ...query }) as IndexQuery;

async function planOf(server: Host, dir: string, values: Partial<CrawlSource>): Promise<Plan> {
  const source = crawlSource({ base: server.base, retries: 3, ...values });
  const recipe = { name: "t", seed: 5, memory: 1e9, source, stages: [], keepRejected: {} };
  const at = { version: "0.0.0", base: dir, workdir: join(dir, "run"), recipe } as unknown as Plan;
  const inputs = await listCrawl({
    ...{ source, seed: 5, store: storeOf(at), version: "0.0.0", clock: fakeClock(), idle },
  });
  return { ...at, inputs };
}

async function fetchAll(
  plan: Plan,
  signal = new AbortController().signal,
): Promise<JobReport & { bytes: number }> {
  let bytes = 0;
  const report = await fetchPhases(plan, { clock: fakeClock(), idle })[0]!.run(0, {
    ...{ workdir: plan.workdir, memory: 1e9, signal },
    progress: step => {
      bytes += step.bytes ?? 0;
    },
  });
  return { ...report, bytes };
}

type Read = { readonly url: string; readonly file: string; readonly offset: number };

async function documentsOf(plan: Plan): Promise<Read[]> {
  const read: Read[] = [];
  for (const input of plan.inputs) {
    for await (const event of readInput(plan, input)!) {
      assert.equal(event.kind, "document", JSON.stringify(event));
      if (event.kind !== "document") continue;
      const { url, at } = event.document;
      read.push({ url: url!, file: at.file, offset: at.offset });
    }
  }
  return read;
}

/** What the query should find, by reading every line of the index. */
function expected(lines: readonly string[], query: IndexQuery): Read[] {
  const range = keyRange(query.url)!;
  return lines
    .map(line => parseCdxj(line)!)
    .filter(line => range.wants(line.key) && keyInside(line, query) && wanted(line, query))
    .map(line => hitOf(line)!)
    .map(({ url, file, offset }) => ({ url, file, offset }))
    .sort((a, b) => (a.file === b.file ? a.offset - b.offset : a.file < b.file ? -1 : 1));
}

function keyInside({ key }: CdxLine, query: IndexQuery): boolean {
  const { from, to } = keyRange(query.url)!;
  return key >= from && key < to;
}

async function setting(t: TestContext): Promise<{ server: Host; dir: string }> {
  return { server: await host(t, made.hosted), dir: folder(t) };
}

const queries: readonly (readonly [string, Partial<IndexQuery>])[] = [
  ["a domain", {}],
  ["a host", { url: "host3.example.org/*" }],
  ["a prefix", { url: "host1.example.org/page-1*" }],
  ["a language", { languages: ["deu"] }],
  ["a type", { mime: ["application/pdf"] }],
];

for (const [name, query] of queries) {
  test(`the index finds ${name}, and only its records are fetched, with their place in the crawl`, async t => {
    const { server, dir } = await setting(t);
    const index = queryOf(query);
    const plan = await planOf(server, dir, { index });
    const { bytes, warnings } = await fetchAll(plan);
    const right = expected(made.lines, index);
    assert.ok(right.length > 0);
    assert.deepEqual(await documentsOf(plan), right);
    assert.equal(
      bytes,
      plan.inputs.reduce((sum, input) => sum + input.bytes, 0),
    );
    assert.deepEqual(warnings, []);
    const asked = server.asked.filter(({ path }) => files.includes(path));
    assert.ok(asked.every(({ status, range }) => status === 206 && /^bytes=\d+-\d+$/.test(range!)));
  });
}

test("one page is found by its address, and statuses by their number", async t => {
  const { server, dir } = await setting(t);
  const [line] = made.lines.filter(line => line.includes('"status":"404"'));
  const url = parseCdxj(line!)!.fields["url"] as string;
  assert.match(
    await failure(planOf(server, dir, { index: queryOf({ url }) }), true),
    /has no page for "https:\/\/host/,
  );
  const plan = await planOf(server, dir, { index: queryOf({ url, status: [404] }) });
  assert.equal(plan.inputs.length, 1);
  await fetchAll({ ...plan, recipe: { ...plan.recipe, source: { ...plan.recipe.source, status: [404] } } });
});

test("a CDXJ server gives the same inputs as the ZipNum index", async t => {
  const { server, dir } = await setting(t);
  const answers = made.lines.map(line => {
    const { key, timestamp, fields } = parseCdxj(line)!;
    return `${JSON.stringify({ urlkey: key, timestamp, ...fields })}\n`;
  });
  const path = (more: string) => `CC-TEST-1-index?url=*.example.org&output=json&${more}&filter==status:200`;
  const put = (more: string, body: string) =>
    server.files.set(decodeURI(path(more).replace("==", "=%3D").replace(":200", "%3A200")), {
      data: Buffer.from(body),
      etag: null,
    });
  put("showNumPages=true", '{"pages": 2, "pageSize": 5, "blocks": 7}');
  put("page=0", answers.slice(0, 100).join(""));
  put("page=1", answers.slice(100).join(""));
  const index = queryOf({});
  const zipnum = await planOf(server, dir, { index });
  const asked = await planOf(server, dir, { index: { ...index, api: server.base } });
  assert.deepEqual(asked.inputs, zipnum.inputs);
  server.files.clear();
  assert.match(
    await failure(planOf(server, dir, { index: { ...index, api: server.base } }), true),
    /has no page for "\*\.example\.org"/,
  );
});

test("a CDXJ server that answers something else is named", async t => {
  const server = await startHost(new Map());
  t.after(() => server.close());
  server.hook = path => server.files.set(path, { data: Buffer.from("<html>busy</html>"), etag: null });
  const index = { ...queryOf({}), api: server.base };
  assert.match(
    await failure(planOf(server, folder(t), { index }), true),
    /expected \{"pages": N\}, got "<html>/,
  );
});

const storms: readonly (readonly [string, readonly Fault[]])[] = [
  [
    "resets and a short body",
    [
      { kind: "reset", after: 100 },
      { kind: "short", after: 50 },
    ],
  ],
  ["a stall", [{ kind: "stall", after: 10 }]],
  [
    "wrong lengths",
    [
      { kind: "length", off: -20 },
      { kind: "length", off: 9 },
    ],
  ],
  [
    "a storm of 503",
    [
      { kind: "status", status: 503 },
      { kind: "status", status: 503 },
      { kind: "status", status: 429 },
    ],
  ],
  ["slow bytes", [{ kind: "slow", piece: 5000, pause: 2 }]],
  ["garbage and a page of another kind", [{ kind: "garbage" }, { kind: "page" }]],
  ["no ranges", Array.from({ length: 400 }, () => ({ kind: "no-range" }) as const)],
  ["a range that begins elsewhere", [{ kind: "wrong-range" }]],
];

for (const [name, faults] of storms) {
  test(`records arrive byte for byte through ${name}`, async t => {
    const { server, dir } = await setting(t);
    const index = queryOf({ url: "host2.example.org/*" });
    for (const path of [`${indexes}/cluster.idx`, `${indexes}/cdx-00000.gz`, ...files])
      if (name !== "garbage and a page of another kind" || files.includes(path))
        server.faults.set(path, [...faults]);
    const plan = await planOf(server, dir, { index, retries: 6 });
    const { warnings } = await fetchAll(plan);
    assert.deepEqual(await documentsOf(plan), expected(made.lines, index));
    assert.deepEqual(warnings, []);
  });
}

test("a part is gone on with at the last whole record, and a damaged one is fetched again", async t => {
  const { server, dir } = await setting(t);
  const plan = await planOf(server, dir, { index: queryOf({}), retries: 0 });
  const path = join(plan.workdir, "crawl", plan.inputs[0]!.name);
  const whole = await planOf(server, join(dir, "other"), { index: queryOf({}) });
  await fetchAll(whole);
  const right = readFileSync(join(whole.workdir, "crawl", whole.inputs[0]!.name));
  server.faults.set(files[1]!, [{ kind: "status", status: 500 }]);
  assert.match(await failure(fetchAll(plan), false), /gave up on/);
  const held = readFileSync(partPath(path));
  assert.ok(held.length > 0 && right.subarray(0, held.length).equals(held));
  writeFileSync(partPath(path), held.subarray(0, held.length - 10));
  const before = server.asked.length;
  const { bytes } = await fetchAll(plan);
  assert.equal(bytes, plan.inputs[0]!.bytes);
  assert.ok(readFileSync(path).equals(right));
  assert.ok(server.asked.slice(before).filter(({ path }) => path === files[0]).length <= 1);
  writeFileSync(path, Buffer.alloc(right.length));
  await fetchAll(plan);
  assert.ok(readFileSync(path).equals(right));
});

test("a finished part and its list need no network", async t => {
  const { server, dir } = await setting(t);
  const plan = await planOf(server, dir, { index: queryOf({}) });
  const first = await fetchAll(plan);
  await server.close();
  assert.deepEqual((await planOf(server, dir, { index: queryOf({}) })).inputs, plan.inputs);
  assert.deepEqual((await fetchAll(plan)).outputs, first.outputs);
});

test("a record that is not where the index says costs itself alone, and is said", async t => {
  const { server, dir } = await setting(t);
  const index = queryOf({ url: "host2.example.org/*" });
  const right = expected(made.lines, index);
  const data = Buffer.from(server.files.get(right[1]!.file)!.data);
  data.fill(0, right[1]!.offset + 20, right[1]!.offset + 30);
  server.files.set(right[1]!.file, { data, etag: '"x"' });
  const plan = await planOf(server, dir, { index });
  const { warnings } = await fetchAll(plan);
  assert.deepEqual(warnings, [`1 of ${right.length} records are not where the index says and were skipped`]);
  assert.deepEqual(
    await documentsOf(plan),
    right.filter((_, i) => i !== 1),
  );
});

test("a file that the host does not have fails, or is skipped where the recipe says so", async t => {
  const { server, dir } = await setting(t);
  server.files.delete(files[1]!);
  const index = queryOf({});
  const plan = await planOf(server, dir, { index });
  assert.match(await failure(fetchAll(plan), true), /the host does not have it \(404\), and the index has/);
  const skipping = await planOf(server, dir, { index, missing: "skip" });
  await fetchAll(skipping);
  assert.ok((await documentsOf(skipping)).every(({ file }) => file === files[0]));
});

test("an index that is none, or is not there, is named", async t => {
  const { server, dir } = await setting(t);
  server.files.set(`${indexes}/cluster.idx`, { data: Buffer.from("<html>\n".repeat(20_000)), etag: null });
  assert.match(
    await failure(planOf(server, dir, { index: queryOf({}) }), true),
    /cluster\.idx: expected lines of key/,
  );
  server.files.delete(`${indexes}/cluster.idx`);
  assert.match(
    await failure(planOf(server, dir, { index: queryOf({}) }), true),
    /the crawl has no index here: .*404/,
  );
});

test("index lines never lead outside the crawl, and long or odd ones are no hits", () => {
  const line = (fields: Record<string, unknown>): CdxLine => ({
    ...{ key: "k", timestamp: "20240101000000" },
    fields: { url: "http://e/", filename: "crawl-data/a.warc.gz", offset: "0", length: "100", ...fields },
  });
  assert.ok(hitOf(line({})));
  for (const bad of [
    ...["../../etc/passwd", "crawl-data/../../x", "/etc/passwd", "crawl-data/a b", "http://evil/x", ""].map(
      filename => ({ filename }),
    ),
    ...["-1", "1e9", "9999999999999999", 1.5, null].map(offset => ({ offset })),
    ...["0", "99999999999", "x"].map(length => ({ length })),
    { url: 7 },
  ])
    assert.equal(hitOf(line(bad)), null, JSON.stringify(bad));
});

test("a large index is found by search: any key, with a handful of requests", async t => {
  const lines = Array.from(
    { length: 6000 },
    (_, i) =>
      `org,example)/${String(i).padStart(5, "0")}${"p".repeat(60)} 20241101000000 {"url":"http://example.org/","status":"200","filename":"crawl-data/x.warc.gz","offset":"${i * 100}","length":"100"}`,
  );
  const cluster: string[] = [];
  const blocks: Buffer[] = [];
  let offset = 0;
  for (let i = 0; i < lines.length; i += 2) {
    const block = gzipSync(`${lines.slice(i, i + 2).join("\n")}\n`, { level: 1 });
    cluster.push(
      `${lines[i]!.split(" ", 1)[0]} 20241101000000\tcdx-00000.gz\t${offset}\t${block.length}\t1\n`,
    );
    offset += block.length;
    blocks.push(block);
  }
  const server = await host(
    t,
    new Map([
      [`${indexes}/cluster.idx`, Buffer.from(cluster.join(""))],
      [`${indexes}/cdx-00000.gz`, Buffer.concat(blocks)],
    ]),
  );
  const stream = random(3);
  for (const i of [0, 1, 2, 5998, 5999, ...Array.from({ length: 12 }, () => stream.next() % 6000)]) {
    const before = server.asked.length;
    const url = `example.org/${String(i).padStart(5, "0")}*`;
    const { inputs } = await planOf(server, folder(t), { index: queryOf({ url }) });
    assert.equal(inputs[0]!.bytes, 100, url);
    assert.ok(server.asked.length - before <= 8, `${server.asked.length - before} requests`);
  }
});

test("the real index: what a search finds is what reading all of it finds", async t => {
  const crawl = join(packageRoot, "..", "shared", "data", "crawl");
  if (!existsSync(join(crawl, "cc-index"))) {
    assert.notEqual(process.env["CI"], "true", `no data at ${crawl}`);
    return t.skip(`no data at ${crawl}`);
  }
  const lines = gunzipSync(readFileSync(join(crawl, "index.cdxj.gz")))
    .toString("utf8")
    .split("\n")
    .filter(Boolean);
  const server = await host(t, new Map(), crawl);
  const dir = folder(t);
  for (const query of [
    { url: "*.wikipedia.org" },
    { url: "*.com", languages: ["eng"], mime: ["text/html"] },
  ]) {
    const index = queryOf(query);
    const plan = await planOf(server, dir, { commoncrawl: "CC-MAIN-2024-46", index });
    const right = expected(lines, index);
    assert.equal(plan.inputs.length, Math.ceil(right.length / 500));
    if (query.languages) continue;
    const { warnings } = await fetchAll(plan);
    assert.deepEqual(warnings, []);
    assert.ok(right.length > 3);
    assert.deepEqual(await documentsOf(plan), right);
  }
});
