/** Downloads from a host that does everything wrong: the same bytes in the end, or the right error, in few requests. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { type Downloaded, download } from "../../../pipeline/fetch/download.ts";
import { partPath, readNote, writeNote } from "../../../pipeline/fetch/store.ts";
import type { Fault, Host } from "./server.ts";
import { client, failure, folder, type Given, host, noise } from "./setting.ts";

const name = "crawl-data/T/a.warc.gz";
const size = 200_000;
const data = noise(1, size - 100);

type Set = Given & {
  readonly server: Host;
  readonly path: string;
  /** Sum of what was told to the progress line. */
  readonly told: () => number;
  get(listed?: { bytes?: number; fingerprint?: string }): Promise<Downloaded | null>;
};

async function setting(
  t: TestContext,
  faults: readonly Fault[] = [],
  options: Parameters<typeof client>[1] = {},
): Promise<Set> {
  const server = await host(t, new Map([[name, data]]));
  server.faults.set(`GET ${name}`, [...faults]);
  const path = join(folder(t), name);
  const given = client(t, options);
  let told = 0;
  const listed = { bytes: data.length, fingerprint: `"${name.length}-${data.length}" ${data.length}` };
  return {
    ...given,
    server,
    path,
    told: () => told,
    get: change =>
      download(given.client, {
        url: `${server.base}/${name}`,
        path,
        listed: { ...listed, ...change },
        onBytes: bytes => {
          told += bytes;
        },
      }),
  };
}

/** The file is whole, alone under its name, described by its note, and the progress line counted it once. */
function isWhole({ path, told }: Pick<Set, "path" | "told">, expected = data): void {
  assert.ok(readFileSync(path).equals(expected), "other bytes");
  assert.deepEqual(readdirSync(dirname(path)).sort(), ["a.warc.gz", "a.warc.gz.json"]);
  assert.equal(told(), expected.length);
}

test("a download arrives whole, with its checksum, and says who asks", async t => {
  const set = await setting(t);
  const got = await set.get();
  isWhole(set);
  assert.equal(got!.file.bytes, data.length);
  assert.equal(readNote(set.path)!.sha256, got!.file.sha256);
  assert.deepEqual([got!.changed, got!.reused], [false, false]);
  assert.deepEqual(set.server.asked, [
    {
      method: "GET",
      path: name,
      range: undefined,
      ifRange: undefined,
      userAgent: "curate/0.0.0 (tester@example.org)",
      status: 200,
    },
  ]);
});

const recovered: readonly (readonly [string, readonly Fault[], readonly number[]])[] = [
  ["connections that break are resumed", [{ kind: "reset", after: 60_000 }], [200, 206]],
  [
    "several breaks one after the other",
    [
      { kind: "reset", after: 50_000 },
      { kind: "reset", after: 50_000 },
      { kind: "reset", after: 1 },
    ],
    [200, 206, 206, 206],
  ],
  ["a break before the first byte", [{ kind: "reset", after: 0 }], [200, 200]],
  ["a stall is given up and resumed", [{ kind: "stall", after: 70_000 }], [200, 206]],
  ["a body that ends early without an error is resumed", [{ kind: "short", after: 80_000 }], [200, 206]],
  [
    "503 storms are sat out",
    Array.from({ length: 4 }, () => ({ kind: "status", status: 503 }) as const),
    [503, 503, 503, 503, 200],
  ],
  [
    "429, 500, 502 and 408 too",
    [429, 500, 502, 408].map(status => ({ kind: "status", status }) as const),
    [429, 500, 502, 408, 200],
  ],
  ["bytes that are not HTTP are a broken connection", [{ kind: "garbage" }], [0, 200]],
  ["slow bytes are waited for", [{ kind: "slow", piece: 40_000, pause: 40 }], [200]],
  ["a page with status 200 is not taken for the file", [{ kind: "page" }], [200, 200]],
  [
    "a host that ignores ranges sends everything again",
    [{ kind: "reset", after: 60_000 }, { kind: "no-range" }],
    [200, 200],
  ],
  [
    "a range that begins elsewhere is not used",
    [{ kind: "reset", after: 60_000 }, { kind: "wrong-range" }],
    [200, 206, 200],
  ],
  ["a length that is too small is found out", [{ kind: "length", off: -500 }], [200, 200]],
  ["a length that is too great is found out", [{ kind: "length", off: 500 }], [200, 200]],
  ["a redirect is followed", [{ kind: "redirect" }], [302, 200]],
  [
    "a break, a storm and a stall together",
    [
      { kind: "reset", after: 30_000 },
      { kind: "status", status: 503 },
      { kind: "stall", after: 30_000 },
      { kind: "garbage" },
    ],
    [200, 503, 206, 0, 206],
  ],
];

