/** The phase `fetch` inside a run: order, resume, a shared cache, missing files; and the recipe that asks for it. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { gzipSync } from "node:zlib";
import { sha256File } from "../../../lib/atomic.ts";
import { UserError } from "../../../lib/errors.ts";
import { packageRoot } from "../../../lib/package-root.ts";
import { documentPhases } from "../../../pipeline/execute/documents.ts";
import { execute } from "../../../pipeline/execute/execute.ts";
import { acquireLock } from "../../../pipeline/execute/lock.ts";
import type { JobProgress, JobReport, Phase } from "../../../pipeline/execute/phase.ts";
import { type Plan, phaseKeys } from "../../../pipeline/execute/plan.ts";
import { listCrawl } from "../../../pipeline/fetch/commoncrawl.ts";
import { type CrawlSource, readingSettings } from "../../../pipeline/fetch/options.ts";
import { fetchPhases } from "../../../pipeline/fetch/phase.ts";
import { inputPath, partPath, storeOf } from "../../../pipeline/fetch/store.ts";
import { openInput } from "../../../pipeline/readers/input.ts";
import { type Catalogue, parseRecipe, type Recipe } from "../../../pipeline/recipe.ts";
import type { Host } from "./server.ts";
import { crawlSource, failure, fakeClock, folder, host, idle, noise } from "./setting.ts";

const names = Array.from({ length: 4 }, (_, i) => `crawl-data/CC-TEST-1/segments/1/warc/f-${i}.warc.gz`);

function files(): Map<string, Buffer> {
  const all = new Map(names.map((name, i) => [name, noise(i, 30_000 + i)]));
  return all.set("crawl-data/CC-TEST-1/warc.paths.gz", gzipSync(`${names.join("\n")}\n`));
}

async function planOf(server: Host, dir: string, values: Partial<CrawlSource> = {}): Promise<Plan> {
  const source = crawlSource({ base: server.base, files: 4, retries: 2, ...values });
  const recipe = { name: "t", seed: 5, memory: 1e9, source, stages: [], keepRejected: {} };
  const at = { version: "0.0.0", base: dir, workdir: join(dir, "run"), recipe: recipe as unknown as Recipe };
  const store = storeOf(at);
  const inputs = await listCrawl({ source, seed: 5, store, version: "0.0.0", clock: fakeClock(), idle });
  return { ...at, inputs, files: [] };
}

type Ran = { readonly report: JobReport | null; readonly bytes: number; readonly said: string[] };

/** Runs a plan's phase fetch as a run does. */
async function run(plan: Plan, signal = new AbortController().signal): Promise<Ran> {
  const said: string[] = [];
  let [report, bytes] = [null as JobReport | null, 0];
  await execute({
    plan,
    phases: fetchPhases(plan, { clock: fakeClock(), idle }),
    executor: { run: async () => [], stop: async () => {} },
    signal,
    on: {
      phase() {},
      progress: (_, step: JobProgress) => {
        bytes += step.bytes ?? 0;
        if (step.note) said.push(step.note);
      },
      job: (_phase, _job, done) => {
        report = done;
      },
      end() {},
      say: line => said.push(line),
    },
  });
  return { report, bytes, said };
}

const gets = (server: Host) =>
  server.asked.filter(({ method, path }) => method === "GET" && path.endsWith(".warc.gz"));

async function setting(t: TestContext): Promise<{ server: Host; dir: string }> {
  return { server: await host(t, files()), dir: folder(t) };
}

test("the phase brings every file, reports it with its checksum, and counts its bytes", async t => {
  const { server, dir } = await setting(t);
  const plan = await planOf(server, dir);
  const { report, bytes } = await run(plan);
  assert.equal(bytes, fetchPhases(plan)[0]!.total!.bytes);
  assert.deepEqual(report!.stats, []);
  assert.deepEqual(
    report!.outputs.map(({ path }) => path),
    plan.inputs.map(({ name }) => join("crawl", name)),
  );
  for (const [i, input] of plan.inputs.entries()) {
    const path = inputPath(plan, input)!;
    assert.ok(readFileSync(path).equals(server.files.get(input.name)!.data));
    assert.equal(report!.outputs[i]!.sha256, sha256File(path));
  }
  assert.ok(server.busiest() <= 2);
  assert.ok(!existsSync(join(plan.workdir, "crawl", "lock")));
});

test("a finished run asks nothing more, not even when the host is gone or the phase is redone", async t => {
  const { server, dir } = await setting(t);
  const plan = await planOf(server, dir);
  await run(plan);
  await server.close();
  const later = await planOf(server, dir);
  assert.deepEqual(later.inputs, plan.inputs);
  assert.equal((await run(later)).report, null);
  rmSync(join(plan.workdir, "work"), { recursive: true });
  const again = await run(later);
  assert.equal(again.report!.outputs.length, 4);
  assert.equal(again.bytes, fetchPhases(plan)[0]!.total!.bytes);
});

