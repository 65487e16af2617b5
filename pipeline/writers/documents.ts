/**
 * The curated corpus, `documents/part-*.parquet`: one fixed schema for every run, whatever its stages, so that parts
 * of different runs can be read together. What has no column of its own is in `meta` as JSON.
 */
import { DamagedFile } from "../../lib/errors.ts";
import { createTable, readTable, type Schema, type TableWriter } from "../../lib/parquet.ts";
import type { Document, MetaValue } from "../document.ts";

export const documentsSchema = {
  id: "string",
  url: "string",
  text: "string",
  date: "string",
  language: "string",
  language_score: "double",
  title: "string",
  warc_file: "string",
  warc_offset: "int",
  minhash_cluster_id: "string",
  minhash_cluster_size: "int",
  meta: "string",
} as const satisfies Schema;

const ownColumns = [
  "language",
  "language_score",
  "title",
  "minhash_cluster_id",
  "minhash_cluster_size",
] as const;

export type DocumentsWriter = { add(document: Document): void; readonly count: number } & Pick<
  TableWriter,
  "commit" | "abandon"
>;

export function createDocuments(path: string): DocumentsWriter {
  const table = createTable(path, documentsSchema);
  return {
    get count() {
      return table.rows;
    },
    add({ id, url, text, date, meta, at }) {
      const own = Object.fromEntries(ownColumns.map(name => [name, meta[name] ?? null]));
      const rest: Record<string, MetaValue> = {};
      for (const name of Object.keys(meta).sort())
        if (!(ownColumns as readonly string[]).includes(name)) rest[name] = meta[name]!;
      table.add({
        id,
        url,
        text,
        date,
        ...own,
        warc_file: at.file,
        warc_offset: at.offset,
        meta: JSON.stringify(rest),
      });
    },
    commit: () => table.commit(),
    abandon: () => table.abandon(),
  };
}

/** Id and text of every document of one part, in order. Throws DamagedFile. */
export async function* readTexts(
  path: string,
): AsyncGenerator<{ readonly id: string; readonly text: string }> {
  try {
    for await (const row of readTable(path, ["id", "text"]))
      yield { id: String(row["id"]), text: String(row["text"] ?? "") };
  } catch (error) {
    throw new DamagedFile(path, (error as Error).message);
  }
}
