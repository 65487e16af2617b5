/**
 * What the tests of this room compare with: texts beside the repository, generated texts, and the regular
 * expressions and programs of others. Used by tests only.
 */
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { packageRoot } from "../../lib/package-root.ts";
import { random } from "../../lib/random.ts";

const require = createRequire(import.meta.url);
const shared = join(packageRoot, "..", "shared", "data");

/** `false`, or why a test that needs the shared data is skipped. Where CI is set it must be there. */
export function withoutData(): string | false {
  if (existsSync(shared)) return false;
  if (process.env["CI"]) throw new Error(`CI is set and ${shared} is absent`);
  return `skipped: ${shared} is absent`;
}

export function dataPath(path: string): string {
  return join(shared, path);
}

export function dataText(path: string): string {
  const bytes = readFileSync(dataPath(path));
  return (path.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString("utf8");
}

export function c4Documents(): string[] {
  return dataText("text/c4_1000.jsonl")
    .split("\n")
    .filter(Boolean)
    .map(line => (JSON.parse(line) as { text: string }).text);
}

/** The first `length` characters of fifty English novels. */
export function novels(length: number): string {
  return dataText("text/english_novels_50.txt.gz").slice(0, length);
}

const alphabets: readonly (readonly string[])[] = [
  [..."etaoinshrdlu ETAOINS  "],
  [..." \n\r\t  \u00a0\u3000\u0085\u2028\ufeff\v\f"],
  [..."'sSdDmMtTlLvVrReE\u017f'' "],
  [..."0123456789٣४①½ "],
  [...".,!?-_/=()[]{}<>|\\\"'…«»—$€\n"],
  [..."あいうカキク漢字仮名、。々ー "],
  [..."éèàüßñÅØĳǅʰªº\u0301\u0308\u0300ا\u064bبनमस्ते"],
  ["😀", "👩‍👩‍👧", "🇩🇪", "𝒜", "𝟘", "\u{1e900}", "\u{10d4a}", "\u{11f04}", "\u{10940}", "a", " "],
];

/** Texts that jump between scripts, cases, white space and symbols; the same for the same seed. */
export function fuzzedTexts(seed: number, count: number, length = 40): string[] {
  const source = random(seed);
  const pick = <T>(from: readonly T[]): T => from[source.below(from.length)]!;
  return Array.from({ length: count }, () => {
    let text = "";
    let alphabet = pick(alphabets);
    for (let n = source.below(length); n > 0; n--) {
      if (source.uniform() < 0.25) alphabet = pick(alphabets);
      if (source.uniform() < 0.02) text += String.fromCodePoint(codePoint(source.below(0x110000)));
      text += pick(alphabet);
    }
    return text;
  });
}

function codePoint(value: number): number {
  return value >= 0xd800 && value < 0xe000 ? 0x2028 : value;
}

export type HuggingFace = {
  encode(text: string): Promise<{ getIds(): number[]; getTokens(): string[] }>;
  encodeBatch(texts: string[]): Promise<{ getIds(): number[] }[]>;
  decode(ids: number[], skipSpecialTokens: boolean): Promise<string>;
  getPreTokenizer(): { preTokenizeString(text: string): [string, [number, number]][] };
  getVocab(): Record<string, number>;
  setPreTokenizer(preTokenizer: unknown): void;
  train(files: string[]): void;
  save(path: string): void;
  addSpecialTokens(tokens: string[]): void;
};

/** npm `tokenizers`, the Rust library's own binding. */
export const tokenizers = require("tokenizers") as {
  Tokenizer: {
    new (model: unknown): HuggingFace;
    fromString(json: string): HuggingFace;
    fromFile(path: string): HuggingFace;
  };
  BPE: { empty(): unknown };
  byteLevelPreTokenizer(addPrefixSpace: boolean, useRegex: boolean): unknown;
};

/** npm `tiktoken`, the Rust library in WebAssembly. */
export const tiktoken = require("tiktoken") as {
  get_encoding(name: string): {
    encode_ordinary(text: string): Uint32Array;
    encode(text: string, allowed?: "all" | string[], disallowed?: string[]): Uint32Array;
    decode(ids: Uint32Array): Uint8Array;
    free(): void;
  };
};

export function versionOf(packageName: string): string {
  const path = join(packageRoot, "node_modules", packageName, "package.json");
  return (JSON.parse(readFileSync(path, "utf8")) as { version: string }).version;
}

/** Cuts text as a regular expression of a tokenizer.json does in Hugging Face's library. */
export function huggingFacePieces(regex: string): (text: string) => string[] {
  const tokenizer = tokenizers.Tokenizer.fromString(
    JSON.stringify({
      version: "1.0",
      pre_tokenizer: { type: "Split", pattern: { Regex: regex }, behavior: "Isolated", invert: false },
      model: { type: "BPE", vocab: {}, merges: [] },
    }),
  ).getPreTokenizer();
  return text => (text === "" ? [] : tokenizer.preTokenizeString(text).map(([piece]) => piece));
}

/** Cuts text with this Node's own engine; `\s` there is not Unicode's White_Space, so it is spelled out. */
export function javascriptPieces(regex: string): (text: string) => string[] {
  const space = "\\p{White_Space}";
  const source = regex
    .replaceAll("[^\\s\\p{L}\\p{N}]", `[^${space}\\p{L}\\p{N}]`)
    .replaceAll("\\S", `\\P{White_Space}`)
    .replaceAll("\\s", space);
  const compiled = new RegExp(source, "gu");
  return text => text.match(compiled) ?? [];
}
