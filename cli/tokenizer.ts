/** `curate tokenizer train|encode|decode|inspect`: the BPE tools alone, on text, JSON lines or Parquet. */
import { createReadStream, existsSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { shown, UserError } from "../lib/errors.ts";
import { loadTokenizer, saveTokenizer } from "../tokenizer/files.ts";
import { type PatternName, patternNames } from "../tokenizer/pretokenizer/patterns.ts";
import { type TieRule, tieRules } from "../tokenizer/training/training.ts";
import { vocabularySize } from "../tokenizer/vocabulary.ts";
import { command, type FlagValues } from "./command.ts";
import { expandFiles } from "./files.ts";
import { openProgress } from "./progress.ts";
import { bytes, duration, json, number, out } from "./terminal.ts";
import { inspectTokenizer } from "./tokenizer-inspect.ts";

const flags = {
  tokenizer: {
    type: "text",
    value: "NAME",
    about: "a folder or file, or gpt2, cl100k_base, o200k_base; default: the workdir's",
  },
  file: {
    type: "text",
    value: "F",
    about: "read this file instead of standard input (encode, decode, inspect)",
  },
  jsonl: { type: "flag", about: 'lines of {"text"}: one line of ids each (encode)' },
  "vocab-size": { type: "number", value: "N", about: "tokens in all (train); default 32768" },
  pattern: { type: "text", value: "NAME", about: `${patternNames.join(", ")} (train); default nanochat` },
  ties: { type: "text", value: "RULE", about: `${tieRules.join(", ")} (train); default byte-ids` },
  split: {
    type: "text",
    value: "HOW",
    about: "documents (default) or lines: what merges never cross (train)",
  },
  out: { type: "text", value: "DIR", about: "where the vocabulary goes (train)" },
  workers: {
    type: "number",
    value: "N",
    about: "threads that count (train); default: all cores",
    more: true,
  },
  memory: {
    type: "number",
    value: "MB",
    about: "memory for counting before it spills to disk (train); default 1024",
    more: true,
  },
  "min-frequency": {
    type: "number",
    value: "N",
    about: "a rarer pair is not merged (train); default 1",
    more: true,
  },
  special: {
    type: "list",
    value: "TEXT",
    about: "special tokens; the first ends documents (train); default <|endoftext|>",
    more: true,
  },
  specials: { type: "flag", about: "let the text's special tokens be special (encode)", more: true },
  offsets: { type: "flag", about: "with the byte where each token begins (encode)", more: true },
  word: { type: "text", value: "TEXT", about: "replay the merges of this text (inspect)", more: true },
  workdir: {
    type: "text",
    value: "DIR",
    about: "the run whose vocabulary and documents are inspected",
    more: true,
  },
  json: { type: "flag", about: "JSON instead of words", more: true },
} as const;

type Given = FlagValues<typeof flags>;

export const tokenizer = command({
  name: "tokenizer",
  about: "Trains a BPE vocabulary, encodes and decodes with one, or looks into it.",
  usage: "train <files…> | encode | decode | inspect",
  example: "echo 'Hello, world' | curate tokenizer encode --tokenizer runs/fixtures/tokenizer",
  maxPositionals: Number.POSITIVE_INFINITY,
  flags,
  async run([action, ...files], given) {
    if (action === "train") return trainOn(files, given);
    if (files.length > 0)
      throw new UserError(
        `curate tokenizer ${action} takes no files as words, got ${shown(files[0])}`,
        "Name one with --file.",
      );
    if (action === "encode") return encode(given);
    if (action === "decode") return decode(given);
    if (action === "inspect") return inspectTokenizer(given);
    throw new UserError(
      `expected train, encode, decode or inspect, got ${shown(action)}`,
      "See  curate tokenizer --help",
    );
  },
});

function oneOf<T extends string>(
  flag: string,
  value: string | undefined,
  choices: readonly T[],
  fallback: T,
): T {
  if (value === undefined) return fallback;
  const found = choices.find(choice => choice === value);
  if (!found) throw new UserError(`--${flag}: expected one of ${choices.join(", ")}, got ${shown(value)}`);
  return found;
}

function wholeNumber(flag: string, value: number | undefined, fallback: number, min: number): number {
  if (value === undefined) return fallback;
  if (!Number.isInteger(value) || value < min)
    throw new UserError(`--${flag}: expected a whole number of at least ${min}, got ${value}`);
  return value;
}

async function trainOn(patterns: readonly string[], given: Given): Promise<void> {
  const files = expandFiles(patterns);
  if (given.out === undefined)
    throw new UserError("where to? --out is missing", "For example  --out my-tokenizer");
  const specials = given.special.length > 0 ? given.special : ["<|endoftext|>"];
  const vocabSize = wholeNumber("vocab-size", given["vocab-size"], 32768, 256 + specials.length);
  const options = {
    ...{ files, vocabSize, specials, endOfText: specials[0]! },
    pattern: oneOf<PatternName>("pattern", given.pattern, patternNames, "nanochat"),
    ties: oneOf<TieRule>("ties", given.ties, tieRules, "byte-ids"),
    split: oneOf("split", given.split, ["documents", "lines"] as const, "documents"),
    minFrequency: wholeNumber("min-frequency", given["min-frequency"], 1, 1),
    memory: wholeNumber("memory", given.memory, 1024, 16) * 2 ** 20,
    ...(given.workers === undefined ? {} : { workers: wholeNumber("workers", given.workers, 1, 1) }),
  };
  const { trainTokenizer } = await import("../tokenizer/training/train-files.ts");
  const progress = openProgress(process.stderr, given.json);
  const began = Date.now();
  let meter = progress.start("counting", { units: 1 });
  let phase = "count";
  let seen = 0;
  const trained = await trainTokenizer({
    ...options,
    onProgress(step) {
      if (step.phase !== phase) {
        phase = step.phase;
        meter = progress.start("merging", { units: step.total });
        seen = 0;
      }
      const unit = phase === "count" ? 1 / Math.max(1, step.total) : 1;
      meter.add({
        units: (step.done - seen) * unit,
        note:
          phase === "count" ? `${bytes(step.done)} of ${bytes(step.total)}` : `${number(step.done)} merges`,
      });
      seen = step.done;
    },
  });
  const saved = saveTokenizer(trained.vocabulary, resolve(given.out), trained.training);
  const { corpus, words } = trained.training;
  const result = {
    vocabulary: vocabularySize(trained.vocabulary),
    hash: saved.hash,
    seconds: (Date.now() - began) / 1000,
    corpus,
    words,
    unread: trained.unread,
  };
  if (given.json) return json(result);
  out(
    `${number(result.vocabulary)} tokens from ${bytes(corpus.bytes)} in ${number(corpus.documents)} documents, ${number(words)} different pieces, ${duration(result.seconds)}`,
  );
  if (corpus.cappedDocumentBytes > 0)
    out(
      `left out by the document cap: ${bytes(corpus.cappedDocumentBytes)} of ${number(corpus.cappedDocuments)} documents`,
    );
  if (corpus.cutPieces > 0) out(`cut for their length: ${number(corpus.cutPieces)} pieces`);
  if (trained.unread > 0) out(`without text: ${number(trained.unread)} lines or rows`);
  for (const file of saved.files) out(relative(process.cwd(), file.path) || file.path);
}

/** The tokenizer named, or the one of the run in stages.yaml here. */
export async function tokenizerOf(given: {
  readonly tokenizer?: string | undefined;
  readonly workdir?: string | undefined;
}) {
  if (given.tokenizer !== undefined) return loadTokenizer(given.tokenizer);
  const { workdirOf } = await import("./load.ts");
  const dir = join(workdirOf(given.workdir), "tokenizer");
  if (!existsSync(dir))
    throw new UserError(
      `there is no tokenizer ${dir}`,
      "Name one with --tokenizer, or run the recipe as far as its tokenizer stage.",
    );
  return loadTokenizer(dir);
}

function input(file: string | undefined): Readable {
  if (file === undefined || file === "-") return process.stdin;
  if (!existsSync(file)) throw new UserError(`there is no file ${file}`);
  return createReadStream(file, { highWaterMark: 1 << 20 });
}

/** Writes without running ahead of the reader. */
async function write(text: string): Promise<void> {
  if (!process.stdout.write(text)) await new Promise(done => process.stdout.once("drain", done));
}

async function encode(given: Given): Promise<void> {
  const { createEncoder } = await import("../tokenizer/encoder.ts");
  const { vocabulary } = await tokenizerOf(given);
  const encoder = createEncoder(vocabulary);
  const special = async (text: string) => {
    const { encodeWithSpecials } = await import("../tokenizer/specials.ts");
    return encodeWithSpecials(encoder, text, [...vocabulary.specials.keys()]);
  };
  const line = async (text: string) => {
    const ids = given.specials ? await special(text) : encoder.encode(text);
    if (!given.offsets) return given.json ? JSON.stringify([...ids]) : ids.join(" ");
    const offsets = encoder.offsets(ids);
    return given.json
      ? JSON.stringify({ ids: [...ids], offsets: [...offsets] })
      : [...ids].map((id, i) => `${id}@${offsets[i]}`).join(" ");
  };
  if (given.jsonl) {
    let at = 0;
    for await (const row of createInterface({
      input: input(given.file),
      crlfDelay: Number.POSITIVE_INFINITY,
    })) {
      at++;
      if (row === "") continue;
      await write(`${await line(textOf(row, at))}\n`);
    }
    return;
  }
  if (given.specials || given.offsets || given.json) {
    const chunks: Buffer[] = [];
    for await (const chunk of input(given.file)) chunks.push(chunk as Buffer);
    return write(`${await line(Buffer.concat(chunks).toString("utf8"))}\n`);
  }
  const stream = encoder.stream();
  let first = true;
  const emit = async (ids: ArrayLike<number>) => {
    if (ids.length === 0) return;
    await write(`${first ? "" : " "}${Array.prototype.join.call(ids, " ")}`);
    first = false;
  };
  for await (const chunk of input(given.file)) await emit(stream.push(chunk as Uint8Array));
  await emit(stream.end());
  await write("\n");
}

function textOf(row: string, line: number): string {
  let value: unknown;
  try {
    value = JSON.parse(row);
  } catch (error) {
    throw new UserError(`line ${line}: not JSON: ${(error as Error).message}`);
  }
  const text = typeof value === "object" && value !== null ? (value as { text?: unknown }).text : undefined;
  if (typeof text !== "string")
    throw new UserError(`line ${line}: expected an object with a text, got ${shown(value)}`);
  return text;
}

async function decode(given: Given): Promise<void> {
  const { createDecoder } = await import("../tokenizer/decoder.ts");
  const { vocabulary } = await tokenizerOf(given);
  const decoder = createDecoder(vocabulary);
  let rest = "";
  const emit = async (words: readonly string[]) => {
    const ids = words.map(word => {
      const id = Number(word);
      if (!/^\d+$/.test(word))
        throw new UserError(`expected token ids separated by white space, got ${shown(word)}`);
      if (!decoder.bytesOf(id))
        throw new UserError(`token id ${id} is not in the vocabulary of ${vocabularySize(vocabulary)}`);
      return id;
    });
    if (ids.length > 0 && !process.stdout.write(decoder.decodeBytes(ids)))
      await new Promise(done => process.stdout.once("drain", done));
  };
  for await (const chunk of input(given.file)) {
    const words = (rest + String(chunk)).split(/\s+/);
    rest = words.pop()!;
    await emit(words.filter(Boolean));
  }
  await emit(rest === "" ? [] : [rest]);
}
