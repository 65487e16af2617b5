/**
 * Text to ids by the loop of tokenizer/wasm/, for vocabularies it can take: those with all 256 bytes and fewer than a
 * million merges. Knows no strings and no files but its own module. Gives the ids of piece-encoder.ts and merge.ts,
 * which stay the reference and do the work where the module is not built or does not fit. One instance and one memory
 * for each encoder: what is cached belongs to a vocabulary.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { builtRoot } from "../lib/package-root.ts";
import type { EncodePiece, PieceEncoder } from "./piece-encoder.ts";
import type { PatternName } from "./pretokenizer/patterns.ts";
import { feedBytes } from "./text-feed.ts";
import { classTable } from "./unicode.ts";
import type { Vocabulary } from "./vocabulary.ts";

type Exports = {
  readonly memory: WebAssembly.Memory;
  storeConstants(): void;
  setFamily(digits: number, wholeTail: number): void;
  takePairs(count: number): number;
  enterPairs(): void;
  idsAt(): number;
  takeCache(bits: number, everyPieceOutside: number, longInside: number): void;
  room(bytes: number): number;
  outputAt(): number;
  learn(at: number, length: number, id: number): void;
  merged(at: number, length: number, to: number): number;
  encodeGpt2(end: number): number;
  encodeCl100k(end: number): number;
  encodeO200k(end: number): number;
};

/** Places in its memory, those of tokenizer/wasm/memory.ts. */
const byteClasses = 1024;
const classIndex = 4096;
const classBlocks = 16384;
const blocksEnd = 131072;

/** In a table of classes of bytes: not ASCII. */
const wide = 8;
/** Symbols have 20 bits. */
const mostMerges = 2 ** 20 - 256;
/** A text without a place to cut it that is longer than this is encoded outside: ids take four times its room. */
export const longestInside = 2 ** 28;

let compiled: WebAssembly.Module | null | undefined;

/** The module, or null where it is not built. */
export function kernelModule(): WebAssembly.Module | null {
  if (compiled !== undefined) return compiled;
  try {
    compiled = new WebAssembly.Module(readFileSync(join(builtRoot, "tokenizer", "wasm", "encode.wasm")));
  } catch {
    compiled = null;
  }
  return compiled;
}

type Symbols = {
  /** Left, right and result of each merge; left is -1 where it can never happen. */
  readonly merges: Int32Array;
  /** The id of each symbol: a byte, or 256 + the rank of the first merge that makes a token. */
  readonly ids: Int32Array;
  /** Whether every merge makes a token of its own out of two earlier ones. */
  readonly ordered: boolean;
};

function symbolsOf(merges: Int32Array, byteIds: Int32Array, size: number): Symbols {
  const symbols = new Int32Array(size).fill(-1);
  const count = merges.length / 3;
  const ids = new Int32Array(256 + count);
  ids.set(byteIds);
  byteIds.forEach((id, byte) => {
    symbols[id] = byte;
  });
  for (let rank = 0; rank < count; rank++) {
    const id = merges[3 * rank + 2]!;
    ids[256 + rank] = id;
    if (symbols[id] === -1) symbols[id] = 256 + rank;
  }
  const mapped = merges.map(id => symbols[id]!);
  let ordered = true;
  for (let rank = 0; rank < count; rank++) {
    const [left, right, made] = [mapped[3 * rank]!, mapped[3 * rank + 1]!, mapped[3 * rank + 2]!];
    if (right < 0) mapped[3 * rank] = -1;
    if (left < 0 || right < 0 || made !== 256 + rank || left >= made || right >= made) ordered = false;
  }
  return { merges: mapped, ids, ordered };
}

const families: Readonly<
  Record<PatternName, readonly ["encodeGpt2" | "encodeCl100k" | "encodeO200k", number]>
> = {
  gpt2: ["encodeGpt2", 0],
  o200k: ["encodeO200k", 3],
  cl100k: ["encodeCl100k", 3],
  llama3: ["encodeCl100k", 3],
  nanochat: ["encodeCl100k", 2],
  qwen2: ["encodeCl100k", 1],
};

