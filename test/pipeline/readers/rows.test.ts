/**
 * Inputs that are text already: WET, JSON lines and Parquet, and how an input's format is told.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { gzipSync } from "node:zlib";
import { parquetWriteBuffer } from "hyparquet-writer";
import { UserError } from "../../../lib/errors.ts";
import { openInput, sourceOptions } from "../../../pipeline/readers/input.ts";
import type { ReadEvent } from "../../../pipeline/readers/reader.ts";
import { gzipEach, html, http, sharedData, summary, warc, withoutData } from "./archives.ts";

const dir = mkdtempSync(join(tmpdir(), "curate-readers-"));
after(() => rmSync(dir, { recursive: true }));

async function read(
  name: string,
  bytes: Buffer | Uint8Array,
  source: Record<string, unknown> = {},
): Promise<ReadEvent[]> {
  writeFileSync(join(dir, name), bytes);
  const events: ReadEvent[] = [];
  for await (const event of openInput(join(dir, name), name, source)) events.push(event);
  return events;
}

const documents = (events: readonly ReadEvent[]) =>
  events.flatMap(event => (event.kind === "document" ? [event.document] : []));

const jsonl = (...rows: readonly unknown[]) =>
  Buffer.from(rows.map(row => `${JSON.stringify(row)}\n`).join(""));
const rows = [
  { id: "one", url: "http://a.org/", date: "2024-01-01", text: "First text.", score: 3, other: [1] },
  { text: "Second\ntext, with é and \u{1f600}.", url: "http://b.org/" },
  { id: 7, text: "Third", metadata: { url: "http://c.org/", date: "2024-02-02" } },
];

test("JSON lines, plain or gzip in one member or many: ids, URLs, dates, places", async () => {
  const plain = jsonl(...rows);
  const cut = plain.indexOf("\n") + 20;
  for (const [name, bytes] of [
    ["rows.jsonl", plain],
    ["rows.jsonl.gz", gzipSync(plain)],
    ["members.jsonl.gz", Buffer.concat([gzipSync(plain.subarray(0, cut)), gzipSync(plain.subarray(cut))])],
    ["crlf.jsonl", Buffer.from(plain.toString().replaceAll("\n", "\r\n"))],
    ["no-last-line-end.jsonl", plain.subarray(0, plain.length - 1)],
    ["marked.jsonl", Buffer.concat([Buffer.from("\ufeff"), plain])],
    ["blank-lines.jsonl", Buffer.from(plain.toString().replaceAll("\n", "\n\n  \n"))],
  ] as const) {
    const found = documents(await read(name, bytes, { metaColumns: ["score", "other", "missing"] }));
    assert.deepEqual(
      found.map(({ id, url, date, text, page, meta }) => ({ id, url, date, text, page, meta })),
      [
        {
          id: "one",
          url: "http://a.org/",
          date: "2024-01-01",
          text: "First text.",
          page: null,
          meta: { score: 3 },
        },
        { id: found[1]!.id, url: "http://b.org/", date: "", text: rows[1]!.text, page: null, meta: {} },
        { id: "7", url: "http://c.org/", date: "2024-02-02", text: "Third", page: null, meta: {} },
      ],
      name,
    );
    assert.match(found[1]!.id, /^sha256:[0-9a-f]{32}$/);
    assert.equal(found[0]!.at.file, name);
  }
  const [first, second] = documents(await read("places.jsonl", plain));
  const line = (at: { offset: number; length: number }) =>
    JSON.parse(plain.toString("utf8", at.offset, at.offset + at.length));
  assert.deepEqual([line(first!.at), line(second!.at)], rows.slice(0, 2));
});

test("an id from content depends on content alone", async () => {
  const [a, b] = documents(await read("same.jsonl", jsonl({ text: "same" }, { text: "same" })));
  const [c] = documents(
    await read("elsewhere.jsonl", jsonl({ id: "x", text: "y" }, { text: "same" }).subarray(19)),
  );
  assert.equal(a!.id, b!.id);
  assert.equal(a!.id, c!.id);
  const [d] = documents(await read("url.jsonl", jsonl({ text: "same", url: "http://a.org/" })));
  assert.notEqual(a!.id, d!.id);
});

test("other columns, also inside others", async () => {
  const row = {
    doc: { body: "Text" },
    key: "k",
    link: "http://a.org/",
    when: "2024",
    "a.b": 1,
    CamelCase: true,
  };
  const source = {
    textColumn: "doc.body",
    idColumn: "key",
    urlColumn: "link",
    dateColumn: "when",
    metaColumns: ["a.b", "CamelCase"],
  };
  const [document] = documents(await read("columns.jsonl", jsonl(row), source));
  assert.deepEqual(
    { ...document, at: null },
    {
      id: "k",
      url: "http://a.org/",
      date: "2024",
      text: "Text",
      page: null,
      meta: { a_b: 1, camel_case: true },
      at: null,
    },
  );
});

test("lines that are no documents are failures with their place, and the next line is read", async () => {
  const bytes = Buffer.from(
    '{"text": "good"}\n{broken\n[1]\n{"id": 1}\n{"text": 5}\n{"text": ""}\nnull\n{"text": "good"}\n',
  );
  const events = await read("bad.jsonl", bytes);
  assert.deepEqual(summary(events), [
    "document null",
    "failure bad-json",
    "failure bad-row",
    "failure bad-row",
    "failure bad-row",
    "drop empty 0",
    "failure bad-row",
    "document null",
  ]);
  const failures = events.flatMap(event => (event.kind === "failure" ? [event] : []));
  assert.deepEqual([failures[0]!.at.offset, failures[0]!.at.length], [17, 7]);
  assert.deepEqual(
    failures.slice(1).map(({ message }) => message),
    [
      "expected an object",
      "no column text",
      "column text: expected a text, got number",
      "expected an object",
    ],
  );
});

test("lone surrogates become U+FFFD", async () => {
  const [document] = documents(await read("surrogates.jsonl", Buffer.from('{"text": "a\\ud800b"}\n')));
  assert.equal(document!.text, "a\ufffdb");
});

test("texts and lines beyond the limit are dropped without holding them", async () => {
  const long = "x".repeat(3000);
  const huge = "y".repeat(3_000_000);
  const events = await read("long.jsonl", jsonl({ text: long }, { text: huge }, { text: "short" }), {
    maxPageBytes: 1024,
  });
  assert.deepEqual(summary(events), ["drop too-large 3000", "failure too-large", "document null"]);
  assert.ok(events[1]!.kind === "failure" && events[1].at.length > 3_000_000);
});

test("JSON lines whose gzip is damaged give what comes before and one failure", async () => {
  const zipped = gzipSync(
    jsonl(
      ...Array.from({ length: 3000 }, (_, i) => ({ id: String(i), text: `text ${i} ${(i * 7919) % 10007}` })),
    ),
  );
  const events = await read("damaged.jsonl.gz", zipped.subarray(0, zipped.length - 3000));
  assert.ok(events.length > 1);
  assert.deepEqual(summary(events.slice(-1)), ["failure bad-gzip"]);
});

test("Parquet: the columns asked for, row by row, in any codec the format has", async () => {
  const columnData = [
    { name: "id", data: ["one", "two", null] },
    { name: "text", data: ["First", "Second é", "Third"] },
    { name: "url", data: ["http://a.org/", null, "http://c.org/"] },
    { name: "quality", data: [0.5, 0.25, 1] },
    { name: "unused", data: ["x", "y", "z"] },
  ];
  const schema = [
    { name: "root", num_children: 5 },
    ...["id", "text", "url"].map(name => ({
      name,
      type: "BYTE_ARRAY",
      converted_type: "UTF8",
      repetition_type: "OPTIONAL",
    })),
    { name: "quality", type: "DOUBLE", repetition_type: "OPTIONAL" },
    { name: "unused", type: "BYTE_ARRAY", converted_type: "UTF8", repetition_type: "OPTIONAL" },
  ] as never;
  for (const codec of ["SNAPPY", "UNCOMPRESSED"] as const) {
    const bytes = Buffer.from(parquetWriteBuffer({ columnData, schema, codec, rowGroupSize: 2 }));
    const found = documents(await read(`rows-${codec}.parquet`, bytes, { metaColumns: ["quality"] }));
    assert.deepEqual(
      found.map(({ id, url, text, meta }) => [id, url, text, meta["quality"]]),
      [
        ["one", "http://a.org/", "First", 0.5],
        ["two", null, "Second é", 0.25],
        [found[2]!.id, "http://c.org/", "Third", 1],
      ],
    );
    assert.match(found[2]!.id, /^sha256:/);
    assert.ok(found.every(({ at }) => at.offset + at.length <= bytes.length));
  }
});

test("a Parquet footer that promises billions of rows costs one failure for its row group", async () => {
  const table = Buffer.from(
    parquetWriteBuffer({
      columnData: [{ name: "text", data: Array.from({ length: 100 }, (_, i) => `text ${i}`) }],
      rowGroupSize: 50,
    }),
  );
  const footer = table.length - 8 - table.readUInt32LE(table.length - 8);
  // 50 as the format's compact integers have it; one of its places in the footer is the count of the first group's rows.
  const lies: string[][] = [];
  for (let at = footer; at < table.length - 8; at++) {
    if (table[at] !== 100) continue;
    const end = Buffer.alloc(8, "PAR1");
    end.writeUInt32LE(table.length - 8 - footer + 4);
    const many = Buffer.from([0xfe, 0xff, 0xff, 0xff, 0x7f]);
    const lie = Buffer.concat([table.subarray(0, at), many, table.subarray(at + 1, table.length - 8), end]);
    lies.push(summary(await read(`lie-${at}.parquet`, lie)));
  }
  assert.ok(lies.length >= 4);
  for (const events of lies) assert.ok(events.length <= 101, `${events.length} events`);
  const caught = lies.filter(events => events.includes("failure bad-parquet"));
  assert.ok(caught.length >= 2);
  for (const events of caught) assert.ok(events.filter(event => event.startsWith("document")).length >= 50);
});

test("a Parquet footer with any one byte wrong gives rows and failures, or is refused in words", async () => {
  const table = Buffer.from(parquetWriteBuffer({ columnData: [{ name: "text", data: ["a", "b", "c"] }] }));
  let refused = 0;
  for (let at = table.length - 8 - table.readUInt32LE(table.length - 8); at < table.length - 4; at++) {
    for (const value of [0, 0x1c, 0x7e, 0xff]) {
      const damaged = Buffer.from(table);
      damaged[at] = value;
      try {
        assert.ok((await read("damaged.parquet", damaged)).length <= 10, `byte ${at} is ${value}`);
      } catch (error) {
        assert.ok(error instanceof UserError, `byte ${at} is ${value}: ${(error as Error).stack}`);
        refused++;
      }
    }
  }
  assert.ok(refused > 20);
});

test("a Parquet file without the text column, or that is none, is refused with what to do", async () => {
  const bytes = Buffer.from(parquetWriteBuffer({ columnData: [{ name: "texts", data: ["a"] }] }));
  await assert.rejects(read("other.parquet", bytes), (error: Error) => {
    assert.ok(error instanceof UserError);
    assert.match(error.message, /no column "text", the columns are texts$/);
    assert.equal(error.hint, "Set source.textColumn to texts.");
    return true;
  });
  await assert.rejects(read("cut.parquet", bytes.subarray(0, bytes.length - 20)), (error: Error) => {
    assert.ok(error instanceof UserError);
    assert.match(error.message, /cut\.parquet: not a whole Parquet file: /);
    return true;
  });
});

test("WET: conversion records are documents with text and without a page", async () => {
  const file = gzipEach(
    warc({ type: "warcinfo" }),
    warc({ type: "conversion", uri: "http://a.org/", block: "Line one\nLine é" }),
    warc({ type: "conversion", uri: "http://b.org/", block: "" }),
  );
  const events = await read("x.warc.wet.gz", file);
  assert.deepEqual(summary(events), ["skip warcinfo", "document http://a.org/", "drop empty 0"]);
  const [document] = documents(events);
  assert.deepEqual([document!.text, document!.page], ["Line one\nLine é", null]);
});

test("a real WET file is read", { skip: withoutData() }, async () => {
  const path = join(sharedData, "warc/whirlwind-python/whirlwind.warc.wet.gz");
  const events: ReadEvent[] = [];
  for await (const event of openInput(path, "x", { wet: ["x"] })) events.push(event);
  assert.ok(documents(events)[0]!.text.length > 1000);
});

test("the format is told by the bytes, then by the recipe's key, then by the name", async () => {
  const table = Buffer.from(parquetWriteBuffer({ columnData: [{ name: "text", data: ["from a table"] }] }));
  assert.equal(documents(await read("table.bin", table, { jsonl: ["table.bin"] }))[0]!.text, "from a table");
  assert.equal(
    documents(await read("rows.bin", jsonl({ text: "x" }), { jsonl: ["rows.bin"] }))[0]!.text,
    "x",
  );
  assert.equal(documents(await read("rows.ndjson", jsonl({ text: "x" })))[0]!.text, "x");
  assert.equal(
    documents(await read("crawl.bin", gzipEach(warc({ block: http(html("x")) })), { warc: ["x"] })).length,
    1,
  );
  assert.equal(documents(await read("unnamed", warc({ block: http(html("x")) }))).length, 1);
});

test("a file that is not there is the user's mistake", async () => {
  await assert.rejects(
    async () => {
      for await (const _ of openInput(join(dir, "nothing.warc.gz"), "nothing.warc.gz", {})) assert.fail();
    },
    (error: Error) => error instanceof UserError && /^cannot open .*nothing\.warc\.gz: /.test(error.message),
  );
});

test("settings refuse what they cannot mean", () => {
  const { status, mime } = sourceOptions;
  assert.deepEqual(
    [status.parse("any"), status.parse(200), status.parse([200, 203])],
    [null, [200], [200, 203]],
  );
  assert.deepEqual(
    [status.parse("all"), status.parse([]), status.parse([2000]), status.parse(["200"])],
    Array(4).fill(undefined),
  );
  assert.deepEqual([mime.parse("any"), mime.parse("Text/HTML")], [null, ["text/html"]]);
  assert.deepEqual([mime.parse("html"), mime.parse([]), mime.parse([1])], Array(3).fill(undefined));
});
