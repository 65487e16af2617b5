/** `curate tokenizer`: what it is called and takes. What it does is loaded when it is called. */
import { shown, UserError } from "../lib/errors.ts";
import { patternNames } from "../tokenizer/pretokenizer/patterns.ts";
import { tieRules } from "../tokenizer/training/training.ts";
import { unicodeVersions } from "../tokenizer/unicode.ts";
import { command, type Flags } from "./command.ts";

export const tokenizerFlags = {
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
} as const satisfies Flags;

export const tokenizer = command({
  name: "tokenizer",
  about: "Trains a BPE vocabulary, encodes and decodes with one, or looks into it.",
  usage: "train <files…> | encode | decode | inspect",
  example: "echo 'Hello, world' | curate tokenizer encode --tokenizer runs/fixtures/tokenizer",
  maxPositionals: Number.POSITIVE_INFINITY,
  flags: tokenizerFlags,
  async run([action, ...files], given) {
    if (action === "train") return (await import("./tokenizer-train.ts")).trainOn(files, given);
    if (files.length > 0)
      throw new UserError(
        `curate tokenizer ${action} takes no files as words, got ${shown(files[0])}`,
        "Name one with --file.",
      );
    if (action === "encode") return (await import("./tokenizer-text.ts")).encode(given);
    if (action === "decode") return (await import("./tokenizer-text.ts")).decode(given);
    if (action === "inspect") return (await import("./tokenizer-inspect.ts")).inspectTokenizer(given);
    throw new UserError(
      `expected train, encode, decode or inspect, got ${shown(action)}`,
      "See  curate tokenizer --help",
    );
  },
});
