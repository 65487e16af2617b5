/**
 * BPE training and encoding against npm tokenizers (Hugging Face's Rust library), npm tiktoken (OpenAI's, in
 * WebAssembly) and npm gpt-tokenizer (TypeScript; where --gpt-tokenizer names a folder in which it is installed), in
 * the same run, on the same text, with results compared: merges and ids must be equal or it fails.
 * Run: node dist/bench/tokenizer.js [train] [encode] [worst] [equal] [--rounds N] [--text FILE] [--web FILE.jsonl]
 *   [--encodings gpt2,cl100k_base,o200k_base]
 * `equal`, not part of a run without words, compares the ids of four encodings with tiktoken's on all the text.
 * Every measurement is a process of its own, rounds are interleaved, medians are given. CPU seconds are those of the
 * measured part alone; on a busy machine they are the fairer column. `worst` encodes other text
 * beforehand, a long piece among it: the first makes room in memory, once. Ids go to an array that has room for them.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { gunzipSync } from "node:zlib";
import { packageRoot } from "../lib/package-root.ts";
import { random } from "../lib/random.ts";
import { createEncoder } from "../tokenizer/encoder.ts";
import { loadTokenizer, saveTokenizer } from "../tokenizer/files.ts";
import { createTokenSink } from "../tokenizer/token-array.ts";
import { trainTokenizer } from "../tokenizer/training/train-files.ts";

const require = createRequire(import.meta.url);
const shared = join(packageRoot, "..", "shared", "data");

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: "string", default: "5" },
    text: { type: "string" },
    web: { type: "string" },
    encodings: { type: "string", default: "gpt2,cl100k_base,o200k_base" },
    "gpt-tokenizer": { type: "string" },
    job: { type: "string" },
    folder: { type: "string" },
  },
});

type Measured = { readonly wall: number; readonly cpu: number; readonly result: string };

function measure(run: () => string): Measured {
  const cpu = process.cpuUsage();
  const start = process.hrtime.bigint();
  const result = run();
  return since(start, cpu, result);
}

function since(start: bigint, cpu: NodeJS.CpuUsage, result: string): Measured {
  const wall = Number(process.hrtime.bigint() - start) / 1e9;
  const used = process.cpuUsage(cpu);
  return { wall, cpu: (used.user + used.system) / 1e6, result };
}

type Tiktoken = { encode_ordinary(text: string): Uint32Array };
type HuggingFace = {
  encodeBatch(texts: string[]): Promise<{ getIds(): number[] }[]>;
  setPreTokenizer(step: unknown): void;
  train(files: string[]): void;
  save(path: string): void;
};
type Tokenizers = {
  Tokenizer: { new (model: unknown): HuggingFace; fromFile(path: string): HuggingFace };
  BPE: { empty(): unknown };
  byteLevelPreTokenizer(addPrefixSpace: boolean, useRegex: boolean): unknown;
};

const text = values.text ?? "";
const folder = values.folder ?? "";
const encodings = values.encodings.split(",");
const web = () =>
  readFileSync(values.web!, "utf8")
    .split("\n")
    .filter(Boolean)
    .map(line => (JSON.parse(line) as { text: string }).text);

/** A sum over ids that any order of the same ids changes. */
function checksum(all: Iterable<ArrayLike<number>>): string {
  let sum = 0;
  let count = 0;
  for (const ids of all)
    for (let i = 0; i < ids.length; i++) sum = (Math.imul(sum, 31) + ids[i]! + ++count) | 0;
  return `${count} ${sum >>> 0}`;
}

function mergesHash(path: string, most: number): string {
  const { merges } = (JSON.parse(readFileSync(path, "utf8")) as { model: { merges: string[][] } }).model;
  return createHash("sha256")
    .update(JSON.stringify(merges.slice(0, most)))
    .digest("hex")
    .slice(0, 16);
}

const vocabSize = 30000;
const comparedMerges = vocabSize - 257;

