/**
 * Tokenizers on disk: a folder of ours, a file of another program, or a published encoding by name. The only file of
 * this room, beside training and shards, that touches disk. Knows no format from inside.
 */
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { type OutputFile, writeAtomic } from "../lib/atomic.ts";
import { nearest, shown, UserError } from "../lib/errors.ts";
import { packageRoot } from "../lib/package-root.ts";
import { readMergesTxt, writeMergesTxt } from "./formats/merges-txt.ts";
import {
  type Encoding,
  encodings,
  readPackedRanks,
  readRanks,
  vocabularyOfRanks,
  writeRanks,
} from "./formats/tiktoken.ts";
import { readTokenizerJson, writeTokenizerJson } from "./formats/tokenizer-json.ts";
import { type PatternName, patternNames } from "./pretokenizer/patterns.ts";
import type { Training } from "./training/training.ts";
import { unicodeVersions } from "./unicode.ts";
import { guessEndOfText, type Vocabulary } from "./vocabulary.ts";

export type Tokenizer = {
  readonly vocabulary: Vocabulary;
  /** sha256 of its tokenizer.json, as it lies on disk or as it would be written. */
  readonly hash: string;
  /** What it was trained on and how, where that was recorded. */
  readonly training: Training | null;
};

export type LoadOptions = {
  /** For files that do not say: .tiktoken, merges.txt. */
  readonly pattern?: PatternName;
  /** Unicode version of the class tables; without it what the tokenizer was saved with. */
  readonly unicode?: string;
};

/**
 * `from`: a folder (tokenizer.json, vocab.json with merges.txt, or one .tiktoken file), one of those files, or the
 * name of a published encoding (gpt2, r50k_base, p50k_base, cl100k_base, o200k_base) whose ranks the npm package
 * tiktoken brings. UserError for anything else.
 */
export function loadTokenizer(from: string, options: LoadOptions = {}): Tokenizer {
  const loaded = load(from, options);
  if (options.unicode === undefined) return loaded;
  if (!unicodeVersions.includes(options.unicode))
    throw new UserError(
      `expected a Unicode version of ${unicodeVersions.join(", ")}, got ${shown(options.unicode)}`,
    );
  const { hash, training } = loaded;
  return { vocabulary: { ...loaded.vocabulary, unicode: options.unicode }, hash, training };
}

function load(from: string, options: LoadOptions): Tokenizer {
  if (existsSync(from))
    return statSync(from).isDirectory() ? loadFolder(from, options) : loadFile(from, options);
  if (encodings[from]) return loadPublished(from, encodings[from]!);
  const near = nearest(from, Object.keys(encodings));
  throw new UserError(
    `expected a tokenizer: a folder, a file or one of ${Object.keys(encodings).join(", ")}; got ${shown(from)}`,
    near ? `did you mean ${near}?` : `there is no file or folder ${resolve(from)}`,
  );
}

function loadFolder(dir: string, options: LoadOptions): Tokenizer {
  if (existsSync(join(dir, "tokenizer.json"))) return loadFile(join(dir, "tokenizer.json"), options);
  if (existsSync(join(dir, "vocab.json"))) return loadFile(join(dir, "vocab.json"), options);
  const ranked = readdirSync(dir).filter(name => name.endsWith(".tiktoken"));
  if (ranked.length === 1) return loadFile(join(dir, ranked[0]!), options);
  throw new UserError(
    `expected tokenizer.json, vocab.json with merges.txt, or one .tiktoken file in ${dir}`,
    `the folder has ${readdirSync(dir).slice(0, 8).join(", ") || "nothing"}`,
  );
}

