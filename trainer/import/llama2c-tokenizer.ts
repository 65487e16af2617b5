/**
 * llama2.c's tokenizer.bin: SentencePiece's pieces with a score each. Ids 3 to 258 are the bytes; a text begins with a
 * space that is not in it; of all neighbours that make a piece together those with the best score merge first, the
 * leftmost of equals. Not a vocabulary of merges in order, so it stands here, beside the only models that use it.
 */
import { UserError } from "../../lib/errors.ts";

export type ScoredPiece = { readonly bytes: Uint8Array; readonly score: number };

export type Llama2cTokenizer = {
  readonly pieces: readonly ScoredPiece[];
  encode(text: string): Uint32Array;
  /** Bytes of a piece; undefined for the three that stand for no text and for ids beyond the last. */
  bytesOf(id: number): Uint8Array | undefined;
};

const firstByte = 3;
const firstPiece = firstByte + 256;

/** `size`: pieces, the vocabulary of the model. UserError where the bytes are no tokenizer of that size. */
export function readLlama2cTokenizer(file: Uint8Array, size: number, path: string): Llama2cTokenizer {
  const broken = (what: string) =>
    new UserError(`${path} is not a llama2.c tokenizer of ${size} pieces: ${what}`, "give the model's own");
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const pieces: ScoredPiece[] = [];
  let at = 4;
  while (pieces.length < size) {
    if (at + 8 > file.length) throw broken(`it ends after ${pieces.length}`);
    const [score, length] = [view.getFloat32(at, true), view.getInt32(at + 4, true)];
    at += 8;
    if (length < 0 || at + length > file.length) throw broken(`piece ${pieces.length} has ${length} bytes`);
    pieces.push({ score, bytes: file.subarray(at, at + length) });
    at += length;
  }
  if (at !== file.length) throw broken(`it has ${file.length - at} bytes more`);
  if (size < firstPiece) throw broken("there is no room for the bytes");

  const bytesOf = (id: number) => {
    if (id < firstByte) return undefined;
    return id < firstPiece ? Uint8Array.of(id - firstByte) : pieces[id]?.bytes;
  };
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  const ids = new Map<string, number>();
  for (let id = size - 1; id >= firstPiece; id--) ids.set(decoder.decode(pieces[id]!.bytes), id);
  return { pieces, bytesOf, encode: text => Uint32Array.from(encode(text, ids, pieces)) };
}

function encode(text: string, ids: ReadonlyMap<string, number>, pieces: readonly ScoredPiece[]): number[] {
  if (text === "") return [];
  const tokens: number[] = [];
  const texts: string[] = [];
  for (const character of ` ${text.toWellFormed()}`) {
    const id = ids.get(character);
    const own = id === undefined ? [...new TextEncoder().encode(character)].map(b => b + firstByte) : [id];
    for (const token of own) {
      tokens.push(token);
      // A byte of a character that is no piece merges with nothing.
      texts.push(id === undefined ? "\uffff" : character);
    }
  }
  const joined = (i: number) => ids.get(texts[i]! + texts[i + 1]!);
  const scoreOf = (i: number) => {
    const id = i >= 0 && i + 1 < texts.length ? joined(i) : undefined;
    return id === undefined ? Number.NEGATIVE_INFINITY : pieces[id]!.score;
  };
  const scores = texts.map((_, i) => scoreOf(i));
  while (true) {
    let best = -1;
    for (let i = 0; i < scores.length; i++) {
      if (scores[i]! > (best < 0 ? Number.NEGATIVE_INFINITY : scores[best]!)) best = i;
    }
    if (best < 0) return tokens;
    tokens[best] = joined(best)!;
    texts[best] += texts[best + 1]!;
    for (const list of [tokens, texts, scores]) list.splice(best + 1, 1);
    scores[best] = scoreOf(best);
    if (best > 0) scores[best - 1] = scoreOf(best - 1);
  }
}
