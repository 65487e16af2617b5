/**
 * llm.c's token files: a header of 256 int32 ([0] magic, [1] version, [2] tokens), then the tokens; a document begins
 * with the end-of-text id where ours ends with it. Vocabularies of up to 65,536 are GPT-2's kind (20240520, 1, uint16),
 * larger ones Llama 3's (20240801, 7, uint32). File 0 is for validation, and no file has more than 100 million tokens
 * (llm.c's dev/data scripts); a document may go on in the next file.
 */
import { join } from "node:path";
import { createAtomic } from "../../../lib/atomic.ts";
import type { ShardSet } from "../../../tokenizer/shards/read.ts";
import { asBytes, type Splits, splitsOf, type Written } from "./splits.ts";

const mostTokens = 100_000_000;

export function exportLlmc(dir: string, splits: Splits, tokensPerFile = mostTokens): Written[] {
  return splitsOf(splits).flatMap(([split, shards]) => writeSplit(dir, split, shards, tokensPerFile));
}

function writeSplit(dir: string, split: "train" | "val", shards: ShardSet, tokensPerFile: number): Written[] {
  const written: Written[] = [];
  const Ids = shards.vocabularySize <= 65536 ? Uint16Array : Uint32Array;
  let left = shards.tokens;
  let index = split === "val" ? 0 : 1;
  let room = 0;
  let file: ReturnType<typeof createAtomic> | null = null;
  const close = () => {
    if (file) written.push(file.commit());
    file = null;
  };
  const begin = () => {
    close();
    room = Math.min(left, tokensPerFile);
    left -= room;
    const name = `curate_${split}_${String(index++).padStart(6, "0")}.bin`;
    file = createAtomic(join(dir, name));
    const header = new Int32Array(256);
    header.set(Ids === Uint16Array ? [20240520, 1, room] : [20240801, 7, room]);
    file.write(asBytes(header));
  };
  const put = (ids: Uint16Array | Uint32Array) => {
    for (let at = 0; at < ids.length; ) {
      if (room === 0) begin();
      const piece = ids.subarray(at, at + room);
      file!.write(asBytes(piece));
      at += piece.length;
      room -= piece.length;
    }
  };
  try {
    // llm.c wants a file 0 and a file 1, so an empty split is a file of no tokens.
    if (left === 0) begin();
    else put(Ids.of(shards.eot));
    // One end of text to begin with, and without the last one every document begins with the end of that before it.
    const last = shards.shardTokens.findLastIndex(tokens => tokens > 0);
    for (let i = 0; i <= last; i++) {
      const { tokens } = shards.shard(i);
      put(i === last ? tokens.subarray(0, -1) : tokens);
    }
    close();
    return written;
  } catch (error) {
    (file as ReturnType<typeof createAtomic> | null)?.abandon();
    throw error;
  }
}
