/**
 * What is fuzzed besides reading and extraction: index lines, addresses, lists, robots.txt, recipes, tokenizer files,
 * weights, checkpoints, token shards, and the engine's own files. A case is made from a seed and its number alone. It
 * throws where a promise is broken: wrong data gives a UserError or a result that keeps its bounds, nothing else.
 */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { catalogue } from "../../cli/catalogue.ts";
import { UserError } from "../../lib/errors.ts";
import type { Random } from "../../lib/random.ts";
import { readGroup } from "../../pipeline/execute/group.ts";
import { readBegun, readReport, reportPath, writeReport } from "../../pipeline/execute/reports.ts";
import { parseQueue } from "../../pipeline/execute/slurm-commands.ts";
import { readRunState } from "../../pipeline/execute/state.ts";
import { isCleanPath } from "../../pipeline/fetch/addresses.ts";
import { hitOf, type IndexQuery, parseCdxJson, parseCdxj, wanted } from "../../pipeline/fetch/cdx.ts";
import { numberOfPages } from "../../pipeline/fetch/cdx-server.ts";
import { parseList } from "../../pipeline/fetch/commoncrawl.ts";
import { readPartNote } from "../../pipeline/fetch/records.ts";
import { readNote } from "../../pipeline/fetch/store.ts";
import { compareKeys, keyRange, surtOf } from "../../pipeline/fetch/surt.ts";
import { parseBlock } from "../../pipeline/fetch/zipnum.ts";
import { allows, parseRobots, parseTdmrep } from "../../pipeline/filters/opt-out/robots.ts";
import { sourceOptions } from "../../pipeline/readers/input.ts";
import { parseRecipe } from "../../pipeline/recipe.ts";
import { parseAddress } from "../../pipeline/store/s3.ts";
import { createEncoder } from "../../tokenizer/encoder.ts";
import { loadTokenizer, saveMergesTxt, saveTokenizer } from "../../tokenizer/files.ts";
import { writeManifest } from "../../tokenizer/shards/manifest.ts";
import { openShards, type ShardSet } from "../../tokenizer/shards/read.ts";
import { createShardWriter } from "../../tokenizer/shards/write.ts";
import { type Vocabulary, vocabularySize } from "../../tokenizer/vocabulary.ts";
import { newestCheckpoint, readModelFile } from "../../trainer/checkpoint.ts";
import { readHuggingFace } from "../../trainer/import/hugging-face.ts";
import { readLlama2c } from "../../trainer/import/llama2c.ts";
import { parametersOf } from "../../trainer/parameters.ts";
import { openSafetensors, writeSafetensors } from "../../trainer/safetensors.ts";
import { mutateBytes, mutateJson, mutateText, pick } from "./mutate.ts";
import type { Target } from "./reading-targets.ts";

const dir = mkdtempSync(join(tmpdir(), "curate-fuzz-"));
process.on("exit", () => rmSync(dir, { recursive: true, force: true }));

/** Runs what may only succeed or end in a UserError. */
function onlyUserErrors<T>(act: () => T): T | null {
  try {
    return act();
  } catch (error) {
    if (error instanceof UserError) return null;
    throw error;
  }
}

const cdxjLines = [
  'org,example)/a 20241101000000 {"url": "https://example.org/a", "mime": "text/html", "mime-detected": "text/html", "status": "200", "digest": "X", "length": "9128", "offset": "7460754", "filename": "crawl-data/CC-MAIN-2024-46/segments/1/warc/a.warc.gz", "charset": "UTF-8", "languages": "eng,deu"}',
  '{"urlkey": "org,example)/a", "timestamp": "20241101000000", "url": "https://example.org/a", "mime": "text/html", "status": "200", "length": "9128", "offset": "0", "filename": "crawl-data/x.warc.gz"}',
];
const query: IndexQuery = {
  url: "*.example.org",
  mime: ["text/html"],
  languages: ["eng"],
  status: [200],
  api: null,
};

