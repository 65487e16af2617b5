/**
 * Rows of a Parquet file as documents. Reads only the columns that are asked for and holds one row group at a time; a
 * file whose columns do not fit the recipe is the user's mistake and refused before any row is read.
 */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { brotliDecompressSync, gunzipSync } from "node:zlib";
import {
  type AsyncBuffer,
  type Compressors,
  type FileMetaData,
  parquetMetadataAsync,
  parquetReadObjects,
} from "hyparquet";
import { compressors as jsCompressors } from "hyparquet-compressors";
import { nearest, UserError } from "../../lib/errors.ts";
import type { ReadEvent } from "./reader.ts";
import { type RowSettings, rowToDocument } from "./rows.ts";
import type { SourceSettings } from "./settings.ts";
import type { StoredInput } from "./window.ts";

const rowsAtOnce = 2000;
/** Node's own decoders where it has them. */
const compressors: Compressors = {
  ...jsCompressors,
  GZIP: input => gunzipSync(input),
  BROTLI: input => brotliDecompressSync(input),
};

/** Locations say in which row group a row lies and share its bytes out evenly. */
export async function* readParquet(
  path: string,
  settings: RowSettings & Pick<SourceSettings, "maxPageBytes">,
  name = path,
  stored: StoredInput | null = null,
): AsyncGenerator<ReadEvent> {
  const { file, close } = stored ? remoteFile(stored) : localFile(path);
  try {
    const metadata = await parquetMetadataAsync(file).catch((error: Error) => {
      throw new UserError(
        `${path}: not a whole Parquet file: ${error.message}`,
        "Download or write it again.",
      );
    });
    const columns = wantedColumns(metadata, settings, path);
    let firstRow = 0;
    for (const group of metadata.row_groups ?? []) {
      const rows = Number(group.num_rows);
      const first = group.columns?.[0]?.meta_data;
      const said = Number(first?.dictionary_page_offset ?? first?.data_page_offset ?? 0);
      const offset = Number.isSafeInteger(said) && said >= 0 ? said : 0;
      const length = Math.floor(
        Number(group.total_compressed_size ?? group.total_byte_size) / Math.max(1, rows),
      );
      for (let from = 0; from < rows; from += rowsAtOnce) {
        const [rowStart, rowEnd] = [firstRow + from, firstRow + Math.min(rows, from + rowsAtOnce)];
        let table: Record<string, unknown>[];
        try {
          table = await parquetReadObjects({ file, metadata, columns, rowStart, rowEnd, compressors });
        } catch (error) {
          // Pages are decoded from the group's first on: behind a damaged one nothing can be read.
          const at = { file: name, offset, length: length * (rows - from) };
          const message = `rows ${rowStart} to ${firstRow + rows - 1}: ${(error as Error).message}`;
          yield { kind: "failure", code: "bad-parquet", message, at };
          break;
        }
        // Rows that the footer promises and no page holds come as objects whose columns are undefined; nulls are null.
        const held = table.findIndex(row => Object.values(row).every(value => value === undefined));
        const missing = held >= 0 ? held : table.length < rowEnd - rowStart ? table.length : -1;
        for (const [i, row] of table.slice(0, missing < 0 ? table.length : missing).entries()) {
          const at = { file: name, offset: offset + (from + i) * length, length };
          const document = rowToDocument(row, settings, at);
          if (typeof document === "string")
            yield { kind: "failure", code: "bad-row", message: `row ${rowStart + i}: ${document}`, at };
          else if (document.text === "")
            yield { kind: "drop", reason: "empty", id: document.id, url: document.url, value: 0, at };
          else if (document.text.length > settings.maxPageBytes) {
            const { id, url, text } = document;
            yield { kind: "drop", reason: "too-large", id, url, value: text.length, at };
          } else yield { kind: "document", document };
        }
        if (missing >= 0) {
          const at = { file: name, offset, length: 0 };
          const message = `the footer promises rows ${rowStart + missing} to ${firstRow + rows - 1}, which are not there`;
          yield { kind: "failure", code: "bad-parquet", message, at };
          break;
        }
      }
      firstRow += rows;
    }
  } finally {
    close();
  }
}

function localFile(path: string): { readonly file: AsyncBuffer; close(): void } {
  const fd = openSync(path, "r");
  const byteLength = fstatSync(fd).size;
  const slice = (start: number, end = byteLength) => {
    const buffer = Buffer.alloc(Math.max(0, end - start));
    readSync(fd, buffer, 0, buffer.length, start);
    return buffer.buffer as ArrayBuffer;
  };
  return { file: { byteLength, slice }, close: () => closeSync(fd) };
}

function remoteFile({ bytes, slice }: StoredInput): { readonly file: AsyncBuffer; close(): void } {
  const read = async (start: number, end = bytes) =>
    new Uint8Array(await slice(start < 0 ? bytes + start : start, end)).buffer;
  return { file: { byteLength: bytes, slice: read }, close: () => {} };
}

/** Names of the top-level columns to read. Throws UserError where the text is in none of them. */
function wantedColumns(metadata: FileMetaData, settings: RowSettings, path: string): string[] {
  const names: string[] = [];
  let at = 0;
  const next = (): FileMetaData["schema"][number] => {
    const element = metadata.schema?.[at++];
    if (typeof element?.name === "string") return element;
    throw new UserError(
      `${path}: not a whole Parquet file: its schema breaks off`,
      "Download or write it again.",
    );
  };
  const skip = (children: number): void => {
    for (let child = 0; child < children; child++) skip(next().num_children ?? 0);
  };
  const columns = next().num_children ?? 0;
  for (let child = 0; child < columns; child++) {
    const { name, num_children: children } = next();
    names.push(name);
    skip(children ?? 0);
  }
  const top = (column: string) => (names.includes(column) ? column : column.split(".", 1)[0]!);
  if (!names.includes(top(settings.textColumn))) {
    const near = nearest(settings.textColumn, names);
    throw new UserError(
      `${path}: no column ${JSON.stringify(settings.textColumn)}, the columns are ${names.join(", ")}`,
      `Set source.textColumn${near ? ` to ${near}` : " to the column that holds the text"}.`,
    );
  }
  const { textColumn, idColumn, urlColumn, dateColumn, metaColumns } = settings;
  const wanted = [textColumn, idColumn, urlColumn, dateColumn, "metadata", ...metaColumns].map(top);
  return names.filter(column => wanted.includes(column));
}
