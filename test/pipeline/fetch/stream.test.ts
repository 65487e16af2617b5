/**
 * Files read as they come from a host that does everything wrong: the same records as from a copy on disk, in order,
 * none lost and none twice. The reader and the host's side talk over a real port, as threads do.
 */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { gzipSync } from "node:zlib";
import { random } from "../../../lib/random.ts";
import { buildStages } from "../../../pipeline/execute/build.ts";
import { documentPhases } from "../../../pipeline/execute/documents.ts";
import type { Plan } from "../../../pipeline/execute/plan.ts";
import { ChangedInput } from "../../../pipeline/fetch/changed-input.ts";
import type { CrawlSource } from "../../../pipeline/fetch/options.ts";
import { openEvents } from "../../../pipeline/fetch/read.ts";
import { openStreamHost, pieceOf } from "../../../pipeline/fetch/stream-host.ts";
import { type OpenStreamed, streamReader } from "../../../pipeline/fetch/stream-reader.ts";
import type { Input } from "../../../pipeline/inputs.ts";
import { openInput } from "../../../pipeline/readers/input.ts";
import type { ReadEvent } from "../../../pipeline/readers/reader.ts";
import type { Recipe } from "../../../pipeline/recipe.ts";
import type { Fault, Host } from "./server.ts";
import { crawlSource, type FakeClock, failure, fakeClock, folder, host, idle } from "./setting.ts";

const name = "crawl-data/CC-TEST-1/segments/1/warc/f-0.warc.gz";
const piece = 50_000;

/** Records of 1 to 12 kB that do not compress, and one of 400 kB; `damaged` of them are broken in the file itself. */
function warc(records: number, damaged: readonly number[] = []): Buffer {
  const stream = random(3);
  const noise = (bytes: number) =>
    Buffer.from(Array.from({ length: bytes }, () => 33 + (stream.next() % 90)));
  return Buffer.concat(
    Array.from({ length: records }, (_, i) => {
      const page = noise(i === 20 ? 400_000 : 1000 + (stream.next() % 11_000));
      const block = Buffer.from(
        `HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html><p>${page.toString("latin1")}`,
      );
      const id = `<urn:uuid:00000000-0000-4000-8000-${String(i).padStart(12, "0")}>`;
      const head = `WARC/1.0\r\nWARC-Type: response\r\nWARC-Record-ID: ${id}\r\nWARC-Date: 2024-01-01T00:00:00Z\r\nWARC-Target-URI: https://a.example/${i}\r\nContent-Length: ${block.length}\r\n\r\n`;
      const member = gzipSync(Buffer.concat([Buffer.from(head), block, Buffer.from("\r\n\r\n")]), {
        level: 1,
      });
      if (damaged.includes(i)) member[member.length >> 1]! ^= 64;
      return member;
    }),
  );
}

const data = warc(60);

/** What a reader gave, short enough to compare: every record's place, id and content. */
function told(event: ReadEvent): string {
  if (event.kind === "skip") return `skip ${event.type}`;
  if (event.kind !== "document")
    return `${event.kind} ${event.kind === "failure" ? `${event.code} ${event.message}` : event.id} ${JSON.stringify(event.at)}`;
  const { id, at, page } = event.document;
  const body = Buffer.from(page!.body).toString("latin1");
  return `${id} ${at.offset}+${at.length} ${body.length} ${body.slice(0, 20)} ${body.slice(-20)}`;
}

async function fromDisk(t: TestContext, content: Buffer): Promise<string[]> {
  const path = join(folder(t), "f.warc.gz");
  writeFileSync(path, content);
  const events: string[] = [];
  for await (const event of openInput(path, name, {})) events.push(told(event));
  return events;
}

type Set = {
  readonly server: Host;
  readonly clock: FakeClock;
  readonly plan: Plan;
  readonly input: Input;
  readonly openStreamed: OpenStreamed;
  readonly said: string[];
  read(): Promise<string[]>;
};

async function setting(
  t: TestContext,
  faults: readonly Fault[],
  values: Partial<CrawlSource> = {},
  content = data,
): Promise<Set> {
  const server = await host(t, new Map([[name, content]]));
  server.faults.set(name, [...faults]);
  const source = crawlSource({ base: server.base, cache: "none", retries: 5, ...values });
  const recipe = { name: "t", seed: 5, memory: 64e6, source, stages: [], keepRejected: {} };
  const plan: Plan = {
    ...{ version: "0.0.0", base: "/", workdir: folder(t), inputs: [], files: [] },
    recipe: recipe as unknown as Recipe,
  };
  const clock = fakeClock();
  const said: string[] = [];
  const streams = openStreamHost({ plan, clock, idle, piece, say: line => said.push(line) });
  t.after(() => streams.close());
  const openStreamed = streamReader(streams.port());
  const etag = server.files.get(name)!.etag;
  const input = { name, bytes: content.length, fingerprint: `${etag} ${content.length}` };
  return {
    ...{ server, clock, plan, input, openStreamed, said },
    async read() {
      const { events } = await openEvents(plan, input, openStreamed);
      const found: string[] = [];
      for await (const event of events!) found.push(told(event));
      return found;
    },
  };
}

