/**
 * The tokens of a vocabulary one by one: what each is, whether text can ever give it, how often it was used. Data
 * only. Tokens that are in the vocabulary and never in the training text are the ones a model knows nothing about.
 */
import type { Encoder } from "../encoder.ts";
import { makesItself } from "../merge.ts";
import type { Split } from "../shards/format.ts";
import { openShards } from "../shards/read.ts";
import { endsWithinCharacter } from "./segments.ts";

export type TokenClass =
  | "special"
  /** One of the 256 bytes. */
  | "byte"
  /** Begins or ends within a character. */
  | "partial"
  /** Some text gives it. */
  | "reachable"
  /** No merges make it, and it is not taken whole either. */
  | "unreachable"
  /** Merges make it, but no text tried was cut so that they could. */
  | "unreached";

export type TokenFacts = {
  readonly id: number;
  readonly bytes: Uint8Array;
  readonly class: TokenClass;
  /** The two ids it is merged from; null for bytes, special tokens and tokens no merge makes. */
  readonly parents: readonly [number, number] | null;
};

/** Texts put before and after a token to see whether it comes out: alone it may be cut differently than in a text. */
const contexts = [
  ["", ""],
  ["a", ""],
  [" ", ""],
  ["", "a"],
  ["a", " a"],
  ["!", "!"],
  ["\n", "a"],
  ["1", "1"],
  ["", " a"],
] as const;

/** All tokens by id. About a microsecond a token, more for those that are hard to reach. */
export function tokenFacts(encoder: Encoder): TokenFacts[] {
  const { vocabulary, merger } = encoder;
  const parents = new Map<number, readonly [number, number]>();
  const { merges } = vocabulary;
  for (let i = 0; i < merges.length; i += 3)
    if (!parents.has(merges[i + 2]!)) parents.set(merges[i + 2]!, [merges[i]!, merges[i + 1]!]);
  const facts: TokenFacts[] = [...vocabulary.specials].map(([text, id]) => ({
    id,
    bytes: new Uint8Array(Buffer.from(text)),
    class: "special",
    parents: null,
  }));
  for (const [id, bytes] of vocabulary.tokens) {
    const made = vocabulary.wholePieces || makesItself(merger, id, bytes);
    facts.push({ id, bytes, class: classOf(encoder, id, bytes, made), parents: parents.get(id) ?? null });
  }
  return facts.sort((a, b) => a.id - b.id);
}

function classOf(encoder: Encoder, id: number, bytes: Uint8Array, made: boolean): TokenClass {
  if (bytes.length === 1) return "byte";
  if (!made) return "unreachable";
  if ((bytes[0]! & 0xc0) === 0x80 || endsWithinCharacter(bytes)) return "partial";
  const reached = contexts.some(([before, after]) => {
    const text = Buffer.concat([Buffer.from(before), bytes, Buffer.from(after)]);
    return encoder.encodeBytes(text).includes(id);
  });
  return reached ? "reachable" : "unreached";
}

/** The `count` longest tokens: boilerplate such as rows of "=" and cookie notices shows here first. */
export function longestTokens(facts: readonly TokenFacts[], count: number): TokenFacts[] {
  return facts
    .filter(fact => fact.class !== "special")
    .sort((a, b) => b.bytes.length - a.bytes.length || a.id - b.id)
    .slice(0, count);
}

/** How often each id stands in the shards of a folder; reads them one by one. */
export function countUses(dir: string, split: Split): Float64Array {
  const shards = openShards(dir, split, { memory: 0 });
  const uses = new Float64Array(shards.vocabularySize);
  for (let i = 0; i < shards.files.length; i++) for (const id of shards.shard(i).tokens) uses[id]!++;
  return uses;
}

export type Occurrences = {
  /** How often each id stands in the shards, and in how many documents. */
  readonly uses: Float64Array;
  readonly documents: Float64Array;
};

/** Like `countUses`, with the documents counted as well. */
export function countOccurrences(dir: string, split: Split): Occurrences {
  const shards = openShards(dir, split, { memory: 0 });
  const uses = new Float64Array(shards.vocabularySize);
  const documents = new Float64Array(shards.vocabularySize);
  const last = new Float64Array(shards.vocabularySize);
  let document = 0;
  for (let i = 0; i < shards.files.length; i++) {
    const { tokens, starts } = shards.shard(i);
    for (let row = 0; row + 1 < starts.length; row++) {
      document++;
      for (let at = starts[row]!; at < starts[row + 1]!; at++) {
        const id = tokens[at]!;
        uses[id]!++;
        if (last[id] === document) continue;
        last[id] = document;
        documents[id]!++;
      }
    }
  }
  return { uses, documents };
}

/** Tokens used at most `most` times, fewest first. Single bytes that no UTF-8 text can have are left out. */
export function rareTokens(facts: readonly TokenFacts[], uses: ArrayLike<number>, most = 0): TokenFacts[] {
  const never = (byte: number) => byte === 0xc0 || byte === 0xc1 || byte > 0xf4;
  return facts
    .filter(({ id, bytes }) => (uses[id] ?? 0) <= most && !(bytes.length === 1 && never(bytes[0]!)))
    .sort((a, b) => (uses[a.id] ?? 0) - (uses[b.id] ?? 0) || a.id - b.id);
}

export type Usage = {
  readonly tokens: number;
  /** Share of the vocabulary that was used at all. */
  readonly used: number;
  /** Shannon entropy of the ids in bits, and as a share of what a vocabulary of this size can have. */
  readonly entropy: number;
  readonly efficiency: number;
};

/** Of counts by id, as `countUses` and the encoding job give them. */
export function usage(uses: ArrayLike<number>): Usage {
  let tokens = 0;
  let used = 0;
  for (let id = 0; id < uses.length; id++) {
    tokens += uses[id]!;
    if (uses[id]! > 0) used++;
  }
  let entropy = 0;
  for (let id = 0; id < uses.length; id++)
    if (uses[id]! > 0) entropy -= (uses[id]! / tokens) * Math.log2(uses[id]! / tokens);
  const possible = Math.log2(Math.max(2, uses.length));
  return {
    tokens,
    used: uses.length === 0 ? 0 : used / uses.length,
    entropy,
    efficiency: entropy / possible,
  };
}
