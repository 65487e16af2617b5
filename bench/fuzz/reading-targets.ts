/**
 * What is fuzzed of reading: records, HTTP answers, charsets, rows, pages and addresses. A case is made from a seed and
 * its number alone, so that any can be run again; it throws where the code under test breaks a promise: bad data never
 * throws, text is well-formed, places are in order, limits hold, the same input gives the same output.
 */
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { brotliCompressSync, deflateRawSync, deflateSync, gunzipSync, gzipSync } from "node:zlib";
import { parquetWriteBuffer } from "hyparquet-writer";
import { UserError } from "../../lib/errors.ts";
import { defaults } from "../../lib/options.ts";
import { packageRoot } from "../../lib/package-root.ts";
import { hash32, type Random, random } from "../../lib/random.ts";
import { decodeHtml } from "../../pipeline/decoding/charset.ts";
import { type EngineName, engineOf } from "../../pipeline/extractors/extract.ts";
import { parseRobots, parseTdmrep } from "../../pipeline/filters/opt-out/robots.ts";
import { signalsOf } from "../../pipeline/filters/opt-out/signals.ts";
import { parseAddress } from "../../pipeline/filters/url/address.ts";
import { parseResponse } from "../../pipeline/readers/http.ts";
import { readJsonl } from "../../pipeline/readers/jsonl.ts";
import { readParquet } from "../../pipeline/readers/parquet.ts";
import { decodePayload } from "../../pipeline/readers/payload.ts";
import type { ReadEvent } from "../../pipeline/readers/reader.ts";
import { type SourceSettings, sourceOptions } from "../../pipeline/readers/settings.ts";
import { readWarc } from "../../pipeline/readers/warc.ts";
import { readWet } from "../../pipeline/readers/wet.ts";
import { fromChunks, type Opened } from "../../pipeline/readers/window.ts";

export type Target = {
  readonly name: string;
  /** Runs one case; throws or rejects where a promise is broken. */
  run(draw: Random): Promise<void> | void;
};

/** The draws of one case. */
export const drawOf = (seed: number, target: string, index: number): Random =>
  random(hash32(seed, `${target} ${index}`));

/** Files that are mutated are cut to this: many small cases find more than few large ones. */
const LONGEST_FILE = 400_000;
const LONGEST_PAGE = 200_000;
const MOST_PAGES = 1200;
const settings = defaults(sourceOptions) as SourceSettings;

const scraps = [
  "\r\n\r\n",
  "WARC/1.0\r\n",
  "WARC-Type: response\r\n",
  "Content-Length: 5\r\n",
  "Content-Length: -1\r\n",
  "Content-Length: 99999999999\r\n",
  "HTTP/1.1 200 OK\r\n",
  "Content-Encoding: br\r\n",
  "Transfer-Encoding: chunked\r\n",
  "\x1f\x8b\x08\0\0\0\0\0\0\x03",
  "\x28\xb5\x2f\xfd",
  "\0\0\0\0",
  "\xff\xfe",
  "\xef\xbb\xbf",
  "ffffffff\r\n",
  "0\r\n\r\n",
  '{"text":',
  "}\n",
  "PAR1",
  "<!--",
  "-->",
  "<p>",
  "</p>",
  "<div>",
  "</table>",
  "<td>",
  "<a href=x>",
  "<svg>",
  "<script>",
  "</script>",
  "<template>",
  "<pre>",
  "<br>",
  '"',
  "'",
  "&#x80;",
  "&",
  "<![CDATA[",
  "<title>",
  "<plaintext>",
  "<select>",
  '<meta charset="utf-16">',
  '<meta charset="x">',
  " hidden ",
  "</body>",
  "<b>",
  "Advertisement",
  "<aside>",
].map(text => Buffer.from(text, "latin1"));