function cdxj(draw: Random): void {
  const line = mutateText(pick(draw, cdxjLines), draw);
  for (const parsed of [parseCdxj(line), parseCdxJson(line)]) {
    if (!parsed) continue;
    wanted(parsed, query);
    const hit = hitOf(parsed);
    if (!hit) continue;
    assert.ok(isCleanPath(hit.file) && hit.file.startsWith("crawl-data/"), hit.file);
    assert.ok(Number.isSafeInteger(hit.offset + hit.length) && hit.offset >= 0 && hit.length >= 18);
    assert.equal(typeof hit.url, "string");
  }
  const block = parseBlock(mutateText("org,example)/a 20241101000000\tcdx-00000.gz\t30125\t29236\t2", draw));
  if (block) {
    assert.match(block.file, /^cdx-\d+\.gz$/);
    assert.ok(Number.isSafeInteger(block.offset + block.length) && block.length <= 16 << 20);
  }
  const pages = numberOfPages(mutateText('{"pages": 2, "pageSize": 5, "blocks": 7}', draw));
  if (pages !== null) assert.ok(Number.isInteger(pages) && pages >= 0 && pages <= 1e6);
}

const addressSeeds = [
  "https://www.Example.org:8080/A/b/?b=2&a=1#x",
  "*.example.org",
  "example.org/blog/*",
  "http://[::1]/x",
  "http://1.2.3.4/",
  "https://bücher.example/ü?ä=ö",
];

function surt(draw: Random): void {
  const text = mutateText(pick(draw, addressSeeds), draw);
  const key = surtOf(text);
  if (key !== null) assert.ok(key.includes(")/") && !/[\s\u0000-\u001f]/.test(key), JSON.stringify(key));
  const range = keyRange(text);
  if (range) assert.ok(compareKeys(range.from, range.to) < 0, text);
  onlyUserErrors(() => parseAddress(`s3://${text}`));
  for (const { id, element } of parseQueue(
    mutateText("12|0|RUNNING|None\n13|1-3%2|PENDING|Dependency\n", draw),
  ))
    assert.ok(/^\d+$/.test(id) && (element === null || Number.isInteger(element)));
}

const pathList =
  "crawl-data/CC-MAIN-2024-46/segments/1/warc/a.warc.gz\ncrawl-data/CC-MAIN-2024-46/segments/2/warc/b.warc.gz\n";

function paths(draw: Random): void {
  const data =
    draw.below(2) === 0 ? gzipSync(mutateText(pathList, draw)) : mutateBytes(gzipSync(pathList), draw);
  for (const path of onlyUserErrors(() => parseList(data, "list", "")) ?? [])
    assert.ok(isCleanPath(path), path);
}

const robotsText =
  "User-agent: *\nDisallow: /private/*.html$\nAllow: /private/a\n# x\nuser-agent: CCBot\nUser-agent: GPTBot\nDisallow: /\nCrawl-delay: 3\nSitemap: https://example.org/s.xml\n";
const tdmrep = '[{"location": "/a/*", "tdm-reservation": 1}, {"location": "/", "tdm-reservation": 0}]';

function robots(draw: Random): void {
  const stars = draw.below(20) === 0 ? `User-agent: *\nDisallow: /${"*a".repeat(draw.below(2000))}$\n` : "";
  const path = mutateText(
    `/private/${"a".repeat(draw.below(draw.below(50) === 0 ? 5000 : 20))}.html?x=1`,
    draw,
  );
  for (const rules of [
    parseRobots(stars + mutateText(robotsText, draw)),
    parseTdmrep(mutateText(tdmrep, draw)),
  ])
    for (const agent of ["CCBot", "*", "constructor"])
      assert.equal(typeof allows(rules, agent, path), "boolean");
}

const recipes = [
  readRecipe("stages.yaml"),
  "name: x\nseed: 3\nmemory: 2GB\nsource: { commoncrawl: CC-MAIN-2024-46, index: { url: '*.example.org', mime: text/html, languages: [eng], status: 200 } }\nkeepRejected: all\nstages:\n  - extract: &a { engine: readability }\n  - gopher-quality: { preset: fineweb@2024-04, mode: tag, minWords: 50 }\n",
];

function readRecipe(name: string): string {
  try {
    return readFileSync(name, "utf8");
  } catch {
    return "source: { warc: [a.warc.gz] }\nstages:\n  - extract\n";
  }
}