export type KernelOptions = {
  readonly byteIds: Int32Array;
  /** One more than the largest id. */
  readonly size: number;
  /** The cache has 2^bits slots for pieces of up to 8 bytes, half as many for 16 and an eighth for 32: 160 bytes each. */
  readonly bits: number;
};

export type KernelEncoder = PieceEncoder & {
  /** Whether merging a token's bytes gives that token. */
  makes(id: number, bytes: Uint8Array): boolean;
  /**
   * Makes the cache; before anything is learnt or encoded. `outside`: pieces must be looked up before they are merged, so
   * all that are not cached go to `encodePiece`. `made`: ids of the tokens that merging their bytes makes.
   */
  open(options: { readonly outside: boolean; readonly made: ReadonlySet<number> }): void;
};

/** Null where the module is not built or cannot take the vocabulary. */
export function createKernelEncoder(
  vocabulary: Pick<Vocabulary, "pattern" | "unicode" | "merges">,
  encodePiece: EncodePiece,
  { byteIds, size, bits }: KernelOptions,
): KernelEncoder | null {
  const module = kernelModule();
  const table = classTable(vocabulary.unicode);
  const count = vocabulary.merges.length / 3;
  if (!module || count > mostMerges || byteIds.includes(-1)) return null;
  if (classBlocks + table.blocks.length > blocksEnd) return null;
  let bytes = new Uint8Array(0);
  let ids = new Int32Array(0);
  const kernel = new WebAssembly.Instance(module, {
    env: {
      abort: () => {
        throw new Error("the encoding kernel stopped itself");
      },
      encodePiece: (at: number, end: number, to: number) => {
        refresh();
        return 4 * encodePiece(bytes, at, end, words, to >> 2);
      },
    },
  }).exports as unknown as Exports;
  let words = new Int32Array(0);
  let input = 0;
  /** Views of the memory, which may have grown. */
  const refresh = () => {
    const output = kernel.outputAt();
    if (bytes.buffer === kernel.memory.buffer && ids.byteOffset === output) return;
    bytes = new Uint8Array(kernel.memory.buffer);
    words = new Int32Array(kernel.memory.buffer);
    ids = words.subarray(output >> 2);
  };
  const make = (length: number) => {
    input = kernel.room(length);
    refresh();
  };

  kernel.storeConstants();
  const [family, digits] = families[vocabulary.pattern];
  kernel.setFamily(digits, vocabulary.pattern === "cl100k" ? 1 : 0);
  const symbols = symbolsOf(vocabulary.merges, byteIds, size);
  const mergesAt = kernel.takePairs(count);
  refresh();
  const classes = Uint8Array.from({ length: 256 }, (_, byte) =>
    byte < 128 ? table.blocks[(table.index[0]! << 8) | byte]! : wide,
  );
  bytes.set(classes, byteClasses);
  bytes.set(new Uint8Array(table.index.buffer, table.index.byteOffset, table.index.byteLength), classIndex);
  bytes.set(table.blocks, classBlocks);
  words.set(symbols.merges, mergesAt >> 2);
  words.set(symbols.ids, kernel.idsAt() >> 2);
  kernel.enterPairs();
  make(feedBytes);
  const encode = kernel[family];

  return {
    get ids() {
      return ids;
    },
    encode(from, _view, end) {
      make(end);
      bytes.set(end === from.length ? from : from.subarray(0, end), input);
      const n = encode(end);
      refresh();
      return n;
    },
    makes(id, token) {
      make(token.length);
      bytes.set(token, input);
      const output = ids.byteOffset;
      const stop = kernel.merged(input, token.length, output);
      return stop === output + 4 && ids[0] === id;
    },
    open({ outside, made }) {
      const inOrder = symbols.ordered && symbols.ids.every(id => made.has(id));
      kernel.takeCache(bits, outside ? 1 : 0, inOrder ? 1 : 0);
      refresh();
    },
    learn(piece, id) {
      if (piece.length > 16) return;
      bytes.set(piece, input);
      kernel.learn(input, piece.length, id);
    },
  };
}
