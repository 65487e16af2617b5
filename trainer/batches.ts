/**
 * Batches from token shards. An epoch visits the shards in a seeded order and the documents of each in a seeded
 * order; documents stand one after the other (each ends with the end-of-text token) and are cut into windows of
 * context + 1, the last token of one window being the first of the next. The end of an epoch is not a boundary: its
 * last window goes on into the next epoch. The cursor is four whole numbers, so a resumed run sees the same batches.
 */

import { UserError } from "../lib/errors.ts";
import { hash32, random } from "../lib/random.ts";

/** What batches need of a set of shards (tokenizer/shards/read.ts). */
export type TokenShards = {
  readonly files: readonly string[];
  readonly documents: number;
  readonly tokens: number;
  shard(i: number): {
    readonly tokens: Uint16Array | Uint32Array;
    /** documents + 1 offsets into tokens. */
    readonly starts: ArrayLike<number>;
  };
};

/** Where the next token comes from: positions within the shuffled orders. */
export type Cursor = {
  readonly epoch: number;
  readonly shard: number;
  readonly document: number;
  readonly offset: number;
};

export type Batch = {
  /** (rows, context) each. */
  readonly inputs: Uint32Array;
  readonly targets: Uint32Array;
};

export type BatchStream = {
  /** The next `rows` windows. */
  next(rows: number): Batch;
  /** Where the next window begins. */
  cursor(): Cursor;
};

export const start: Cursor = { epoch: 0, shard: 0, document: 0, offset: 0 };

/** 0..n-1 in an order given by the seed and a key. */
export function permutation(n: number, seed: number, key: string): Uint32Array {
  const order = Uint32Array.from({ length: n }, (_, i) => i);
  const source = random(hash32(seed, key));
  for (let i = n - 1; i > 0; i--) {
    const j = source.below(i + 1);
    const other = order[i]!;
    order[i] = order[j]!;
    order[j] = other;
  }
  return order;
}

/** Training windows of `context` tokens, without end. */
export function streamBatches(shards: TokenShards, context: number, seed: number, from: Cursor): BatchStream {
  if (shards.tokens < 2) {
    throw new UserError(
      `expected training shards with at least 2 tokens, got ${shards.tokens}`,
      "the filters kept almost nothing: look at `curate stats`",
    );
  }
  let { epoch, shard, document, offset } = from;
  let order = permutation(shards.files.length, seed, `epoch ${epoch} shards`);
  let open = openShard();

  function openShard() {
    const index = order[shard]!;
    const { tokens, starts } = shards.shard(index);
    const documents = permutation(starts.length - 1, seed, `epoch ${epoch} shard ${index}`);
    return { tokens, starts, documents };
  }

  /** Moves on to the next document that has tokens left. */
  function settle() {
    while (true) {
      if (document < open.documents.length) {
        const row = open.documents[document]!;
        if (open.starts[row]! + offset < open.starts[row + 1]!) return;
        document++;
        offset = 0;
        continue;
      }
      document = 0;
      shard++;
      if (shard === shards.files.length) {
        shard = 0;
        epoch++;
        order = permutation(shards.files.length, seed, `epoch ${epoch} shards`);
      }
      open = openShard();
    }
  }

  /** Copies tokens to `out`, moving the cursor. */
  function take(out: Uint32Array) {
    for (let at = 0; at < out.length; ) {
      settle();
      const row = open.documents[document]!;
      const begin = open.starts[row]! + offset;
      const piece = open.tokens.subarray(begin, Math.min(open.starts[row + 1]!, begin + out.length - at));
      out.set(piece, at);
      at += piece.length;
      offset += piece.length;
    }
  }

  function peek(): number {
    settle();
    return open.tokens[open.starts[open.documents[document]!]! + offset]!;
  }

  function next(rows: number): Batch {
    const inputs = new Uint32Array(rows * context);
    take(inputs);
    const targets = new Uint32Array(rows * context);
    targets.set(inputs.subarray(1));
    targets[targets.length - 1] = peek();
    return { inputs, targets };
  }

  return { next, cursor: () => ({ epoch, shard, document, offset }) };
}

export const ignoredTarget = 0xffffffff;

/**
 * The validation tokens: the first `tokens` of the split in file order, in whole batches of `rows` windows. What
 * does not fill a window is ignored by its targets, so a small split is used to its last token.
 */
export function* validationBatches(
  shards: TokenShards,
  context: number,
  rows: number,
  tokens: number,
): Generator<Batch> {
  const wanted = Math.min(tokens, shards.tokens - 1);
  const stream = new Uint32Array(Math.max(0, wanted) + 1);
  let filled = 0;
  for (let i = 0; i < shards.files.length && filled < stream.length; i++) {
    const piece = shards.shard(i).tokens.subarray(0, stream.length - filled);
    stream.set(piece, filled);
    filled += piece.length;
  }
  for (let at = 0; at < wanted; at += rows * context) {
    const inputs = new Uint32Array(rows * context);
    const targets = new Uint32Array(rows * context).fill(ignoredTarget);
    const end = Math.min(wanted, at + rows * context);
    inputs.set(stream.subarray(at, end));
    targets.set(stream.subarray(at + 1, end + 1));
    yield { inputs, targets };
  }
}
