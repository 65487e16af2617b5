/**
 * The pretokenizer patterns by name: the published regular expression, how Hugging Face's file spells it, and the
 * scanner that does the same. Patterns are named by their source; two that look alike are not called equal.
 * Unknown regular expressions are refused, never approximated.
 */
import { classTable, defaultUnicode } from "../unicode.ts";
import { cl100kScanner } from "./scan-cl100k.ts";
import { gpt2Scanner } from "./scan-gpt2.ts";
import { o200kScanner } from "./scan-o200k.ts";

/** End of the piece that begins at `start`, where the text ends at `end`; `start` < `end`. */
export type Scan = (bytes: Uint8Array, start: number, end: number) => number;

export const patternNames = ["gpt2", "cl100k", "o200k", "llama3", "nanochat", "qwen2"] as const;
export type PatternName = (typeof patternNames)[number];

export type Pattern = {
  /** Who uses it. */
  readonly about: string;
  /** In Oniguruma's syntax, as it stands in tokenizer.json. */
  readonly regex: string;
  /** The same for JavaScript's engine with the flag u, where the test compares; contractions spelled out. */
  readonly javascript: string;
};

const suffix = "'(?:[sdmtSDMT\u017f]|[lL][lL]|[vV][eE]|[rR][eE])";
const hfSuffix = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
const upper = "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]";
const lower = "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]";

function cl100kFamily(contraction: string, digits: string, tail: string): string {
  return `${contraction}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*${tail}|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`;
}

function o200kFamily(contraction: string): string {
  const prefix = "[^\\r\\n\\p{L}\\p{N}]?";
  return (
    `${prefix}${upper}*${lower}+${contraction}?|${prefix}${upper}+${lower}*${contraction}?` +
    "|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
  );
}

const gpt2 = "'(?:[sdmt]|ll|ve|re)| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

export const patterns: Readonly<Record<PatternName, Pattern>> = {
  gpt2: {
    about: "GPT-2, GPT-3 and r50k_base (tiktoken)",
    regex: "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
    javascript: gpt2,
  },
  cl100k: {
    about: "GPT-4 (tiktoken cl100k_base); white space at the end of the text is one piece",
    regex: cl100kFamily(hfSuffix, "{1,3}", "|\\s+\\z"),
    javascript: cl100kFamily(suffix, "{1,3}", "|\\s+$"),
  },
  o200k: {
    about: "GPT-4o (tiktoken o200k_base): words split where lower case meets upper case",
    regex: o200kFamily(hfSuffix),
    javascript: o200kFamily(`(?:${suffix})`),
  },
  llama3: {
    about: "Llama 3; also what Hugging Face files of GPT-4 have",
    regex: cl100kFamily(hfSuffix, "{1,3}", ""),
    javascript: cl100kFamily(suffix, "{1,3}", ""),
  },
  nanochat: {
    about: "nanochat: llama3 with digits in groups of two, better for vocabularies below about 50,000",
    regex: cl100kFamily(hfSuffix, "{1,2}", ""),
    javascript: cl100kFamily(suffix, "{1,2}", ""),
  },
  qwen2: {
    about: "Qwen 2: llama3 with every digit alone",
    regex: cl100kFamily(hfSuffix, "", ""),
    javascript: cl100kFamily(suffix, "", ""),
  },
};

/** Other spellings of the same patterns, as they stand in published files. */
const spellings: Readonly<Record<string, PatternName>> = {
  [gpt2]: "gpt2",
  "'(?:[sdmt]|ll|ve|re)| ?\\p{L}++| ?\\p{N}++| ?[^\\s\\p{L}\\p{N}]++|\\s++$|\\s+(?!\\S)|\\s": "gpt2",
  "'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}++|\\p{N}{1,3}+| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*+|\\s++$|\\s*[\\r\\n]|\\s+(?!\\S)|\\s":
    "cl100k",
  "'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|\\p{N}{1,2}| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+":
    "nanochat",
};

/** The pattern a regular expression from a file stands for, or null. */
export function patternOfRegex(regex: string): PatternName | null {
  return spellings[regex] ?? patternNames.find(name => patterns[name].regex === regex) ?? null;
}

const scanners = new Map<string, Scan>();

export function scanner(pattern: PatternName, unicode: string = defaultUnicode): Scan {
  const key = `${pattern} ${unicode}`;
  let scan = scanners.get(key);
  if (!scan) {
    scan = build(pattern, unicode);
    scanners.set(key, scan);
  }
  return scan;
}

function build(pattern: PatternName, unicode: string): Scan {
  const table = classTable(unicode);
  if (pattern === "gpt2") return gpt2Scanner(table);
  if (pattern === "o200k") return o200kScanner(table);
  const digits = { cl100k: 3, llama3: 3, nanochat: 2, qwen2: 1 }[pattern];
  return cl100kScanner(table, { digits, wholeTail: pattern === "cl100k" });
}

/** Ends of all pieces of `bytes`, in order; the last is its length. */
export function pieceEnds(scan: Scan, bytes: Uint8Array): number[] {
  const ends: number[] = [];
  for (let at = 0; at < bytes.length; ) ends.push((at = scan(bytes, at, bytes.length)));
  return ends;
}