/** A few changes anywhere: bits, bytes, pieces taken out, doubled, moved, put in. */
function mutated(bytes: Buffer, draw: Random): Buffer {
  let now = bytes;
  for (let changes = 1 + draw.below(6); changes > 0; changes--) {
    const at = draw.below(now.length + 1);
    const length = Math.min(now.length - at, draw.below(draw.below(4) === 0 ? 5000 : 60));
    const piece = Buffer.from(now.subarray(at, at + length));
    const [before, after] = [now.subarray(0, at), now.subarray(at + length)];
    const kind = draw.below(7);
    if (kind === 0 && length > 0) piece[draw.below(length)]! ^= 1 << draw.below(8);
    else if (kind === 1) piece.fill(draw.below(256));
    else if (kind === 2) for (let i = 0; i < length; i++) piece[i] = draw.below(256);
    const from = draw.below(now.length + 1);
    const parts = {
      0: [before, piece, after],
      1: [before, piece, after],
      2: [before, piece, after],
      3: [before, after],
      4: [before, piece, piece, after],
      5: [before, scraps[draw.below(scraps.length)]!, piece, after],
      6: [before, now.subarray(from, from + length), after],
    }[kind as 0];
    now = Buffer.concat(parts);
  }
  return draw.below(8) === 0 ? now.subarray(0, draw.below(now.length + 1)) : now;
}

function pieces(bytes: Buffer, draw: Random): Opened {
  const size = [7, 61, 1000, 65_536, bytes.length + 1][draw.below(5)]!;
  const step = Math.max(size, bytes.length >> 12, 1);
  return fromChunks(
    (function* () {
      for (let at = 0; at < bytes.length; at += step) yield bytes.subarray(at, at + step);
    })(),
  );
}

/** Reads to the end. A whole file may be refused in words; nothing else may be thrown. */
async function drained(events: AsyncIterable<ReadEvent>, bytes: number, inOrder = true): Promise<void> {
  let last = 0;
  let count = 0;
  try {
    for await (const event of events) {
      assert.ok(++count <= bytes + 100, `${count} events of ${bytes} bytes`);
      if (event.kind === "skip") continue;
      const at = event.kind === "document" ? event.document.at : event.at;
      if (inOrder)
        assert.ok(at.offset >= last && at.length >= 0, `at ${at.offset}, ${at.length} long, after ${last}`);
      last = at.offset;
      if (event.kind === "document") assert.ok(event.document.text.isWellFormed());
    }
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
  }
}

const shared = join(packageRoot, "..", "shared", "data");
const exists = (path: string): boolean => statSync(path, { throwIfNoEntry: false }) !== undefined;

