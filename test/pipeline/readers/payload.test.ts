/**
 * HTTP payloads: what servers send, what they say they send, and what archives made of it.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from "node:zlib";
import { parseResponse } from "../../../pipeline/readers/http.ts";
import { decodePayload } from "../../../pipeline/readers/payload.ts";
import { eventsOf, gzipEach, html, http, summary, warc } from "./archives.ts";

const page = html("Encoded").repeat(50);
const limit = 1 << 20;

function chunks(
  body: Buffer,
  size: number,
  options: { upper?: boolean; ext?: string; last?: boolean } = {},
): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < body.length; at += size) {
    const chunk = body.subarray(at, at + size);
    const hex = chunk.length.toString(16).padStart(8, "0");
    parts.push(
      Buffer.from(`${options.upper ? hex.toUpperCase() : hex}${options.ext ?? ""}\r\n`),
      chunk,
      Buffer.from("\r\n"),
    );
  }
  if (options.last !== false) parts.push(Buffer.from("0\r\n\r\n"));
  return Buffer.concat(parts);
}

function decoded(raw: Buffer | string, headers: Record<string, string>, max = limit) {
  const fields = new Map(Object.entries(headers));
  const payload = decodePayload(Buffer.from(raw), fields, max);
  return "refused" in payload ? `${payload.refused}: ${payload.value}` : payload.body.toString();
}

const te = (value: string) => ({ "transfer-encoding": value });
const ce = (value: string) => ({ "content-encoding": value });
const bytes = Buffer.from(page);
/** One zstd frame of one raw block, as the format's description has it. */
const zstdFrame = Buffer.concat([
  Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x20, 5, (5 << 3) | 1, 0, 0]),
  Buffer.from("hello"),
]);

for (const [name, raw, headers] of [
  ["chunked", chunks(bytes, 100), te("chunked")],
  [
    "chunked, upper-case sizes with extensions",
    chunks(bytes, 171, { upper: true, ext: ";name=value" }),
    te("Chunked"),
  ],
  ["chunked without the last chunk", chunks(bytes, 100, { last: false }), te("chunked")],
  ["gzip", gzipSync(bytes), ce("gzip")],
  ["x-gzip", gzipSync(bytes), ce("x-gzip")],
  ["deflate with zlib's wrapping", deflateSync(bytes), ce("deflate")],
  ["deflate without", deflateRawSync(bytes), ce("deflate")],
  ["br", brotliCompressSync(bytes), ce("br")],
  ["chunked gzip", chunks(gzipSync(bytes), 50), { ...te("chunked"), ...ce("gzip") }],
  ["gzip as a transfer encoding", chunks(gzipSync(bytes), 50), te("gzip, chunked")],
  ["gzip twice", gzipSync(gzipSync(bytes)), ce("gzip, gzip")],
  ["gzip, then br", brotliCompressSync(gzipSync(bytes)), ce("gzip, br")],
  ["identity", bytes, ce("identity")],
  ["gzip that is none", bytes, ce("gzip")],
  ["br that is none", bytes, ce("br")],
  ["deflate that is none", bytes, ce("deflate")],
  ["zstd that is none", bytes, ce("zstd")],
  ["chunks that are none", bytes, te("chunked")],
  [
    "Common Crawl's renamed headers",
    bytes,
    { "x-crawler-content-encoding": "gzip", "x-crawler-transfer-encoding": "chunked" },
  ],
] as const) {
  test(`undone: ${name}`, () => assert.equal(decoded(raw, headers), page));
}

test("zstd is undone, and a size beyond the limit is refused before any work", () => {
  assert.equal(decoded(zstdFrame, ce("zstd")), "hello");
  assert.equal(decoded(Buffer.concat([zstdFrame, zstdFrame]), ce("zstd")), "hellohello");
  assert.match(decoded(zstdFrame, ce("zstd"), 4), /^too-large/);
  assert.match(decoded(Buffer.concat([zstdFrame, zstdFrame]), ce("zstd"), 8), /^too-large/);
  // Blocks of one repeated byte, 4 bytes each for 128 KiB, in a frame that does not say its size.
  const repeated = Buffer.from((((1 << 17) << 3) | 2).toString(16).padStart(6, "0"), "hex").reverse();
  const bomb = Buffer.concat([
    Buffer.from("28b52ffd0050", "hex"),
    ...Array(1000).fill(Buffer.concat([repeated, Buffer.from("a")])),
    Buffer.from([1, 0, 0]),
  ]);
  assert.match(decoded(bomb, ce("zstd")), /^too-large/);
  assert.equal(decoded(zstdFrame.subarray(0, 9), ce("zstd")), "encoding: zstd");
});

