/**
 * A folder for `load_from_disk` of Hugging Face's datasets: dataset_dict.json, and for each split Arrow IPC *stream*
 * files (ours are the file format), state.json and dataset_info.json. Columns input_ids and id; the schema says the
 * features under the key "huggingface". A shard of ours becomes one file.
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import {
  Field,
  List,
  makeData,
  RecordBatch,
  Schema,
  Struct,
  Table,
  tableToIPC,
  Uint16,
  Uint32,
  Utf8,
} from "apache-arrow";
import { writeAtomic } from "../../../lib/atomic.ts";
import type { Shard, ShardSet } from "../../../tokenizer/shards/read.ts";
import { type Splits, splitsOf, type Written } from "./splits.ts";

/** Their name of each split. */
const theirs = { train: "train", val: "validation" } as const;

const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;

export function exportDatasets(dir: string, splits: Splits): Written[] {
  const listed = splitsOf(splits);
  const files = listed.flatMap(([split, shards]) => writeSplit(dir, theirs[split], shards));
  const names = listed.map(([split]) => theirs[split]);
  return [...files, writeAtomic(join(dir, "dataset_dict.json"), json({ splits: names }))];
}

function featuresOf({ vocabularySize }: ShardSet) {
  const dtype = vocabularySize <= 65536 ? "uint16" : "uint32";
  return {
    input_ids: { feature: { dtype, _type: "Value" }, _type: "Sequence" },
    id: { dtype: "string", _type: "Value" },
  };
}

function schemaOf(shards: ShardSet): Schema {
  const type = shards.vocabularySize <= 65536 ? new Uint16() : new Uint32();
  const info = JSON.stringify({ info: { features: featuresOf(shards) } });
  return new Schema(
    [
      new Field("input_ids", new List(new Field("item", type, true)), true),
      new Field("id", new Utf8(), true),
    ],
    new Map([["huggingface", info]]),
  );
}

function writeSplit(dir: string, split: string, shards: ShardSet): Written[] {
  const count = shards.files.length;
  const schema = schemaOf(shards);
  const digits = (n: number) => String(n).padStart(5, "0");
  const hash = createHash("md5").update(shards.tokenizerHash);
  const files = Array.from({ length: count }, (_, i) => {
    const bytes = tableToIPC(new Table(batchOf(schema, shards.shard(i))), "stream");
    hash.update(bytes);
    return writeAtomic(join(dir, split, `data-${digits(i)}-of-${digits(count)}.arrow`), bytes);
  });
  const state = {
    _data_files: files.map((_, i) => ({ filename: `data-${digits(i)}-of-${digits(count)}.arrow` })),
    ...{ _fingerprint: hash.digest("hex").slice(0, 16), _format_columns: null, _format_kwargs: {} },
    ...{ _format_type: null, _output_all_columns: false, _split: split },
  };
  const info = { citation: "", description: "", features: featuresOf(shards), homepage: "", license: "" };
  return [
    ...files,
    writeAtomic(join(dir, split, "dataset_info.json"), json(info)),
    writeAtomic(join(dir, split, "state.json"), json(state)),
  ];
}

function batchOf(schema: Schema, { tokens, starts, ids }: Shard): RecordBatch {
  const rows = starts.length - 1;
  const names = Array.from({ length: rows }, (_, row) => Buffer.from(ids(row), "utf8"));
  const offsets = new Int32Array(rows + 1);
  for (const [row, name] of names.entries()) offsets[row + 1] = offsets[row]! + name.length;
  const child =
    tokens instanceof Uint16Array
      ? makeData({ type: new Uint16(), length: tokens.length, nullCount: 0, data: tokens })
      : makeData({ type: new Uint32(), length: tokens.length, nullCount: 0, data: tokens });
  return new RecordBatch(
    schema,
    makeData({
      ...{ type: new Struct(schema.fields), length: rows, nullCount: 0 },
      children: [
        makeData({
          ...{ type: schema.fields[0]!.type, length: rows, nullCount: 0, child },
          valueOffsets: Int32Array.from(starts),
        }),
        makeData({
          ...{ type: new Utf8(), length: rows, nullCount: 0, valueOffsets: offsets },
          data: Buffer.concat(names),
        }),
      ],
    }),
  );
}
