/** Listings over small workdirs made here: what is found by words, where reading goes on, what is damaged. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { createTable, type Row, type Schema } from "../../lib/parquet.ts";
import type { DocumentPage } from "../../studio/api.ts";
import { serve } from "../../studio/server/app.ts";
import { linesOf, list, type Question, wordsIn } from "../../studio/server/listing.ts";
import { foundIn, wordsPattern } from "../../studio/words-found.ts";

const anything: Question = {
  ...{ state: "rejected", stage: "", reason: "", query: "", domain: "", language: "", minScore: 0 },
  cursor: "",
};

function newWorkdir(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), "curate-listing-"));
  t.after(() => rmSync(dir, { recursive: true }));
  return dir;
}

function write(path: string, content: string | Buffer) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
}

function table(path: string, schema: Schema, rows: readonly Row[]) {
  mkdirSync(dirname(path), { recursive: true });
  const writer = createTable(path, schema);
  for (const row of rows) writer.add(row);
  writer.commit();
}

const decisionsSchema: Schema = {
  ...{ id: "string", url: "string", stage: "string", reason: "string", value: "string", threshold: "string" },
};
const documentsSchema: Schema = {
  ...{ id: "string", url: "string", title: "string", text: "string" },
  ...{ language: "string", language_score: "double" },
};

type Dropped = { id: string; url: string; stage: string; reason: string; value: string; text: string };

const dropped: readonly Dropped[] = [
  {
    ...{ id: "d1", url: "https://a.example/one", stage: "language", reason: "language", value: "de 0.98" },
    text: "Der Apfel\nist reif. Plum tree.",
  },
  {
    ...{ id: "d2", url: "https://b.example/plum-tree", stage: "words", reason: "short", value: "3" },
    text: "A plum tree",
  },
  {
    ...{ id: "d3", url: "https://b.example/x", stage: "words", reason: "long", value: "9" },
    text: "PLUM\n\n tree!",
  },
  {
    ...{ id: "d4", url: "https://c.example/y", stage: "words", reason: "short", value: "2" },
    text: "a pear",
  },
];

/** A run of two parts with a stage that drops, one that only tags, and kept documents. */
function smallRun(t: TestContext, sample = 1): string {
  const workdir = newWorkdir(t);
  const stages = [
    { name: "language", mode: "drop", options: {} },
    { name: "words", mode: "drop", options: {} },
    { name: "lines", mode: "tag", options: {} },
  ];
  const recipe = { name: "small", keepRejected: { sample, minPerReason: 2 }, stages };
  write(join(workdir, "work", "plan.json"), JSON.stringify({ version: "0", recipe, inputs: [], files: [] }));
  const line = ({ stage: _, ...rest }: Dropped) => `${JSON.stringify({ ...rest, threshold: null })}\n`;
  for (const [part, rows] of [dropped.slice(0, 2), dropped.slice(2)].entries()) {
    const name = `part-0000${part}`;
    const kept = { id: `k${part}`, url: `https://kept.example/${part}` };
    table(join(workdir, "decisions", "documents-1", `${name}.parquet`), decisionsSchema, [
      ...rows.map(({ text: _, ...row }) => ({ ...row, threshold: null })),
      { ...kept, stage: "", reason: "kept", value: null, threshold: null },
    ]);
    table(join(workdir, "documents", `${name}.parquet`), documentsSchema, [
      { ...kept, title: "Trees", text: `The plum tree number ${part}`, language: "en", language_score: 0.9 },
    ]);
    for (const stage of ["language", "words"]) {
      const own = rows.filter(row => row.stage === stage);
      if (own.length > 0)
        write(join(workdir, "rejected", stage, `${name}.jsonl.gz`), gzipSync(own.map(line).join("")));
    }
    const tagged = {
      ...kept,
      text: `The plum tree number ${part}`,
      reason: "few-lines",
      value: 1,
      threshold: 2,
    };
    write(join(workdir, "rejected", "lines", `${name}.jsonl.gz`), gzipSync(`${JSON.stringify(tagged)}\n`));
  }
  return workdir;
}

