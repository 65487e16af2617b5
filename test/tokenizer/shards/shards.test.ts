/** Token shards: what is written is read, by us and by apache-arrow, and damage is named. */
import assert from "node:assert/strict";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { tableFromIPC } from "apache-arrow";
import fc from "fast-check";
import { UserError } from "../../../lib/errors.ts";
import { type Split, shardFileName } from "../../../tokenizer/shards/format.ts";
import { readManifest, verifyShards, writeManifest } from "../../../tokenizer/shards/manifest.ts";
import { openShards } from "../../../tokenizer/shards/read.ts";
import { createShardWriter, type ShardFile } from "../../../tokenizer/shards/write.ts";

const root = mkdtempSync(join(tmpdir(), "curate-shards-"));
after(() => rmSync(root, { recursive: true, force: true }));
let folders = 0;
const folder = () => join(root, String(folders++));
const header = { tokenizerHash: "ab".repeat(32), eot: 9, split: "train" as Split, vocabularySize: 1000 };

type Row = { id: string; ids: number[] };
function write(
  dir: string,
  rows: readonly Row[],
  options: Partial<typeof header & { batchTokens: number }> = {},
  index = 0,
) {
  const set = { ...header, ...options };
  const writer = createShardWriter({ ...set, path: join(dir, shardFileName(set.split, index)) });
  for (const row of rows) writer.add(row.id, row.ids);
  return { ...writer.commit(), split: set.split };
}

test("rows come back in order, each closed by the end-of-text id, as one token stream", () => {
  const dir = folder();
  const file = write(dir, [
    { id: "a", ids: [1, 2, 3] },
    { id: "ü", ids: [] },
    { id: "c", ids: [999] },
  ]);
  assert.deepEqual([file.documents, file.tokens], [3, 7]);
  const set = openShards(dir, "train");
  assert.deepEqual([set.documents, set.tokens, set.eot, set.vocabularySize], [3, 7, 9, 1000]);
  assert.equal(set.tokenizerHash, header.tokenizerHash);
  const shard = set.shard(0);
  assert.ok(shard.tokens instanceof Uint16Array);
  assert.deepEqual([...shard.tokens], [1, 2, 3, 9, 9, 999, 9]);
  assert.deepEqual([...shard.starts], [0, 4, 5, 7]);
  assert.deepEqual([0, 1, 2].map(shard.ids), ["a", "ü", "c"]);
  assert.throws(() => shard.ids(3), RangeError);
});

test("apache-arrow reads the file, its types and its metadata", () => {
  const dir = folder();
  const file = write(dir, [
    { id: "a", ids: [1, 2] },
    { id: "b", ids: [3] },
  ]);
  const table = tableFromIPC(readFileSync(file.path));
  assert.equal(String(table.schema.fields[0]!.type), "List<Uint16>");
  assert.equal(String(table.schema.fields[1]!.type), "Utf8");
  const metadata = Object.fromEntries(table.schema.metadata);
  assert.deepEqual(metadata, {
    "curate.version": "1",
    "curate.tokenizer": header.tokenizerHash,
    "curate.vocabulary_size": "1000",
    "curate.eot": "9",
    "curate.split": "train",
  });
  assert.deepEqual([...table.get(0)!.toJSON().input_ids], [1, 2, 9]);
  assert.deepEqual([...table.get(1)!.toJSON().input_ids], [3, 9]);
  assert.equal(table.get(1)!.toJSON().id, "b");
});

test("the values of a record batch lie in the file as one contiguous stream, aligned to their size", () => {
  const dir = folder();
  const ids = Array.from({ length: 300 }, (_, i) => (i * 7) % 1000);
  const file = write(dir, [
    { id: "a", ids },
    { id: "b", ids },
  ]);
  const bytes = readFileSync(file.path);
  const stream = Buffer.from(new Uint16Array([...ids, 9, ...ids, 9]).buffer);
  const at = bytes.indexOf(stream);
  assert.ok(at > 0);
  assert.equal(at % 8, 0);
});

