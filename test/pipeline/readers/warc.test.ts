/**
 * The WARC container: every framing, every lie about lengths, every kind of damage. A record that cannot be read must
 * cost itself alone, and the places given must be right.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { gunzipSync, gzipSync } from "node:zlib";
import { UserError } from "../../../lib/errors.ts";
import { type RecordEvent, readRecords } from "../../../pipeline/readers/records.ts";
import { fromChunks } from "../../../pipeline/readers/window.ts";
import { eventsOf, gzipEach, html, http, recordsOf, summary, warc } from "./archives.ts";

const a = warc({ uri: "http://a.org/", block: http(html("First")) });
const b = warc({ uri: "http://b.org/", block: http(html("Second")) });
const c = warc({ uri: "http://c.org/", block: http(html("Third")) });
const abc = ["response http://a.org/", "response http://b.org/", "response http://c.org/"];

function locations(events: readonly RecordEvent[]): [number, number][] {
  return events.flatMap(event =>
    event.kind === "record" ? [[event.record.at.offset, event.record.at.length]] : [],
  ) as [number, number][];
}

test("one gzip member a record: offset and length are the member's, and fetch the record again", async () => {
  const file = gzipEach(a, b, c);
  const events = await recordsOf(file);
  assert.deepEqual(summary(events), abc);
  assert.deepEqual(
    locations(events).map(([offset, length]) => gunzipSync(file.subarray(offset, offset + length))),
    [a, b, c],
  );
});

test("a plain file: offset and length are the record's own", async () => {
  const events = await recordsOf(Buffer.concat([a, b, c]));
  assert.deepEqual(summary(events), abc);
  assert.deepEqual(locations(events), [
    [0, a.length],
    [a.length, b.length],
    [a.length + b.length, c.length],
  ]);
});

test("all records in one gzip member are read in order; they share the member's place", async () => {
  const file = gzipSync(Buffer.concat([a, b, c]));
  const events = await recordsOf(file);
  assert.deepEqual(summary(events), abc);
  assert.deepEqual(locations(events), [
    [0, file.length],
    [0, file.length],
    [0, file.length],
  ]);
});

test("records that run over the edges of gzip members are joined", async () => {
  const whole = Buffer.concat([a, b, c]);
  const file = gzipEach(whole.subarray(0, 100), whole.subarray(100, 700), whole.subarray(700));
  const events = await recordsOf(file);
  assert.deepEqual(summary(events), abc);
  const blocks = events.map(event => event.kind === "record" && Buffer.from(event.record.block).toString());
  assert.deepEqual(blocks, [http(html("First")), http(html("Second")), http(html("Third"))].map(String));
});

for (const [name, file] of [
  ["a member for each record", gzipEach(a, b, c)],
  ["one member", gzipSync(Buffer.concat([a, b, c]))],
  ["no compression", Buffer.concat([a, b, c])],
  [
    "damage in the middle",
    Buffer.concat([gzipSync(a), Buffer.from("damaged \x1f\x8b\x08 bytes"), gzipSync(c)]),
  ],
] as const) {
  test(`the size of the chunks changes nothing: ${name}`, async () => {
    const whole = await recordsOf(file);
    assert.ok(whole.length >= 3);
    for (const size of [1, 7, 64, 1000, 65536])
      assert.deepEqual(await recordsOf(file, size), whole, `chunks of ${size}`);
  });
}

test("a truncated last member: whole records come, one failure says where it ends", async () => {
  const file = gzipEach(a, b, c);
  const start = gzipEach(a, b).length;
  const events = await recordsOf(file.subarray(0, file.length - 60));
  assert.deepEqual(summary(events), [...abc.slice(0, 2), "failure truncated"]);
  const last = events.at(-1)!;
  assert.ok(
    last.kind === "failure" && last.at.offset === start && last.at.length === file.length - 60 - start,
  );
});

test("a gzip trailer that is cut off loses nothing", async () => {
  const file = gzipEach(a, b);
  assert.deepEqual(summary(await recordsOf(file.subarray(0, file.length - 5))), abc.slice(0, 2));
});

test("a truncated plain file: whole records come, one failure", async () => {
  const file = Buffer.concat([a, b]);
  const events = await recordsOf(file.subarray(0, file.length - 50));
  assert.deepEqual(summary(events), [abc[0], "failure truncated"]);
  assert.match(
    events[1]!.kind === "failure" ? events[1].message : "",
    /^the input ends within a record of \d+ bytes, after \d+$/,
  );
});

test("a damaged member in the middle costs itself; reading goes on at the next", async () => {
  const middle = gzipSync(b);
  middle.fill(0xff, 20, 60);
  const file = Buffer.concat([gzipSync(a), middle, gzipSync(c)]);
  const events = await recordsOf(file);
  assert.deepEqual(summary(events), [abc[0], "failure bad-gzip", abc[2]]);
  const failure = events[1]!;
  assert.ok(failure.kind === "failure");
  assert.deepEqual([failure.at.offset, failure.at.length], [gzipSync(a).length, middle.length]);
  assert.match(failure.message, /^a damaged gzip member \(.+\); \d+ bytes skipped up to the next member$/);
});

test("a member whose checksum is wrong is refused, as its text may be", async () => {
  const middle = gzipSync(b);
  middle[middle.length - 8]! ^= 1;
  const events = await recordsOf(Buffer.concat([gzipSync(a), middle, gzipSync(c)]));
  assert.deepEqual(summary(events), [abc[0], "failure bad-gzip", abc[2]]);
});

test("garbage between members is reported with its length, zeros and empty members are noted", async () => {
  const garbage = Buffer.from("no member at all");
  const file = Buffer.concat([
    gzipSync(a),
    garbage,
    gzipSync(b),
    gzipSync(""),
    gzipSync(c),
    Buffer.alloc(512),
  ]);
  const events = await recordsOf(file);
  assert.deepEqual(summary(events), [
    abc[0],
    "failure not-gzip",
    abc[1],
    "skip empty-member",
    abc[2],
    "skip padding",
  ]);
  assert.ok(events[1]!.kind === "failure" && events[1].at.length === garbage.length);
});

test("garbage behind the last record of a plain file is one failure with its place", async () => {
  const garbage = "Nothing that anyone wrote on purpose.\r\nAnd more of it.\r\n";
  const events = await recordsOf(Buffer.concat([a, Buffer.from(garbage)]));
  assert.deepEqual(summary(events), [abc[0], "failure not-a-record"]);
  assert.ok(events[1]!.kind === "failure" && events[1].at.offset === a.length);
});

test("an empty file and a file of zeros hold no records and no failures", async () => {
  assert.deepEqual(await recordsOf(Buffer.alloc(0)), []);
  assert.deepEqual(await recordsOf(Buffer.alloc(1000)), []);
});

for (const version of ["WARC/0.17", "WARC/0.18", "WARC/1.0", "WARC/1.1", "warc/1.0"]) {
  test(`${version} is read`, async () => {
    assert.deepEqual(summary(await recordsOf(warc({ uri: "http://a.org/", version }))), [abc[0]]);
  });
}

test("ARC 1 and 2 are read, with blanks in URLs, whatever the framing", async () => {
  const page = http(html("Old"), { "Content-Type": "text/html" });
  const arc = (line: string, body: Buffer) =>
    Buffer.concat([Buffer.from(`${line} ${body.length}\n`), body, Buffer.from("\n")]);
  const head = arc(
    "filedesc://old.arc 0.0.0.0 20080430204825 text/plain",
    Buffer.from("1 0 Crawler\nURL IP-address Archive-date Content-type Archive-length\n"),
  );
  const one = arc("http://old.org/a page 1.2.3.4 20080430204826 text/html", page);
  const two = arc("http://old.org/two 1.2.3.4 20080430204827 text/html 200 - - 1234 old.arc", page);
  const wanted = [
    "warcinfo filedesc://old.arc",
    "response http://old.org/a%20page",
    "response http://old.org/two",
  ];
  for (const file of [Buffer.concat([head, one, two]), gzipEach(head, one, two)]) {
    const events = await recordsOf(file);
    assert.deepEqual(summary(events), wanted);
    const last = events[2]!;
    assert.ok(last.kind === "record");
    assert.equal(last.record.date, "2008-04-30T20:48:27Z");
    assert.equal(Buffer.from(last.record.block).toString(), page.toString());
    assert.match(last.record.id, /^<urn:sha256:[0-9a-f]{32}>$/);
  }
});

test("ARC records without a usable length end where the next begins", async () => {
  const file = Buffer.from(
    "filedesc://x.arc 0.0.0.0 20140301000000 text/plain -1\n1 0 X\nURL IP-address Archive-date Content-type Archive-length\n\n" +
      "http://a.org/ 1.2.3.4 20140401000000 text/html -1\nfirst\n" +
      "http://b.org/ 1.2.3.4 20140401000000 text/html abc\nsecond\n",
  );
  const events = await recordsOf(file);
  assert.deepEqual(summary(events), [
    "warcinfo filedesc://x.arc !",
    "response http://a.org/ !",
    "response http://b.org/ !",
  ]);
  const blocks = events.map(event => event.kind === "record" && Buffer.from(event.record.block).toString());
  assert.deepEqual(blocks.slice(1), ["first", "second"]);
});

test("LF line ends, no blank behind the colon, folded, repeated and non-ASCII header lines", async () => {
  const block = http(html("Odd"));
  const file = Buffer.concat([
    Buffer.from(
      `WARC/1.0\nWARC-Type:response\nwarc-target-uri: http://a.org/\nWARC-Date: 2024-01-01T00:00:00Z\nX-Folded: one\n two\nWARC-Type: request\nX-Name: caf\xe9\nContent-Length:${block.length}\n\n`,
      "latin1",
    ),
    block,
    Buffer.from("\n\n"),
  ]);
  const [event] = await recordsOf(file);
  assert.ok(event?.kind === "record" && event.flaw === "none");
  assert.equal(event.record.type, "response");
  assert.equal(event.record.uri, "http://a.org/");
  assert.equal(event.record.headers.get("x-folded"), "one two");
  assert.equal(event.record.headers.get("x-name"), "café");
  assert.equal(event.record.block.length, block.length);
});

for (const [name, length] of [
  ["too long by 20 bytes", 20],
  ["too long by far", 5000],
  ["too short by 2 bytes", -2],
  ["too short by far", -60],
] as const) {
  for (const framing of ["gzip", "plain"] as const) {
    test(`Content-Length ${name}, ${framing}: the record and the next come whole`, async () => {
      const block = http(html("Lie"));
      const lie = warc({ uri: "http://lie.org/", block, length: block.length + length });
      const file = framing === "gzip" ? gzipEach(a, lie, c) : Buffer.concat([a, lie, c]);
      const events = await recordsOf(file);
      assert.deepEqual(summary(events), [abc[0], "response http://lie.org/ !", abc[2]]);
      assert.ok(events[1]!.kind === "record");
      assert.equal(Buffer.from(events[1].record.block).toString(), block.toString());
    });
  }
}

test("a record whose length lies comes before the failure of the member behind it", async () => {
  const block = http(html("Lie"));
  const lie = warc({ uri: "http://lie.org/", block, length: block.length + 20 });
  const file = gzipEach(a, lie, c);
  for (const left of [5, 12, 20]) {
    const events = await recordsOf(file.subarray(0, gzipEach(a, lie).length + left));
    assert.deepEqual(
      summary(events),
      [abc[0], "response http://lie.org/ !", "failure truncated"],
      `${left} bytes`,
    );
  }
});

for (const length of [null, "", "very lengthy", "-5"]) {
  test(`Content-Length ${JSON.stringify(length)}: the record ends where the next begins`, async () => {
    const block = http(html("Lie"));
    const lie = warc({ uri: "http://lie.org/", block, length });
    for (const file of [gzipEach(a, lie, c), Buffer.concat([a, lie, c])]) {
      const events = await recordsOf(file);
      assert.deepEqual(summary(events), [abc[0], "response http://lie.org/ !", abc[2]]);
      assert.ok(events[1]!.kind === "record");
      assert.equal(Buffer.from(events[1].record.block).toString(), block.toString());
    }
  });
}

test("a page that quotes a WARC header is not cut at it", async () => {
  const block = http(
    `<html><pre>\r\n\r\nWARC/1.0\r\nWARC-Type: response\r\nContent-Length: 3\r\n\r\nabc\r\n\r\n</pre></html>`,
  );
  const file = Buffer.concat([warc({ uri: "http://a.org/", block }), b]);
  const events = await recordsOf(file);
  assert.deepEqual(summary(events), abc.slice(0, 2));
  assert.ok(events[0]!.kind === "record");
  assert.equal(events[0].record.block.length, block.length);
});

test("URIs in brackets and with blanks are cleaned", async () => {
  const file = gzipEach(warc({ uri: "<http://a.org/x>" }), warc({ uri: "http://a.org/x y z" }));
  assert.deepEqual(summary(await recordsOf(file)), [
    "response http://a.org/x",
    "response http://a.org/x%20y%20z",
  ]);
});

test("of all record types only responses become documents, and every record is accounted for", async () => {
  const types = [
    "warcinfo",
    "request",
    "metadata",
    "resource",
    "conversion",
    "revisit",
    "continuation",
    "response",
  ];
  const file = gzipEach(...types.map(type => warc({ type })));
  assert.deepEqual(summary(await eventsOf(file)), [
    "skip warcinfo",
    "skip request",
    "skip metadata",
    "skip resource",
    "skip conversion",
    "drop revisit ",
    "drop continuation ",
    "document http://example.org/",
  ]);
});

test("a document has the record's id, URL, date and place, and the page as sent", async () => {
  const file = gzipEach(warc({ type: "warcinfo" }), a);
  const event = (await eventsOf(file))[1]!;
  assert.ok(event.kind === "document");
  const { id, url, date, text, meta, at, page } = event.document;
  assert.deepEqual(
    { id, url, date, text, meta, at },
    {
      id: "<urn:test:response:http://a.org/>",
      url: "http://a.org/",
      date: "2024-11-01T18:42:24Z",
      text: "",
      meta: {},
      at: { file: "test.warc", offset: file.length - gzipSync(a).length, length: gzipSync(a).length },
    },
  );
  assert.deepEqual(
    [page!.status, page!.mime, Buffer.from(page!.body).toString()],
    [200, "text/html", html("First")],
  );
});

test("a record without an id gets one from its content, the same wherever it lies", async () => {
  const bare = warc({ id: null });
  const ids = [];
  for (const file of [bare, gzipEach(a, bare), Buffer.concat([b, bare])]) {
    const event = (await recordsOf(file)).at(-1)!;
    ids.push(event.kind === "record" && event.record.id);
  }
  assert.match(String(ids[0]), /^<urn:sha256:[0-9a-f]{32}>$/);
  assert.deepEqual(ids, [ids[0], ids[0], ids[0]]);
});

test("an extra line end between HTTP header and page does not shift the page", async () => {
  const block = Buffer.concat([
    Buffer.from("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n\r\n"),
    Buffer.from(html("Shifted")),
  ]);
  const file = gzipEach(warc({ block, length: block.length - 2 }), b);
  const events = (await eventsOf(file)).filter(event => event.kind === "document");
  assert.equal(events.length, 2);
  assert.equal(Buffer.from(events[0]!.document.page!.body).toString(), html("Shifted"));
});

test("truncated pages are kept and marked: as the record says, as a segment, or as suspected at 1 MiB", async () => {
  const mib = Buffer.alloc(1 << 20, "<p>word word ");
  const cases: [Parameters<typeof warc>[0], string | undefined][] = [
    [{ headers: { "WARC-Truncated": "length" } }, "length"],
    [{ headers: { "WARC-Truncated": "Disconnect" } }, "disconnect"],
    [{ headers: { "WARC-Truncated": "time" } }, "time"],
    [{ headers: { "WARC-Segment-Number": "1" } }, "segment"],
    [{ block: http(mib) }, "suspected"],
    [{ block: http(mib.subarray(1)) }, undefined],
  ];
  for (const [parts, wanted] of cases) {
    const [event] = await eventsOf(warc(parts));
    assert.ok(event?.kind === "document");
    assert.equal(event.document.meta["truncated"], wanted);
  }
});

test("digests are compared where that is asked for; a mismatch is counted and the page kept", async () => {
  const block = http("<html>digest</html>");
  const right = { "WARC-Block-Digest": "sha1:JEAPSSBW2WXFRXU6Y3HSKSRWCUCKNDVJ" };
  const wrong = { "WARC-Block-Digest": "sha1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" };
  const { createHash } = await import("node:crypto");
  const hex = {
    "WARC-Payload-Digest": `sha256:${createHash("sha256").update("<html>digest</html>").digest("hex")}`,
  };
  const { base32 } = await import("../../../pipeline/readers/digest.ts");
  right["WARC-Block-Digest"] = `sha1:${base32(createHash("sha1").update(block).digest())}`;
  for (const [headers, wanted] of [
    [right, []],
    [hex, []],
    [wrong, ["skip digest-mismatch"]],
    [{ "WARC-Block-Digest": "sha1:!!" }, []],
  ] as const) {
    const file = warc({ block, headers });
    assert.deepEqual(summary(await eventsOf(file, { verifyDigests: true })), [
      ...wanted,
      "document http://example.org/",
    ]);
    assert.deepEqual(summary(await eventsOf(file)), ["document http://example.org/"]);
  }
});

test("base32 is RFC 4648's without padding", async () => {
  const { base32 } = await import("../../../pipeline/readers/digest.ts");
  const vectors = {
    "": "",
    f: "MY",
    fo: "MZXQ",
    foo: "MZXW6",
    foob: "MZXW6YQ",
    fooba: "MZXW6YTB",
    foobar: "MZXW6YTBOI",
  };
  for (const [text, wanted] of Object.entries(vectors)) assert.equal(base32(Buffer.from(text)), wanted);
});

for (const framing of ["a member for each record", "one member", "plain"] as const) {
  test(`a record larger than the limit is skipped and the next is read: ${framing}`, async () => {
    const large = warc({
      uri: "http://large.org/",
      block: http(Buffer.alloc(3 << 20, "<p>much too much</p>")),
    });
    const file =
      framing === "plain"
        ? Buffer.concat([a, large, c])
        : framing === "one member"
          ? gzipSync(Buffer.concat([a, large, c]))
          : gzipEach(a, large, c);
    const wanted = [abc[0], "oversize http://large.org/", abc[2]];
    assert.deepEqual(summary(await recordsOf(file)), wanted);
    assert.deepEqual(summary(await recordsOf(file, 10_000)), wanted);
  });
}

test("a record of 5 GB is skipped in bounded memory and the next is read", async () => {
  const size = 5 * 2 ** 30;
  const piece = Buffer.alloc(16 << 20, "<p>much too much</p>");
  const head = warc({ uri: "http://huge.org/", block: "", length: size, end: "" });
  let largest = 0;
  function* bytes() {
    yield Buffer.concat([a, head]);
    for (let sent = 0; sent < size; sent += piece.length) {
      largest = Math.max(largest, process.memoryUsage().arrayBuffers);
      yield piece;
    }
    yield Buffer.concat([Buffer.from("\r\n\r\n"), c]);
  }
  const before = process.memoryUsage().arrayBuffers;
  const events: RecordEvent[] = [];
  for await (const event of readRecords(fromChunks(bytes()), "test.warc", { maxBlockBytes: 1 << 20 }))
    events.push(event);
  assert.deepEqual(summary(events), [abc[0], "oversize http://huge.org/", abc[2]]);
  const last = events[2]!;
  assert.ok(last.kind === "record" && last.record.at.offset === a.length + head.length + size + 4);
  assert.ok(largest - before < 64 << 20, `${((largest - before) / 2 ** 20).toFixed(0)} MiB were held`);
});

test("a length that claims more than the limit, though the record is small, is found out", async () => {
  const lie = warc({ uri: "http://lie.org/", length: 99_999_999_999 });
  assert.deepEqual(summary(await recordsOf(Buffer.concat([lie, b]))), ["response http://lie.org/ !", abc[1]]);
});

test("a header longer than 64 KiB is no header; the next record is read", async () => {
  const endless = Buffer.from(`WARC/1.0\r\nX-Endless: ${"x".repeat(100_000)}`);
  for (const file of [Buffer.concat([endless, Buffer.from("\r\n\r\n"), b]), gzipEach(endless, b)]) {
    assert.deepEqual(summary(await recordsOf(file)), ["failure not-a-record", abc[1]]);
  }
});

test("a large member that is damaged midway costs what it holds from there; the next member is read", async () => {
  const noise: Buffer = Buffer.alloc(12 << 20);
  for (let i = 0, x = 1; i < noise.length; i++)
    noise[i] = (x = (Math.imul(x, 1103515245) + 12345) >>> 0) >>> 24;
  const large = gzipSync(Buffer.concat([a, warc({ uri: "http://large.org/", block: noise }), c]), {
    level: 1,
  });
  assert.deepEqual(summary(await recordsOf(large)), [abc[0], "oversize http://large.org/", abc[2]]);
  large.fill(0xee, 9 << 20, (9 << 20) + 5000);
  const file = Buffer.concat([large, gzipSync(b)]);
  const events = await recordsOf(file);
  assert.deepEqual(summary(events), [abc[0], "oversize http://large.org/", "failure bad-gzip", abc[1]]);
});

for (const [what, bytes] of [
  ["compressed with LZ4", Buffer.from("04224d186440a7", "hex")],
  ["a ZIP archive", Buffer.from("504b030414000000", "hex")],
  ["compressed with bzip2", Buffer.from("BZh91AY")],
  ["compressed with xz", Buffer.from("fd377a585a00", "hex")],
] as const) {
  test(`a file that is ${what} is refused by name, whatever it is called`, async () => {
    await assert.rejects(
      recordsOf(bytes),
      (error: Error) =>
        error instanceof UserError &&
        error.message.startsWith(`test.warc is ${what}`) &&
        /recompress it with gzip/.test(error.hint ?? ""),
    );
  });
}

/** A frame of raw blocks, as the format's description has it. */
function zstdRaw(content: Buffer, dictionary = 0): Buffer {
  const size = Buffer.alloc(4);
  size.writeUInt32LE(content.length);
  const parts: Buffer[] = [Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0xa0 | (dictionary > 0 ? 1 : 0)])];
  if (dictionary > 0) parts.push(Buffer.from([dictionary]));
  parts.push(size);
  for (let at = 0; at < content.length || at === 0; at += 1 << 16) {
    const block = content.subarray(at, at + (1 << 16));
    const header = Buffer.alloc(3);
    header.writeUIntLE((block.length << 3) | (at + block.length === content.length ? 1 : 0), 0, 3);
    parts.push(header, block);
  }
  return Buffer.concat(parts);
}

