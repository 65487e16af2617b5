/**
 * Megatron-LM's indexed dataset: NAME.bin holds the ids of all documents, NAME.idx their lengths and places:
 * "MMIDIDX\0\0", u64 version 1, u8 type (8 uint16, 4 int32), u64 sequences, u64 documents + 1, int32 lengths, int64 byte
 * offsets, int64 document boundaries. A document is one sequence and ends with the end-of-text id. Megatron takes
 * uint16 for vocabularies below 65,500, as here.
 */
import { join } from "node:path";
import { createAtomic, writeAtomic } from "../../../lib/atomic.ts";
import type { ShardSet } from "../../../tokenizer/shards/read.ts";
import { asBytes, type Splits, splitsOf, type Written } from "./splits.ts";

export function exportMegatron(dir: string, splits: Splits): Written[] {
  return splitsOf(splits).flatMap(([split, shards]) => [
    writeIds(join(dir, `${split}_text_document.bin`), shards),
    writeAtomic(join(dir, `${split}_text_document.idx`), indexOf(shards)),
  ]);
}

const narrow = (shards: ShardSet) => shards.vocabularySize < 65500;

function writeIds(path: string, shards: ShardSet): Written {
  const file = createAtomic(path);
  try {
    for (let i = 0; i < shards.files.length; i++) {
      const { tokens } = shards.shard(i);
      const wanted = narrow(shards)
        ? tokens
        : tokens instanceof Uint32Array
          ? tokens
          : Uint32Array.from(tokens);
      file.write(asBytes(wanted));
    }
    return file.commit();
  } catch (error) {
    file.abandon();
    throw error;
  }
}

function indexOf(shards: ShardSet): Uint8Array {
  const count = shards.documents;
  const size = narrow(shards) ? 2 : 4;
  const head = Buffer.alloc(34);
  head.write("MMIDIDX\0\0", "latin1");
  head.writeBigUInt64LE(1n, 9);
  head.writeUInt8(narrow(shards) ? 8 : 4, 17);
  head.writeBigUInt64LE(BigInt(count), 18);
  head.writeBigUInt64LE(BigInt(count + 1), 26);
  const lengths = new Int32Array(count);
  const places = new BigInt64Array(count);
  let [row, at] = [0, 0];
  for (let i = 0; i < shards.files.length; i++) {
    const { starts } = shards.shard(i);
    for (let r = 0; r + 1 < starts.length; r++) {
      lengths[row] = starts[r + 1]! - starts[r]!;
      places[row] = BigInt(at);
      at += lengths[row]! * size;
      row++;
    }
  }
  const boundaries = BigInt64Array.from({ length: count + 1 }, (_, i) => BigInt(i));
  return Buffer.concat([head, asBytes(lengths), asBytes(places), asBytes(boundaries)]);
}