function filesBelow(folder: string, wanted: RegExp): string[] {
  if (!exists(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter(name => wanted.test(name))
    .sort()
    .map(name => join(folder, name));
}

function lazily<T>(make: () => T): () => T {
  let made: { value: T } | null = null;
  return () => (made ??= { value: make() }).value;
}

/** Archives to damage: the shared collection's and our own, which are always there. */
const archives = lazily(() =>
  [
    ...filesBelow(join(shared, "warc"), /\.(?:warc|arc|wet)(?:\.gz|\.zst)?$/),
    ...filesBelow(join(packageRoot, "fixtures"), /\.warc\.gz$/),
  ].map(path => readFileSync(path).subarray(0, LONGEST_FILE)),
);

/** Pages to damage, as bytes: those of our own crawl, and of the shared one where it is there. */
const pages = lazily(() => {
  const found: Buffer[] = [];
  const files = [
    ...filesBelow(join(packageRoot, "fixtures"), /\.warc\.gz$/),
    ...filesBelow(join(shared, "crawl"), /\.warc\.gz$/),
  ];
  for (const path of files) {
    const bytes = readFileSync(path);
    for (
      let at = 0;
      at >= 0 && found.length < MOST_PAGES;
      at = bytes.indexOf("\x1f\x8b\x08", at + 1, "latin1")
    ) {
      // A member of the first megabytes that is a page; magic numbers within compressed data do not inflate.
      if (bytes.length - at < 20) break;
      try {
        const record = gunzipSync(bytes.subarray(at, Math.min(bytes.length, nextMember(bytes, at))));
        const head = record.indexOf("\r\n\r\n");
        if (!record.subarray(0, head).includes("WARC-Type: response")) continue;
        const body = record.indexOf("\r\n\r\n", head + 4);
        if (body > 0) found.push(Buffer.from(record.subarray(body + 4, body + 4 + LONGEST_PAGE)));
      } catch {}
    }
  }
  return found;
});

function nextMember(bytes: Buffer, at: number): number {
  const next = bytes.indexOf(bytes.subarray(at, at + 10), at + 10);
  return next < 0 ? bytes.length : next;
}

const page = (draw: Random): Buffer => pages()[draw.below(pages().length)]!;

const encoders: Readonly<Record<string, (body: Buffer) => Buffer>> = {
  gzip: body => gzipSync(body, { level: 1 }),
  deflate: body => deflateSync(body, { level: 1 }),
  "deflate, raw": body => deflateRawSync(body, { level: 1 }),
  br: body => brotliCompressSync(body.subarray(0, 20_000)),
  identity: body => body,
};

function chunkedBody(body: Buffer, draw: Random): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < body.length; ) {
    const size = Math.min(body.length - at, 1 + draw.below(5000));
    parts.push(Buffer.from(`${size.toString(16)}\r\n`), body.subarray(at, at + size), Buffer.from("\r\n"));
    at += size;
  }
  return Buffer.concat([...parts, Buffer.from("0\r\n\r\n")]);
}

function answer(draw: Random): { readonly bytes: Buffer; readonly page: Buffer } {
  // A line end between header and page is taken away on purpose: a crawl of 2018 has one too many.
  const drawn = page(draw);
  const begin = drawn.findIndex(byte => byte !== 10 && byte !== 13);
  const original = drawn.subarray(Math.max(0, begin), 20_000);
  let body = original;
  const names: string[] = [];
  for (let layers = draw.below(3); layers > 0; layers--) {
    const name = Object.keys(encoders)[draw.below(Object.keys(encoders).length)]!;
    body = encoders[name]!(body);
    names.push(name.replace(", raw", ""));
  }
  const isChunked = draw.below(2) === 0;
  if (isChunked) body = chunkedBody(body, draw);
  const fields = [
    "HTTP/1.1 200 OK",
    "Content-Type: text/html",
    ...(names.length > 0 ? [`Content-Encoding: ${names.join(", ")}`] : []),
    ...(isChunked ? ["Transfer-Encoding: chunked"] : []),
  ];
  return { bytes: Buffer.concat([Buffer.from(`${fields.join("\r\n")}\r\n\r\n`), body]), page: original };
}

function undone(bytes: Buffer, limit: number): Buffer | null {
  const { body, fields } = parseResponse(bytes);
  const payload = decodePayload(Buffer.from(body), fields, limit);
  if ("refused" in payload) return null;
  assert.ok(
    payload.body.length <= Math.max(limit, body.length),
    `${payload.body.length} bytes, limit ${limit}`,
  );
  return Buffer.from(payload.body);
}

const labels =
  "utf-8 utf-16 utf-16le utf-16be windows-1252 windows-1251 iso-8859-2 gb18030 gbk big5 shift_jis euc-jp euc-kr iso-2022-jp koi8-r x-user-defined replacement none".split(
    " ",
  );

const scratch = lazily(() => mkdtempSync(join(tmpdir(), "curate-fuzz-")));

const table = lazily(() =>
  Buffer.from(
    parquetWriteBuffer({
      columnData: [
        { name: "text", data: Array.from({ length: 200 }, (_, i) => `text ${i} `.repeat(1 + (i % 30))) },
        { name: "url", data: Array.from({ length: 200 }, (_, i) => `http://a.example/${i}`) },
      ],
      rowGroupSize: 50,
    }),
  ),
);

