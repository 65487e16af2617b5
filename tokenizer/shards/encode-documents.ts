/**
 * One job of the stage `shards`: documents in, token shards out. Knows neither where documents come from nor how they
 * are shared among jobs. Which documents are for validation is a hash of their id, so that it does not depend on
 * their order, on the number of jobs, or on what else is in the corpus.
 */
import { randomOf } from "../../lib/random.ts";
import type { Encoder } from "../encoder.ts";
import { createTokenSink } from "../token-array.ts";
import { endOfTextId } from "../vocabulary.ts";
import type { Split } from "./format.ts";
import { createShardWriter, type ShardFile, type ShardWriter } from "./write.ts";

export type EncodeDocumentsOptions = {
  /** Path of the n-th file of a split that this job writes, from 0. */
  readonly path: (split: Split, index: number) => string;
  /** Share of documents for validation. */
  readonly validation: number;
  readonly seed: number;
  /** A new file is begun when one has this many tokens. */
  readonly tokensPerShard?: number;
  /** sha256 of tokenizer.json. */
  readonly tokenizerHash: string;
  /** Called after each document with the documents and tokens written so far. */
  readonly onDocument?: (documents: number, tokens: number) => void;
};

export type EncodedDocuments = {
  readonly files: readonly (ShardFile & { readonly split: Split })[];
  /** How often each id was written, by id. */
  readonly uses: Float64Array<ArrayBuffer>;
  readonly documents: number;
  readonly tokens: number;
};

export function splitOf(id: string, validation: number, seed: number): Split {
  return randomOf(seed, `validation ${id}`) < validation ? "val" : "train";
}

/** Writes at least one file of each split, empty where no document fell into it. */
export async function encodeDocuments(
  documents:
    | Iterable<{ readonly id: string; readonly text: string }>
    | AsyncIterable<{ readonly id: string; readonly text: string }>,
  encoder: Encoder,
  options: EncodeDocumentsOptions,
): Promise<EncodedDocuments> {
  const { path, validation, seed, tokenizerHash, tokensPerShard = 100_000_000, onDocument } = options;
  const eot = endOfTextId(encoder.vocabulary);
  const sink = createTokenSink(encoder.size);
  const uses = new Float64Array(encoder.size);
  const files: (ShardFile & { split: Split })[] = [];
  const begun = { train: 0, val: 0 };
  const open = (split: Split) =>
    createShardWriter({
      path: path(split, begun[split]++),
      tokenizerHash,
      eot,
      split,
      vocabularySize: encoder.size,
    });
  const writers: Record<Split, ShardWriter> = { train: open("train"), val: open("val") };
  const close = (split: Split) => files.push({ ...writers[split].commit(), split });
  let count = 0;
  let tokens = 0;
  try {
    for await (const { id, text } of documents) {
      const split = splitOf(id, validation, seed);
      sink.clear();
      encoder.encodeInto(text, sink);
      const ids = sink.view();
      if (writers[split].tokens > 0 && writers[split].tokens + ids.length + 1 > tokensPerShard) {
        close(split);
        writers[split] = open(split);
      }
      writers[split].add(id, ids);
      for (let i = 0; i < ids.length; i++) uses[ids[i]!]!++;
      uses[eot]!++;
      tokens += ids.length + 1;
      count++;
      onDocument?.(count, tokens);
    }
    close("train");
    close("val");
  } catch (error) {
    writers.train.abandon();
    writers.val.abandon();
    throw error;
  }
  return { files, uses, documents: count, tokens };
}