function recipe(draw: Random): void {
  const set =
    draw.below(3) === 0
      ? [{ address: mutateText("gopher-quality.minWords", draw), value: mutateText("80", draw) }]
      : [];
  const bomb =
    draw.below(40) === 0
      ? `a: &a [x,x,x,x]\nb: &b [*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d]\nseed: *e\n`
      : "";
  const text = bomb + mutateText(pick(draw, recipes), draw);
  const parsed = onlyUserErrors(() => parseRecipe({ text, path: "r.yaml", set }, catalogue, sourceOptions));
  if (!parsed) return;
  assert.ok(Number.isSafeInteger(parsed.seed) && parsed.memory >= 64e6 && parsed.stages.length > 0);
  for (const { name, options } of parsed.stages)
    for (const [key, option] of Object.entries(catalogue.get(name)!.options))
      assert.notEqual(
        option.parse(options[key]),
        undefined,
        `${name}.${key}: ${JSON.stringify(options[key])}`,
      );
}

const vocabulary: Vocabulary = {
  pattern: "gpt2",
  unicode: "16.0.0",
  tokens: new Map([
    ...Array.from({ length: 256 }, (_, byte) => [byte, Uint8Array.of(byte)] as const),
    [256, Uint8Array.of(97, 98)],
    [257, Uint8Array.of(97, 98, 99)],
  ]),
  merges: Int32Array.of(97, 98, 256, 256, 99, 257),
  specials: new Map([["<|endoftext|>", 258]]),
  endOfText: "<|endoftext|>",
  wholePieces: false,
};

type TokenizerFiles = Readonly<Record<string, string>>;
let tokenizerFiles: TokenizerFiles | null = null;

/** Small files of every kind that is read, written once by ourselves. */
function tokenizerSeeds(): TokenizerFiles {
  if (tokenizerFiles) return tokenizerFiles;
  const at = join(dir, "seeds");
  saveTokenizer(vocabulary, at);
  saveMergesTxt(vocabulary, at);
  const names = ["tokenizer.json", "vocab.json", "merges.txt", "tokenizer.tiktoken"];
  tokenizerFiles = Object.fromEntries(names.map(name => [name, readFileSync(join(at, name), "utf8")]));
  return tokenizerFiles;
}

function tokenizer(draw: Random): void {
  const at = join(dir, "tokenizer");
  rmSync(at, { recursive: true, force: true });
  mkdirSync(at);
  const seeds = tokenizerSeeds();
  const name = pick(draw, Object.keys(seeds));
  const changed =
    name.endsWith(".json") && draw.below(2) === 0
      ? JSON.stringify(mutateJson(JSON.parse(seeds[name]!), draw))
      : mutateText(seeds[name]!, draw);
  if (name === "vocab.json") writeFileSync(join(at, "merges.txt"), seeds["merges.txt"]!);
  if (name === "merges.txt") writeFileSync(join(at, "vocab.json"), seeds["vocab.json"]!);
  writeFileSync(join(at, name), changed);
  onlyUserErrors(() => {
    const loaded = loadTokenizer(at, { pattern: "gpt2" });
    assert.ok(vocabularySize(loaded.vocabulary) <= 2 ** 24);
    const ids = createEncoder(loaded.vocabulary).encode("abc ab \u00e9 \ud83d\ude00");
    for (const id of ids) assert.ok(loaded.vocabulary.tokens.has(id), `id ${id}`);
  });
}

let weights: Buffer | null = null;

async function safetensors(draw: Random): Promise<void> {
  const path = join(dir, "model.safetensors");
  if (!weights) {
    const tensor = (name: string, shape: number[]) => ({
      ...{ name, shape },
      data: () => new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(0.5),
    });
    await writeSafetensors(path, [tensor("a", [4, 3]), tensor("b.c", [7]), tensor("none", [0])], {
      format: "pt",
    });
    weights = readFileSync(path);
  }
  const length = Number(weights.readBigUInt64LE(0));
  const json = weights.toString("utf8", 8, 8 + length);
  const changed =
    draw.below(2) === 0 ? mutateText(json, draw) : JSON.stringify(mutateJson(JSON.parse(json), draw));
  const header = Buffer.from(
    changed.replaceAll("F32", pick(draw, ["F32", "F32", "F16", "BF16", "F64", "I64"])),
  );
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(header.length));
  const whole = Buffer.concat([prefix, header, weights.subarray(8 + length)]);
  writeFileSync(path, draw.below(3) === 0 ? mutateBytes(weights, draw) : whole);
  onlyUserErrors(() => {
    const file = openSafetensors(path);
    try {
      for (const name of file.tensors.keys())
        onlyUserErrors(() => assert.ok(file.read(name) instanceof Float32Array));
    } finally {
      file.close();
    }
  });
}

