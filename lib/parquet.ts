/**
 * Parquet files with a fixed schema, written row group by row group with bounded memory and read the same way.
 * Knows rows of scalars, not documents. Pages are gzip-compressed through node:zlib, which every Parquet reader
 * understands and which Node 20 has natively (its zlib lacks zstd). The schema is given, never inferred: a column
 * that is null in the first rows and not later keeps its type.
 */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { gunzipSync, gzipSync } from "node:zlib";
import type { AsyncBuffer, FileMetaData, SchemaElement } from "hyparquet";
import { ByteWriter, ParquetWriter } from "hyparquet-writer";
import { createAtomic, type OutputFile } from "./atomic.ts";
import { UserError } from "./errors.ts";

export type ColumnType = "string" | "double" | "int" | "boolean";
export type Schema = Readonly<Record<string, ColumnType>>;
export type Cell = string | number | boolean | null;
export type Row = Readonly<Record<string, Cell>>;

export type TableWriter = {
  add(row: Row): void;
  readonly rows: number;
  commit(): OutputFile;
  abandon(): void;
};

const groupRows = 20_000;
const groupChars = 4_000_000;

/** A table that is written as rows come; at most 20,000 rows or 4 M characters are held. */
export function createTable(path: string, schema: Schema): TableWriter {
  const file = createAtomic(path);
  const names = Object.keys(schema);
  const buffer = new ByteWriter();
  const writer = new ParquetWriter({
    writer: buffer,
    schema: schemaElements(schema),
    codec: "GZIP",
    compressors: { GZIP: input => gzipSync(input, { level: 4 }) },
    createdBy: "curate",
  });
  let columns: Cell[][] = names.map(() => []);
  let held = 0;
  let chars = 0;
  let rows = 0;
  const flushBytes = () => {
    file.write(buffer.getBytes());
    buffer.index = 0;
  };
  const flush = () => {
    if (held === 0) return;
    const columnData = names.map((name, i) => ({
      name,
      data: columns[i]!.map(cell => stored(cell, schema[name]!)),
    }));
    writer.write({ columnData, rowGroupSize: held });
    flushBytes();
    columns = names.map(() => []);
    held = chars = 0;
  };
  return {
    get rows() {
      return rows;
    },
    add(row) {
      names.forEach((name, i) => {
        const cell = row[name] ?? null;
        columns[i]!.push(cell);
        if (typeof cell === "string") chars += cell.length;
      });
      rows++;
      if (++held >= groupRows || chars >= groupChars) flush();
    },
    commit() {
      flush();
      writer.finish();
      flushBytes();
      return file.commit();
    },
    abandon: () => file.abandon(),
  };
}

function stored(cell: Cell, type: ColumnType): string | number | bigint | boolean | null {
  return type === "int" && typeof cell === "number" ? BigInt(Math.trunc(cell)) : cell;
}

function schemaElements(schema: Schema): SchemaElement[] {
  const elements: SchemaElement[] = [{ name: "root", num_children: Object.keys(schema).length }];
  for (const [name, type] of Object.entries(schema)) {
    const common = { name, repetition_type: "OPTIONAL" } as const;
    if (type === "string") elements.push({ ...common, type: "BYTE_ARRAY", converted_type: "UTF8" });
    else if (type === "double") elements.push({ ...common, type: "DOUBLE" });
    else if (type === "int") elements.push({ ...common, type: "INT64" });
    else elements.push({ ...common, type: "BOOLEAN" });
  }
  return elements;
}

/** The reader's own code, loaded at the first file: most commands read none, and it costs 0.1 s of CPU time. */
async function openReader() {
  const [{ parquetMetadataAsync, parquetReadObjects }, { compressors }] = await Promise.all([
    import("hyparquet"),
    import("hyparquet-compressors"),
  ]);
  const GZIP = (input: Uint8Array) => new Uint8Array(gunzipSync(input));
  return { parquetMetadataAsync, parquetReadObjects, compressors: { ...compressors, GZIP } };
}

/** The file as hyparquet wants it; nothing is read before it is asked for. */
function fileBuffer(fd: number): AsyncBuffer {
  const byteLength = fstatSync(fd).size;
  return {
    byteLength,
    slice(start, end = byteLength) {
      const bytes = new Uint8Array(end - start);
      let got = 0;
      while (got < bytes.length) {
        const n = readSync(fd, bytes, got, bytes.length - got, start + got);
        if (n === 0) throw new Error("unexpected end of file");
        got += n;
      }
      return bytes.buffer;
    },
  };
}

export type TableReader = {
  readonly rows: number;
  readonly columns: readonly string[];
  /** Rows in order, one row group in memory at a time; `from` skips whole row groups without reading them. */
  read(options?: {
    readonly columns?: readonly string[];
    readonly from?: number;
    readonly to?: number;
  }): AsyncGenerator<Row>;
  close(): void;
};

/** Opens a Parquet file. Throws UserError when it is not one. Integers come back as numbers. */
export async function openTable(path: string): Promise<TableReader> {
  const { parquetMetadataAsync, parquetReadObjects, compressors } = await openReader();
  const fd = openSync(path, "r");
  let metadata: FileMetaData;
  const file = fileBuffer(fd);
  try {
    metadata = await parquetMetadataAsync(file);
  } catch (error) {
    closeSync(fd);
    throw new UserError(
      `${path} is not a readable Parquet file: ${(error as Error).message}`,
      "Delete it and run again to have it rebuilt.",
    );
  }
  const columns = metadata.schema.filter(element => !element.num_children).map(element => element.name);
  return {
    rows: Number(metadata.num_rows),
    columns,
    async *read({ columns: wanted, from = 0, to = Number.POSITIVE_INFINITY } = {}) {
      let start = 0;
      for (const group of metadata.row_groups) {
        const end = start + Number(group.num_rows);
        if (end > from && start < to) {
          const rows = await parquetReadObjects({
            file,
            metadata,
            compressors,
            rowStart: Math.max(start, from),
            rowEnd: Math.min(end, to),
            ...(wanted ? { columns: [...wanted] } : {}),
          });
          for (const row of rows) yield plain(row);
        }
        start = end;
      }
    },
    close: () => closeSync(fd),
  };
}

function plain(row: Record<string, unknown>): Row {
  const out: Record<string, Cell> = {};
  for (const [name, value] of Object.entries(row)) {
    out[name] = typeof value === "bigint" ? Number(value) : value === undefined ? null : (value as Cell);
  }
  return out;
}

/** Rows of one file, closed at the end or when the caller stops early. */
export async function* readTable(path: string, columns?: readonly string[]): AsyncGenerator<Row> {
  const table = await openTable(path);
  try {
    yield* table.read(columns ? { columns } : {});
  } finally {
    table.close();
  }
}