const cases: readonly (readonly [string, readonly Fault[]])[] = [
  ["nothing goes wrong", []],
  [
    "connections break",
    [{ kind: "none" }, { kind: "reset", after: 20_000 }, { kind: "reset", after: 33_333 }],
  ],
  ["a connection breaks after one byte, three times", Array(3).fill({ kind: "reset", after: 1 })],
  ["a connection breaks before the first byte", [{ kind: "reset", after: 0 }]],
  ["a break in the long record", [...Array(4).fill({ kind: "none" }), { kind: "reset", after: 49_000 }]],
  ["stalls", [{ kind: "stall", after: 30_000 }, { kind: "none" }, { kind: "stall", after: 0 }]],
  [
    "bodies that end early",
    [{ kind: "none" }, { kind: "short", after: 777 }, { kind: "short", after: 40_000 }],
  ],
  [
    "lengths that are too small",
    [{ kind: "length", off: -500 }, { kind: "none" }, { kind: "length", off: -1 }],
  ],
  [
    "lengths that are too great",
    [{ kind: "length", off: 500 }, { kind: "none" }, { kind: "length", off: 1 }],
  ],
  ["a 503 storm", Array(5).fill({ kind: "status", status: 503 })],
  ["slow bytes", [{ kind: "slow", piece: 20_000, pause: 30 }]],
  ["bytes that are not HTTP", [{ kind: "garbage" }, { kind: "none" }, { kind: "garbage" }]],
  ["a page with status 200 in place of the file", [{ kind: "page" }]],
  ["a page in place of a piece in the middle", [{ kind: "none" }, { kind: "none" }, { kind: "page" }]],
  ["a range that begins elsewhere", [{ kind: "none" }, { kind: "wrong-range" }]],
  ["redirects", [{ kind: "redirect" }, { kind: "none" }, { kind: "redirect" }]],
  ["a host without ranges", Array(99).fill({ kind: "no-range" })],
  [
    "a host that forgets about ranges after a break",
    [{ kind: "none" }, { kind: "reset", after: 30_000 }, { kind: "no-range" }],
  ],
  [
    "everything one after the other",
    [
      { kind: "reset", after: 30_000 },
      { kind: "status", status: 503 },
      { kind: "stall", after: 10_000 },
      { kind: "garbage" },
      { kind: "none" },
      { kind: "page" },
      { kind: "short", after: 12_345 },
      { kind: "no-range" },
    ],
  ],
];

for (const [what, faults] of cases) {
  test(`the same records as from disk: ${what}`, async t => {
    const set = await setting(t, faults);
    assert.deepEqual(await set.read(), await fromDisk(t, data));
    assert.deepEqual(
      set.server.faults.get(name)!.filter(({ kind }) => kind !== "no-range"),
      [],
    );
    assert.ok(set.server.busiest() <= 2);
  });
}

test("after a break it goes on at the last whole gzip member; within a long one at the byte", async t => {
  const places = (await fromDisk(t, data)).map(line => Number(/ (\d+)\+/.exec(line)![1]));
  const set = await setting(t, [{ kind: "none" }, { kind: "reset", after: 30_000 }]);
  await set.read();
  const froms = set.server.asked.map(({ range }) => Number(/=(\d+)-/.exec(range!)![1]));
  assert.deepEqual(froms.slice(0, 2), [0, piece]);
  assert.ok(places.includes(froms[2]!) && froms[2]! <= piece + 30_000, `${froms[2]}`);
  assert.ok(froms[2]! > piece + 30_000 - 13_000);

  const start = places[20]!;
  const long = await setting(t, [
    ...Array(Math.floor(start / piece) + 6).fill({ kind: "none" }),
    { kind: "reset", after: 30_000 },
  ]);
  await long.read();
  const asked = long.server.asked.map(({ range }) => Number(/=(\d+)-/.exec(range!)![1]));
  assert.ok(asked.includes((Math.floor(start / piece) + 6) * piece + 30_000), asked.join(" "));
});

test("faults drawn at random, five hundred requests of them", async t => {
  const expected = await fromDisk(t, data);
  for (let seed = 0; seed < 20; seed++) {
    const stream = random(seed);
    const draw = (n: number) => stream.next() % n;
    const kinds: readonly (() => Fault)[] = [
      () => ({ kind: "none" }),
      () => ({ kind: "none" }),
      () => ({ kind: "reset", after: draw(60_000) }),
      () => ({ kind: "short", after: draw(60_000) }),
      () => ({ kind: "length", off: draw(2) === 0 ? -1 - draw(900) : 1 + draw(900) }),
      () => ({ kind: "status", status: draw(2) === 0 ? 503 : 429 }),
      () => ({ kind: "garbage" }),
      () => ({ kind: "no-range" }),
      () => ({ kind: "wrong-range" }),
    ];
    const set = await setting(
      t,
      Array.from({ length: 25 }, () => kinds[draw(kinds.length)]!()),
      { retries: 40 },
    );
    assert.deepEqual(await set.read(), expected, `seed ${seed}`);
  }
});