test("a run that was stopped goes on with the same bytes in the end", async t => {
  const { server, dir } = await setting(t);
  const plan = await planOf(server, dir);
  const stop = new AbortController();
  server.faults.set(`GET ${names[2]}`, [{ kind: "slow", piece: 5000, pause: 30 }]);
  const part = partPath(inputPath(plan, plan.inputs[2]!)!);
  const watch = setInterval(() => {
    if (existsSync(part) && readFileSync(part).length > 5000) stop.abort(new Error("stopped"));
  }, 5);
  assert.equal(await failure(run(plan, stop.signal), false), "stopped");
  clearInterval(watch);
  assert.ok(readFileSync(part).length > 0);
  await run(plan);
  for (const input of plan.inputs)
    assert.ok(readFileSync(inputPath(plan, input)!).equals(server.files.get(input.name)!.data));
  assert.ok(gets(server).some(({ path, status }) => path === names[2] && status === 206));
});

test("a file damaged after the run is fetched again, and it alone", async t => {
  const { server, dir } = await setting(t);
  const plan = await planOf(server, dir);
  await run(plan);
  const before = gets(server).length;
  writeFileSync(inputPath(plan, plan.inputs[1]!)!, "cut");
  const { said } = await run(plan);
  assert.ok(said.some(line => /f-1\.warc\.gz is damaged or missing: redoing job 0 of fetch/.test(line)));
  assert.equal(gets(server).length, before + 1);
  assert.ok(readFileSync(inputPath(plan, plan.inputs[1]!)!).equals(server.files.get(names[1]!)!.data));
});

test("a cache is shared by runs: the second downloads nothing, and waits while the first is at it", async t => {
  const { server, dir } = await setting(t);
  const plan = await planOf(server, dir, { cache: "shared" });
  assert.equal(inputPath(plan, plan.inputs[0]!), join(dir, "shared", names[0]!));
  await run(plan);
  const before = server.asked.length;
  const second = { ...(await planOf(server, dir, { cache: "shared" })), workdir: join(dir, "second") };
  const lock = acquireLock(join(dir, "shared"));
  setTimeout(() => lock.release(), 30);
  const { report, said } = await run(second);
  assert.equal(server.asked.length, before);
  assert.equal(report!.outputs[0]!.path, join("..", "shared", names[0]!));
  assert.ok(said.some(line => line.startsWith("waiting for another run: another run is using")));
});

test("403 in the middle stops all downloads; what is there is kept", async t => {
  const { server, dir } = await setting(t);
  const plan = await planOf(server, dir);
  server.faults.set(`GET ${names[1]}`, [{ kind: "status", status: 403 }]);
  assert.match(await failure(run(plan), true), /refuses to serve us: 403 Forbidden/);
  assert.ok(gets(server).length <= 3);
  assert.ok(!existsSync(join(plan.workdir, "crawl", "lock")));
  await run(plan);
});

test("a file that goes away between list and download fails, or is skipped with a warning", async t => {
  const { server, dir } = await setting(t);
  const strict = await planOf(server, dir);
  const lenient = { ...(await planOf(server, dir, { missing: "skip" })), workdir: join(dir, "lenient") };
  server.files.delete(names[3]!);
  assert.match(await failure(run(strict), true), /f-3\.warc\.gz: the host does not have it any more \(404\)/);
  const { report, said } = await run(lenient);
  assert.equal(report!.outputs.length, 3);
  assert.deepEqual(
    said.filter(line => line.includes("404")),
    [`${names[3]} is not on the host (404) and was skipped`],
  );
  assert.equal(inputPath(lenient, lenient.inputs[3]!), null);
  assert.notEqual(inputPath(lenient, lenient.inputs[2]!), null);
});

test("a file that changed since it was listed is taken, and said", async t => {
  const { server, dir } = await setting(t);
  const plan = await planOf(server, dir);
  server.files.set(names[0]!, { data: noise(99, 100), etag: '"new"' });
  const { said } = await run(plan);
  assert.deepEqual(said, [`${names[0]} has changed on the host since it was listed; the new one was taken`]);
});

test("how files are fetched is not part of any key; which are read is", async t => {
  const { server, dir } = await setting(t);
  const keys = (plan: Plan) => phaseKeys(plan, documentPhases(plan));
  const plan = await planOf(server, dir);
  const phases = documentPhases(plan).map(({ name }: Phase) => name);
  assert.deepEqual(phases, ["fetch", "documents-1"]);
  const politer = await planOf(server, dir, { concurrent: 1, retries: 50, userAgent: "me", cache: "c" });
  assert.deepEqual(keys(politer), keys(plan));
  assert.notDeepEqual(keys(await planOf(server, dir, { files: 2 })), keys(plan));
  assert.deepEqual(readingSettings({ warc: ["a"], sniff: true }), { warc: ["a"], sniff: true });
});

test("a local source has no phase fetch, and its files are where the recipe says", () => {
  const plan = { base: "/b", workdir: "/w", recipe: { source: { warc: ["x"] } } } as unknown as Plan;
  assert.deepEqual(fetchPhases(plan), []);
  assert.equal(inputPath(plan, { name: "x", bytes: 1, fingerprint: "" }), "/b/x");
});

