/**
 * Real archives and others' readers: every file of the shared WARC collection against the counts of an independent
 * reader, the shared crawl against its own list of pages, and warcio on files that are in order.
 */
import assert from "node:assert/strict";
import { createReadStream, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { normalizeEncoding } from "@exodus/bytes/encoding.js";
import { WARCParser } from "warcio";
import { UserError } from "../../../lib/errors.ts";
import { decodeHtml } from "../../../pipeline/decoding/charset.ts";
import { openInput } from "../../../pipeline/readers/input.ts";
import { type RecordEvent, readRecords } from "../../../pipeline/readers/records.ts";
import { openFile } from "../../../pipeline/readers/window.ts";
import { sharedData, withoutData } from "./archives.ts";

type Counts = Record<string, number>;

/** Why fewer records come than the independent reader counts. */
const fewer: Readonly<Record<string, string>> = {
  "clipped.warc.gz": "its only record is truncated: a failure here, a short record there",
  "invalid-warcfile-record-then-garbage.warc": "the second record counted there is the garbage",
  "invalid-warcfile-fields-empty.warc": "the second record counted there is a line of the first one's block",
  "invalid-warcfile-fields-invalidformat.warc":
    "the second record counted there is a line of the first one's block",
  "example-space-in-url.arc": "its last record is truncated: a failure here, a short record there",
};

const root = join(sharedData, "warc");

async function countsOf(path: string): Promise<{ counts: Counts; events: RecordEvent[] }> {
  const counts: Counts = {};
  const events: RecordEvent[] = [];
  for await (const event of readRecords(openFile(path), path, { maxBlockBytes: 20_000_000 })) {
    events.push(event);
    if (event.kind !== "record") continue;
    counts[event.record.type] = (counts[event.record.type] ?? 0) + 1;
  }
  return { counts, events };
}

test("every file of the collection gives at least the records an independent reader gives", {
  skip: withoutData(),
}, async context => {
  const lines = readFileSync(join(root, "warcio_counts.jsonl"), "utf8").trim().split("\n");
  let files = 0;
  for (const line of lines) {
    const { file, records } = JSON.parse(line) as { file: string; records: Counts };
    if (!existsSync(join(root, file))) continue;
    files++;
    if (/\.lz4$/.test(file)) {
      await assert.rejects(countsOf(join(root, file)), UserError);
      continue;
    }
    const { counts } = await countsOf(join(root, file));
    const wanted: Counts = {};
    for (const [type, n] of Object.entries(records))
      wanted[type.trim().toLowerCase()] = (wanted[type.trim().toLowerCase()] ?? 0) + n;
    const missing = Object.keys(wanted).filter(type => (counts[type] ?? 0) < wanted[type]!);
    const reason = fewer[file.split("/").at(-1)!];
    if (reason === undefined) assert.deepEqual(missing, [], `${file}: ${JSON.stringify(counts)}`);
    else assert.equal(missing.length, 1, `${file} is listed as giving fewer: ${reason}`);
  }
  assert.ok(files > 70, `${files} files`);
  context.diagnostic(`${files} files`);
});

const inOrder = [
  "warcio/test/data/example.warc.gz",
  "warcio/test/data/example-resource.warc.gz",
  "jwarc/test-resources/org/netpreserve/jwarc/cc.warc.gz",
  "pywb/sample_archive/warcs/dupes.warc.gz",
  "pywb/sample_archive/warcs/example-wget-1-14.warc.gz",
  "chatnoir-resiliparse/tests/data/warcfile.warc.gz",
  "dolma/tests/data/warc/sample-0000.warc.gz",
  "whirlwind-python/whirlwind.warc.gz",
  "whirlwind-python/whirlwind.warc.wet.gz",
];

for (const file of inOrder) {
  test(`the same records and bytes as warcio 2.4.11: ${file}`, { skip: withoutData() }, async () => {
    const path = join(root, file);
    const parser = new WARCParser(createReadStream(path), { keepHeadersCase: false, parseHttp: false });
    const theirs: [type: string, id: string | null, block: Buffer][] = [];
    for await (const record of parser) {
      const block = Buffer.from(await record.readFully(false));
      theirs.push([record.warcType ?? "", record.warcHeader("WARC-Record-ID") ?? null, block]);
    }
    const { events } = await countsOf(path);
    const ours = events.flatMap(event => (event.kind === "record" ? [event.record] : []));
    assert.equal(ours.length, theirs.length);
    assert.ok(ours.length > 0);
    for (const [i, [type, id, block]] of theirs.entries()) {
      assert.equal(ours[i]!.type, type);
      assert.equal(ours[i]!.id, id);
      assert.ok(block.equals(ours[i]!.block), `record ${i}, ${type}`);
    }
  });
}

test("the shared crawl: every page at its place with its length and its charset, nothing lost", {
  skip: withoutData(),
}, async () => {
  type Listed = {
    readonly filename: string;
    readonly record_id: string;
    readonly offset: number;
    readonly length: number;
    readonly codec: string;
  };
  const crawl = join(sharedData, "crawl");
  const lines = gunzipSync(readFileSync(join(crawl, "pages.jsonl.gz")))
    .toString("utf8")
    .trim()
    .split("\n");
  const pages = lines.map(line => JSON.parse(line) as Listed);
  const name = pages
    .map(page => page.filename)
    .sort()
    .at(-1)!;
  const wanted = pages
    .filter(page => page.filename === name)
    .map(({ record_id, offset, length, codec }) => [
      record_id,
      offset,
      length,
      normalizeEncoding(codec.replace(/^cp/, "windows-")),
    ]);
  const found: unknown[] = [];
  let others = 0;
  for await (const event of openInput(join(crawl, name), name, { warc: [name] })) {
    if (event.kind === "document") {
      const { id, at, page } = event.document;
      const { charset } = decodeHtml(page!.body, page!.headers.get("content-type") ?? null);
      found.push([id, at.offset, at.length, charset]);
    } else if (event.kind !== "skip") others++;
  }
  assert.equal(others, 0);
  assert.ok(wanted.length > 200);
  assert.deepEqual(new Set(found.map(String)), new Set(wanted.map(String)));
});