test("damage in the file itself is asked for once more, then counted as from disk", async t => {
  const hurt = warc(60, [5, 30]);
  const set = await setting(t, [], {}, hurt);
  const found = await set.read();
  assert.deepEqual(found, await fromDisk(t, hurt));
  assert.equal(found.filter(line => line.startsWith("failure bad-gzip")).length, 2);
});

test("a file is asked for in pieces, one at a time, however slowly its pages are read", async t => {
  const set = await setting(t, []);
  const { events } = await openEvents(set.plan, set.input, set.openStreamed);
  let busy = 0;
  for await (const event of events!) {
    if (event.kind !== "document") continue;
    await new Promise(resolve => setTimeout(resolve, 5));
    busy = Math.max(busy, set.server.busiest());
  }
  assert.equal(busy, 1);
  assert.ok(set.server.asked.length >= data.length / piece);
});

test("several readers share the connections, each gets its own file", async t => {
  const set = await setting(t, [], { concurrent: 1 });
  const expected = await fromDisk(t, data);
  const all = await Promise.all([set.read(), set.read(), set.read()]);
  for (const found of all) assert.deepEqual(found, expected);
  assert.equal(set.server.busiest(), 1);
});

test("another version in the middle of a file ends the job that reads it, and it begins again", async t => {
  const set = await setting(t, []);
  let gets = 0;
  const other = warc(40);
  set.server.hook = () => {
    if (++gets === 4) set.server.files.set(name, { data: other, etag: '"other"' });
  };
  await assert.rejects(set.read(), (error: unknown) => error instanceof ChangedInput);
  const { events, warnings } = await openEvents(set.plan, set.input, set.openStreamed);
  const found: string[] = [];
  for await (const event of events!) found.push(told(event));
  assert.deepEqual(found, await fromDisk(t, other));
  assert.deepEqual(warnings, [`${name} has changed on the host since it was listed; the new one was read`]);
});

test("the engine begins such a job again by itself, and its documents are those of the new version", async t => {
  const set = await setting(t, []);
  const other = warc(40);
  let gets = 0;
  set.server.hook = () => {
    if (++gets === 4) set.server.files.set(name, { data: other, etag: '"other"' });
  };
  const stages = [{ name: "extract", mode: "drop", preset: null, options: { engine: "full-text" } }];
  const recipe = { ...set.plan.recipe, stages, keepRejected: { sample: 0, minPerReason: 0 } };
  const plan = { ...set.plan, inputs: [set.input], recipe: recipe as unknown as Recipe };
  assert.equal((await buildStages(plan, plan.recipe.stages)).length, 1);
  const [phase] = documentPhases(plan);
  assert.equal(phase!.name, "documents-1");
  const notes: string[] = [];
  const report = await phase!.run(0, {
    ...{ workdir: plan.workdir, memory: 64e6, signal: new AbortController().signal },
    openStreamed: set.openStreamed,
    progress: ({ note }) => {
      if (note) notes.push(note);
    },
  });
  assert.equal(report.stats[0]!.in, 40);
  assert.equal(report.warnings!.length, 1);
  assert.match(notes.join(), /changed on the host while it was read/);
});

test("a file that is not there fails, or is skipped with a warning", async t => {
  const strict = await setting(t, []);
  strict.server.files.delete(name);
  assert.match(
    await failure(strict.read(), true),
    /f-0\.warc\.gz: the host does not have it any more \(404\)/,
  );
  const lenient = await setting(t, [], { missing: "skip" });
  lenient.server.files.delete(name);
  assert.deepEqual(await openEvents(lenient.plan, lenient.input, lenient.openStreamed), {
    events: null,
    warnings: [`${name} is not on the host (404) and was skipped`],
  });
});

test("a host that refuses stops every reader; one that never recovers is given up with its name", async t => {
  const refusing = await setting(t, [{ kind: "none" }, { kind: "status", status: 403 }]);
  assert.match(await failure(refusing.read(), true), /refuses to serve us: 403 Forbidden/);
  assert.match(await failure(refusing.read(), true), /refuses to serve us: 403 Forbidden/);
  const down = await setting(t, [{ kind: "none" }, ...Array(9).fill({ kind: "reset", after: 10 })]);
  assert.match(
    await failure(down.read(), false),
    /gave up on .*f-0\.warc\.gz after \d+ tries: the connection broke/,
  );
});

test("a reader that stops early lets go of its file", async t => {
  const set = await setting(t, Array(99).fill({ kind: "no-range" }), { concurrent: 1 });
  const { events } = await openEvents(set.plan, set.input, set.openStreamed);
  for await (const event of events!) if (event.kind === "document") break;
  assert.deepEqual(await set.read(), await fromDisk(t, data));
});

test("without a host to ask, a streamed input is refused in words", async t => {
  const set = await setting(t, []);
  assert.match(
    await failure(openEvents(set.plan, set.input, undefined), true),
    /source\.cache: none reads files over one process's connections/,
  );
});

test("pieces follow the memory of a recipe", () => {
  assert.deepEqual([64e6, 2e9, 1e12].map(pieceOf), [1 << 20, 31_250_000, 32 << 20]);
});
