/**
 * Text to ids. Text is only ever text here: a special token written in it comes out as its letters (specials.ts has
 * the other way). Knows no file format.
 * Nearly all of a corpus is words already seen, so the work is to find where a piece ends and to copy what the cache
 * knows of it; merging happens only for the rest. All of it runs on UTF-8 bytes in one scratch array, in chunks of
 * 64 KiB, so memory does not depend on the length of the text.
 */
import { createMerger, type Merger, makesItself, pairTableOf } from "./merge.ts";
import { createPieceEncoder, type EncodePiece } from "./piece-encoder.ts";
import { scanner } from "./pretokenizer/patterns.ts";
import { createTextFeed, feedBytes, slack } from "./text-feed.ts";
import { createTokenSink, type TokenArray, type TokenSink } from "./token-array.ts";
import { createTokenIndex } from "./token-index.ts";
import { byteIds, type Vocabulary, vocabularySize } from "./vocabulary.ts";

export type EncodeStream = {
  /** Takes the next part of the text, cut anywhere, and returns the ids that are certain by now. */
  push(part: string | Uint8Array): TokenArray;
  /** The ids of what was held back. The stream is empty again afterwards. */
  end(): TokenArray;
};

export type Encoder = {
  readonly vocabulary: Vocabulary;
  /** Ids lie in [0, size). */
  readonly size: number;
  /** Ids of a text. A lone surrogate is encoded as U+FFFD. */
  encode(text: string): TokenArray;
  /** Ids of any bytes, well-formed UTF-8 or not. */
  encodeBytes(bytes: Uint8Array): TokenArray;
  encodeInto(text: string, sink: TokenSink): void;
  /** Number of ids of a text; reading stops once there are more than `limit`, and `limit + 1` is returned. */
  count(text: string, limit?: number): number;
  stream(): EncodeStream;
  /** Where each token begins in the UTF-8 of the text, in bytes; one more entry for the end. */
  offsets(ids: ArrayLike<number>): Uint32Array<ArrayBuffer>;
  /** The merges themselves, without pieces and cache. */
  readonly merger: Merger;
};

const defaultCacheBits = 17;

/** `cacheBits`: 2^bits pieces are remembered, 64 bytes for each of them. */
export function createEncoder(
  vocabulary: Vocabulary,
  options: { readonly cacheBits?: number } = {},
): Encoder {
  const size = vocabularySize(vocabulary);
  const scan = scanner(vocabulary.pattern, vocabulary.unicode);
  const idOfByte = byteIds(vocabulary);
  const merger = createMerger(idOfByte, pairTableOf(vocabulary.merges));
  const { made, unmade } = tokensByMaking(vocabulary, merger);
  const hasOrphans = vocabulary.wholePieces && unmade.length > 0;
  const orphans = createTokenIndex(unmade);
  const lengths = new Map([...vocabulary.tokens].map(([id, bytes]) => [id, bytes.length]));
  for (const [text, id] of vocabulary.specials) lengths.set(id, Buffer.byteLength(text));
  let ids = new Int32Array(feedBytes + slack);

  const encodePiece: EncodePiece = (bytes, start, end, out, at) => {
    if (hasOrphans) {
      const id = orphans.find(bytes, start, end);
      if (id >= 0) {
        out[at] = id;
        return at + 1;
      }
    }
    return merger.merge(bytes, start, end, out, at);
  };
  const pieces = createPieceEncoder(scan, encodePiece, {
    bits: options.cacheBits ?? defaultCacheBits,
    cased: vocabulary.pattern === "o200k",
  });
  for (const [id, bytes] of made) pieces.learn(bytes, id);
  /** Encodes bytes [0, end), which are a text of their own, to `ids` and returns how many there are. */
  const encodePieces = (bytes: Uint8Array, view: DataView, end: number): number => {
    if (ids.length < end) ids = new Int32Array(end + slack);
    return pieces.encode(bytes, view, end, ids);
  };
  const own = createTokenSink(size);
  let target: TokenSink = own;
  const feed = createTextFeed(vocabulary.unicode, (bytes, view, end) => {
    const count = encodePieces(bytes, view, end);
    target.append(ids, count);
    return true;
  });
  const whole = (fill: () => void): TokenArray => {
    own.clear();
    feed.reset();
    target = own;
    fill();
    feed.finish();
    return own.view().slice();
  };
  let counted = 0;
  let most = 0;
  const counting = createTextFeed(
    vocabulary.unicode,
    (bytes, view, end) => (counted += encodePieces(bytes, view, end)) <= most,
  );

  return {
    vocabulary,
    size,
    merger,
    encode: text => whole(() => feed.addText(text)),
    encodeBytes: bytes => whole(() => feed.addBytes(bytes)),
    encodeInto(text, sink) {
      feed.reset();
      target = sink;
      feed.addText(text);
      feed.finish();
    },
    count(text, limit = Number.POSITIVE_INFINITY) {
      counted = 0;
      most = limit;
      counting.reset();
      if (counting.addText(text)) counting.finish();
      return Math.min(counted, limit + 1);
    },
    stream() {
      const sink = createTokenSink(size);
      const streamed = createTextFeed(vocabulary.unicode, (bytes, view, end) => {
        const count = encodePieces(bytes, view, end);
        sink.append(ids, count);
        return true;
      });
      let high = "";
      const taken = () => {
        const result = sink.view().slice();
        sink.clear();
        return result;
      };
      return {
        push(part) {
          if (typeof part === "string") {
            const text = high + part;
            high = /[\ud800-\udbff]$/.test(text) ? text.slice(-1) : "";
            streamed.addText(high ? text.slice(0, -1) : text);
          } else streamed.addBytes(part);
          streamed.drain();
          return taken();
        },
        end() {
          if (high) streamed.addText(high);
          high = "";
          streamed.finish();
          return taken();
        },
      };
    },
    offsets(of) {
      const starts = new Uint32Array(of.length + 1);
      for (let i = 0; i < of.length; i++) starts[i + 1] = starts[i]! + (lengths.get(of[i]!) ?? 0);
      return starts;
    },
  };
}

type Token = readonly [id: number, bytes: Uint8Array];

/**
 * Tokens that merging their bytes makes, and those it does not: published files hold some, and they are found only
 * where a whole piece is looked up first.
 */
function tokensByMaking(vocabulary: Vocabulary, merger: Merger): { made: Token[]; unmade: Token[] } {
  const made: Token[] = [];
  const unmade: Token[] = [];
  for (const token of vocabulary.tokens)
    (makesItself(merger, token[0], token[1]) ? made : unmade).push(token);
  return { made, unmade };
}
