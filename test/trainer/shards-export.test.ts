/** Token shards in the formats of other trainers, read back as those trainers read them. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { tableFromIPC } from "apache-arrow";
import { UserError } from "../../lib/errors.ts";
import { openShards, type ShardSet } from "../../tokenizer/shards/read.ts";
import { createShardWriter } from "../../tokenizer/shards/write.ts";
import { exportDatasets } from "../../trainer/export/shards/datasets.ts";
import { exportLlmc } from "../../trainer/export/shards/llmc.ts";
import { exportMegatron } from "../../trainer/export/shards/megatron.ts";
import { exportNanogpt } from "../../trainer/export/shards/nanogpt.ts";
import type { Splits } from "../../trainer/export/shards/splits.ts";
import { documents, temporary, vocabulary, writeShards } from "./toy.ts";

const dir = temporary();

/** Documents of each split as they were written, and the shards. `size` above 65,536 makes the ids 32 bits wide. */
function corpus(name: string, size: number = vocabulary.size) {
  const folder = join(dir, name);
  const shift = size > 65536 ? 70_000 : 0;
  const train = [documents(40, 1), documents(40, 2)].map(texts =>
    texts.map(ids => ids.map(id => id + shift)),
  );
  const val = [documents(10, 99).map(ids => ids.map(id => id + shift))];
  if (size === vocabulary.size) writeShards(folder);
  else {
    const header = { tokenizerHash: "1".repeat(64), eot: vocabulary.eot, vocabularySize: size };
    for (const [split, files] of Object.entries({ train, val }) as ["train" | "val", number[][][]][]) {
      for (const [i, texts] of files.entries()) {
        const writer = createShardWriter({ ...header, split, path: join(folder, `${split}-0000${i}.arrow`) });
        for (const [row, ids] of texts.entries()) writer.add(`${split}-${i}-${row}`, ids);
        writer.commit();
      }
    }
  }
  const splits: Splits = { train: openShards(folder, "train"), val: openShards(folder, "val") };
  return { splits, train: train.flat(), val: val.flat() };
}

const small = corpus("small");
const large = corpus("large", 80_000);
const cases = [
  ["16 bits", small],
  ["32 bits", large],
] as const;
const { eot } = vocabulary;

const int32s = (path: string) => {
  const bytes = readFileSync(path);
  return new Int32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + 1024));
};

function ids(path: string, from: number, bytesEach: number): number[] {
  const bytes = readFileSync(path);
  return Array.from({ length: (bytes.length - from) / bytesEach }, (_, i) =>
    bytesEach === 2 ? bytes.readUInt16LE(from + 2 * i) : bytes.readUInt32LE(from + 4 * i),
  );
}

describe("llm.c's files", () => {
  for (const [what, { splits, train, val }] of cases) {
    test(`say how many tokens they have, and every document begins with the end of text (${what})`, () => {
      const out = join(dir, `llmc ${what}`);
      const written = exportLlmc(out, splits, 1000);
      const width = what === "16 bits" ? 2 : 4;
      const names = readdirSync(out).sort();
      assert.equal(names.at(-1), "curate_val_000000.bin");
      assert.equal(names[0], "curate_train_000001.bin");
      assert.equal(written.length, names.length);
      const read = (split: string) =>
        names
          .filter(name => name.includes(split))
          .flatMap(name => {
            const tokens = ids(join(out, name), 1024, width);
            const header = int32s(join(out, name));
            const magic = width === 2 ? [20240520, 1] : [20240801, 7];
            assert.deepEqual([...header.subarray(0, 4)], [...magic, tokens.length, 0]);
            assert.ok(tokens.length <= 1000);
            return tokens;
          });
      assert.deepEqual(
        read("train"),
        train.flatMap(text => [eot, ...text]),
      );
      assert.deepEqual(
        read("val"),
        val.flatMap(text => [eot, ...text]),
      );
    });
  }

  test("of a run without validation documents have a file 1, and an empty split a file of no tokens", () => {
    exportLlmc(join(dir, "llmc alone"), { train: small.splits.train, val: null });
    assert.deepEqual(readdirSync(join(dir, "llmc alone")), ["curate_train_000001.bin"]);
    const empty: ShardSet = { ...small.splits.train, files: [], tokens: 0, shardTokens: [], documents: 0 };
    exportLlmc(join(dir, "llmc empty"), { train: small.splits.train, val: empty });
    assert.equal(int32s(join(dir, "llmc empty", "curate_val_000000.bin"))[2], 0);
  });
});

