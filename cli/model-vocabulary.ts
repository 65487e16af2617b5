/** What the trainer wants to know of a tokenizer, made from the tokenizer's own files. */
import { createDecoder, type Decoder } from "../tokenizer/decoder.ts";
import { createEncoder, type Encoder } from "../tokenizer/encoder.ts";
import { loadTokenizer } from "../tokenizer/files.ts";
import { endOfTextId, vocabularySize } from "../tokenizer/vocabulary.ts";
import type { Vocabulary } from "../trainer/vocabulary.ts";

export type ModelVocabulary = {
  readonly vocabulary: Vocabulary;
  readonly encoder: Encoder;
  readonly decoder: Decoder;
  /** sha256 of tokenizer.json, as shards and checkpoints carry it. */
  readonly hash: string;
};

/** `eot`: the model's end of text, where the model names one; else the tokenizer's. */
export function modelVocabulary(from: string, eot?: number): ModelVocabulary {
  const { vocabulary: tokens, hash } = loadTokenizer(from);
  const [encoder, decoder] = [createEncoder(tokens), createDecoder(tokens)];
  const size = vocabularySize(tokens);
  const bytesPerToken = new Uint16Array(size);
  for (const [id, bytes] of tokens.tokens) bytesPerToken[id] = bytes.length;
  const vocabulary: Vocabulary = {
    size,
    eot: eot ?? endOfTextId(tokens),
    bytesPerToken,
    decode: ids => decoder.decode(ids),
    encode: text => Uint32Array.from(encoder.encode(text)),
  };
  return { vocabulary, encoder, decoder, hash };
}