test("dropped documents are found by words of their text, each once, and every filter goes on working", async t => {
  const workdir = smallRun(t);
  const studio = await serve({ workdir, compare: [], port: 0, device: "cpu" });
  t.after(() => studio.close());
  const asked = async (question: Record<string, string>) => {
    const search = new URLSearchParams({ state: "rejected", q: "plum TREE", ...question });
    return (await (await fetch(new URL(`/api/documents?${search}`, studio.address))).json()) as DocumentPage;
  };
  const ids = async (question: Record<string, string>) =>
    (await asked(question)).rows.map(({ id }) => id).sort();

  const all = await asked({});
  assert.deepEqual(all.rows.map(({ id }) => id).sort(), ["d1", "d2", "d3"]);
  assert.deepEqual(
    all.rows.find(({ id }) => id === "d3"),
    {
      ...{ id: "d3", part: "part-00001", url: "https://b.example/x", stage: "words", reason: "long" },
      ...{ value: "9", threshold: null, title: null, language: null, score: null },
      found: { before: "", match: "PLUM tree", after: "!" },
    },
  );
  // Address and text say it: the address is what was looked at.
  assert.deepEqual((await asked({ q: "plum-tree" })).rows[0]!.found, {
    before: "https://b.example/",
    ...{ match: "plum-tree", after: "" },
  });
  assert.deepEqual((await asked({ q: "" })).rows[0]!.found, null);
  assert.deepEqual([all.looked, all.total, all.next], [6, 6, null]);
  assert.deepEqual(all.texts, { looked: 4, files: 3, filesEnded: 3, sample: 1, minPerReason: 2 });
  // Address and text of d2 both say it: once.
  assert.deepEqual(await ids({ q: "plum" }), ["d1", "d2", "d3"]);
  assert.deepEqual(await ids({ q: "plum", stage: "words" }), ["d2", "d3"]);
  assert.deepEqual(await ids({ q: "plum", stage: "words", reason: "long" }), ["d3"]);
  assert.deepEqual(await ids({ q: "plum", stage: "language", language: "de" }), ["d1"]);
  assert.deepEqual(await ids({ q: "plum", stage: "language", language: "fr" }), []);
  assert.deepEqual(await ids({ q: "plum", domain: "b.example" }), ["d2", "d3"]);
  assert.deepEqual(await ids({ q: "plum", state: "all" }), ["d1", "d2", "d3", "k0", "k1"]);
  assert.deepEqual(await ids({ q: "plum", state: "all", stage: "words" }), ["d2", "d3"]);
  assert.deepEqual(await ids({ state: "kept", minScore: "0.5" }), ["k0", "k1"]);
  assert.deepEqual(await ids({ q: "b.example/x" }), ["d3"]);
  // Addresses and no words: texts are not looked at, and nothing is said of them.
  assert.deepEqual(
    [await ids({ q: "https://b." }), (await asked({ q: "https://b." })).texts],
    [["d2", "d3"], null],
  );
  assert.deepEqual([await ids({ q: "" }), (await asked({ q: "" })).texts], [["d1", "d2", "d3", "d4"], null]);
  assert.equal((await asked({ state: "kept" })).texts, null);
});

test("a document that says it in text and address is found by either alone, and a sample is told as one", async t => {
  const workdir = smallRun(t, 0.01);
  const found = async (query: string) => {
    const { rows, texts } = await list(workdir, { ...anything, query });
    assert.equal(texts!.sample, 0.01);
    return rows.map(({ id }) => id);
  };
  assert.deepEqual(await found("plum-tree"), ["d2"]);
  assert.deepEqual(await found("a plum"), ["d2"]);
});

