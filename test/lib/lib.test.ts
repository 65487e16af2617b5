/** The leaves: options, seeded randomness, atomic files, Parquet tables. */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { createAtomic, sha256File, temporaryName, writeAtomic } from "../../lib/atomic.ts";
import { nearest, shown, UserError } from "../../lib/errors.ts";
import { makeFolder } from "../../lib/folder.ts";
import { count, fraction, integer, optional, size, switchable, table, texts } from "../../lib/options.ts";
import { createTable, openTable, readTable } from "../../lib/parquet.ts";
import { hash32, random, randomOf } from "../../lib/random.ts";

const temporary = () => mkdtempSync(join(tmpdir(), "curate-lib-"));

test("sizes, counts and shares are read in words and refused out of range", () => {
  assert.equal(size(1, "").parse("2GB"), 2e9);
  assert.equal(size(1, "").parse("512 MiB"), 512 * 2 ** 20);
  assert.equal(size(1, "").parse("2 parsecs"), undefined);
  assert.equal(count(1, "").parse("10k"), 10_000);
  assert.equal(count(1, "").parse("1.5M"), 1_500_000);
  assert.equal(fraction(0, "").parse("5%"), 0.05);
  assert.equal(fraction(0, "").parse(1.01), undefined);
  assert.equal(integer(1, "", { min: 1, max: 8 }).parse(9), undefined);
  assert.equal(integer(1, "").parse(1.5), undefined);
  assert.deepEqual(texts([], "").parse("one"), ["one"]);
  assert.deepEqual(table({}, "", fraction(0, "")).parse({ en: "65%", de: 0.5 }), { en: 0.65, de: 0.5 });
  assert.equal(table({}, "", fraction(0, "")).parse({ en: 2 }), undefined);
  assert.equal(optional(integer(1, "")).parse(null), null);
  assert.equal(switchable(integer(1, "")).parse("off"), null);
  assert.equal(switchable(integer(1, "")).parse(0), 0);
});

test("the nearest name ignores case, dashes and underscores and gives up when nothing is near", () => {
  assert.equal(nearest("min_words", ["maxWords", "minWords"]), "minWords");
  assert.equal(nearest("zebra", ["minWords"]), null);
  assert.equal(shown([1, 2]), "the list [1,2]");
  assert.equal(shown(undefined), "nothing");
});

test("seeded numbers depend on seed and key alone, and are spread evenly", () => {
  assert.equal(randomOf(1, "a"), randomOf(1, "a"));
  assert.notEqual(randomOf(1, "a"), randomOf(2, "a"));
  assert.notEqual(hash32(1, "ab"), hash32(1, "ba"));
  const bins = new Array<number>(10).fill(0);
  for (let i = 0; i < 20_000; i++) bins[Math.floor(randomOf(7, `document ${i}`) * 10)]!++;
  for (const n of bins) assert.ok(Math.abs(n - 2000) < 200, `a tenth of the range got ${n} of 20,000`);
});

test("a random stream goes on exactly from its saved state", () => {
  const first = random(99);
  for (let i = 0; i < 100; i++) first.next();
  const second = random(first.state());
  for (let i = 0; i < 100; i++) assert.equal(second.next(), first.next());
  const numbers = Array.from({ length: 20_000 }, () => first.normal());
  const mean = numbers.reduce((a, b) => a + b) / numbers.length;
  const variance = numbers.reduce((a, b) => a + (b - mean) ** 2, 0) / numbers.length;
  assert.ok(Math.abs(mean) < 0.03 && Math.abs(variance - 1) < 0.05, `mean ${mean}, variance ${variance}`);
});

test("an atomic file appears whole, with its checksum, or not at all", () => {
  const dir = temporary();
  const path = join(dir, "deep", "a.txt");
  const file = createAtomic(path);
  file.write("one ");
  file.write(Buffer.from("two"));
  assert.equal(existsSync(path), false);
  const [meanwhile] = readdirSync(join(dir, "deep"));
  assert.equal(join(dir, "deep", meanwhile!), temporaryName(path));
  const host = hostname()
    .split(".", 1)[0]!
    .replace(/[^A-Za-z0-9-]/g, "")
    .slice(0, 24);
  assert.match(meanwhile!, new RegExp(`^a\\.txt\\.${host}-${process.pid}-[0-9a-f]{6}\\.tmp$`));
  const written = file.commit();
  assert.equal(readFileSync(path, "utf8"), "one two");
  assert.deepEqual(written, { path, bytes: 7, sha256: sha256File(path) });
  const dropped = createAtomic(join(dir, "b.txt"));
  dropped.write("x");
  dropped.abandon();
  writeAtomic(join(dir, "c.txt"), "c");
  assert.deepEqual(readdirSync(dir).sort(), ["c.txt", "deep"]);
});

test("Parquet rows come back as they were, nulls and all, over several row groups", async () => {
  const path = join(temporary(), "t.parquet");
  const writer = createTable(path, { id: "string", n: "int", x: "double", ok: "boolean" });
  const rows = Array.from({ length: 45_000 }, (_, i) => ({
    id: i % 7 === 0 ? null : `köln ${i}`,
    n: i < 30_000 ? null : i * 1e9,
    x: i / 3,
    ok: i % 2 === 0,
  }));
  for (const row of rows) writer.add(row);
  assert.equal(writer.rows, 45_000);
  writer.commit();
  const back = [];
  for await (const row of readTable(path)) back.push(row);
  assert.deepEqual(back, rows);
  const opened = await openTable(path);
  const slice = [];
  for await (const row of opened.read({ columns: ["n"], from: 39_999, to: 40_001 })) slice.push(row);
  opened.close();
  assert.deepEqual(slice, [{ n: 39_999e9 }, { n: 40_000e9 }]);
});

test("an empty Parquet table is a valid file with no rows", async () => {
  const path = join(temporary(), "t.parquet");
  createTable(path, { id: "string" }).commit();
  const opened = await openTable(path);
  assert.equal(opened.rows, 0);
  opened.close();
});

test("a file that is not Parquet is refused by name", async () => {
  const path = join(temporary(), "t.parquet");
  writeAtomic(path, "this is not a table at all");
  await assert.rejects(
    openTable(path),
    (error: unknown) =>
      error instanceof UserError && error.message.startsWith(`${path} is not a readable Parquet file`),
  );
});

test("a folder is made with those above it, and a place where none can be made is an error at once", () => {
  const dir = temporary();
  makeFolder(join(dir, "a", "b", "c"));
  makeFolder(join(dir, "a", "b", "c"));
  assert.ok(statSync(join(dir, "a", "b", "c")).isDirectory());
  writeFileSync(join(dir, "file"), "");
  assert.throws(() => makeFolder(join(dir, "file", "below")), { code: "ENOTDIR" });
  assert.throws(() => makeFolder(join(dir, "file")), { code: "EEXIST" });
});
