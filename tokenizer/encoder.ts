/**
 * Text to ids. Text is only ever text here: a special token written in it comes out as its letters (specials.ts has
 * the other way). Knows no file format.
 * Nearly all of a corpus is words already seen, so the work is to find where a piece ends and to copy what the cache
 * knows of it; merging happens only for the rest. All of it runs on UTF-8 bytes in one scratch array, in chunks of
 * 64 KiB, so memory does not depend on the length of the text.
 */
import { createKernelEncoder, longestInside } from "./kernel.ts";
import { createMerger, type Merger, makesItself, pairTableOf } from "./merge.ts";
import { createPieceEncoder, type EncodePiece, type PieceEncoder } from "./piece-encoder.ts";
import { scanner } from "./pretokenizer/patterns.ts";
import { createTextFeed } from "./text-feed.ts";
import { createTokenSink, type TokenArray, type TokenSink } from "./token-array.ts";
import { createTokenIndex, type TokenIndex } from "./token-index.ts";
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
  /** Whether the loop in WebAssembly does the work: where it is built and the vocabulary has all 256 bytes. */
  readonly usesKernel: boolean;
};

const defaultCacheBits = 17;

/**
 * `cacheBits`: 2^bits pieces of up to 8 bytes are remembered, half as many longer ones. `kernel`: false for the
 * reference in plain JavaScript, which gives the same ids.
 */
export function createEncoder(
  vocabulary: Vocabulary,
  options: { readonly cacheBits?: number; readonly kernel?: boolean } = {},
): Encoder {
  const size = vocabularySize(vocabulary);
  const scan = scanner(vocabulary.pattern, vocabulary.unicode);
  const idOfByte = byteIds(vocabulary);
  const merger = once(() => createMerger(idOfByte, pairTableOf(vocabulary.merges)));
  let orphans: TokenIndex | null = null;
  const encodePiece: EncodePiece = (bytes, start, end, out, at) => {
    const id = orphans ? orphans.find(bytes, start, end) : -1;
    if (id < 0) return merger().merge(bytes, start, end, out, at);
    out[at] = id;
    return at + 1;
  };
  const bits = options.cacheBits ?? defaultCacheBits;
  const kernel =
    options.kernel === false
      ? null
      : createKernelEncoder(vocabulary, encodePiece, { byteIds: idOfByte, size, bits });
  const [made, unmade] = tokensByMaking(
    vocabulary,
    kernel?.makes ?? ((id, bytes) => makesItself(merger(), id, bytes)),
  );
  if (vocabulary.wholePieces && unmade.length > 0) orphans = createTokenIndex(unmade);
  const plain = (): PieceEncoder =>
    createPieceEncoder(scan, encodePiece, { bits, cased: vocabulary.pattern === "o200k" });
  const start = (encoder: PieceEncoder) => {
    for (const [id, bytes] of made) encoder.learn(bytes, id);
    return encoder;
  };
  kernel?.open({ outside: orphans !== null, made: new Set(made.map(([id]) => id)) });
  let pieces = start(kernel ?? plain());
  const encodePieces = (bytes: Uint8Array, view: DataView, end: number): number => {
    if (pieces === kernel && end > longestInside) pieces = start(plain());
    return pieces.encode(bytes, view, end);
  };
  const lengths = once(() => tokenLengths(vocabulary));
  const own = createTokenSink(size);
  let target: TokenSink = own;
  const feed = createTextFeed(vocabulary.unicode, (bytes, view, end) => {
    const count = encodePieces(bytes, view, end);
    target.append(pieces.ids, count);
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
    get merger() {
      return merger();
    },
    usesKernel: kernel !== null,
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
        sink.append(pieces.ids, count);
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
      const known = lengths();
      const starts = new Uint32Array(of.length + 1);
      for (let i = 0; i < of.length; i++) starts[i + 1] = starts[i]! + (known.get(of[i]!) ?? 0);
      return starts;
    },
  };
}

type Token = readonly [id: number, bytes: Uint8Array];

/**
 * Tokens that merging their bytes makes, and those it does not: published files hold some, and they are found only
 * where a whole piece is looked up first.
 */
function tokensByMaking(
  vocabulary: Vocabulary,
  makes: (id: number, bytes: Uint8Array) => boolean,
): [made: Token[], unmade: Token[]] {
  const made: Token[] = [];
  const unmade: Token[] = [];
  for (const token of vocabulary.tokens) (makes(token[0], token[1]) ? made : unmade).push(token);
  return [made, unmade];
}

function tokenLengths(vocabulary: Vocabulary): Map<number, number> {
  const lengths = new Map([...vocabulary.tokens].map(([id, bytes]) => [id, bytes.length]));
  for (const [text, id] of vocabulary.specials) lengths.set(id, Buffer.byteLength(text));
  return lengths;
}

function once<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => (made ??= make());
}