const configs = [
  {
    model_type: "gpt2",
    n_layer: 2,
    n_head: 2,
    n_embd: 8,
    n_positions: 16,
    vocab_size: 32,
    layer_norm_epsilon: 1e-5,
    activation_function: "gelu_new",
    eos_token_id: 31,
  },
  {
    model_type: "llama",
    num_hidden_layers: 1,
    num_attention_heads: 2,
    num_key_value_heads: 1,
    hidden_size: 8,
    intermediate_size: 16,
    max_position_embeddings: 16,
    vocab_size: 32,
    rms_norm_eps: 1e-5,
    rope_theta: 10000,
    hidden_act: "silu",
    eos_token_id: [2],
    bos_token_id: 1,
    tie_word_embeddings: true,
  },
];

function models(draw: Random): void {
  const at = join(dir, "hf");
  mkdirSync(at, { recursive: true });
  const config = mutateJson(pick(draw, configs), draw);
  writeFileSync(
    join(at, "config.json"),
    draw.below(5) === 0 ? mutateText(JSON.stringify(config), draw) : JSON.stringify(config),
  );
  const index = {
    metadata: {},
    weight_map: { "wte.weight": "model.safetensors", "model.norm.weight": "b.safetensors" },
  };
  rmSync(join(at, "model.safetensors.index.json"), { force: true });
  if (draw.below(3) === 0)
    writeFileSync(join(at, "model.safetensors.index.json"), JSON.stringify(mutateJson(index, draw)));
  onlyUserErrors(() => {
    const model = readHuggingFace(at);
    try {
      for (const { name } of parametersOf(model.config).slice(0, 3)) onlyUserErrors(() => model.tensor(name));
    } finally {
      model.close();
    }
  });
  const ours = {
    format: "curate-model-1",
    family: "llama",
    layers: 1,
    heads: 2,
    kvHeads: 1,
    width: 8,
    hidden: 16,
    context: 16,
    vocabulary: 32,
    tied: true,
    eot: 1,
    tokenizer: "x",
  };
  writeFileSync(join(at, "config.json"), JSON.stringify(mutateJson(ours, draw)));
  onlyUserErrors(() => readModelFile(at));
  const step = join(dir, "run", "checkpoints", "step-000001");
  mkdirSync(step, { recursive: true });
  const state = {
    format: "curate-training-1",
    step: 1,
    tokens: 10,
    files: [{ name: "model.safetensors", bytes: 1, sha256: "x" }],
    cursor: { epoch: 0, shard: 0, document: 0, offset: 0 },
  };
  writeFileSync(
    join(step, "state.json"),
    draw.below(3) === 0 ? mutateText(JSON.stringify(state), draw) : JSON.stringify(mutateJson(state, draw)),
  );
  onlyUserErrors(() => newestCheckpoint(join(dir, "run")));
}

function llama2c(draw: Random): void {
  const header = Buffer.alloc(28 + 4096);
  for (const [i, n] of [8, 16, 1, 2, 1, 32, 16].entries()) header.writeInt32LE(n, 4 * i);
  const path = join(dir, "model.bin");
  const wild = Buffer.from(header);
  if (draw.below(2) === 0) wild.writeInt32LE(draw.next() | 0, 4 * draw.below(7));
  writeFileSync(path, mutateBytes(wild, draw));
  onlyUserErrors(() => {
    const model = readLlama2c(path);
    try {
      for (const { name } of parametersOf(model.config).slice(0, 3)) onlyUserErrors(() => model.tensor(name));
    } finally {
      model.close();
    }
  });
}

let shard: Buffer | null = null;

