/** The leaves: options, seeded randomness, atomic files, Parquet tables. */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
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

test("columns hold the same cells as rows, for any table, any columns and any range", async () => {
  const word = fc.oneof(
    fc.constantFrom("", "a", "köln", "\u{1f600}"),
    fc.string({ unit: "grapheme", maxLength: 9 }),
  );
  const schema = { s: "string", n: "int", x: "double", ok: "boolean" } as const;
  const row = fc.record({
    s: fc.option(word),
    n: fc.option(fc.maxSafeInteger()),
    x: fc.option(fc.double()),
    ok: fc.option(fc.boolean()),
  });
  const made = fc.record({
    // Where a column has no null, or repeats one value, it is stored in another way.
    rows: fc.array(row, { minLength: 1, maxLength: 40 }),
    full: fc.boolean(),
    atLeast: fc.constantFrom(0, 10, 100, 1000, 25_000),
    columns: fc.option(fc.subarray(["s", "n", "x", "ok"], { minLength: 1 }), { nil: undefined }),
    edges: fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.double({ min: 0, max: 1, noNaN: true })),
  });
  const dir = temporary();
  let [runs, several] = [0, 0];
  await fc.assert(
    fc.asyncProperty(made, async ({ rows, full, atLeast, columns, edges }) => {
      const path = join(dir, `${runs++}.parquet`);
      const filled = rows.map(one =>
        full ? { s: one.s ?? "", n: one.n ?? 0, x: one.x ?? 0, ok: one.ok ?? false } : one,
      );
      const all = Array.from({ length: Math.max(rows.length, atLeast) }, (_, i) => filled[i % rows.length]!);
      const writer = createTable(path, schema);
      for (const one of all) writer.add(one);
      writer.commit();
      const [from, to] = edges.map(edge => Math.round(edge * all.length)).sort((a, b) => a - b) as [
        number,
        number,
      ];
      const names = (["s", "n", "x", "ok"] as const).filter(name => columns?.includes(name) ?? true);
      const expected = all.slice(from, to).map(one => names.map(name => one[name]));
      const range = { ...(columns ? { columns } : {}), from, to };
      const opened = await openTable(path);
      const [byRow, byColumn, lengths]: unknown[][] = [[], [], []];
      for await (const one of opened.read(range)) byRow!.push(Object.values(one));
      let groups = 0;
      for await (const group of opened.readColumns(range)) {
        groups++;
        assert.equal(group.from, from + byColumn!.length);
        assert.deepEqual([...group.columns.keys()], names);
        for (const cells of group.columns.values()) assert.equal(cells.length, group.rows);
        const lists = [...group.columns.values()];
        for (let i = 0; i < group.rows; i++) byColumn!.push(lists.map(cells => cells[i]));
      }
      for await (const { rows: n, columns: cells } of opened.readColumns({
        ...{ columns: ["s"], from, to },
        decode: (bytes: Uint8Array) => bytes.length,
      }))
        for (let i = 0; i < n; i++) lengths!.push(cells.get("s")![i]);
      opened.close();
      if (groups > 1) several++;
      assert.deepEqual(byRow, expected);
      assert.deepEqual(byColumn, expected);
      assert.deepEqual(
        lengths,
        all.slice(from, to).map(({ s }) => (s === null ? null : Buffer.byteLength(s))),
      );
    }),
    { seed: 11, numRuns: 40 },
  );
  assert.ok(several > 2, `${several} tables of several row groups`);
});

test("a footer that promises more rows than a column holds is an error in words, for rows and for columns", async () => {
  const path = join(temporary(), "t.parquet");
  const writer = createTable(path, { n: "int" });
  for (let n = 0; n < 50; n++) writer.add({ n });
  writer.commit();
  const bytes = readFileSync(path);
  const footer = bytes.length - 8 - bytes.readUInt32LE(bytes.length - 8);
  let told = 0;
  // 50 as the format's compact integers have it.
  for (let at = footer; at < bytes.length - 8; at++) {
    if (bytes[at] !== 100) continue;
    const many = Buffer.from([0xfe, 0xff, 0xff, 0xff, 0x7f]);
    const end = Buffer.alloc(8, "PAR1");
    end.writeUInt32LE(bytes.length - 8 - footer + many.length - 1);
    const body = Buffer.concat([bytes.subarray(0, at), many, bytes.subarray(at + 1, bytes.length - 8)]);
    writeFileSync(path, Buffer.concat([body, end]));
    for (const columnwise of [false, true]) {
      try {
        const opened = await openTable(path);
        let rows = 0;
        if (columnwise) for await (const group of opened.readColumns()) rows += group.rows;
        else for await (const _ of opened.read()) rows++;
        opened.close();
        assert.equal(rows, 50);
      } catch (error) {
        assert.ok(error instanceof UserError, String(error));
        assert.match(
          error.message,
          /is damaged: its column n has 50 of the \d+ rows from 0 on$|is not a readable/,
        );
        told++;
      }
    }
  }
  assert.ok(told >= 2, `${told} told`);
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