const catalogue: Catalogue = new Map([["extract", { name: "extract", kind: "extractor", options: {} }]]);
const parse = (source: string, ...set: (readonly [string, string])[]) =>
  parseRecipe(
    {
      text: `source: { ${source} }\nstages:\n  - extract\n`,
      path: "r.yaml",
      set: set.map(([address, value]) => ({ address, value })),
    },
    catalogue,
    {},
  ).source;

test("a recipe's source may name a crawl; every other option has a default", () => {
  assert.deepEqual(parse("commoncrawl: CC-MAIN-2024-46, files: 64"), {
    warc: [],
    wet: [],
    jsonl: [],
    parquet: [],
    commoncrawl: "CC-MAIN-2024-46",
    files: 64,
    index: null,
    base: null,
    cache: null,
    concurrent: 2,
    retries: 12,
    userAgent: "",
    missing: "fail",
  });
  assert.equal(
    parse("commoncrawl: CC-MAIN-2024-46, base: 'http://127.0.0.1:8/m/'")["base"],
    "http://127.0.0.1:8/m",
  );
  assert.equal(parse("commoncrawl: CC-MAIN-2024-46", ["source.files", "3"])["files"], 3);
  assert.ok(!("files" in parse("warc: [a.gz]")));
  const index = parse(
    "commoncrawl: C, index: { url: '*.example.org', mime: text/html, languages: [eng], status: 200 }",
  );
  assert.deepEqual(index["index"], {
    ...{ url: "*.example.org", mime: ["text/html"], languages: ["eng"], status: [200], api: null },
  });
});

const refused: readonly (readonly [string, RegExp])[] = [
  ["commoncrawl: null", /source\.commoncrawl: expected the id of a crawl, such as CC-MAIN-2024-46, got null/],
  ["commoncrawl: ../x", /source\.commoncrawl: expected the id of a crawl/],
  ["commoncrawl: C, files: 0", /source\.files: expected a whole number of at least 1, got 0/],
  ["commoncrawl: C, concurrent: 5", /source\.concurrent: expected a whole number from 1 to 4, got 5/],
  [
    "commoncrawl: C, base: s3://x",
    /source\.base: expected an address such as https:\/\/data\.commoncrawl\.org/,
  ],
  ['commoncrawl: C, userAgent: "a\\nb: c"', /source\.userAgent: expected a line of plain ASCII text/],
  ["commoncrawl: C, missing: ignore", /source\.missing: expected one of fail, skip, got "ignore"/],
  ["commoncrawl: C, retries: -1", /source\.retries: expected a whole number from 0 to 1000/],
  ["commoncrawl: C, warc: [a]", /expected exactly one of .*, got warc and commoncrawl/],
  [
    "commoncrawl: C, index: { url: '*' }",
    /source\.index: expected a mapping with url and, where wanted, mime/,
  ],
  ["commoncrawl: C, index: { mime: text/html }", /source\.index: expected a mapping with url/],
  ["commoncrawl: C, index: { url: a.example, hosts: 3 }", /source\.index: expected a mapping with url/],
  [
    "commoncrawl: C, files: 2, index: { url: a.example }",
    /source\.files: a source with an index has no files/,
  ],
  ["warc: [a], files: 2", /source\.files: only a source with commoncrawl has it, got warc/],
];

for (const [source, expected] of refused) {
  test(`refused: source { ${source} }`, () => {
    assert.throws(
      () => parse(source),
      (error: unknown) => error instanceof UserError && expected.test(error.message),
    );
  });
}

test("real crawl files arrive byte for byte, and documents keep their place in the crawl", async t => {
  const crawl = join(packageRoot, "..", "shared", "data", "crawl");
  if (!existsSync(join(crawl, "crawl-data"))) {
    assert.notEqual(process.env["CI"], "true", `no data at ${crawl}`);
    return t.skip(`no data at ${crawl}`);
  }
  const server = await host(t, new Map(), crawl);
  const dir = folder(t);
  const plan = await planOf(server, dir, { commoncrawl: "CC-MAIN-2024-46", files: 2 });
  const [first, second] = plan.inputs.map(({ name }) => name);
  server.faults.set(`GET ${first}`, [
    { kind: "reset", after: 3_000_000 },
    { kind: "status", status: 503 },
  ]);
  server.faults.set(`GET ${second}`, [
    { kind: "short", after: 5_000_000 },
    { kind: "stall", after: 2_000_000 },
  ]);
  const { report } = await run(plan);
  assert.equal(report!.outputs.length, 2);
  for (const [i, { name, bytes }] of plan.inputs.entries()) {
    assert.equal(report!.outputs[i]!.bytes, bytes);
    assert.equal(report!.outputs[i]!.sha256, sha256File(join(crawl, name)));
  }
  for await (const event of openInput(inputPath(plan, plan.inputs[0]!)!, first!, { status: null })) {
    if (event.kind !== "document") continue;
    assert.equal(event.document.at.file, first);
    break;
  }
  assert.deepEqual(
    readdirSync(join(plan.workdir, "crawl"), { recursive: true, encoding: "utf8" }).filter(name =>
      /\.(part|tmp)$/.test(name),
    ),
    [],
  );
});
