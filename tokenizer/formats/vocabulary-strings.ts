/**
 * From a vocabulary and merges written as byte-level strings to ids and bytes; what tokenizer.json and vocab.json
 * with merges.txt have in common. Knows neither file. Refuses with the entry's name what it cannot represent.
 */
import { shown, UserError } from "../../lib/errors.ts";
import { greatestId } from "../vocabulary.ts";
import { bytesOfCharacters } from "./byte-characters.ts";

export type Strings = {
  readonly tokens: Map<number, Uint8Array>;
  readonly merges: Int32Array<ArrayBuffer>;
};

/** `isSpecial`: entries that are special tokens, whose text is not byte-level. */
export function readStrings(
  path: string,
  vocab: Readonly<Record<string, unknown>>,
  merges: readonly (readonly [string, string])[],
  isSpecial: (text: string) => boolean,
): Strings {
  const tokens = new Map<number, Uint8Array>();
  const idOf = new Map<string, number>();
  for (const [text, id] of Object.entries(vocab)) {
    if (!Number.isSafeInteger(id) || (id as number) < 0 || (id as number) > greatestId)
      throw new UserError(
        `${path}: expected an id from 0 to ${greatestId} for the token ${shown(text)}, got ${shown(id)}`,
      );
    if (isSpecial(text)) continue;
    const bytes = bytesOfCharacters(text);
    if (!bytes)
      throw new UserError(
        `${path}: the token ${shown(text)} has characters outside the byte-level alphabet`,
        "only byte-level BPE is supported, as GPT-2, GPT-4, Llama 3 and Qwen have it; SentencePiece models are not",
      );
    if (tokens.has(id as number))
      throw new UserError(`${path}: two tokens have the id ${id}, the second ${shown(text)}`);
    tokens.set(id as number, bytes);
    idOf.set(text, id as number);
  }
  const triples = new Int32Array(3 * merges.length);
  merges.forEach(([left, right], i) => {
    const ids = [idOf.get(left), idOf.get(right), idOf.get(left + right)];
    if (ids.includes(undefined))
      throw new UserError(
        `${path}: merge ${i + 1}, ${shown(left)} and ${shown(right)}, is not of tokens of the vocabulary`,
      );
    triples.set(ids as number[], 3 * i);
  });
  return { tokens, merges: triples };
}

/** A merge as a string: cut at the first U+0020 alone, since a token may hold other white space. */
export function splitMerge(line: string): [string, string] | null {
  const at = line.indexOf(" ");
  return at > 0 && at < line.length - 1 ? [line.slice(0, at), line.slice(at + 1)] : null;
}