async function train(workers: number): Promise<Measured> {
  const [cpu, start] = [process.cpuUsage(), process.hrtime.bigint()];
  const { vocabulary } = await trainTokenizer({
    files: [text],
    pattern: "gpt2",
    split: "lines",
    ties: "hugging-face",
    vocabSize,
    pieceCap: 60000,
    workers,
  });
  const measured = since(start, cpu, "");
  const path = join(folder, `curate-${workers}`);
  saveTokenizer(vocabulary, path);
  return { ...measured, result: mergesHash(join(path, "tokenizer.json"), comparedMerges) };
}

function trainHuggingFace(): Measured {
  const { Tokenizer, BPE, byteLevelPreTokenizer } = require("tokenizers") as Tokenizers;
  const tokenizer = new Tokenizer(BPE.empty());
  tokenizer.setPreTokenizer(byteLevelPreTokenizer(false, true));
  const measured = measure(() => {
    tokenizer.train([text]);
    return "";
  });
  const path = join(folder, "hugging-face.json");
  tokenizer.save(path);
  return { ...measured, result: mergesHash(path, comparedMerges) };
}

/** The compiler sees other text first; the vocabulary's cache starts empty. */
function encode(name: string, passes: number): Measured {
  const { vocabulary } = loadTokenizer(name);
  const pages = web();
  const sink = createTokenSink(vocabulary.tokens.size + 1000);
  const other = createEncoder(vocabulary);
  const novels = readFileSync(text, "utf8").slice(0, 6_000_000);
  for (let at = 0; at < novels.length; at += 3000) {
    sink.clear();
    other.encodeInto(novels.slice(at, at + 3000), sink);
  }
  sink.append(new Int32Array(8_000_000), 8_000_000);
  const encoder = createEncoder(vocabulary);
  let measured: Measured | null = null;
  for (let pass = 0; pass < passes; pass++)
    measured = measure(() => {
      sink.clear();
      for (const page of pages) encoder.encodeInto(page, sink);
      return "";
    });
  return { ...measured!, result: checksum([sink.view()]) };
}

function encodeTiktoken(name: string): Measured {
  const encoder = (require("tiktoken") as { get_encoding(name: string): Tiktoken }).get_encoding(name);
  const pages = web();
  const ids: Uint32Array[] = [];
  const measured = measure(() => {
    for (const page of pages) ids.push(encoder.encode_ordinary(page));
    return "";
  });
  return { ...measured, result: checksum(ids) };
}

type GptTokenizer = { encode(text: string, options: { disallowedSpecial: Set<string> }): number[] };

function encodeGptTokenizer(name: string): Measured {
  const path = join(values["gpt-tokenizer"]!, "node_modules", "gpt-tokenizer", "cjs", "encoding");
  const { encode } = require(join(path, `${name === "gpt2" ? "r50k_base" : name}.js`)) as GptTokenizer;
  const pages = web();
  const options = { disallowedSpecial: new Set<string>() };
  encode("compiled before", options);
  const ids: number[][] = [];
  const measured = measure(() => {
    for (const page of pages) ids.push(encode(page, options));
    return "";
  });
  return { ...measured, result: checksum(ids) };
}

async function encodeHuggingFace(name: string): Promise<Measured> {
  const { Tokenizer } = require("tokenizers") as Tokenizers;
  const tokenizer = Tokenizer.fromFile(join(folder, name, "tokenizer.json"));
  const pages = web();
  const [cpu, start] = [process.cpuUsage(), process.hrtime.bigint()];
  const ids: number[][] = [];
  for (let at = 0; at < pages.length; at += 100)
    for (const encoding of await tokenizer.encodeBatch(pages.slice(at, at + 100)))
      ids.push(encoding.getIds());
  const measured = since(start, cpu, "");
  return { ...measured, result: checksum(ids) };
}

function randomLetters(count: number, seed = 5): string {
  const source = random(seed);
  return Array.from({ length: count }, () => String.fromCharCode(97 + source.below(26))).join("");
}