function shards(draw: Random): void {
  const at = join(dir, "shards");
  mkdirSync(at, { recursive: true });
  const path = join(at, "train-00000.arrow");
  if (!shard) {
    const writer = createShardWriter({
      path,
      split: "train",
      tokenizerHash: "0".repeat(64),
      eot: 24,
      vocabularySize: 25,
      batchTokens: 64,
    });
    for (let i = 0; i < 12; i++)
      writer.add(
        `doc-${i}`,
        Array.from({ length: 5 + i }, (_, j) => (i + j) % 24),
      );
    writer.commit();
    shard = readFileSync(path);
  }
  rmSync(join(at, "manifest.json"), { force: true });
  const changed = draw.below(8) === 0 ? Buffer.from(shard) : mutateBytes(shard, draw);
  writeFileSync(path, changed);
  if (draw.below(3) === 0) {
    const header = { tokenizerHash: "0".repeat(64), eot: 24, vocabularySize: 25 };
    writeManifest(at, header, [
      { path, split: "train", bytes: changed.length, sha256: "x", documents: 12, tokens: 138 },
    ]);
    const manifest: unknown = JSON.parse(readFileSync(join(at, "manifest.json"), "utf8"));
    const text = JSON.stringify(mutateJson(manifest, draw));
    writeFileSync(join(at, "manifest.json"), draw.below(4) === 0 ? mutateText(text, draw) : text);
  }
  onlyUserErrors(() => readAll(openShards(at, "train")));
}

function readAll(set: ShardSet): void {
  for (let i = 0; i < set.files.length; i++) {
    const { tokens, starts } = set.shard(i);
    assert.equal(starts[0], 0);
    for (let j = 1; j < starts.length; j++)
      assert.ok(starts[j]! > starts[j - 1]! && starts[j]! <= tokens.length, `start ${j}`);
    for (const token of tokens) assert.ok(token < set.vocabularySize, `token ${token}`);
  }
}

/** Our own files of a workdir, after a disk has had its way with them: never anything but "not there" or "damaged". */
function workdir(draw: Random): void {
  const at = join(dir, "workdir");
  mkdirSync(join(at, "documents"), { recursive: true });
  writeFileSync(join(at, "documents", "part-00000.parquet"), "12345");
  const output = { path: "documents/part-00000.parquet", bytes: 5, sha256: "x" };
  writeReport(at, "documents-1", 0, { stats: [], outputs: [output], warnings: ["w"], key: "k" });
  const change = (path: string) => {
    const value: unknown = JSON.parse(readFileSync(path, "utf8"));
    const text = JSON.stringify(mutateJson(value, draw));
    writeFileSync(path, draw.below(2) === 0 ? mutateText(text, draw) : text);
  };
  change(reportPath(at, "documents-1", 0));
  assert.ok(
    ["done", "missing", "damaged"].includes(readReport(at, "documents-1", 0, draw.below(2) === 0).state),
  );
  const group = join(at, "group.json");
  for (const [path, value] of [
    [group, { plan: "plan.json", phase: "documents-1", elements: 4 }],
    [join(at, "plan.json"), { version: "0", recipe: {}, base: "/", workdir: at, inputs: [], files: [] }],
    [join(at, "run.json"), { state: "done", version: "0", node: "v", name: "x", phases: {} }],
    [
      join(at, "work", "documents-1", "begun.json"),
      { key: "k", version: "0", seed: 1, inputs: "x", settings: {}, local: null, outputs: [], place: "main" },
    ],
    [
      join(at, "part.warc.gz.json"),
      {
        fingerprint: "x",
        bytes: 5,
        sha256: null,
        skipped: [],
        places: [{ file: "a", offset: 1, length: 2 }],
      },
    ],
  ] as const) {
    writeFileSync(path, JSON.stringify(value));
    change(path);
  }
  onlyUserErrors(() => readGroup(group));
  readRunState(at);
  readBegun(at, "documents-1");
  readPartNote(join(at, "part.warc.gz"));
  readNote(join(at, "part.warc.gz"));
}

export const formatTargets: readonly Target[] = [
  { name: "cdxj", run: cdxj },
  { name: "surt", run: surt },
  { name: "paths", run: paths },
  { name: "robots", run: robots },
  { name: "recipe", run: recipe },
  { name: "tokenizer", run: tokenizer },
  { name: "safetensors", run: safetensors },
  { name: "models", run: models },
  { name: "llama2c", run: llama2c },
  { name: "shards", run: shards },
  { name: "workdir", run: workdir },
];
