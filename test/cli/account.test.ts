/** The account of a run, through the real commands: comparison of two runs, exact replay, report, card, other readers. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import { createTable } from "../../lib/parquet.ts";
import { compareDocuments } from "../../pipeline/report/compare.ts";
import { gatherReport } from "../../pipeline/report/gather.ts";
import { reportHtml } from "../../pipeline/report/html.ts";
import { decisionsSchema } from "../../pipeline/writers/account.ts";
import { article, curate, project, temporary, warc } from "./curate.ts";

const stages = (minWords: number) =>
  `  - extract\n  - language\n  - gopher-quality: { minWords: ${minWords} }\n  - url-dedup\n  - minhash\n  - pii\n`;

/** Two runs over the same pages, one stricter; with copies, a short page and a hostile one. */
async function twoRuns(): Promise<string> {
  const dir = project({ stages: stages(50), files: 1, pages: 4, top: "keepRejected: all\n" });
  const short = "<p>Too few words here to be kept by anyone at all, but enough to be text in English.</p>";
  writeFileSync(
    join(dir, "more.warc.gz"),
    warc([
      { url: "https://short.example/<script>alert(1)</script>", html: short },
      { url: "https://copy.example/", html: article(0) },
      {
        url: "https://mail.example/",
        html: article(9).replace("<p>", "<p>Write to ann@millbrookpost.org if you can. "),
      },
    ]),
  );
  assert.equal((await curate(["run"], { cwd: dir })).code, 0);
  const strict = ["run", "--workdir", "strict", "--set", "gopher-quality.minWords=100000"];
  assert.equal((await curate(strict, { cwd: dir })).code, 0);
  return dir;
}