test("a listing goes on where it stopped, whether the page was full or the asker had gone, and misses nothing", async t => {
  const workdir = smallRun(t);
  const lines = Array.from({ length: 120 }, (_, i) => ({
    ...{ id: `n${i}`, url: null, reason: "short", value: i, threshold: 200 },
    text: `${"ä".repeat(i % 9)} cherry ${i % 40 === 7 ? "z".repeat(400_000) : ""}`,
  }));
  const body = lines.map(line => `${JSON.stringify(line)}\n`).join("");
  write(join(workdir, "rejected", "words", "part-00002.jsonl.gz"), gzipSync(body));
  const seen: string[] = [];
  let looked = 0;
  let cursor = "";
  const pages: number[] = [];
  const gone = AbortSignal.abort();
  for (let ask = 0; ask === 0 || cursor !== ""; ask++) {
    // Every other asker has gone at once.
    const page = await list(
      workdir,
      { ...anything, query: "cherry", cursor },
      ask % 2 === 1 ? gone : undefined,
    );
    if (ask % 2 === 1) assert.ok(page.looked + page.texts!.looked <= 1 && page.next !== null);
    assert.ok(page.rows.length <= 50 && page.texts!.filesEnded <= page.texts!.files);
    seen.push(...page.rows.map(({ id }) => id));
    looked += page.texts!.looked;
    pages.push(page.rows.length);
    cursor = page.next ?? "";
  }
  assert.deepEqual(
    seen,
    lines.map(({ id }) => id),
  );
  assert.equal(looked, 120 + dropped.length);
  assert.ok(pages.filter(n => n > 0).length >= 3);
});

test("lines are read on from the place told with the one before, through long lines and characters of several bytes", async t => {
  const path = join(newWorkdir(t), "lines.jsonl.gz");
  const texts = ["é", "x".repeat(700_000), "", "東京".repeat(200_000), "last"];
  write(path, gzipSync(texts.map(text => `${JSON.stringify({ text })}\n`).join("")));
  const starts = [0];
  for await (const { next } of linesOf(path, 0)) starts.push(next);
  assert.equal(starts.length, texts.length + 1);
  for (const [i, start] of starts.entries()) {
    const rest: unknown[] = [];
    for await (const { row } of linesOf(path, start)) rest.push(row["text"]);
    assert.deepEqual(rest, texts.slice(i));
  }
});

test("a line that is no JSON is passed over, a damaged file is named with what to do", async t => {
  const workdir = smallRun(t);
  const path = join(workdir, "rejected", "words", "part-00000.jsonl.gz");
  const whole = gzipSync(
    `{"id": "half\n[]\n1\n${JSON.stringify({ id: "d9", url: null, text: "plum", reason: "short" })}\n`,
  );
  write(path, whole);
  const { rows } = await list(workdir, { ...anything, stage: "words", query: "plum" });
  assert.deepEqual(
    rows.map(({ id }) => id),
    ["d9", "d3", "d2"],
  );
  write(path, whole.subarray(0, whole.length - 12));
  await assert.rejects(list(workdir, { ...anything, query: "plum" }), {
    message: `${path} cannot be read: unexpected end of file`,
    hint: "Run again with --verify to have it rebuilt.",
  });
});

test("words are found in any case, across any white space, and signs are only signs", () => {
  assert.ok(wordsIn("was  ist")("Was\n\nIST das"));
  assert.ok(wordsIn("ΣΑΣ")("σας"));
  assert.ok(wordsIn("a.b (c) [d]* $e ^f | {2} \\w-")("A.B (c) [d]* $e ^f | {2} \\w-"));
  assert.ok(!wordsIn("a.b")("axb"));
  assert.ok(!wordsIn("a b")("ab"));
  assert.ok(!wordsIn("a")(null));
});

test("the words around the first match stand on one line, cut between words, and are text as they were", () => {
  const pattern = wordsPattern("plum tree");
  assert.equal(foundIn("a pear", pattern), null);
  assert.deepEqual(foundIn("<b>The</b> Plum\n\ttree & a plum tree", pattern), {
    ...{ before: "<b>The</b> ", match: "Plum tree", after: " & a plum tree" },
  });
  const far = foundIn(`${"word ".repeat(40)}plum tree ${"other ".repeat(40)}`, pattern)!;
  assert.match(far.before, /^…(word ){4,9}$/);
  assert.match(far.after, /^( other){9,16}…$/);
  // Cut within pairs, within one endless word, and with white space that is no space.
  fc.assert(
    fc.property(fc.constantFrom("🦊", "é", "x", "\u00a0", "\n"), fc.nat(130), fc.nat(130), (unit, n, m) => {
      const found = foundIn(`${unit.repeat(n)}PLUM  tree${unit.repeat(m)}`, pattern)!;
      assert.equal(found.match, "PLUM tree");
      for (const piece of Object.values(found)) assert.ok(piece.length <= 100 && piece.isWellFormed());
    }),
    { seed: 3, numRuns: 300 },
  );
});
