/**
 * Many texts to ids on several threads. Every thread has an encoder and a cache of its own; texts are never cut
 * between threads, so the ids are those of one encoder, in the order of the texts. Knows no files.
 * A thread costs what its encoder costs to make (0.1 s for 50,000 tokens), so this is for megabytes of text.
 */
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import type { EncodedBatch } from "./encode-worker.ts";
import type { TokenArray } from "./token-array.ts";
import type { Vocabulary } from "./vocabulary.ts";

export type EncoderPool = {
  /** Ids of each text, in their order. May be called again before it has answered. */
  encodeBatch(texts: readonly string[]): Promise<TokenArray[]>;
  /** Ends the threads; batches that have not been answered are rejected. */
  close(): Promise<void>;
};

type Batch = {
  readonly texts: readonly string[];
  readonly take: (encoded: EncodedBatch) => void;
  readonly fail: (error: Error) => void;
};

/** Characters of text that a thread is given at once. */
const batchLength = 1 << 18;

/** `workers`: threads; all cores unless given. */
export function createEncoderPool(
  vocabulary: Vocabulary,
  { workers = availableParallelism() }: { readonly workers?: number } = {},
): EncoderPool {
  const waiting: Batch[] = [];
  const busy = new Map<Worker, Batch>();
  const idle: Worker[] = [];
  let broken: Error | null = null;
  const give = () => {
    while (idle.length > 0 && waiting.length > 0) {
      const [thread, batch] = [idle.pop()!, waiting.shift()!];
      busy.set(thread, batch);
      thread.postMessage(batch.texts);
    }
  };
  const fail = (error: Error) => {
    broken ??= error;
    for (const batch of [...busy.values(), ...waiting.splice(0)]) batch.fail(broken);
    busy.clear();
  };
  const threads = Array.from({ length: Math.max(1, workers) }, () => {
    const thread = new Worker(new URL("./encode-worker.js", import.meta.url), { workerData: vocabulary });
    thread.on("error", fail);
    thread.on("message", (encoded: EncodedBatch) => {
      const batch = busy.get(thread);
      busy.delete(thread);
      idle.push(thread);
      give();
      batch?.take(encoded);
    });
    idle.push(thread);
    return thread;
  });

  const encode = (texts: readonly string[]): Promise<EncodedBatch> =>
    new Promise((take, fail) => {
      if (broken) return fail(broken);
      waiting.push({ texts, take, fail });
      give();
    });

  return {
    async encodeBatch(texts) {
      const parts = await Promise.all(batches(texts).map(encode));
      return parts.flatMap(({ ids, ends }) =>
        Array.from(ends, (end, i) => ids.subarray(i === 0 ? 0 : ends[i - 1]!, end)),
      );
    },
    async close() {
      fail(new Error("the encoder's threads were closed"));
      await Promise.all(threads.map(thread => thread.terminate()));
    },
  };
}

function batches(texts: readonly string[]): string[][] {
  const all: string[][] = [];
  let length = batchLength;
  for (const text of texts) {
    if (length >= batchLength) {
      all.push([]);
      length = 0;
    }
    all.at(-1)!.push(text);
    length += text.length;
  }
  return all;
}