/** One record as the zstd program compressed it at level 19. */
const zstdCompressed = Buffer.from(
  "KLUv/QRoRQUAIkohGVDXA2BjZ64bREV2aI/ur1lNuRj0xFgbEwYwwkhoOkgqY5kvXGFCD1j2Fv3OX2FkrYG0gKXN8yAwwlgDK6/1VfZlfvbPmgEjrbYGUHr1vyVv4kDzvdpYurU+tk4hqIG8/vggqN+++5v/zZsb5D2SSW1tcse3rOnNt7yuvWfCWAFLDaeIAgwA03mIFvlPw6FMBl1axRDBaoEEuAgd+BKVR5xZa5Uu8yvAqA==",
  "base64",
);

test("zstd: a frame for each record, one for all, skippable frames between, in chunks of any size", async () => {
  const skippable = Buffer.from("512a4d1803000000616263", "hex");
  const each = Buffer.concat([zstdRaw(a), skippable, zstdRaw(b), zstdCompressed, zstdRaw(c)]);
  const events = await recordsOf(each);
  assert.deepEqual(summary(events), [
    abc[0],
    "skip skippable-frame",
    abc[1],
    "response http://zstd.org/",
    abc[2],
  ]);
  assert.deepEqual(locations(events)[1], [zstdRaw(a).length + skippable.length, zstdRaw(b).length]);
  for (const size of [1, 7, 1000]) assert.deepEqual(await recordsOf(each, size), events);
  assert.deepEqual(summary(await recordsOf(zstdRaw(Buffer.concat([a, b, c])))), abc);
});

