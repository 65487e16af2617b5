/**
 * nanoGPT's data folder: train.bin and val.bin, uint16 ids without a header, each document closed by the end-of-text id
 * as ours are; and meta.pkl, from which its train.py takes the size of the vocabulary. The pickle is written in
 * protocol 0, which is text.
 */
import { join } from "node:path";
import { createAtomic, writeAtomic } from "../../../lib/atomic.ts";
import { UserError } from "../../../lib/errors.ts";
import { asBytes, type Splits, splitsOf, type Written } from "./splits.ts";

export function exportNanogpt(dir: string, splits: Splits): Written[] {
  const { vocabularySize } = splits.train;
  if (vocabularySize > 65536) {
    throw new UserError(
      `nanoGPT reads 16-bit token ids, and this vocabulary has ${vocabularySize} tokens`,
      "export to llm.c, megatron or datasets, or train a tokenizer of at most 65,536",
    );
  }
  const files = splitsOf(splits).map(([split, shards]): Written => {
    const file = createAtomic(join(dir, `${split}.bin`));
    try {
      for (let i = 0; i < shards.files.length; i++) file.write(asBytes(shards.shard(i).tokens));
      return file.commit();
    } catch (error) {
      file.abandon();
      throw error;
    }
  });
  return [...files, writeAtomic(join(dir, "meta.pkl"), `(dVvocab_size\nI${vocabularySize}\ns.`)];
}
