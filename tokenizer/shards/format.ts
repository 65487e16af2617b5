/**
 * What a token shard is on disk: an Arrow IPC file, one row per document, columns `input_ids` and `id`, and the
 * schema's metadata that says which tokenizer the ids belong to. Knows neither documents nor files.
 * Record batches are never compressed: the values buffer of `input_ids` is the token stream itself, and a reader
 * may hand it to a model as it lies.
 */
import { DataType, Field, List, Schema, Type, Uint16, Uint32, Utf8 } from "apache-arrow";

export type Split = "train" | "val";

/** Stands in every shard as `curate.version`; raised when the layout changes. */
export const shardVersion = "1";

/** What a shard's metadata says about its ids. */
export type ShardHeader = {
  /** sha256 of tokenizer.json, in hexadecimal. */
  readonly tokenizerHash: string;
  /** Id of the end-of-text token that closes every row. */
  readonly eot: number;
  readonly split: Split;
  /** Ids lie in [0, vocabularySize). */
  readonly vocabularySize: number;
};

export function idType(vocabularySize: number): Uint16 | Uint32 {
  return vocabularySize <= 65536 ? new Uint16() : new Uint32();
}

export function shardSchema(header: ShardHeader): Schema {
  const item = new Field("item", idType(header.vocabularySize), false);
  return new Schema(
    [new Field("input_ids", new List(item), false), new Field("id", new Utf8(), false)],
    new Map([
      ["curate.version", shardVersion],
      ["curate.tokenizer", header.tokenizerHash],
      ["curate.vocabulary_size", String(header.vocabularySize)],
      ["curate.eot", String(header.eot)],
      ["curate.split", header.split],
    ]),
  );
}

/** Arrow's name of a type; a damaged file may hold a list of nothing, which Arrow itself cannot name. */
function typeName(type: DataType | undefined): string {
  if (!type) return "nothing";
  if (DataType.isList(type))
    return `List<${typeName((type.children as readonly Field[] | null)?.[0]?.type)}>`;
  return DataType.isInt(type) || DataType.isUtf8(type) ? String(type) : (Type[type.typeId] ?? "unknown");
}

/** The header a schema states, or the reason why the schema is not a shard's. */
export function headerOf(schema: Schema): ShardHeader | string {
  const [ids, id] = schema.fields;
  if (schema.fields.length !== 2 || ids?.name !== "input_ids" || id?.name !== "id")
    return `columns ${schema.fields.map(field => field.name).join(", ") || "none"}, where input_ids, id belong`;
  if (!DataType.isUtf8(id.type)) return `column id of type ${typeName(id.type)}, where Utf8 belongs`;
  const metadata = (key: string) => schema.metadata.get(`curate.${key}`);
  if (metadata("version") !== shardVersion)
    return `curate.version ${metadata("version") ?? "missing"}, where ${shardVersion} belongs`;
  const eot = Number(metadata("eot") ?? NaN);
  const vocabularySize = Number(metadata("vocabulary_size") ?? NaN);
  const split = metadata("split");
  const tokenizerHash = metadata("tokenizer");
  if (!Number.isSafeInteger(vocabularySize) || vocabularySize < 1)
    return `curate.vocabulary_size ${metadata("vocabulary_size") ?? "missing"}`;
  if (!Number.isSafeInteger(eot) || eot < 0 || eot >= vocabularySize)
    return `curate.eot ${metadata("eot") ?? "missing"}, outside the vocabulary of ${vocabularySize}`;
  if (split !== "train" && split !== "val") return `curate.split ${split ?? "missing"}`;
  if (!tokenizerHash) return "curate.tokenizer missing";
  const expected = `List<${idType(vocabularySize)}>`;
  if (typeName(ids.type) !== expected)
    return `column input_ids of type ${typeName(ids.type)}, where ${expected} belongs`;
  return { tokenizerHash, eot, split, vocabularySize };
}

/** `train-00000.arrow`; `train-00000-001.arrow` for a further part of the same job. In the order of job and part. */
export function shardFileName(split: Split, job: number, part = 0): string {
  const digits = (n: number, length: number) => String(n).padStart(length, "0");
  return `${split}-${digits(job, 5)}${part === 0 ? "" : `-${digits(part, 3)}`}.arrow`;
}