const worstTexts: Readonly<Record<string, () => string>> = {
  "novels (not a worst case)": () => readFileSync(text, "utf8").slice(0, 300_000),
  "one letter, 300,000 times": () => "a".repeat(300_000),
  "one symbol, 300,000 times": () => "^".repeat(300_000),
  "300,000 spaces": () => " ".repeat(300_000),
  "300,000 random letters": () => randomLetters(300_000),
  base64: () =>
    Buffer.from(createHash("sha512").update("x").digest().toString("hex").repeat(1800))
      .toString("base64")
      .slice(0, 300_000),
  "minified JSON": () =>
    JSON.stringify(Array.from({ length: 9000 }, (_, i) => ({ id: i, v: (i * 7919) % 65536 }))),
};

/** tiktoken is given a tenth: its worst cases grow with the square. */
function worst(which: string, rival: boolean): Measured {
  const whole = worstTexts[which]!();
  if (!rival) {
    const encoder = createEncoder(loadTokenizer("cl100k_base").vocabulary);
    encoder.encode(readFileSync(text, "utf8").slice(1_000_000, 4_000_000));
    // Another long piece, so that memory has grown and the compiler has seen one.
    encoder.encode(randomLetters(300_000, 6));
    return measure(() => String(encoder.encode(whole).length));
  }
  const encoder = (require("tiktoken") as { get_encoding(name: string): Tiktoken }).get_encoding(
    "cl100k_base",
  );
  return measure(() => String(encoder.encode_ordinary(whole.slice(0, 30_000)).length));
}

const jobs: Readonly<Record<string, (argument: string) => Measured | Promise<Measured>>> = {
  train: workers => train(Number(workers)),
  trainHuggingFace,
  encode: name => encode(name, 1),
  encodeAgain: name => encode(name, 2),
  encodeTiktoken,
  encodeGptTokenizer,
  encodeHuggingFace,
  worst: which => worst(which, false),
  worstTiktoken: which => worst(which, true),
};

function version(name: string, from = packageRoot): string {
  const path = join(from, "node_modules", name, "package.json");
  return existsSync(path)
    ? (JSON.parse(readFileSync(path, "utf8")) as { version: string }).version
    : "not installed";
}

const median = (numbers: readonly number[]) => [...numbers].sort((a, b) => a - b)[numbers.length >> 1]!;

/** Rounds of all contenders in turn; the medians of each. */
function contest(
  contenders: readonly (readonly [label: string, job: string])[],
  paths: Record<string, string>,
) {
  const runs = new Map<string, Measured[]>();
  for (let round = 0; round < Number(values.rounds); round++)
    for (const [label, job] of contenders) {
      const rival = values["gpt-tokenizer"];
      const args = Object.entries({ ...paths, ...(rival ? { "gpt-tokenizer": rival } : {}) }).flatMap(
        ([name, value]) => [`--${name}`, value],
      );
      const out = execFileSync(process.execPath, [fileURLToPath(import.meta.url), "--job", job, ...args], {
        encoding: "utf8",
        stdio: ["ignore", "pipe", "ignore"],
      });
      const run = JSON.parse(out.trim().split("\n").at(-1)!) as Measured;
      runs.set(label, [...(runs.get(label) ?? []), run]);
    }
  return contenders.map(([label]) => {
    const all = runs.get(label)!;
    const results = new Set(all.map(run => run.result));
    if (results.size > 1) throw new Error(`${label} gave different results in different rounds`);
    return {
      label,
      wall: median(all.map(run => run.wall)),
      cpu: median(all.map(run => run.cpu)),
      result: all[0]!.result,
    };
  });
}

type Row = ReturnType<typeof contest>[number];

function print(title: string, rows: readonly Row[], bytes: number, against: number): void {
  console.log(`\n${title}`);
  console.log(
    `${"".padEnd(44)}${"wall s".padStart(9)}${"CPU s".padStart(9)}${"MB/s CPU".padStart(10)}${"x wall".padStart(9)}${"x CPU".padStart(9)}`,
  );
  const rival = rows[against]!;
  for (const { label, wall, cpu } of rows) {
    const cells = [
      wall.toFixed(3).padStart(9),
      cpu.toFixed(3).padStart(9),
      (bytes / cpu / 1e6).toFixed(1).padStart(10),
    ];
    const times = [(rival.wall / wall).toFixed(1).padStart(9), (rival.cpu / cpu).toFixed(1).padStart(9)];
    console.log(label.padEnd(44) + cells.join("") + times.join(""));
  }
}

