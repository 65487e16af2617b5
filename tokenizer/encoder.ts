/**
 * Text to ids. Text is only ever text here: a special token written in it comes out as its letters (specials.ts has
 * the other way). Knows no file format.
 * Nearly all of a corpus is words already seen, so the work is to find where a piece ends and to copy what the cache
 * knows of it; merging happens only for the rest. All of it runs on UTF-8 bytes in one scratch array, in chunks of
 * 64 KiB, so memory does not depend on the length of the text.
 */
import { createMerger, type Merger, pairTableOf } from "./merge.ts";
import { cachedPiece, createPieceCache } from "./piece-cache.ts";
import { cutFinder } from "./pretokenizer/cut.ts";
import { scanner } from "./pretokenizer/patterns.ts";
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
};

const chunkBytes = 1 << 16;
/** Bytes past a piece that the cache may read. */
const slack = 16;
const defaultCacheSize = 1 << 16;

const utf8 = new TextEncoder();

/** `cacheSize`: pieces remembered, a power of two; 40 bytes each. */
export function createEncoder(
  vocabulary: Vocabulary,
  options: { readonly cacheSize?: number } = {},
): Encoder {
  const size = vocabularySize(vocabulary);
  const scan = scanner(vocabulary.pattern, vocabulary.unicode);
  const findCut = cutFinder(vocabulary.unicode);
  const idOfByte = byteIds(vocabulary);
  const merger = createMerger(idOfByte, pairTableOf(vocabulary.merges));
  const cache = createPieceCache(options.cacheSize ?? defaultCacheSize);
  const wholes = wholeTokens(vocabulary, merger);
  const lengths = new Map([...vocabulary.tokens].map(([id, bytes]) => [id, bytes.length]));
  for (const [text, id] of vocabulary.specials) lengths.set(id, Buffer.byteLength(text));
  let ids = new Int32Array(chunkBytes + slack);

  /** Encodes bytes [start, end), which are a text of their own, to `ids` and returns how many there are. */
  const encodePieces = (bytes: Uint8Array, view: DataView, start: number, end: number): number => {
    if (ids.length < end - start) ids = new Int32Array(end - start + slack);
    const out = ids;
    let n = 0;
    for (let at = start; at < end; ) {
      const stop = scan(bytes, at, end);
      const length = stop - at;
      if (length <= cachedPiece) {
        const known = cache.get(view, at, length, out, n);
        if (known >= 0) n = known;
        else {
          const from = n;
          n = encodePiece(bytes, at, stop, out, n);
          cache.put(view, at, length, out, from, n);
        }
      } else n = encodePiece(bytes, at, stop, out, n);
      at = stop;
    }
    return n;
  };

  const encodePiece = (
    bytes: Uint8Array,
    start: number,
    end: number,
    out: Int32Array,
    at: number,
  ): number => {
    const whole = wholes.find(bytes, start, end);
    if (whole < 0) return merger.merge(bytes, start, end, out, at);
    out[at] = whole;
    return at + 1;
  };

  /** Feeds parts of one text through a scratch array and hands the ids of each chunk to `take` until it says stop. */
  const createFeed = (take: (ids: Int32Array, count: number) => boolean) => {
    let bytes = new Uint8Array(chunkBytes + slack);
    let view = new DataView(bytes.buffer);
    let filled = 0;
    let searched = 0;
    const grow = () => {
      const larger = new Uint8Array(2 * bytes.length);
      larger.set(bytes.subarray(0, filled));
      bytes = larger;
      view = new DataView(bytes.buffer);
    };
    /** Encodes up to the last safe cut; false when `take` wants no more. */
    const drain = (): boolean => {
      const cut = findCut(bytes, searched > 8 ? searched - 8 : 0, filled);
      if (cut <= (searched > 8 ? searched - 8 : 0)) {
        searched = filled;
        if (bytes.length - slack - filled < 4096) grow();
        return true;
      }
      const going = take(ids, encodePieces(bytes, view, 0, cut));
      bytes.copyWithin(0, cut, filled);
      filled -= cut;
      searched = 0;
      return going;
    };
    const addText = (text: string): boolean => {
      for (let read = 0; read < text.length; ) {
        const part = read === 0 ? text : text.slice(read);
        const result = utf8.encodeInto(part, bytes.subarray(filled, bytes.length - slack));
        read += result.read;
        filled += result.written;
        if (read < text.length && !drain()) return false;
      }
      return true;
    };
    const addBytes = (part: Uint8Array): boolean => {
      for (let read = 0; read < part.length; ) {
        const room = Math.min(part.length - read, bytes.length - slack - filled);
        bytes.set(part.subarray(read, read + room), filled);
        read += room;
        filled += room;
        if (read < part.length && !drain()) return false;
      }
      return true;
    };
    const finish = () => {
      if (filled > 0) take(ids, encodePieces(bytes, view, 0, filled));
      filled = 0;
      searched = 0;
    };
    const reset = () => {
      filled = 0;
      searched = 0;
    };
    return { addText, addBytes, drain, finish, reset };
  };

  const own = createTokenSink(size);
  let target: TokenSink = own;
  const feed = createFeed((found, count) => {
    target.append(found, count);
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
  const counting = createFeed((_, count) => (counted += count) <= most);

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
      const streamed = createFeed((found, count) => {
        sink.append(found, count);
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

/**
 * The tokens a piece may be taken as without merging: all where the vocabulary says so, else those that their own
 * merges make, for which it is the same and faster. Published files hold tokens that no merge makes.
 */
function wholeTokens(vocabulary: Vocabulary, merger: Merger): TokenIndex {
  if (vocabulary.wholePieces) return createTokenIndex(vocabulary.tokens);
  return createTokenIndex([...vocabulary.tokens].filter(([id, bytes]) => makesItself(merger, id, bytes)));
}

const made = new Int32Array(4096);

/** Whether merging a token's bytes gives that token. */
export function makesItself(merger: Merger, id: number, bytes: Uint8Array): boolean {
  const out = bytes.length > made.length ? new Int32Array(bytes.length) : made;
  return merger.merge(bytes, 0, bytes.length, out, 0) === 1 && out[0] === id;
}
