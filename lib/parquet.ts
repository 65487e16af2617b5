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
  const [{ parquetMetadataAsync, parquetRead, parquetSchema }, { compressors }] = await Promise.all([
    import("hyparquet"),
    import("hyparquet-compressors"),
  ]);
  const GZIP = (input: Uint8Array) => new Uint8Array(gunzipSync(input));
  return { parquetMetadataAsync, parquetRead, parquetSchema, compressors: { ...compressors, GZIP } };
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

export type Range = {
  readonly columns?: readonly string[];
  readonly from?: number;
  readonly to?: number;
};

/** Consecutive rows column by column. */
export type ColumnGroup<Text = string> = {
  /** Number of the first row in the file. */
  readonly from: number;
  readonly rows: number;
  /** `rows` cells each, in the order of the file's schema. */
  readonly columns: ReadonlyMap<string, ArrayLike<Exclude<Cell, string> | Text>>;
};

export type TableReader = {
  readonly rows: number;
  readonly columns: readonly string[];
  /** Rows in order, one row group in memory at a time; `from` skips whole row groups without reading them. */
  read(range?: Range): AsyncGenerator<Row>;
  /** The same cells without an object for each row, a row group at a time: two fifths of the time for a filter's measures. */
  readColumns(range?: Range): AsyncGenerator<ColumnGroup>;
  /** As readColumns, with `decode` in place of the decoding of UTF-8: the bytes are not to be kept. */
  readColumns<Text>(
    range: Range & { readonly decode: (bytes: Uint8Array) => Text },
  ): AsyncGenerator<ColumnGroup<Text>>;
  close(): void;
};

type Decode = (bytes: Uint8Array) => unknown;
type Decoded = ArrayLike<unknown> & { slice(from: number, to: number): Decoded };
type Chunk = { readonly data: Decoded; readonly start: number };

const utf8 = new TextDecoder();
const toText: Decode = bytes => utf8.decode(bytes);

/**
 * Opens a Parquet file. Throws UserError when it is not one, and at a row group whose columns hold fewer rows than the
 * footer says. Integers come back as numbers.
 */
export async function openTable(path: string): Promise<TableReader> {
  const { parquetMetadataAsync, parquetRead, parquetSchema, compressors } = await openReader();
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
  const elements = parquetSchema(metadata).children.map(({ element }) => element);

  /** Cells of the rows from `from` to `to`, which lie in one row group of `groupRows` rows. */
  async function group(
    from: number,
    to: number,
    groupRows: number,
    wanted: Range["columns"],
    decode: Decode,
  ) {
    const chunks = new Map<string, Chunk[]>();
    // Where few rows are wanted, only their strings are decoded: pages come whole.
    const few = to - from < groupRows / 4;
    await parquetRead({
      ...{ file, metadata, compressors, rowStart: from, rowEnd: to },
      ...(wanted ? { columns: [...wanted] } : {}),
      parsers: { stringFromBytes: (bytes: Uint8Array) => (few ? bytes : bytes && decode(bytes)) },
      onChunk({ columnName, columnData, rowStart }) {
        const held = chunks.get(columnName) ?? [];
        chunks.set(columnName, held);
        held.push({ data: columnData as Decoded, start: rowStart });
      },
    });
    const found = new Map<string, ArrayLike<never>>();
    for (const { name, type } of elements) {
      if (wanted && !wanted.includes(name)) continue;
      const cells = between(chunks.get(name) ?? [], from, to);
      if (cells.length !== to - from)
        throw new UserError(
          `${path} is damaged: its column ${name} has ${cells.length} of the ${to - from} rows from ${from} on`,
          "Delete it and run again to have it rebuilt.",
        );
      const late = few && type === "BYTE_ARRAY";
      const plain = (cell: unknown) =>
        typeof cell === "bigint" ? Number(cell) : late && cell instanceof Uint8Array ? decode(cell) : cell;
      found.set(name, (late || type === "INT64" ? Array.from(cells, plain) : cells) as ArrayLike<never>);
    }
    return found;
  }

  async function* groups(
    { columns: wanted, from = 0, to = Number.POSITIVE_INFINITY }: Range,
    decode: Decode,
  ) {
    let start = 0;
    for (const { num_rows } of metadata.row_groups) {
      const end = start + Number(num_rows);
      const [first, last] = [Math.max(start, from), Math.min(end, to)];
      if (first < last) {
        const cells = await group(first, last, end - start, wanted, decode);
        yield { from: first, rows: last - first, columns: cells };
      }
      start = end;
    }
  }

  return {
    rows: Number(metadata.num_rows),
    columns,
    async *read(range = {}) {
      for await (const { rows, columns: cells } of groups(range, toText)) {
        const [names, lists] = [[...cells.keys()], [...cells.values()] as ArrayLike<Cell | undefined>[]];
        for (let at = 0; at < rows; at++) {
          const row: Record<string, Cell> = {};
          for (let k = 0; k < names.length; k++) row[names[k]!] = lists[k]![at] ?? null;
          yield row;
        }
      }
    },
    readColumns: (range: Range & { readonly decode?: Decode } = {}) => groups(range, range.decode ?? toText),
    close: () => closeSync(fd),
  };
}

/** The cells of the rows from `from` to `to`, as many as the chunks hold of them. */
function between(chunks: readonly Chunk[], from: number, to: number): ArrayLike<unknown> {
  const parts = chunks.map(({ data, start }) =>
    start >= from && start + data.length <= to
      ? data
      : data.slice(Math.max(0, from - start), Math.max(0, to - start)),
  );
  return parts.length === 1 ? parts[0]! : parts.flatMap(part => Array.from(part));
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
