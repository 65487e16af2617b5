/**
 * Ids to bytes and bytes to text. Bytes are what tokens are; text is made of them only at the end, since a token can
 * be half a character. Knows no merges.
 * Text is decoded with `ignoreBOM`, or a token that is U+FEFF would vanish at the start of every text.
 */
import { type Vocabulary, vocabularySize } from "./vocabulary.ts";

export type DecodeStream = {
  /** The text that is certain after these ids; an incomplete character is held back. */
  push(ids: ArrayLike<number>): string;
  /** What was held back, U+FFFD for what never became a character. */
  end(): string;
};

export type Decoder = {
  /** Exactly the bytes that were encoded. RangeError for an id the vocabulary does not have. */
  decodeBytes(ids: ArrayLike<number>): Uint8Array<ArrayBuffer>;
  /** Text; bytes that are not UTF-8 come out as U+FFFD. */
  decode(ids: ArrayLike<number>): string;
  /** Bytes of one token, specials included; undefined for an id that is not used. */
  bytesOf(id: number): Uint8Array | undefined;
  stream(): DecodeStream;
};

export function createDecoder(vocabulary: Vocabulary): Decoder {
  const size = vocabularySize(vocabulary);
  const special = new Map(
    [...vocabulary.specials].map(([text, id]) => [id, new Uint8Array(Buffer.from(text, "utf8"))] as const),
  );
  const bytesOf = (id: number) => vocabulary.tokens.get(id) ?? special.get(id);
  const known = (id: number) => {
    const bytes = bytesOf(id);
    if (!bytes) throw new RangeError(`token id ${id} is not in the vocabulary of ${size}`);
    return bytes;
  };
  const decodeBytes = (ids: ArrayLike<number>) => {
    let length = 0;
    for (let i = 0; i < ids.length; i++) length += known(ids[i]!).length;
    const bytes = new Uint8Array(length);
    let at = 0;
    for (let i = 0; i < ids.length; i++) {
      const token = known(ids[i]!);
      bytes.set(token, at);
      at += token.length;
    }
    return bytes;
  };
  return {
    decodeBytes,
    bytesOf,
    decode: ids => new TextDecoder("utf-8", { ignoreBOM: true }).decode(decodeBytes(ids)),
    stream() {
      const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
      return {
        push: ids => decoder.decode(decodeBytes(ids), { stream: true }),
        end: () => decoder.decode(),
      };
    },
  };
}
