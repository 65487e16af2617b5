/**
 * Damage at random with fixed seeds: reading never throws, always ends, gives right places, and loses nothing but what
 * was damaged.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { gunzipSync, gzipSync } from "node:zlib";
import { drawOf, targets } from "../../../bench/fuzz/reading-targets.ts";
import { UserError } from "../../../lib/errors.ts";
import { type Random, random } from "../../../lib/random.ts";
import type { RecordEvent } from "../../../pipeline/readers/records.ts";
import { eventsOf, gzipEach, html, http, recordsOf, warc } from "./archives.ts";

const records = Array.from({ length: 8 }, (_, i) =>
  warc({ uri: `http://site${i}.org/`, block: http(html(`Page ${i} ${"lorem ipsum ".repeat(i * 20)}`)) }),
);
const arc = Buffer.concat(
  records.map((_, i) => {
    const body = http(html(`Old page ${i}`));
    return Buffer.from(`http://site${i}.org/ 1.2.3.4 20080430204826 text/html ${body.length}\n${body}\n`);
  }),
);

function mutate(bytes: Buffer, from: number, to: number, rng: Random): Buffer {
  const at = from + rng.below(to - from);
  const length = Math.min(1 + rng.below(40), to - at);
  const [before, hit, after] = [
    bytes.subarray(0, at),
    Buffer.from(bytes.subarray(at, at + length)),
    bytes.subarray(at + length),
  ];
  const kind = rng.below(5);
  if (kind === 0) hit[rng.below(hit.length)]! ^= 1 << rng.below(8);
  if (kind === 1) hit.fill(rng.below(256));
  if (kind === 2) return Buffer.concat([before, after]);
  if (kind === 3) return Buffer.concat([before, hit, hit, after]);
  if (kind === 4)
    return Buffer.concat([
      before,
      Buffer.from("\r\n\r\nWARC/1.0\r\n\x1f\x8b\x08\0".slice(0, length)),
      hit,
      after,
    ]);
  return Buffer.concat([before, hit, after]);
}

function checkPlaces(events: readonly RecordEvent[], file: Buffer, compressed: boolean): void {
  let last = 0;
  for (const event of events) {
    if (event.kind === "skip") continue;
    const { offset, length } = event.kind === "failure" ? event.at : event.record.at;
    assert.ok(offset >= last && length >= 0, `places in order, ${offset} after ${last}`);
    if (event.kind !== "oversize")
      assert.ok(offset + length <= file.length, `${offset} + ${length} of ${file.length}`);
    last = offset;
    if (event.kind !== "record" || event.flaw !== "none") continue;
    // A last member that was cut cannot be checked.
    if (compressed && offset + length === file.length) continue;
    const stored = file.subarray(offset, offset + length);
    const bytes = compressed && length > 0 ? gunzipSync(stored) : stored;
    if (!compressed || bytes.length > 0)
      assert.ok(bytes.includes(Buffer.from(event.record.block)), "the block lies at the place given");
  }
}

const uris = (events: readonly RecordEvent[]) =>
  events.flatMap(event =>
    event.kind === "record" && event.flaw === "none" ? [String(event.record.uri)] : [],
  );

test("a damaged gzip member costs at most itself and places stay right", async () => {
  const members = records.map(record => gzipSync(record));
  const rng = random(101);
  for (let round = 0; round < 250; round++) {
    const hit = 1 + rng.below(records.length - 1);
    const start = members.slice(0, hit).reduce((sum, member) => sum + member.length, 0);
    const file = mutate(Buffer.concat(members), start, start + members[hit]!.length, rng);
    const size = [file.length, 1000, 61][round % 3]!;
    const events = await recordsOf(file, size);
    const found = uris(events);
    // Bytes doubled or lost at the end of a member may swallow the magic of the next.
    const mustCome = records.map((_, i) => i).filter(i => i !== hit && i !== hit + 1);
    for (const i of mustCome)
      assert.ok(found.includes(`http://site${i}.org/`), `round ${round}, hit ${hit}, lost ${i}`);
    if (!found.includes(`http://site${hit}.org/`) && !found.includes(`http://site${hit + 1}.org/`))
      assert.ok(
        events.some(event => event.kind === "failure" || (event.kind === "record" && event.flaw !== "none")),
        `round ${round} is silent`,
      );
    checkPlaces(events, file, true);
  }
});

test("damage within a block of a plain file costs at most that record", async () => {
  const whole = Buffer.concat(records);
  const rng = random(102);
  for (let round = 0; round < 250; round++) {
    const hit = rng.below(records.length - 1);
    const start = records.slice(0, hit).reduce((sum, record) => sum + record.length, 0);
    const block = start + records[hit]!.indexOf("\r\n\r\n") + 4;
    const file = mutate(whole, block, start + records[hit]!.length - 4, rng);
    const events = await recordsOf(file, [file.length, 512, 37][round % 3]!);
    const found = uris(events);
    for (let i = 0; i < records.length; i++)
      if (i !== hit)
        assert.ok(found.includes(`http://site${i}.org/`), `round ${round}, hit ${hit}, lost ${i}`);
    checkPlaces(events, file, false);
  }
});

test("damage anywhere, in any framing, several times over: no exception, no endless loop, places in order", async () => {
  const rng = random(103);
  const framings: [Buffer, boolean][] = [
    [gzipEach(...records), true],
    [gzipSync(Buffer.concat(records)), true],
    [Buffer.concat(records), false],
    [arc, false],
    [gzipSync(arc), true],
  ];
  for (let round = 0; round < 400; round++) {
    const [clean, compressed] = framings[round % framings.length]!;
    let file = clean;
    for (let i = rng.below(6); i >= 0; i--) file = mutate(file, 0, file.length, rng);
    if (rng.below(3) === 0) file = file.subarray(0, rng.below(file.length));
    try {
      const events = await recordsOf(file, 1 + rng.below(file.length + 1));
      assert.ok(events.length < 200, `${events.length} events`);
      checkPlaces(events, file, compressed && file[0] === 0x1f);
      await eventsOf(file);
    } catch (error) {
      // Only where the file is no longer what it was at all.
      assert.ok(error instanceof UserError, `round ${round}: ${(error as Error).stack}`);
    }
  }
});

test("bytes without any sense end in failures, never in an exception", async () => {
  const rng = random(104);
  for (let round = 0; round < 200; round++) {
    const noise = Buffer.from(Array.from({ length: rng.below(3000) }, () => rng.below(256)));
    if (round % 2 === 0) noise.set([0x1f, 0x8b, 8, 0].slice(0, noise.length));
    const events = await recordsOf(noise, 1 + rng.below(500));
    assert.ok(events.every(event => event.kind === "failure" || event.kind === "skip"));
  }
});

/** So many fixed cases of each target of bench/fuzz.ts, which runs them by the hour. */
const fixedCases: Readonly<Record<string, number>> = {
  records: 60,
  http: 120,
  charset: 80,
  rows: 80,
  parquet: 80,
  "main-content": 40,
  "full-text": 40,
  readability: 15,
  addresses: 40,
};

for (const { name, run } of targets) {
  test(`damaged input of every kind, fixed cases: ${name}`, async () => {
    for (let index = 0; index < fixedCases[name]!; index++) {
      try {
        await run(drawOf(2, name, index));
      } catch (error) {
        assert.fail(`--seed 2 --target ${name} --case ${index}: ${(error as Error).stack}`);
      }
    }
  });
}