test("two runs are compared value by value, rule by rule and document by document; replay and readers agree", async t => {
  const dir = await twoRuns();
  await t.test("curate diff says what changed and what became of the documents", async () => {
    const { stdout, code } = await curate(["diff", "out", "strict", "--json"], { cwd: dir });
    assert.equal(code, 0);
    const { recipe, rules, documents, transitions } = JSON.parse(stdout);
    assert.deepEqual(recipe, [{ address: "gopher-quality.minWords", a: 50, b: 100000 }]);
    const rule = rules.find(
      (item: { stage: string; reason: string }) =>
        item.stage === "gopher-quality" && item.reason === "short-document",
    );
    assert.deepEqual(rule, { stage: "gopher-quality", reason: "short-document", a: 1, b: 7 });
    assert.equal(documents.keptInBoth, 0);
    assert.equal(documents.keptOnlyInA, 5);
    const [first] = transitions;
    assert.deepEqual([first.from, first.to, first.documents], ["kept", "gopher-quality: short-document", 5]);
    const same = await curate(["diff", "out", "out"], { cwd: dir });
    assert.match(same.stdout, /Recipe: the same values[\s\S]*every stage did the same[\s\S]*kept in both +5/);
    const words = await curate(["diff", "out", "strict"], { cwd: dir });
    assert.match(words.stdout, /gopher-quality\.minWords +50 +100000/);
    const wrong = await curate(["diff", "out"], { cwd: dir });
    assert.equal(wrong.code, 2);
    assert.match(wrong.stderr, /expected two workdirs, got one/);
  });
  await t.test(
    "a threshold replays to what a run with it does; what changes the measures is refused",
    async () => {
      const replay = await curate(["stats", "--what-if", "gopher-quality.minWords=100000", "--json"], {
        cwd: dir,
      });
      const [answer] = JSON.parse(replay.stdout);
      assert.deepEqual(answer.reasonsNow, { "short-document": 7 });
      const refused = await curate(["stats", "--what-if", "gopher-quality.stopWords=[the]"], { cwd: dir });
      assert.equal(refused.code, 2);
      assert.match(refused.stderr, /stopWords changes what gopher-quality measures/);
      assert.match(refused.stderr, /curate diff[\s\S]*Replayed exactly: minWords, maxWords/);
    },
  );
  await t.test("explain and report read the clusters of two deduplications", async () => {
    const { stdout, code } = await curate(["explain", "https://copy.example/"], { cwd: dir });
    assert.equal(code, 0);
    assert.match(stdout, /cluster [0-9a-f]{16} of 2 documents/);
    const data = await gatherReport(join(dir, "out"));
    assert.deepEqual(data.clusters.sizes, [["2", 1]]);
    assert.deepEqual(data.clusters.largest[0]!.others.length, 1);
    assert.deepEqual(data.pii, { kinds: [["email", 1]], documents: 1 });
    assert.deepEqual(data.languages[0], { name: "en", before: 7, after: 5 });
    const words = data.distributions.find(({ measure }) => measure === "words")!;
    assert.deepEqual(words.marks[0], {
      reason: "short-document",
      measure: "words",
      drops: "below",
      at: 50,
    });
    const html = reportHtml(data);
    assert.doesNotMatch(html, /<script/i, "text of pages is escaped");
    assert.match(html, /short-document: below 50, 1 dropped/);
    assert.doesNotMatch(html, /(?:src|href)="(?!#)/, "nothing is fetched");
  });
  await t.test("the dataset card's header is what the hub reads, and its numbers are the run's", async () => {
    assert.equal((await curate(["report"], { cwd: dir })).code, 0);
    const card = readFileSync(join(dir, "out", "DATASET_CARD.md"), "utf8");
    const [, header = ""] = /^---\n([\s\S]*?)\n---\n/.exec(card)!;
    const { license, language, size_categories, configs, dataset_info } = parse(header);
    assert.deepEqual([license, language, size_categories], ["other", ["en"], ["n<1K"]]);
    assert.deepEqual(configs[0].data_files, [{ split: "train", path: "documents/*.parquet" }]);
    assert.equal(dataset_info.splits[0].num_examples, 5);
    assert.match(card, /\| gopher-quality \| 7 \| 6 \| 1 \| 0 \| short-document 1 \|/);
    assert.match(card, /- email: 1 replaced/);
    for (const { name } of dataset_info.features) assert.match(card, new RegExp(`\\| ${name} \\|`));
  });
  await t.test(
    "DuckDB reads documents, decisions and measures, with the schema that is declared",
    async t => {
      const duckdb = await import("@duckdb/node-api").catch(() => null);
      if (!duckdb) return t.skip("@duckdb/node-api is not installed");
      const connection = await (await duckdb.DuckDBInstance.create(":memory:")).connect();
      const rows = async (sql: string) => (await connection.runAndReadAll(sql)).getRowsJson();
      t.diagnostic(`DuckDB ${duckdb.version()}`);
      const from = `'${join(dir, "out", "documents", "*.parquet")}'`;
      const columns = await rows(`describe select * from ${from}`);
      assert.deepEqual(
        columns.slice(0, 6).map(([name, type]) => [name, type]),
        [
          ["id", "VARCHAR"],
          ["url", "VARCHAR"],
          ["text", "VARCHAR"],
          ["date", "VARCHAR"],
          ["language", "VARCHAR"],
          ["language_score", "DOUBLE"],
        ],
      );
      const [[documents, longest]] = (await rows(
        `select count(*)::int, max(minhash_cluster_size)::int from ${from}`,
      )) as [[number, number]];
      assert.equal(documents, 5);
      assert.equal(longest, 2);
      const reasons = await rows(
        `select reason, count(*)::int from '${join(dir, "out", "decisions", "*", "*.parquet")}' group by 1 order by 1`,
      );
      assert.deepEqual(reasons, [
        ["duplicate", 1],
        ["kept", 5],
        ["short-document", 1],
      ]);
      connection.closeSync();
    },
  );
  await t.test("Hugging Face datasets reads documents with the schema of the card", async t => {
    const python = process.env["CURATE_PYTHON"] ?? "python3";
    if (spawnSync(python, ["-c", "import datasets"]).status !== 0)
      return t.skip("no Python with datasets; CURATE_PYTHON names one");
    const code = [
      "import datasets, json, pyarrow, sys",
      'd = datasets.load_dataset("parquet", data_files=sys.argv[1], split="train")',
      "features = [[name, feature.dtype] for name, feature in d.features.items()]",
      'print(json.dumps([datasets.__version__, pyarrow.__version__, d.num_rows, features, d["minhash_cluster_size"][:]]))',
    ];
    const run = spawnSync(python, ["-c", code.join("\n"), join(dir, "out", "documents", "*.parquet")], {
      encoding: "utf8",
      env: { ...process.env, HF_HUB_OFFLINE: "1", HF_HOME: join(dir, "hf") },
    });
    assert.equal(run.status, 0, run.stderr);
    const [version, arrow, rows, features, sizes] = JSON.parse(run.stdout);
    t.diagnostic(`datasets ${version}, pyarrow ${arrow}`);
    const card = readFileSync(join(dir, "out", "DATASET_CARD.md"), "utf8");
    const [, header = ""] = /^---\n([\s\S]*?)\n---\n/.exec(card)!;
    const declared = parse(header).dataset_info.features as { name: string; dtype: string }[];
    assert.deepEqual(
      features,
      declared.map(({ name, dtype }) => [name, dtype]),
    );
    assert.equal(rows, 5);
    assert.equal(Math.max(...sizes), 2);
  });
  rmSync(dir, { recursive: true });
});

test("a run against an earlier one is done again when that one's documents changed, and only then", async () => {
  const dir = project({ stages: "  - extract\n  - minhash\n", files: 1, pages: 3 });
  const recipe = readFileSync(join(dir, "stages.yaml"), "utf8");
  writeFileSync(
    join(dir, "next.yaml"),
    recipe
      .replace('"*.warc.gz"', '"next/*.warc.gz"')
      .replace("workdir: out", "workdir: next-out")
      .replace("- minhash", '- minhash: { against: ["../out"] }'),
  );
  mkdirSync(join(dir, "next"));
  const page = (seed: number) => ({ url: `https://next.example/${seed}`, html: article(seed) });
  writeFileSync(join(dir, "next", "a.warc.gz"), warc([page(1), page(100), page(101)]));
  const run = async (name: string) => {
    const { code, stderr } = await curate(["run", name], { cwd: dir });
    assert.equal(code, 0, stderr);
    return stderr;
  };
  const dropped = () => {
    const { stages } = JSON.parse(readFileSync(join(dir, "next-out", "stats.json"), "utf8")) as {
      stages: { name: string; dropped: Record<string, number> }[];
    };
    return stages.find(({ name }) => name === "minhash")!.dropped;
  };
  const early = await curate(["run", "next.yaml"], { cwd: dir });
  assert.equal(early.code, 2);
  assert.match(early.stderr, /minhash\.against: \.\.\/out: expected a workdir with keys/);
  assert.ok(!existsSync(join(dir, "next-out")), "nothing is written");
  await run("stages.yaml");
  await run("next.yaml");
  assert.deepEqual(dropped(), { duplicate: 1 });
  assert.doesNotMatch(await run("next.yaml"), /Redoing/);
  writeFileSync(join(dir, "more.warc.gz"), warc([page(100)]));
  await run("stages.yaml");
  assert.match(
    await run("next.yaml"),
    /changed since the last run: minhash: the content of \.\.\/out\. Redoing/,
  );
  assert.deepEqual(dropped(), { duplicate: 2 });
  rmSync(dir, { recursive: true });
});

test("documents are joined by id in any number of passes: twice the same id, and ids that only one run has", async () => {
  const base = temporary("compare");
  const write = (run: string, rows: readonly (readonly [id: string, fate: string])[]) => {
    mkdirSync(join(base, run, "decisions", "documents-1"), { recursive: true });
    const table = createTable(join(base, run, "decisions", "documents-1", "00000.parquet"), decisionsSchema);
    for (const [id, fate] of rows) {
      const [stage, reason] = fate === "kept" ? ["", "kept"] : ["filter", fate];
      table.add({ id, url: id, stage, reason, value: null, threshold: null, warc_file: "", warc_offset: 0 });
    }
    table.commit();
    return join(base, run);
  };
  const many = Array.from({ length: 200 }, (_, i) => [`same-${i}`, "kept"] as const);
  const a = write("a", [["x", "kept"], ["x", "long"], ["only-a", "kept"], ["y", "long"], ...many]);
  const b = write("b", [["y", "kept"], ["x", "kept"], ["x", "kept"], ["only-b", "long"], ...many]);
  const once = await compareDocuments(a, b, 1);
  assert.deepEqual(once.documents, { keptInBoth: 201, textDiffers: 0, keptOnlyInA: 1, keptOnlyInB: 2 });
  assert.deepEqual(
    once.transitions.map(({ from, to, documents }) => [from, to, documents]),
    [
      ["filter: long", "kept", 2],
      ["absent", "filter: long", 1],
      ["kept", "absent", 1],
    ],
  );
  const often = await compareDocuments(a, b, 7);
  assert.deepEqual(often.documents, once.documents);
  assert.deepEqual(
    often.transitions.map(({ from, to, documents }) => [from, to, documents]),
    once.transitions.map(({ from, to, documents }) => [from, to, documents]),
  );
  rmSync(base, { recursive: true });
});
