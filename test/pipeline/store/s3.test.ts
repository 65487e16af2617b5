/** Objects against a real store: streamed both ways, whole or not at all, gone on with where it broke off. */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { UserError } from "../../../lib/errors.ts";
import { random } from "../../../lib/random.ts";
import {
  type Address,
  addressOf,
  etagOfFile,
  openStore,
  parseAddress,
  partBytes,
  type Store,
} from "../../../pipeline/store/s3.ts";
import { bucket } from "./object-store.ts";

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "curate-s3-"));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

function noise(bytes: number): Buffer {
  const stream = random(bytes);
  const data = Buffer.alloc(bytes);
  for (let i = 0; i + 4 <= bytes; i += 4) data.writeUInt32LE(stream.next() >>> 0, i);
  return data;
}

async function opened(t: TestContext): Promise<Store> {
  const store = await openStore(async () => {});
  t.after(() => store.close());
  return store;
}

test("objects of any size go there and come back byte for byte, with the etag that was foretold", async t => {
  const name = await bucket(t);
  if (!name) return;
  const [store, dir] = [await opened(t), folder(t)];
  for (const size of [0, 1, 1000, partBytes, partBytes + 1, 2 * partBytes + 12345]) {
    const [from, to] = [join(dir, "from"), join(dir, "sub", `to-${size}`)];
    writeFileSync(from, noise(size));
    const address: Address = { bucket: name, key: `a b/ü+${size}.bin` };
    const sent = await store.upload(from, address);
    assert.equal(sent.etag, etagOfFile(from));
    assert.deepEqual(await store.stat(address), { bytes: size, etag: sent.etag });
    assert.equal((await store.download(address, to))!.bytes, size);
    assert.ok(readFileSync(to).equals(readFileSync(from)));
    if (size > 100)
      assert.ok((await store.read(address, sent.etag, 50, 100)).equals(noise(size).subarray(50, 100)));
  }
});

test("listing finds what lies below a prefix, and nothing else", async t => {
  const name = await bucket(t);
  if (!name) return;
  const [store, dir] = [await opened(t), folder(t)];
  writeFileSync(join(dir, "x"), "x");
  for (const key of ["many/2", "many/1", "other"]) await store.upload(join(dir, "x"), { bucket: name, key });
  const found: string[] = [];
  for await (const { key } of store.list({ bucket: name, key: "many/" })) found.push(key);
  assert.deepEqual(found, ["many/1", "many/2"]);
  await store.remove({ bucket: name, key: "many/1" });
  assert.equal(await store.stat({ bucket: name, key: "many/1" }), null);
});

test("a listing of several pages is read to its end", async t => {
  const page = (key: string, next: string | null) =>
    `<ListBucketResult><IsTruncated>${next !== null}</IsTruncated>${next === null ? "" : `<NextContinuationToken>${next}</NextContinuationToken>`}<Contents><Key>${key}</Key><Size>3</Size><ETag>"e"</ETag></Contents></ListBucketResult>`;
  const server = createServer((asked, answer) => {
    const token = new URL(asked.url!, "http://x").searchParams.get("continuation-token");
    answer.writeHead(200, { "content-type": "application/xml" });
    answer.end(token === "t2" ? page("c", null) : token === "t1" ? page("b", "t2") : page("a", "t1"));
  });
  await new Promise<void>(ready => server.listen(0, "127.0.0.1", ready));
  const before = process.env["AWS_ENDPOINT_URL_S3"]!;
  process.env["AWS_ENDPOINT_URL_S3"] = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  t.after(() => server.close());
  const store = await opened(t);
  process.env["AWS_ENDPOINT_URL_S3"] = before;
  const found: string[] = [];
  for await (const { key } of store.list({ bucket: "bucket", key: "" })) found.push(key);
  assert.deepEqual(found, ["a", "b", "c"]);
});

/** A proxy before the store that breaks what `broken` says; the signature stays right, as the Host header is passed on. */
async function proxied(
  t: TestContext,
  broken: (asked: IncomingMessage, answer: ServerResponse) => ((sent: number) => boolean) | null,
): Promise<void> {
  const before = process.env["AWS_ENDPOINT_URL_S3"]!;
  const target = new URL(before);
  const server = createServer((asked, answer) => {
    const cut = broken(asked, answer);
    if (answer.writableEnded || asked.socket.destroyed) return;
    const passed = request(
      {
        host: target.hostname,
        port: target.port,
        method: asked.method,
        path: asked.url,
        headers: asked.headers,
      },
      from => {
        answer.writeHead(from.statusCode!, from.headers);
        let sent = 0;
        from.on("data", (chunk: Buffer) => {
          sent += chunk.length;
          if (cut?.(sent)) asked.socket.destroy();
          else answer.write(chunk);
        });
        from.on("end", () => answer.end());
        from.on("error", () => asked.socket.destroy());
      },
    );
    passed.on("error", () => asked.socket.destroy());
    asked.pipe(passed);
  });
  await new Promise<void>(ready => server.listen(0, "127.0.0.1", ready));
  process.env["AWS_ENDPOINT_URL_S3"] = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  t.after(() => {
    process.env["AWS_ENDPOINT_URL_S3"] = before;
    server.closeAllConnections();
    server.close();
  });
}

