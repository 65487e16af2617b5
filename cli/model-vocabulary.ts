/** What sampler and trainer want to know of a tokenizer, made from the tokenizer's own files. */
import { createHash } from "node:crypto";
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { createDecoder, type Decoder } from "../tokenizer/decoder.ts";
import { createEncoder, type Encoder } from "../tokenizer/encoder.ts";
import { loadTokenizer } from "../tokenizer/files.ts";
import { endOfTextId, vocabularySize } from "../tokenizer/vocabulary.ts";
import { type Llama2cTokenizer, readLlama2cTokenizer } from "../trainer/import/llama2c-tokenizer.ts";
import type { Vocabulary } from "../trainer/vocabulary.ts";

export type ModelVocabulary = {
  readonly vocabulary: Vocabulary;
  readonly encoder: Pick<Encoder, "encode">;
  readonly decoder: Decoder;
  /** sha256 of tokenizer.json, as shards and checkpoints carry it. */
  readonly hash: string;
};

/** What a model names of its own: its end of text and its size, where its tokenizer does not know them. */
export type ModelFacts = { readonly eot: number; readonly vocabulary: number };

/** The file of a llama2.c model's tokenizer, in the folder that curate import wrote. */
export const llama2cFile = "tokenizer.bin";

export function modelVocabulary(from: string, model?: ModelFacts): ModelVocabulary {
  const scored = existsSync(from) && statSync(from).isDirectory() ? join(from, llama2cFile) : from;
  if (model && scored.endsWith(".bin") && existsSync(scored)) return llama2cVocabulary(scored, model);
  const { vocabulary: tokens, hash } = loadTokenizer(from);
  const [encoder, decoder] = [createEncoder(tokens), createDecoder(tokens)];
  const vocabulary: Vocabulary = {
    size: vocabularySize(tokens),
    eot: model?.eot ?? endOfTextId(tokens),
    bytesPerToken: lengthsOf(vocabularySize(tokens), id => tokens.tokens.get(id)),
    decode: ids => decoder.decode(ids),
    encode: text => Uint32Array.from(encoder.encode(text)),
  };
  return { vocabulary, encoder, decoder, hash };
}

function lengthsOf(size: number, bytesOf: (id: number) => Uint8Array | undefined): Uint16Array {
  return Uint16Array.from({ length: size }, (_, id) => bytesOf(id)?.length ?? 0);
}

function llama2cVocabulary(path: string, { eot, vocabulary: size }: ModelFacts): ModelVocabulary {
  const file = readFileSync(path);
  const tokenizer = readLlama2cTokenizer(file, size, path);
  const decoder = llama2cDecoder(tokenizer);
  const encode = (text: string) => tokenizer.encode(text);
  const vocabulary: Vocabulary = {
    ...{ size, eot, encode, decode: decoder.decode },
    bytesPerToken: lengthsOf(size, tokenizer.bytesOf),
  };
  const encoder = { encode: (text: string) => Uint32Array.from(encode(text)) };
  return { vocabulary, encoder, decoder, hash: createHash("sha256").update(file).digest("hex") };
}

function llama2cDecoder({ bytesOf }: Llama2cTokenizer): Decoder {
  const decodeBytes = (ids: ArrayLike<number>) =>
    new Uint8Array(Buffer.concat(Array.from(ids, id => bytesOf(id) ?? new Uint8Array(0))));
  const textDecoder = () => new TextDecoder("utf-8", { ignoreBOM: true });
  return {
    ...{ decodeBytes, bytesOf, decode: ids => textDecoder().decode(decodeBytes(ids)) },
    stream() {
      const decoder = textDecoder();
      return {
        push: ids => decoder.decode(decodeBytes(ids), { stream: true }),
        end: () => decoder.decode(),
      };
    },
  };
}