function extracted(engine: EngineName, html: string, limits = { maxNodes: 50_000, maxDepth: 64 }): void {
  const options = { comments: true, tables: true, limits };
  const run = engineOf(engine);
  const { text } = run(html, "https://a.example/b", options);
  assert.ok(text.isWellFormed(), "text is not well-formed");
  assert.ok(!/[\0\x08\u00ad\u200b\ufeff]/.test(text), "characters that are no text");
  assert.equal(run(html, null, options).text, text, "the same page gave another text");
}

export const targets: readonly Target[] = [
  {
    name: "records",
    async run(draw) {
      const all = archives();
      const bytes = mutated(all[draw.below(all.length)]!, draw);
      const read = draw.below(6) === 0 ? readWet : readWarc;
      const chosen = { ...settings, verifyDigests: draw.below(2) === 0, status: null };
      await drained(read("fuzzed", chosen, "fuzzed", pieces(bytes, draw)), bytes.length);
    },
  },
  {
    name: "http",
    run(draw) {
      const { bytes, page: original } = answer(draw);
      const clean = undone(bytes, 1 << 20);
      // Brotli is cut before it is encoded, so the page is what begins the original.
      assert.ok(
        clean !== null && original.subarray(0, clean.length).equals(clean) && clean.length > 0,
        "not undone",
      );
      undone(mutated(bytes, draw), [1000, 1 << 20][draw.below(2)]!);
    },
  },
  {
    name: "charset",
    run(draw) {
      const bytes = mutated(page(draw).subarray(0, 1 + draw.below(30_000)), draw);
      const label = labels[draw.below(labels.length)]!;
      const type = [null, `text/html; charset=${label}`, `text/html;charset="${label}`, "\0;charset="][
        draw.below(4)
      ]!;
      const { text } = decodeHtml(bytes, type);
      assert.ok(text.isWellFormed(), "text is not well-formed");
      assert.equal(decodeHtml(bytes, type).text, text);
    },
  },
  {
    name: "rows",
    async run(draw) {
      const rows = Array.from({ length: 40 }, (_, i) =>
        JSON.stringify({ id: i, text: `row ${i} `.repeat(i), url: null }),
      );
      const clean = Buffer.from(`${rows.join("\n")}\n`);
      const bytes = mutated(draw.below(2) === 0 ? clean : gzipSync(clean), draw);
      await drained(
        readJsonl("fuzzed", settings, "fuzzed", pieces(bytes, draw)),
        bytes.length + clean.length * 3,
      );
    },
  },
  {
    name: "parquet",
    async run(draw) {
      const path = join(scratch(), `${process.pid}.parquet`);
      const bytes = mutated(table(), draw);
      writeFileSync(path, bytes);
      // Places come from the footer, which may be damaged itself.
      await drained(readParquet(path, settings, "fuzzed"), bytes.length, false);
    },
  },
  {
    name: "main-content",
    run: draw => extracted("main-content", decodeHtml(mutated(page(draw), draw), null).text),
  },
  {
    name: "full-text",
    run: draw => extracted("full-text", decodeHtml(mutated(page(draw), draw), null).text),
  },
  {
    name: "readability",
    run: draw =>
      extracted("readability", decodeHtml(mutated(page(draw).subarray(0, 40_000), draw), null).text),
  },
  {
    name: "addresses",
    run(draw) {
      const url = Buffer.from("https://user:pass@www.b\u00fccher.example:8080/a/%C3%BC?q=1#x");
      for (let i = 0; i < 50; i++) parseAddress(mutated(url, draw).toString("utf8"));
      const text = mutated(Buffer.from("User-agent: *\nDisallow: /a*b$\nAllow: /\n"), draw).toString("utf8");
      parseRobots(text);
      parseTdmrep(text);
      const body = mutated(page(draw).subarray(0, 5000), draw);
      const headers = new Map([["x-robots-tag", body.toString("latin1", 0, 100)]]);
      signalsOf({ status: 200, headers, mime: "text/html", body }, ["ccbot"], /noai|tdm/i);
    },
  },
];
