/** A toy corpus for trainer tests: texts over 24 letters with some structure, as real shards in a temporary folder. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { random } from "../../lib/random.ts";
import { createShardWriter } from "../../tokenizer/shards/write.ts";
import type { TokenShards } from "../../trainer/batches.ts";
import { letters, vocabulary } from "./toy-model.ts";

export * from "./toy-model.ts";

/** Each letter is followed by the next or the one after it, so a model has something to learn (ln 2 per token at best). */
export function documents(count: number, seed: number): number[][] {
  const source = random(seed);
  return Array.from({ length: count }, () => {
    let letter = source.below(letters);
    return Array.from(
      { length: 5 + source.below(60) },
      () => (letter = (letter + 1 + source.below(2)) % letters),
    );
  });
}

/** A folder that goes away after the test file. */
export function temporary(): string {
  const dir = mkdtempSync(join(tmpdir(), "curate-trainer-"));
  after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

export function writeShards(dir: string, files = 2, perFile = 40): string {
  const header = { tokenizerHash: "0".repeat(64), eot: vocabulary.eot, vocabularySize: vocabulary.size };
  const write = (split: "train" | "val", index: number, texts: number[][]) => {
    const path = join(dir, `${split}-${String(index).padStart(5, "0")}.arrow`);
    const writer = createShardWriter({ ...header, split, path });
    for (const [i, ids] of texts.entries()) writer.add(`${split}-${index}-${i}`, ids);
    writer.commit();
  };
  for (let i = 0; i < files; i++) write("train", i, documents(perFile, i + 1));
  write("val", 0, documents(10, 99));
  return dir;
}

/** Shards in memory. */
export function shardsOf(
  files: readonly (readonly (readonly number[])[])[],
  eot = vocabulary.eot,
): TokenShards {
  const shards = files.map(texts => {
    const starts = [0];
    for (const text of texts) starts.push(starts.at(-1)! + text.length + 1);
    return { tokens: Uint16Array.from(texts.flatMap(text => [...text, eot])), starts };
  });
  return {
    files: files.map((_, i) => `memory ${i}`),
    documents: files.reduce((sum, texts) => sum + texts.length, 0),
    tokens: shards.reduce((sum, { tokens }) => sum + tokens.length, 0),
    shard: i => shards[i]!,
  };
}
