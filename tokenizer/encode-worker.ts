/** A thread that encodes batches of texts as they are posted. Knows nothing of other threads. */
import { parentPort, workerData } from "node:worker_threads";
import { createEncoder } from "./encoder.ts";
import { createTokenSink, type TokenArray } from "./token-array.ts";
import type { Vocabulary } from "./vocabulary.ts";

/** The ids of a batch one text after the other, and where each ends. */
export type EncodedBatch = { readonly ids: TokenArray; readonly ends: Uint32Array<ArrayBuffer> };

if (parentPort) serve(parentPort, workerData as Vocabulary);

function serve(port: NonNullable<typeof parentPort>, vocabulary: Vocabulary): void {
  const encoder = createEncoder(vocabulary);
  const sink = createTokenSink(encoder.size);
  port.on("message", (texts: readonly string[]) => {
    sink.clear();
    const ends = new Uint32Array(texts.length);
    texts.forEach((text, i) => {
      encoder.encodeInto(text, sink);
      ends[i] = sink.length;
    });
    const batch: EncodedBatch = { ids: sink.view().slice(), ends };
    port.postMessage(batch, [batch.ids.buffer, ends.buffer]);
  });
}
