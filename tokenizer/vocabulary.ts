/**
 * A BPE vocabulary: which bytes each id stands for and which pairs merge, in order. Read this file first.
 * Knows no text and no file format. Ids are whatever the file says (GPT-2 numbers its bytes by printable character,
 * ours are 0 to 255), may have holes, and a special token may have any id; so tokens stand in a map, and rank is the
 * position of a merge, never an id.
 */
import { UserError } from "../lib/errors.ts";
import type { PatternName } from "./pretokenizer/patterns.ts";

export type Vocabulary = {
  readonly pattern: PatternName;
  /** Version of the Unicode class tables the pattern is read with, such as "16.0.0". */
  readonly unicode: string;
  /** Bytes of every ordinary token. */
  readonly tokens: ReadonlyMap<number, Uint8Array>;
  /** Left id, right id and resulting id of each merge, first merge first. */
  readonly merges: Int32Array<ArrayBuffer>;
  /** Special tokens: their text and id. Never produced from text unless asked for. */
  readonly specials: ReadonlyMap<string, number>;
  /** The special token that ends a document, one of `specials`; null where the file names none. */
  readonly endOfText: string | null;
  /** A piece that is a token as a whole is taken without merging, as tiktoken does and `ignore_merges` says. */
  readonly wholePieces: boolean;
};

/** Greatest id a file may give: embeddings and counts are arrays of that size. The largest in use is below 300,000. */
export const greatestId = 2 ** 24 - 1;

/** One more than the largest id: what an embedding needs. */
export function vocabularySize(vocabulary: Vocabulary): number {
  let size = 0;
  for (const id of vocabulary.tokens.keys()) if (id >= size) size = id + 1;
  for (const id of vocabulary.specials.values()) if (id >= size) size = id + 1;
  return size;
}

/** Id of the end-of-text token. UserError where the vocabulary has none. */
export function endOfTextId(vocabulary: Vocabulary): number {
  const id = vocabulary.endOfText === null ? undefined : vocabulary.specials.get(vocabulary.endOfText);
  if (id === undefined)
    throw new UserError(
      `the tokenizer has no end-of-text token among its special tokens (${[...vocabulary.specials.keys()].join(", ") || "none"})`,
      "shards need one to close each document: train a tokenizer with one, or choose another",
    );
  return id;
}

/** Names under which published vocabularies have their end of text, likeliest first. */
const endOfTextNames = ["<|endoftext|>", "<|end_of_text|>", "</s>", "<eos>", "<|eos|>", "[EOS]"];

export function guessEndOfText(specials: ReadonlyMap<string, number>): string | null {
  return endOfTextNames.find(name => specials.has(name)) ?? null;
}

/** The id of each single byte; -1 where the vocabulary has none. */
export function byteIds(vocabulary: Vocabulary): Int32Array<ArrayBuffer> {
  const ids = new Int32Array(256).fill(-1);
  for (const [id, bytes] of vocabulary.tokens) if (bytes.length === 1) ids[bytes[0]!] = id;
  return ids;
}