test("a vocabulary above 65,536 is stored in 32 bits", () => {
  const dir = folder();
  write(dir, [{ id: "a", ids: [65536, 70000] }], { vocabularySize: 70001 });
  const { tokens } = openShards(dir, "train").shard(0);
  assert.ok(tokens instanceof Uint32Array);
  assert.deepEqual([...tokens], [65536, 70000, 9]);
});

test("several record batches of one file stand as several shards, and any batch size gives the same stream", () => {
  const row = fc.record({
    id: fc.string({ unit: "grapheme", maxLength: 12 }),
    ids: fc.array(fc.integer({ min: 0, max: 999 }), { maxLength: 40 }),
  });
  fc.assert(
    fc.property(fc.array(row, { maxLength: 30 }), fc.integer({ min: 1, max: 200 }), (rows, batchTokens) => {
      const dir = folder();
      const file = write(dir, rows, { batchTokens });
      const set = openShards(dir, "train");
      const tokens: number[] = [];
      const ids: string[] = [];
      for (let i = 0; i < set.files.length; i++) {
        const shard = set.shard(i);
        assert.equal(shard.tokens.length, set.shardTokens[i]);
        tokens.push(...shard.tokens);
        for (let r = 0; r + 1 < shard.starts.length; r++) ids.push(shard.ids(r));
      }
      assert.deepEqual(
        tokens,
        rows.flatMap(({ ids }) => [...ids, 9]),
      );
      assert.deepEqual(
        ids,
        rows.map(({ id }) => id),
      );
      assert.equal(set.documents, rows.length);
      assert.equal(tableFromIPC(readFileSync(file.path)).numRows, rows.length);
    }),
    { seed: 1, numRuns: 60 },
  );
});

test("no documents make a valid file of no rows", () => {
  const dir = folder();
  const file = write(dir, []);
  const set = openShards(dir, "train");
  assert.deepEqual([set.documents, set.tokens, set.files.length], [0, 0, 1]);
  assert.equal(set.shard(0).starts.length, 1);
  assert.equal(tableFromIPC(readFileSync(file.path)).numRows, 0);
});

test("shards beyond the memory given are read again, with the same content", () => {
  const dir = folder();
  for (let i = 0; i < 4; i++) write(dir, [{ id: `d${i}`, ids: [i, i, i] }], {}, i);
  const set = openShards(dir, "train", { memory: 20 });
  const first = set.shard(0);
  assert.equal(set.shard(0), first);
  for (let round = 0; round < 2; round++)
    for (let i = 0; i < 4; i++) assert.deepEqual([...set.shard(i).tokens], [i, i, i, 9]);
  assert.notEqual(set.shard(0), first);
});

test("an id outside the vocabulary is refused by the writer", () => {
  const writer = createShardWriter({ ...header, path: join(folder(), "train-00000.arrow") });
  assert.throws(() => writer.add("a", [1000]), /token id 1000 of a outside the vocabulary of 1000/);
  writer.abandon();
});

function refusal(open: () => unknown): string {
  try {
    open();
  } catch (error) {
    assert.ok(error instanceof UserError, String(error));
    assert.ok(error.hint);
    return error.message.replaceAll(root, "");
  }
  return assert.fail("nothing was refused");
}

