/** `curate tokenizer train|encode|decode|inspect`: the BPE tools alone, on text, JSON lines or Parquet. */
import { existsSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { shown, UserError } from "../lib/errors.ts";
import { loadTokenizer, saveTokenizer } from "../tokenizer/files.ts";
import { type PatternName, patternNames } from "../tokenizer/pretokenizer/patterns.ts";
import { trainingCosts } from "../tokenizer/training/costs.ts";
import { defaultPieceCap } from "../tokenizer/training/counter.ts";
import { type TieRule, tieRules } from "../tokenizer/training/training.ts";
import { unicodeVersions } from "../tokenizer/unicode.ts";
import { vocabularySize } from "../tokenizer/vocabulary.ts";
import { command, type FlagValues } from "./command.ts";
import { expandFiles } from "./files.ts";
import { openProgress } from "./progress.ts";
import { bytes, duration, json, number, out } from "./terminal.ts";
import { inspectTokenizer } from "./tokenizer-inspect.ts";
import { decode, encode } from "./tokenizer-text.ts";

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
  pattern: { type: "text", value: "NAME", about: `${patternNames.join(", ")}; default nanochat (train)` },
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
    about: "threads that count (train) or encode (encode --jsonl); default: all cores",
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
  sample: {
    type: "number",
    value: "SHARE",
    about: "count only this share of the documents, from 0 to 1 (train)",
    more: true,
  },
  seed: { type: "number", value: "N", about: "another seed, another sample (train); default 0", more: true },
  "doc-cap": {
    type: "number",
    value: "BYTES",
    about: "count only so much of each document (train)",
    more: true,
  },
  "piece-cap": {
    type: "number",
    value: "BYTES",
    about: "cut longer pieces, such as a page without a space (train); default 1024",
    more: true,
  },
  unicode: {
    type: "text",
    value: "VERSION",
    about: `of the classes the pattern is read with: ${unicodeVersions.join(", ")}; default: the tokenizer's own, 16.0.0 (train)`,
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

function wholeNumber(
  flag: string,
  value: number | undefined,
  fallback: number,
  min: number,
  max = Number.MAX_SAFE_INTEGER,
): number {
  if (value === undefined) return fallback;
  if (!Number.isInteger(value) || value < min || value > max) {
    const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
    throw new UserError(`--${flag}: expected a whole number ${range}, got ${value}`);
  }
  return value;
}

function share(flag: string, value = 1): number {
  if (!(value > 0 && value <= 1))
    throw new UserError(`--${flag}: expected a number above 0 and up to 1, got ${value}`);
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
    sample: share("sample", given.sample),
    seed: wholeNumber("seed", given.seed, 0, 0),
    pieceCap: wholeNumber("piece-cap", given["piece-cap"], defaultPieceCap, 16, 60000),
    ...(given["doc-cap"] === undefined ? {} : { docCap: wholeNumber("doc-cap", given["doc-cap"], 1, 1) }),
    ...(given.unicode === undefined ? {} : { unicode: oneOf("unicode", given.unicode, unicodeVersions, "") }),
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
  const costs = trainingCosts(trained.training);
  if (vocabularySize(trained.vocabulary) < vocabSize)
    costs.push(
      `the corpus gives ${number(vocabularySize(trained.vocabulary))} tokens, not ${number(vocabSize)}: no other pair occurs ${options.minFrequency === 1 ? "at all" : `${options.minFrequency} times`}`,
    );
  const result = {
    vocabulary: vocabularySize(trained.vocabulary),
    hash: saved.hash,
    seconds: (Date.now() - began) / 1000,
    corpus,
    words,
    unread: trained.unread,
    costs,
  };
  if (given.json) return json(result);
  out(
    `${number(result.vocabulary)} tokens from ${bytes(corpus.bytes)} in ${number(corpus.documents)} documents, ${number(words)} different pieces, ${duration(result.seconds)}`,
  );
  for (const cost of costs) out(cost);
  if (trained.unread > 0) out(`without text: ${number(trained.unread)} lines or rows`);
  for (const file of saved.files) out(relative(process.cwd(), file.path) || file.path);
}

/** The tokenizer named, or the one of the run in stages.yaml here. */
export async function tokenizerOf(given: {
  readonly tokenizer?: string | undefined;
  readonly workdir?: string | undefined;
  readonly pattern?: string | undefined;
  readonly unicode?: string | undefined;
}) {
  const options = {
    ...(given.pattern === undefined
      ? {}
      : { pattern: oneOf("pattern", given.pattern, patternNames, "gpt2") }),
    ...(given.unicode === undefined ? {} : { unicode: given.unicode }),
  };
  if (given.tokenizer !== undefined) return loadTokenizer(given.tokenizer, options);
  const { workdirOf } = await import("./load.ts");
  const dir = join(workdirOf(given.workdir), "tokenizer");
  if (!existsSync(dir))
    throw new UserError(
      `there is no tokenizer ${dir}`,
      "Name one with --tokenizer, or run the recipe as far as its tokenizer stage.",
    );
  return loadTokenizer(dir, options);
}