function sameResults(rows: readonly Row[]): void {
  const results = new Set(rows.map(row => row.result));
  if (results.size > 1)
    throw new Error(`results differ: ${rows.map(row => `${row.label}: ${row.result}`).join("; ")}`);
}

type Page = { readonly text: string | null; readonly lang?: string | null };

/** The crawl's pages and C4's, which are English. */
function webPages(): Page[] {
  const pages = (jsonl: string): Page[] =>
    jsonl
      .split("\n")
      .filter(Boolean)
      .map(line => JSON.parse(line));
  const gold = pages(gunzipSync(readFileSync(join(shared, "crawl", "gold.jsonl.gz"))).toString("utf8"));
  const c4 = pages(readFileSync(join(shared, "text", "c4_1000.jsonl"), "utf8"));
  return [...gold, ...c4.map(({ text }) => ({ text, lang: "en" }))].filter(({ text }) => text);
}

/** Novels first, then web pages, Wikipedia, Shakespeare and a Japanese novel: 62 MB. */
function allText(pages: readonly Page[]): string {
  const novels = gunzipSync(readFileSync(join(shared, "text", "english_novels_50.txt.gz"))).toString("utf8");
  const others = [
    "wikitext-2/test.txt",
    "wikitext-2/valid.txt",
    "tiny_shakespeare.txt",
    "wagahaiwa_nekodearu.txt",
  ];
  return [
    novels,
    ...pages.map(({ text }) => text),
    ...others.map(name => readFileSync(join(shared, "text", name), "utf8")),
  ].join("\n");
}