test("zstd: a damaged frame costs itself, a cut one is reported, a large one refused, a dictionary named", async () => {
  const damaged = Buffer.from(zstdCompressed);
  damaged.fill(0xff, 10, 20);
  const file = Buffer.concat([zstdRaw(a), damaged, zstdRaw(c)]);
  const events = await recordsOf(file);
  assert.deepEqual(summary(events), [abc[0], "failure bad-zstd", abc[2]]);
  assert.ok(events[1]!.kind === "failure");
  assert.deepEqual([events[1].at.offset, events[1].at.length], [zstdRaw(a).length, damaged.length]);
  assert.deepEqual(summary(await recordsOf(file.subarray(0, file.length - 30))), [
    abc[0],
    "failure bad-zstd",
    "failure truncated",
  ]);
  const large = zstdRaw(warc({ block: http(Buffer.alloc(3 << 20, "<p>")) }));
  assert.deepEqual(summary(await recordsOf(Buffer.concat([large, zstdRaw(b)]))), [
    "failure too-large",
    abc[1],
  ]);
  const dictionaries: Buffer[] = [Buffer.from("5d2a4d1803000000616263", "hex"), zstdRaw(a, 7)];
  for (const dictionary of dictionaries)
    await assert.rejects(
      recordsOf(Buffer.concat([dictionary, zstdRaw(a)])),
      (error: Error) =>
        error instanceof UserError &&
        /^test\.warc is compressed with zstd and a dictionary/.test(error.message),
    );
});
