/**
 * Ranked tokens: `.tiktoken` files (base64, space, rank, a line each) and the encodings of the npm package tiktoken.
 * Such a file has neither pattern nor special tokens, so both come from its name or from the caller. Ranks are ids
 * and the order of merging at once; the pairs are worked out from them.
 */
import { shown, UserError } from "../../lib/errors.ts";
import { mergesOfRanks } from "../merge.ts";
import type { PatternName } from "../pretokenizer/patterns.ts";
import { defaultUnicode } from "../unicode.ts";
import { greatestId, guessEndOfText, type Vocabulary } from "../vocabulary.ts";

export type Encoding = { readonly pattern: PatternName; readonly specials: Readonly<Record<string, number>> };

const gpt2: Encoding = { pattern: "gpt2", specials: { "<|endoftext|>": 50256 } };

/** Published encodings by name. */
export const encodings: Readonly<Record<string, Encoding>> = {
  gpt2,
  r50k_base: gpt2,
  p50k_base: gpt2,
  cl100k_base: {
    pattern: "cl100k",
    specials: {
      "<|endoftext|>": 100257,
      "<|fim_prefix|>": 100258,
      "<|fim_middle|>": 100259,
      "<|fim_suffix|>": 100260,
      "<|endofprompt|>": 100276,
    },
  },
  o200k_base: { pattern: "o200k", specials: { "<|endoftext|>": 199999, "<|endofprompt|>": 200018 } },
};

type Ranked = [id: number, bytes: Uint8Array];

/** Reads the lines of a .tiktoken file. UserError with the line number for what is not one, and for a rank given twice. */
export function readRanks(text: string, path: string): Ranked[] {
  const tokens: Ranked[] = [];
  const lineOfRank = new Map<number, number>();
  const lineOfToken = new Map<string, number>();
  text.split("\n").forEach((line, i) => {
    if (line.trim() === "") return;
    const match = /^([A-Za-z0-9+/]+=*) (\d+)\s*$/.exec(line);
    const rank = Number(match?.[2]);
    if (!match || rank > greatestId)
      throw new UserError(
        `${path}:${i + 1}: expected a base64 token, a space and its rank up to ${greatestId}, got ${shown(line)}`,
      );
    for (const [seen, key, what] of [
      [lineOfRank, rank, `rank ${rank}`],
      [lineOfToken, match[1]!, `token ${match[1]}`],
    ] as [Map<number | string, number>, number | string, string][]) {
      if (seen.has(key))
        throw new UserError(`${path}:${i + 1}: ${what} stands in line ${seen.get(key)} already`);
      seen.set(key, i + 1);
    }
    tokens.push([rank, new Uint8Array(Buffer.from(match[1]!, "base64"))]);
  });
  if (tokens.length === 0) throw new UserError(`${path}: expected ranked tokens, found none`);
  return tokens;
}

/** The ranks of the npm package's encoder files: runs of base64 tokens, each run with the rank it begins at. */
export function readPackedRanks(packed: string): Ranked[] {
  const tokens: Ranked[] = [];
  for (const line of packed.split("\n")) {
    const [, first, ...encoded] = line.split(" ");
    encoded.forEach((token, i) => {
      if (token) tokens.push([Number(first) + i, new Uint8Array(Buffer.from(token, "base64"))]);
    });
  }
  return tokens;
}

export function vocabularyOfRanks(tokens: readonly Ranked[], encoding: Encoding): Vocabulary {
  const ranked = [...tokens].sort(([a], [b]) => a - b);
  const specials = new Map(Object.entries(encoding.specials));
  return {
    pattern: encoding.pattern,
    unicode: defaultUnicode,
    tokens: new Map(ranked),
    merges: mergesOfRanks(ranked),
    specials,
    endOfText: guessEndOfText(specials),
    wholePieces: true,
  };
}

/** Ordinary tokens by rank; special tokens have no place in the format. UserError where ids do not rise with the merges. */
export function writeRanks(vocabulary: Vocabulary, path: string): string {
  const { merges, tokens } = vocabulary;
  for (let i = 3; i < merges.length; i += 3)
    if (merges[i + 2]! <= merges[i - 1]!)
      throw new UserError(
        `${path}: the ids of merges ${i / 3} and ${i / 3 + 1} do not rise, and a .tiktoken file has no other order`,
        "save it as tokenizer.json",
      );
  return [...tokens]
    .sort(([a], [b]) => a - b)
    .map(([id, bytes]) => `${Buffer.from(bytes).toString("base64")} ${id}\n`)
    .join("");
}