function main(): void {
  const dir = mkdtempSync(join(tmpdir(), "curate-bench-"));
  const paths = {
    text: values.text ?? join(dir, "all.txt"),
    web: values.web ?? join(dir, "web.jsonl"),
    folder: dir,
  };
  const english = join(dir, "english.jsonl");
  try {
    if (!values.text || !values.web) {
      if (!existsSync(shared)) return usage();
      const pages = webPages();
      if (!values.text) writeFileSync(paths.text, allText(pages));
      const write = (path: string, some: readonly Page[]) =>
        writeFileSync(path, some.map(({ text }) => `${JSON.stringify({ text })}\n`).join(""));
      if (!values.web) {
        write(paths.web, pages);
        write(
          english,
          pages.filter(({ lang }) => /^en/i.test(lang ?? "")),
        );
      }
    }
    for (const name of encodings) saveTokenizer(loadTokenizer(name).vocabulary, join(dir, name));
    const wanted = positionals.length > 0 ? positionals : ["train", "encode", "worst"];
    const processor = cpus()[0]?.model.trim();
    console.log(
      `Node ${process.version}, ${cpus().length} x ${processor}; tokenizers ${version("tokenizers")}, tiktoken ${version("tiktoken")}, gpt-tokenizer ${gptTokenizer() ?? "skipped (--gpt-tokenizer names no folder that has it)"}; medians of ${values.rounds} interleaved rounds`,
    );
    if (wanted.includes("train")) benchTraining(paths);
    if (wanted.includes("encode")) {
      benchEncoding(paths, "web pages");
      if (existsSync(english)) benchEncoding({ ...paths, web: english }, "web pages in English");
    }
    if (wanted.includes("worst")) benchWorst(paths);
    if (wanted.includes("equal")) compareIds(paths);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

function benchTraining(paths: Record<string, string>): void {
  const threads = cpus().length;
  const rows = contest(
    [
      [`curate, ${threads} threads`, `train ${threads}`],
      ["curate, 1 thread", "train 1"],
      [`tokenizers, ${threads} threads`, "trainHuggingFace"],
    ],
    paths,
  );
  sameResults(rows);
  const bytes = statSync(paths["text"]!).size;
  print(
    `Training ${vocabSize} tokens, gpt2, lines, ${(bytes / 1e6).toFixed(1)} MB; first ${comparedMerges} merges identical`,
    rows,
    bytes,
    2,
  );
}

function benchEncoding(paths: Record<string, string>, what: string): void {
  const bytes = readFileSync(paths["web"]!, "utf8")
    .split("\n")
    .filter(Boolean)
    .reduce((sum, line) => sum + Buffer.byteLength((JSON.parse(line) as { text: string }).text), 0);
  for (const name of encodings) {
    const rows = contest(
      [
        ["curate, empty cache", `encode ${name}`],
        ["curate, second time", `encodeAgain ${name}`],
        ["tiktoken (WebAssembly)", `encodeTiktoken ${name}`],
        ...(gptTokenizer() ? [["gpt-tokenizer", `encodeGptTokenizer ${name}`] as const] : []),
        ["tokenizers, encodeBatch, all threads", `encodeHuggingFace ${name}`],
      ],
      paths,
    );
    const reference = rows[0]!.result;
    const different = rows.filter(row => row.result !== reference).map(({ label }) => label);
    sameResults(rows.slice(0, 3));
    const compared =
      different.length === 0 ? "ids identical" : `ids identical, but for those of ${different.join(" and ")}`;
    print(`Encoding ${(bytes / 1e6).toFixed(1)} MB of ${what}, ${name}; ${compared}`, rows, bytes, 2);
  }
}

/** The version of gpt-tokenizer that is there, or null. */
function gptTokenizer(): string | null {
  const folder = values["gpt-tokenizer"];
  const found = folder === undefined ? "not installed" : version("gpt-tokenizer", folder);
  return found === "not installed" ? null : found;
}

/** In stretches of about a million characters that end where a line begins with a letter. */
function compareIds(paths: Record<string, string>): void {
  const whole = readFileSync(paths["text"]!, "utf8");
  const { get_encoding } = require("tiktoken") as { get_encoding(name: string): Tiktoken };
  console.log("");
  for (const name of ["gpt2", "r50k_base", "cl100k_base", "o200k_base"]) {
    const [encoder, theirs] = [createEncoder(loadTokenizer(name).vocabulary), get_encoding(name)];
    let tokens = 0;
    for (let at = 0; at < whole.length; ) {
      const next = whole.slice(at + 1_000_000, at + 1_100_000).search(/(?<=\n)[A-Za-z]/);
      const end = next < 0 ? whole.length : at + 1_000_000 + next;
      const [own, other] = [
        encoder.encode(whole.slice(at, end)),
        theirs.encode_ordinary(whole.slice(at, end)),
      ];
      const differs = own.findIndex((id, i) => id !== other[i]);
      if (differs >= 0 || own.length !== other.length)
        throw new Error(`${name}: ids differ from tiktoken's at token ${differs} of the text from ${at}`);
      tokens += own.length;
      at = end;
    }
    const bytes = Buffer.byteLength(whole);
    console.log(`${name}: ${tokens} ids of ${(bytes / 1e6).toFixed(1)} MB equal tiktoken's`);
  }
}

function benchWorst(paths: Record<string, string>): void {
  console.log("\nWorst cases, cl100k_base: MB per CPU second (tiktoken on a tenth of the text)");
  for (const which of Object.keys(worstTexts)) {
    const [ours, theirs] = contest(
      [
        ["curate", `worst ${which}`],
        ["tiktoken", `worstTiktoken ${which}`],
      ],
      paths,
    );
    const size = Buffer.byteLength(readText(paths, which));
    const rate = (bytes: number, { cpu }: Row) => (bytes / cpu / 1e6).toFixed(2).padStart(10);
    console.log(which.padEnd(44) + rate(size, ours!) + rate(Math.min(size, 30_000), theirs!));
  }
}

function readText(paths: Record<string, string>, which: string): string {
  return which.startsWith("novels")
    ? readFileSync(paths["text"]!, "utf8").slice(0, 300_000)
    : worstTexts[which]!();
}

function usage(): void {
  console.error(
    "the shared data is absent: give --text FILE (plain text) and --web FILE.jsonl (lines with text)",
  );
  process.exitCode = 2;
}

if (values.job) {
  const [name, ...argument] = values.job.split(" ");
  console.log(JSON.stringify(await jobs[name!]!(argument.join(" "))));
} else main();