for (const [what, faults, statuses] of recovered) {
  test(`recovers: ${what}`, async t => {
    const set = await setting(t, faults);
    await set.get();
    isWhole(set);
    assert.deepEqual(
      set.server.asked.map(({ status }) => status),
      statuses,
    );
    assert.ok(set.waited.filter(Boolean).length <= faults.length);
  });
}

test("a resume asks for the rest only, and for the same version", async t => {
  const set = await setting(t, [{ kind: "reset", after: 60_000 }]);
  await set.get();
  const [, second] = set.server.asked;
  const from = Number(/^bytes=(\d+)-$/.exec(second!.range!)![1]);
  assert.ok(from > 0 && from <= 60_000);
  assert.equal(second!.ifRange, `"${name.length}-${data.length}"`);
});

test("between tries everybody waits at least a second, and the progress line hears why", async t => {
  const set = await setting(t, [
    { kind: "status", status: 503, headers: { "retry-after": "20" } },
    {
      kind: "status",
      status: 429,
      headers: { "retry-after": new Date(Date.UTC(2026, 0, 1, 0, 10)).toUTCString() },
    },
    { kind: "status", status: 503 },
  ]);
  await set.get();
  const [seconds, date, own] = set.clock.waits.map(wait => wait / 1000);
  assert.ok(seconds! >= 20 && seconds! < 30, `${seconds} s`);
  assert.ok(date! > 500 && date! < 900, `${date} s`);
  assert.ok(own! >= 4 && own! < 6, `${own} s`);
  assert.match(set.waited[0]!.why, /^127\.0\.0\.1:\d+ answered 503 Service Unavailable$/);
  assert.equal(set.waited.at(-1), null);
});

test("what an earlier run left in part is gone on with", async t => {
  const stop = new AbortController();
  const set = await setting(t, [{ kind: "slow", piece: 20_000, pause: 20 }], { signal: stop.signal });
  setTimeout(() => stop.abort(new Error("stopped")), 70);
  assert.equal(await failure(set.get(), false), "stopped");
  assert.ok(!existsSync(set.path));
  const part = readFileSync(partPath(set.path)).length;
  assert.ok(part > 0 && part < data.length);
  const [next, told] = [client(t), { sum: 0 }];
  await download(next.client, {
    url: `${set.server.base}/${name}`,
    path: set.path,
    listed: { bytes: data.length, fingerprint: `"${name.length}-${data.length}" ${data.length}` },
    onBytes: bytes => {
      told.sum += bytes;
    },
  });
  isWhole({ path: set.path, told: () => told.sum });
  assert.deepEqual(
    set.server.asked.map(({ range, status }) => [range, status]),
    [
      [undefined, 200],
      [`bytes=${part}-`, 206],
    ],
  );
});

test("a part that is complete is only renamed", async t => {
  const set = await setting(t);
  mkdirSync(dirname(set.path), { recursive: true });
  writeFileSync(partPath(set.path), data);
  const etag = `"${name.length}-${data.length}"`;
  writeNote(set.path, { bytes: data.length, etag, lastModified: null, sha256: null });
  await set.get();
  isWhole(set);
  assert.deepEqual(set.server.asked, []);
});

test("a part of which nothing is known, or of another version, is thrown away", async t => {
  for (const etag of [null, '"another"']) {
    const set = await setting(t);
    mkdirSync(dirname(set.path), { recursive: true });
    writeFileSync(partPath(set.path), data.subarray(100, 5000));
    if (etag) writeNote(set.path, { bytes: data.length, etag, lastModified: null, sha256: null });
    await set.get();
    isWhole(set);
    assert.equal(set.server.asked[0]!.range, undefined);
  }
});

test("a version that changes between two tries starts the file again", async t => {
  const set = await setting(t, [{ kind: "reset", after: 60_000 }]);
  const other = noise(2, size);
  let requests = 0;
  set.server.hook = () => {
    if (++requests === 2) set.server.files.set(name, { data: other, etag: '"new"' });
  };
  const got = await set.get();
  assert.ok(readFileSync(set.path).equals(other));
  assert.equal(got!.changed, true);
  assert.equal(set.told(), other.length);
  assert.deepEqual(
    set.server.asked.map(({ ifRange, status }) => [ifRange, status]),
    [
      [undefined, 200],
      [`"${name.length}-${data.length}"`, 200],
    ],
  );
});