function loadFile(path: string, options: LoadOptions): Tokenizer {
  if (path.endsWith(".tiktoken")) {
    const known = encodings[basename(path, ".tiktoken")];
    const pattern = options.pattern ?? known?.pattern;
    if (!pattern)
      throw new UserError(
        `${path} does not say which pattern it was trained with`,
        `name it: --pattern ${patternNames.join("|")}`,
      );
    const ranks = readRanks(readFileSync(path, "utf8"), path);
    return described(vocabularyOfRanks(ranks, { pattern, specials: known?.specials ?? {} }));
  }
  if (basename(path) === "vocab.json" || path.endsWith("merges.txt")) {
    const pair = [join(dirname(path), "vocab.json"), join(dirname(path), "merges.txt")] as const;
    for (const file of pair)
      if (!existsSync(file))
        throw new UserError(`expected ${file} beside ${basename(path)}, which does not exist`);
    const [vocabJson, mergesTxt] = pair.map(file => readFileSync(file, "utf8")) as [string, string];
    return described(readMergesTxt(vocabJson, mergesTxt, { path, pattern: options.pattern ?? "gpt2" }));
  }
  if (!path.endsWith(".json"))
    throw new UserError(`expected a tokenizer file (.json, .tiktoken, merges.txt), got ${path}`);
  const json = readFileSync(path, "utf8");
  const training = readTraining(join(dirname(path), "training.json"), sha256(json));
  const vocabulary = readTokenizerJson(json, path);
  if (!training) return { vocabulary, hash: sha256(json), training };
  const endOfText = training.endOfText ?? guessEndOfText(vocabulary.specials);
  return {
    vocabulary: { ...vocabulary, unicode: training.unicode, endOfText },
    hash: sha256(json),
    training,
  };
}

/** What stands beside a tokenizer.json, if it belongs to that very file. */
function readTraining(path: string, hash: string): Training | null {
  if (!existsSync(path)) return null;
  try {
    const training = JSON.parse(readFileSync(path, "utf8")) as Training;
    return training.tokenizer === hash && unicodeVersions.includes(training.unicode) ? training : null;
  } catch {
    return null;
  }
}

function loadPublished(name: string, encoding: Encoding): Tokenizer {
  for (const base of [process.cwd(), packageRoot]) {
    let path: string;
    try {
      path = createRequire(pathToFileURL(join(base, "package.json"))).resolve(
        `tiktoken/encoders/${name}.json`,
      );
    } catch {
      continue;
    }
    const { bpe_ranks } = JSON.parse(readFileSync(path, "utf8")) as { bpe_ranks: string };
    return described(vocabularyOfRanks(readPackedRanks(bpe_ranks), encoding));
  }
  throw new UserError(
    `the ranks of ${name} are not here: the package tiktoken is not installed`,
    `npm install tiktoken, or give the path of a ${name}.tiktoken file`,
  );
}

/** Its hash is worked out when it is asked for: writing 200,000 tokens takes longer than reading them. */
function described(vocabulary: Vocabulary): Tokenizer {
  let hash: string | null = null;
  return {
    vocabulary,
    get hash() {
      hash ??= tokenizerHash(vocabulary);
      return hash;
    },
    training: null,
  };
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** sha256 of the tokenizer.json a vocabulary is written as. */
export function tokenizerHash(vocabulary: Vocabulary): string {
  return sha256(writeTokenizerJson(vocabulary));
}

/**
 * Writes tokenizer.json (for Hugging Face's library and for us), tokenizer.tiktoken (left out where ids do not follow
 * the merges) and, where it was trained here, training.json.
 */
export function saveTokenizer(
  vocabulary: Vocabulary,
  dir: string,
  training: Omit<Training, "tokenizer"> | null = null,
): { readonly hash: string; readonly files: readonly OutputFile[] } {
  const json = writeTokenizerJson(vocabulary);
  const hash = sha256(json);
  const files: OutputFile[] = [];
  if (training) {
    const text = JSON.stringify({ tokenizer: hash, ...training }, null, 1);
    files.push(writeAtomic(join(dir, "training.json"), text + "\n"));
  }
  if (risingIds(vocabulary)) {
    const path = join(dir, "tokenizer.tiktoken");
    files.push(writeAtomic(path, writeRanks(vocabulary, path)));
  }
  files.push(writeAtomic(join(dir, "tokenizer.json"), json));
  return { hash, files };
}

function risingIds({ merges }: Vocabulary): boolean {
  for (let i = 3; i < merges.length; i += 3) if (merges[i + 2]! <= merges[i - 1]!) return false;
  return true;
}

/** Writes vocab.json and merges.txt, the files of GPT-2. */
export function saveMergesTxt(vocabulary: Vocabulary, dir: string): readonly OutputFile[] {
  const { vocabJson, mergesTxt } = writeMergesTxt(vocabulary);
  return [writeAtomic(join(dir, "vocab.json"), vocabJson), writeAtomic(join(dir, "merges.txt"), mergesTxt)];
}