test("a download whose connection breaks again and again goes on at the byte where it broke", async t => {
  const name = await bucket(t);
  if (!name) return;
  const dir = folder(t);
  const address = { bucket: name, key: "x" };
  writeFileSync(join(dir, "x"), noise(3_000_000));
  await (await opened(t)).upload(join(dir, "x"), address);
  const ranges: string[] = [];
  await proxied(t, asked => {
    if (asked.method !== "GET") return null;
    ranges.push(asked.headers.range!);
    return ranges.length <= 4 ? sent => sent > 600_000 : null;
  });
  const store = await opened(t);
  await store.download(address, join(dir, "y"));
  assert.ok(readFileSync(join(dir, "y")).equals(readFileSync(join(dir, "x"))));
  assert.ok(ranges.length >= 5 && ranges.slice(1).every(range => range !== "bytes=0-"), ranges.join(" "));
});

test("a store that always breaks off is given up, and nothing half-written is left", async t => {
  const name = await bucket(t);
  if (!name) return;
  const dir = folder(t);
  const address = { bucket: name, key: "x" };
  writeFileSync(join(dir, "x"), noise(500_000));
  await (await opened(t)).upload(join(dir, "x"), address);
  await proxied(t, asked => (asked.method === "GET" ? () => true : null));
  const store = await opened(t);
  await assert.rejects(store.download(address, join(dir, "y")), /gave up on s3:\/\/.*\/x after 6 tries/);
  assert.ok(!existsSync(join(dir, "y")) && existsSync(join(dir, "x")));
});

test("an upload that is cut off leaves the old object whole; the next try sends only the parts that are missing", async t => {
  const name = await bucket(t);
  if (!name) return;
  const dir = folder(t);
  const address = { bucket: name, key: "x" };
  const plain = await opened(t);
  writeFileSync(join(dir, "old"), "old");
  await plain.upload(join(dir, "old"), address);
  writeFileSync(join(dir, "x"), noise(3 * partBytes + 10));
  let [sent, down] = [0, false];
  await proxied(t, (asked, answer) => {
    if (asked.method === "PUT" && /partNumber=/.test(asked.url!) && ++sent === 3) down = true;
    if (down) answer.writeHead(400).end("<Error><Code>Gone</Code></Error>");
    return null;
  });
  const store = await opened(t);
  await assert.rejects(store.upload(join(dir, "x"), address));
  assert.equal((await plain.read(address, null, 0, 3)).toString(), "old");
  [sent, down] = [10, false];
  await store.upload(join(dir, "x"), address);
  assert.equal(sent, 12);
  await plain.download(address, join(dir, "y"));
  assert.ok(readFileSync(join(dir, "y")).equals(readFileSync(join(dir, "x"))));
});

test("an object that changes while it is read is said, not mixed", async t => {
  const name = await bucket(t);
  if (!name) return;
  const [store, dir] = [await opened(t), folder(t)];
  const address = { bucket: name, key: "x" };
  writeFileSync(join(dir, "x"), noise(1000));
  const { etag } = await store.upload(join(dir, "x"), address);
  writeFileSync(join(dir, "x"), noise(1001));
  await store.upload(join(dir, "x"), address);
  await assert.rejects(
    store.read(address, etag, 0, 1000),
    (error: unknown) =>
      error instanceof UserError && /the object changed while it was read/.test(error.message),
  );
});

test("wrong keys, rights, buckets and addresses are the user's to mend", async t => {
  assert.throws(() => parseAddress("s3://"), UserError);
  assert.throws(() => parseAddress("s3://UPPER_CASE/x"), UserError);
  assert.equal(addressOf(parseAddress("s3://bucket-1/a/b c")), "s3://bucket-1/a/b c");
  const name = await bucket(t);
  if (!name) return;
  const store = await opened(t);
  const list = async (using: Store, where: string) => {
    for await (const _ of using.list({ bucket: where, key: "" }));
  };
  await assert.rejects(list(store, "there-is-no-such"), /s3:\/\/there-is-no-such\/: there is no such bucket/);
  const secret = process.env["AWS_SECRET_ACCESS_KEY"]!;
  process.env["AWS_SECRET_ACCESS_KEY"] = "wrong";
  const wrong = await opened(t);
  await assert.rejects(
    list(wrong, name).finally(() => (process.env["AWS_SECRET_ACCESS_KEY"] = secret)),
    (error: unknown) =>
      error instanceof UserError && /no valid credentials|access denied/.test(error.message),
  );
  const before = process.env["AWS_ENDPOINT_URL_S3"]!;
  process.env["AWS_ENDPOINT_URL_S3"] = "http://127.0.0.1:9";
  const away = await opened(t);
  process.env["AWS_ENDPOINT_URL_S3"] = before;
  await assert.rejects(list(away, name), /the store cannot be reached/);
});