test("without an ETag the date of the last change has its place; without both nothing is resumed", async t => {
  const dated = await setting(t, [{ kind: "reset", after: 60_000 }]);
  const lastModified = "Fri, 01 Nov 2024 18:42:24 GMT";
  dated.server.files.set(name, { data, etag: null, lastModified });
  await dated.get({ fingerprint: `${lastModified} ${data.length}` });
  isWhole(dated);
  assert.equal(dated.server.asked[1]!.ifRange, lastModified);

  const weak = await setting(t, [{ kind: "reset", after: 60_000 }]);
  weak.server.files.set(name, { data, etag: 'W/"a"' });
  await weak.get({ fingerprint: `W/"a" ${data.length}` });
  isWhole(weak);
  assert.equal(weak.server.asked[1]!.range, undefined);
});

test("a file that is there is used when version and checksum fit, and fetched again when not", async t => {
  const set = await setting(t);
  await set.get();
  assert.equal((await set.get())!.reused, true);
  assert.equal(set.server.asked.length, 1);
  const damaged = Buffer.from(data);
  damaged[data.length >> 1]! ^= 1;
  writeFileSync(set.path, damaged);
  assert.equal((await set.get())!.reused, false);
  assert.ok(readFileSync(set.path).equals(data));
  assert.equal(set.server.asked.length, 2);
  assert.equal((await set.get({ fingerprint: `"other" ${data.length}` }))!.changed, true);
  assert.equal(set.server.asked.length, 3);
});

test("a file put there by hand is used when its length is right", async t => {
  const set = await setting(t);
  mkdirSync(dirname(set.path), { recursive: true });
  writeFileSync(set.path, data);
  assert.equal((await set.get())!.reused, true);
  writeFileSync(set.path, data.subarray(0, 1000));
  assert.equal((await set.get())!.reused, false);
  assert.equal(set.server.asked.length, 1);
});

test("404 gives null and leaves nothing", async t => {
  const set = await setting(t, [{ kind: "status", status: 404 }]);
  assert.equal(await set.get(), null);
  assert.deepEqual(readdirSync(dirname(set.path)), []);
  assert.equal(set.server.asked.length, 1);
});

test("403 stops every request and explains", async t => {
  const set = await setting(t, [{ kind: "status", status: 403 }]);
  const message = await failure(set.get(), true);
  assert.match(message, /^127\.0\.0\.1:\d+ refuses to serve us: 403 Forbidden for http:/);
  assert.match(await failure(set.get(), true), /refuses to serve us/);
  assert.equal(set.server.asked.length, 1);
  assert.deepEqual(set.clock.waits, []);
});

test("a status nobody expects is an error at once", async t => {
  const set = await setting(t, [{ kind: "status", status: 405 }]);
  assert.match(await failure(set.get(), true), /expected the file, got the answer 405$/);
});

const hopeless: readonly (readonly [string, Fault, RegExp])[] = [
  ["always 503", { kind: "status", status: 503 }, /after 4 tries: 127\.0\.0\.1:\d+ answered 503/],
  ["breaks at once", { kind: "reset", after: 0 }, /after 4 tries: the connection broke/],
  ["never answers with HTTP", { kind: "garbage" }, /after 3 tries: the answer was not HTTP/],
  ["always another kind of page", { kind: "page" }, /after 4 tries: what the host sent is not gzip data/],
  [
    "always another length",
    { kind: "length", off: -9 },
    new RegExp(`after 4 tries: the host says ${data.length - 9} bytes, and said ${data.length} of the same`),
  ],
];

for (const [what, fault, expected] of hopeless) {
  test(`gives up in the end, with the reason and without a file: ${what}`, async t => {
    const set = await setting(
      t,
      Array.from({ length: 20 }, () => fault),
      { retries: 3 },
    );
    assert.match(await failure(set.get(), false), expected);
    assert.ok(!existsSync(set.path));
    assert.ok(set.server.asked.length <= 4);
    assert.equal(set.client.limiter.signal.aborted, false);
  });
}

test("a host that always stalls is given up too", async t => {
  const stalls = Array.from({ length: 9 }, () => ({ kind: "stall", after: 0 }) as const);
  const set = await setting(t, stalls, { retries: 1 });
  assert.match(await failure(set.get(), false), /after 2 tries: nothing came for 0\.15 s/);
  assert.ok(!existsSync(set.path));
});

test("nobody at the address is found out in three tries", async t => {
  const set = await setting(t);
  await set.server.close();
  assert.match(
    await failure(set.get(), false),
    /after 3 tries: nobody listens at that address \(ECONNREFUSED\)/,
  );
});

test("a full or forbidden disk is not the host's fault: no second request", async t => {
  const set = await setting(t);
  mkdirSync(partPath(set.path), { recursive: true });
  writeFileSync(join(partPath(set.path), "x"), "");
  await assert.rejects(set.get(), { code: /EISDIR|ERR_FS_EISDIR/ });
  assert.ok(set.server.asked.length <= 1);
});
