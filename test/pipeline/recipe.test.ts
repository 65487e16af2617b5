/** The recipe check: what is right is filled with defaults, what is wrong is named with file, line and a way out. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { UserError } from "../../lib/errors.ts";
import { choice, flag, integer, number, switchable, texts } from "../../lib/options.ts";
import { type Catalogue, type CatalogueEntry, parseRecipe, type Recipe } from "../../pipeline/recipe.ts";

const entries: CatalogueEntry[] = [
  { name: "url-filter", kind: "filter", options: {} },
  {
    name: "extract",
    kind: "extractor",
    options: { engine: choice("main-content", "which engine", ["main-content", "readability"]) },
  },
  {
    name: "gopher-quality",
    kind: "filter",
    options: {
      minWords: integer(50, "words", { min: 0 }),
      maxHashRatio: switchable(number(0.1, "hashes for each word")),
      strict: flag(false, "strict"),
    },
    presets: { "fineweb@2024-04": {}, loose: { minWords: 10 } },
  },
  { name: "language", kind: "filter", options: { keep: texts(["en"], "codes", ["en", "de"]) } },
  { name: "minhash", kind: "dedup", options: {} },
  { name: "tokenizer", kind: "corpus", options: { vocabSize: integer(4096, "vocabulary", { min: 256 }) } },
  { name: "shards", kind: "corpus", options: {} },
  { name: "train", kind: "corpus", options: {} },
];
const catalogue: Catalogue = new Map(entries.map(entry => [entry.name, entry]));
const source = { status: texts(["200"], "statuses") };

const parse = (text: string, ...set: string[]): Recipe =>
  parseRecipe(
    {
      text,
      path: "stages.yaml",
      set: set.map(s => ({ address: s.slice(0, s.indexOf("=")), value: s.slice(s.indexOf("=") + 1) })),
    },
    catalogue,
    source,
  );

const minimal = "source: { warc: [a.warc.gz] }\nstages:\n  - extract\n";

function message(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    assert.ok(error instanceof UserError, `expected a UserError, got ${error}`);
    return error.message;
  }
  assert.fail("expected an error");
}

test("a minimal recipe gets every default", () => {
  const recipe = parse(minimal);
  assert.equal(recipe.seed, 17);
  assert.equal(recipe.workers, null);
  assert.deepEqual(recipe.stages, [
    { name: "extract", mode: "drop", preset: null, options: { engine: "main-content" } },
  ]);
  assert.deepEqual(recipe.source["warc"], ["a.warc.gz"]);
  assert.deepEqual(recipe.source["jsonl"], []);
});

test("a recipe whose aliases would grow without end is refused before they do", () => {
  const levels = Array.from({ length: 30 }, (_, i) =>
    i === 0
      ? "&l0 [x, x, x, x]"
      : `&l${i} [${Array(9)
          .fill(`*l${i - 1}`)
          .join(", ")}]`,
  );
  const text = `source: { warc: [${levels.join(", ")}] }\nstages: [extract]\n`;
  assert.throws(
    () => parse(text),
    (error: unknown) => error instanceof UserError && /stages\.yaml/.test(error.message),
  );
});

test("list order is run order, and options, presets and modes are taken over", () => {
  const recipe = parse(
    "memory: 1GB\nsource: { jsonl: x }\nstages:\n  - gopher-quality: { preset: loose, mode: tag, maxHashRatio: off }\n  - language: { keep: de }\n  - minhash\n",
  );
  assert.equal(recipe.memory, 1e9);
  assert.deepEqual(
    recipe.stages.map(stage => stage.name),
    ["gopher-quality", "language", "minhash"],
  );
  assert.deepEqual(recipe.stages[0], {
    name: "gopher-quality",
    mode: "tag",
    preset: "loose",
    options: { minWords: 10, maxHashRatio: null, strict: false },
  });
  assert.deepEqual(recipe.stages[1]!.options, { keep: ["de"] });
});

test("YAML 1.2 is used: no is a text, not false", () => {
  assert.equal(
    message(() => parse("source: { jsonl: x }\nstages:\n  - language: { keep: [no] }\n")),
    'stages.yaml:3: language.keep: expected a list of en, de, got the list ["no"] (codes; default the list ["en"])',
  );
});

for (const [what, text, expected] of [
  [
    "an unknown option, with the nearest right name",
    "source: { jsonl: x }\nstages:\n  - gopher-quality:\n      min_words: 3\n",
    'stages.yaml:4: gopher-quality has no option "min_words". Did you mean minWords? Known: minWords, maxHashRatio, strict',
  ],
  [
    "a wrong type, with what was expected and got",
    "source: { jsonl: x }\nstages:\n  - gopher-quality: { minWords: many }\n",
    'stages.yaml:3: gopher-quality.minWords: expected a whole number of at least 0, got "many" (words; default 50)',
  ],
  [
    "a value out of range",
    "source: { jsonl: x }\nstages:\n  - gopher-quality: { minWords: -1 }\n",
    "stages.yaml:3: gopher-quality.minWords: expected a whole number of at least 0, got -1 (words; default 50)",
  ],
  [
    "an unknown stage, with the nearest right name",
    "source: { jsonl: x }\nstages:\n  - minhas\n",
    'stages.yaml:3: curate has no stage "minhas". Did you mean minhash? Known: url-filter, extract, gopher-quality, language, minhash, tokenizer, shards, train',
  ],
  [
    "an unknown key",
    "sources: {}\nstages: []\n",
    'stages.yaml:1: the recipe has no key "sources". Did you mean source? Known: version, name, seed, memory, workers, workdir, slurm, source, keepRejected, stages',
  ],
  [
    "an unknown preset",
    "source: { jsonl: x }\nstages:\n  - gopher-quality: { preset: fineweb }\n",
    'stages.yaml:3: gopher-quality has no preset "fineweb". Known: fineweb@2024-04, loose',
  ],
  [
    "a mode on a stage that cannot tag",
    "source: { jsonl: x }\nstages:\n  - extract: { mode: tag }\n",
    "stages.yaml:3: extract.mode: only filters can tag; extract is a extractor stage",
  ],
  [
    "no source",
    "stages:\n  - extract\n",
    "stages.yaml:1: no source: expected a key source with warc, wet, jsonl, parquet or commoncrawl",
  ],
  [
    "two sources",
    "source: { warc: a, jsonl: b }\nstages:\n  - extract\n",
    "stages.yaml:1: source: expected exactly one of warc, wet, jsonl, parquet, commoncrawl, got warc and jsonl",
  ],
  [
    "no stages",
    "source: { jsonl: x }\n",
    "stages.yaml:1: no stages: expected a key stages with a list of stage names",
  ],
  [
    "an empty list of stages",
    "source: { jsonl: x }\nstages: []\n",
    "stages.yaml:2: stages: the list is empty",
  ],
  [
    "a stage twice",
    "source: { jsonl: x }\nstages:\n  - minhash\n  - minhash\n",
    "stages.yaml:4: stage minhash appears twice",
  ],
  [
    "something that is no mapping",
    "- a\n",
    'stages.yaml:1: expected a mapping with the keys source and stages, got the list ["a"]',
  ],
  ["broken YAML", "source: {\n", "stages.yaml:2: not valid YAML:"],
  [
    "another schema version",
    "version: 2\nsource: { jsonl: x }\nstages: [extract]\n",
    "stages.yaml:1: version: expected 1, got 2",
  ],
  [
    "text stages without extraction",
    "source: { warc: x }\nstages:\n  - gopher-quality\n",
    "stages.yaml: stage gopher-quality needs text, but there is no stage extract",
  ],
  [
    "text stages before extraction",
    "source: { warc: x }\nstages:\n  - gopher-quality\n  - extract\n",
    "stages.yaml: stage gopher-quality needs text, but extract comes after it",
  ],
  [
    "shards without a tokenizer",
    "source: { jsonl: x }\nstages:\n  - shards\n",
    "stages.yaml: stage shards needs the stage tokenizer before it",
  ],
  [
    "document stages after the corpus is closed",
    "source: { jsonl: x }\nstages:\n  - tokenizer\n  - gopher-quality\n",
    "stages.yaml: stage gopher-quality works on documents and must come before tokenizer",
  ],
] as const) {
  test(`refused with its place: ${what}`, () => {
    const got = message(() => parse(text));
    assert.ok(
      got === expected || (expected.endsWith(":") && got.startsWith(expected)),
      `expected ${expected}\n     got ${got}`,
    );
  });
}

test("--set overrides any value by its dotted address", () => {
  const recipe = parse(
    minimal,
    "extract.engine=readability",
    "seed=3",
    "source.status=[200, 404]".replace("[200, 404]", '["200", "404"]'),
    "keepRejected.sample=5%",
  );
  assert.equal(recipe.stages[0]!.options["engine"], "readability");
  assert.equal(recipe.seed, 3);
  assert.deepEqual(recipe.source["status"], ["200", "404"]);
  assert.equal(recipe.keepRejected.sample, 0.05);
});

test("--set is refused with the nearest address", () => {
  assert.equal(
    message(() => parse(minimal, "extract.engin=x")),
    '--set extract.engin=x: extract has no option "engin". Did you mean engine? Known: engine',
  );
  assert.equal(
    message(() => parse(minimal, "minhash.x=1")),
    "--set minhash.x=1: the recipe does not use the stage minhash",
  );
  assert.match(
    message(() => parse(minimal, "sed=1")),
    /the recipe has no key "sed"\. Did you mean seed\?/,
  );
  assert.match(
    message(() => parse(minimal, "extract.engine=lynx")),
    /expected one of main-content, readability, got "lynx"/,
  );
});