test("a body of digits and words that only looks like a chunk is left alone", () => {
  for (const body of ["abc\r\nis what the text says", "12 monkeys", "dead\nbeef", ""])
    assert.equal(decoded(body, te("chunked")), body);
});

test("compressed data that ends early gives what there is and is marked", async () => {
  const whole = gzipSync(bytes);
  const payload = decodePayload(
    whole.subarray(0, whole.length - 20),
    new Map([["content-encoding", "gzip"]]),
    limit,
  );
  assert.ok("body" in payload && payload.body.length > 0 && page.startsWith(payload.body.toString()));
});

test("encodings nobody knows and brotli that is broken give no page rather than noise", async () => {
  assert.equal(decoded(bytes, ce("sdch")), "encoding: sdch");
  assert.match(decoded(Buffer.from([0xff, 0xfe, 0x00, 0x81, 0x99, 0x12]), ce("br")), /^encoding: br$/);
  const file = warc({ block: http(bytes, { "Content-Type": "text/html", "Content-Encoding": "aes128gcm" }) });
  assert.deepEqual(summary(await eventsOf(file)), ["drop encoding aes128gcm"]);
});

test("what inflates to more than the limit is refused, at every layer", async () => {
  const bomb = gzipSync(Buffer.alloc(64 << 20));
  assert.match(decoded(bomb, ce("gzip")), /^too-large: more than 1048576 bytes in gzip$/);
  assert.match(decoded(gzipSync(bomb), ce("gzip, gzip")), /^too-large/);
  assert.match(decoded(brotliCompressSync(Buffer.alloc(8 << 20)), ce("br")), /^too-large/);
  assert.match(decoded(deflateSync(Buffer.alloc(8 << 20)), ce("deflate")), /^too-large/);
  const file = warc({ block: http(bomb, { "Content-Type": "text/html", "Content-Encoding": "gzip" }) });
  assert.deepEqual(summary(await eventsOf(file, { maxPageBytes: 1_000_000 })), [
    "drop too-large more than 1000000 bytes in gzip",
  ]);
});

test("status lines: without a reason phrase, of HTTP/2, with LF, or none at all", () => {
  const of = (text: string) => {
    const { status, fields, body } = parseResponse(Buffer.from(text));
    return [status, fields.get("a") ?? null, body.toString()];
  };
  assert.deepEqual(of("HTTP/1.1 200\r\nA: b\r\n\r\nbody"), [200, "b", "body"]);
  assert.deepEqual(of("HTTP/1.0 404 Not Found\nA: b\n\nbody"), [404, "b", "body"]);
  assert.deepEqual(of("HTTP/2 200 \r\nA: b\r\n\r\nbody"), [200, "b", "body"]);
  assert.deepEqual(of("HTTP/1.1 200 OK\r\n\r\nbody"), [200, null, "body"]);
  assert.deepEqual(of("HTTP/1.1 200 OK\r\nA: b"), [200, "b", ""]);
  assert.deepEqual(of("HTTP/1.1 200 OK"), [200, null, ""]);
  assert.deepEqual(of("<html>no header</html>"), [0, null, "<html>no header</html>"]);
  assert.deepEqual(of(""), [0, null, ""]);
});

test("of a repeated header the last wins, lists are joined", () => {
  const { fields } = parseResponse(
    Buffer.from(
      "HTTP/1.1 200 OK\r\nA: 1\r\nX-Robots-Tag: noai\r\nA: 2\r\nx-robots-tag: bot: noindex\r\n\r\n",
    ),
  );
  assert.equal(fields.get("a"), "2");
  assert.equal(fields.get("x-robots-tag"), "noai, bot: noindex");
});

test("only the wanted status codes become documents; any takes all, and a body without a status line", async () => {
  const file = gzipEach(
    ...["200 OK", "301 Moved", "404 Not Found", "503 Busy"].map(status =>
      warc({ block: http(html("x"), { "Content-Type": "text/html" }, `HTTP/1.1 ${status}`) }),
    ),
    warc({ block: html("bare") }),
  );
  const document = "document http://example.org/";
  assert.deepEqual(summary(await eventsOf(file)), [
    document,
    "drop status 301",
    "drop status 404",
    "drop status 503",
    document,
  ]);
  assert.deepEqual(summary(await eventsOf(file, { status: null })), Array(5).fill(document));
  assert.deepEqual(summary(await eventsOf(file, { status: [404] })).slice(0, 3), [
    "drop status 200",
    "drop status 301",
    document,
  ]);
});