test("missing, damaged and mismatching shards are refused by name with what to do", () => {
  const none = folder();
  assert.match(
    refusal(() => openShards(none, "train")),
    /expected a folder of token shards at .*does not exist/,
  );

  const dir = folder();
  const whole = write(dir, [{ id: "a", ids: [1, 2, 3, 4, 5, 6, 7, 8] }]);
  assert.match(
    refusal(() => openShards(dir, "val")),
    /expected files val-\*\.arrow in .*found none/,
  );

  const cut = folder();
  write(cut, []);
  const copy = join(cut, "train-00000.arrow");
  copyFileSync(whole.path, copy);
  truncateSync(copy, whole.bytes - 5);
  assert.match(
    refusal(() => openShards(cut, "train")),
    /not a whole token shard: .*do not end with ARROW1/,
  );

  writeFileSync(copy, "not arrow at all, only text");
  assert.match(
    refusal(() => openShards(cut, "train")),
    /do not end with ARROW1/,
  );

  const bytes = readFileSync(whole.path);
  bytes.fill(255, bytes.length - 200, bytes.length - 20);
  writeFileSync(copy, bytes);
  assert.match(
    refusal(() => openShards(cut, "train")),
    /not a whole token shard/,
  );

  copyFileSync(whole.path, join(dir, "val-00000.arrow"));
  assert.match(
    refusal(() => openShards(dir, "val")),
    /expected the split val, got train/,
  );

  write(dir, [{ id: "b", ids: [1] }], { tokenizerHash: "cd".repeat(32) }, 1);
  assert.match(
    refusal(() => openShards(dir, "train")),
    /tokenizer cdcdcdcdcdcd .* is not that of train-00000\.arrow/,
  );
});

test("bytes changed within a shard never reach the model unseen: rows that do not cover the tokens are refused", () => {
  const dir = folder();
  const file = write(dir, [
    { id: "a", ids: [1, 2, 3] },
    { id: "b", ids: [4] },
  ]);
  const bytes = readFileSync(file.path);
  const starts = bytes.indexOf(Buffer.from(new Int32Array([0, 4, 6]).buffer));
  assert.ok(starts > 0);
  bytes.writeInt32LE(0, starts + 4);
  writeFileSync(file.path, bytes);
  assert.match(
    refusal(() => openShards(dir, "train").shard(0)),
    /is damaged: row 0 is empty/,
  );
  bytes.writeInt32LE(4, starts + 4);
  bytes.writeInt32LE(5, starts + 8);
  writeFileSync(file.path, bytes);
  assert.match(
    refusal(() => openShards(dir, "train").shard(0)),
    /is damaged: its rows do not cover its tokens/,
  );
});

test("the manifest lists files by name with checksums and is checked when shards are opened", () => {
  const dir = folder();
  const files: (ShardFile & { split: Split })[] = [
    write(dir, [{ id: "v", ids: [5] }], { split: "val" }),
    write(dir, [{ id: "b", ids: [2] }], {}, 1),
    write(dir, [{ id: "a", ids: [1] }]),
  ];
  writeManifest(dir, header, files);
  const manifest = readManifest(dir)!;
  assert.deepEqual(
    manifest.files.map(file => file.path),
    ["train-00000.arrow", "train-00001.arrow", "val-00000.arrow"],
  );
  assert.deepEqual([manifest.documents, manifest.tokens, manifest.eot], [3, 6, 9]);
  assert.equal(verifyShards(dir).tokenizer, header.tokenizerHash);
  assert.equal(openShards(dir, "train").documents, 2);

  const path = join(dir, "train-00001.arrow");
  const bytes = readFileSync(path);
  bytes[200]! ^= 1;
  writeFileSync(path, bytes);
  assert.match(
    refusal(() => verifyShards(dir)),
    /train-00001\.arrow: expected sha256/,
  );
  truncateSync(path, bytes.length - 1);
  assert.match(
    refusal(() => openShards(dir, "train")),
    /expected \d+ bytes as in the manifest, got \d+/,
  );
  rmSync(path);
  assert.match(
    refusal(() => openShards(dir, "train")),
    /names train-00001\.arrow, which does not exist/,
  );
  writeFileSync(join(dir, "manifest.json"), "{");
  assert.match(
    refusal(() => openShards(dir, "train")),
    /is not JSON/,
  );
  writeFileSync(join(dir, "manifest.json"), "{}");
  assert.match(
    refusal(() => openShards(dir, "train")),
    /expected a shard manifest of version 1/,
  );
});

test("the same rows give the same bytes", () => {
  const rows = [{ id: "a", ids: [1, 2, 3] }];
  assert.equal(write(folder(), rows).sha256, write(folder(), rows).sha256);
});