describe("nanoGPT's files", () => {
  test("are the bare tokens, each document closed by the end of text, and a pickle of the vocabulary's size", () => {
    const out = join(dir, "nanogpt");
    exportNanogpt(out, small.splits);
    assert.deepEqual(readdirSync(out).sort(), ["meta.pkl", "train.bin", "val.bin"]);
    assert.deepEqual(
      ids(join(out, "train.bin"), 0, 2),
      small.train.flatMap(text => [...text, eot]),
    );
    assert.deepEqual(
      ids(join(out, "val.bin"), 0, 2),
      small.val.flatMap(text => [...text, eot]),
    );
    // Protocol 0: mark, dict, unicode key, whole number, setitem, stop.
    assert.equal(readFileSync(join(out, "meta.pkl"), "latin1"), "(dVvocab_size\nI25\ns.");
  });

  test("are refused for a vocabulary that 16 bits do not hold", () => {
    assert.throws(
      () => exportNanogpt(join(dir, "nanogpt large"), large.splits),
      (e: unknown) =>
        e instanceof UserError && /reads 16-bit token ids, and this vocabulary has 80000/.test(e.message),
    );
  });
});

describe("Megatron's files", () => {
  for (const [what, { splits, train }] of cases) {
    test(`point at every document (${what})`, () => {
      const out = join(dir, `megatron ${what}`);
      exportMegatron(out, splits);
      const index = readFileSync(join(out, "train_text_document.idx"));
      assert.equal(index.toString("latin1", 0, 9), "MMIDIDX\0\0");
      assert.equal(index.readBigUInt64LE(9), 1n);
      const width = what === "16 bits" ? 2 : 4;
      assert.equal(index.readUInt8(17), width === 2 ? 8 : 4);
      const count = Number(index.readBigUInt64LE(18));
      assert.equal(count, train.length);
      assert.equal(Number(index.readBigUInt64LE(26)), count + 1);
      assert.equal(index.length, 34 + 4 * count + 8 * count + 8 * (count + 1));
      const tokens = ids(join(out, "train_text_document.bin"), 0, width);
      for (let row = 0; row < count; row++) {
        const length = index.readInt32LE(34 + 4 * row);
        const at = Number(index.readBigInt64LE(34 + 4 * count + 8 * row)) / width;
        assert.deepEqual(tokens.slice(at, at + length), [...train[row]!, eot]);
        assert.equal(Number(index.readBigInt64LE(34 + 12 * count + 8 * row)), row);
      }
      assert.equal(Number(index.readBigInt64LE(34 + 20 * count)), count);
    });
  }
});

describe("a folder of Hugging Face datasets", () => {
  for (const [what, { splits, train }] of cases) {
    test(`has Arrow streams with their features, and a state of each split (${what})`, () => {
      const out = join(dir, `datasets ${what}`);
      exportDatasets(out, splits);
      const json = (...parts: string[]) => JSON.parse(readFileSync(join(out, ...parts), "utf8"));
      assert.deepEqual(json("dataset_dict.json"), { splits: ["train", "validation"] });
      const state = json("train", "state.json") as { _data_files: { filename: string }[]; _split: string };
      assert.equal(state._split, "train");
      const rows = state._data_files.flatMap(({ filename }) => {
        const bytes = readFileSync(join(out, "train", filename));
        assert.equal(bytes.readInt32LE(0), -1, "a stream begins with its schema, not with a magic");
        const table = tableFromIPC(bytes);
        const said = JSON.parse(table.schema.metadata.get("huggingface")!) as { info: { features: unknown } };
        assert.deepEqual(said.info.features, json("train", "dataset_info.json").features);
        assert.equal(
          String(table.schema.fields[0]!.type),
          what === "16 bits" ? "List<Uint16>" : "List<Uint32>",
        );
        return table.toArray().map(row => ({ id: String(row.id), ids: [...row.input_ids] as number[] }));
      });
      assert.deepEqual(
        rows.map(({ ids }) => ids),
        train.map(text => [...text, eot]),
      );
      assert.equal(rows[41]!.id, "train-1-1");
    });
  }
});
