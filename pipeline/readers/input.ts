/**
 * Opens one input of a recipe's source: which reader fits is told by the key the recipe names it under and by the
 * file's first bytes, which win over its name. The readers know nothing of one another.
 */
import { UserError } from "../../lib/errors.ts";
import { defaults } from "../../lib/options.ts";
import { readJsonl } from "./jsonl.ts";
import { readParquet } from "./parquet.ts";
import type { ReadEvent } from "./reader.ts";
import { type SourceSettings, sourceOptions } from "./settings.ts";
import { readWarc } from "./warc.ts";
import { readWet } from "./wet.ts";
import { type Opened, openFile, type StoredInput } from "./window.ts";

export { sourceOptions } from "./settings.ts";

type Format = "warc" | "wet" | "jsonl" | "parquet";

/**
 * Reads `path` to its end. `name` stands in every Location; `source` is the recipe's resolved source. Throws UserError
 * where the file cannot be opened or is of a format that is not read; bad data is given as events.
 */
export function openInput(
  path: string,
  name: string,
  source: Readonly<Record<string, unknown>>,
): AsyncIterable<ReadEvent> {
  const settings = { ...defaults(sourceOptions), ...source } as SourceSettings;
  const head = Buffer.alloc(4);
  const file = openFile(path);
  try {
    file.pull(head, 0, 0);
  } finally {
    file.close();
  }
  const format = formatOf(head, name, source);
  if (format === "parquet") return readParquet(path, settings, name);
  const read = { warc: readWarc, wet: readWet, jsonl: readJsonl }[format];
  return read(path, settings, name);
}

/** As `openInput`, for bytes that are not in a local file. */
export async function* openStored(
  stored: StoredInput,
  name: string,
  source: Readonly<Record<string, unknown>>,
): AsyncGenerator<ReadEvent> {
  const settings = { ...defaults(sourceOptions), ...source } as SourceSettings;
  const format = formatOf(await stored.slice(0, Math.min(4, stored.bytes)), name, source);
  if (format === "parquet") yield* readParquet(name, settings, name, stored);
  else {
    const read = { warc: readWarc, wet: readWet, jsonl: readJsonl }[format];
    yield* read(name, settings, name, stored.open());
  }
}

/** As `openInput`, for bytes that come in order and are never in a file. What they are is told by the name. */
export function openStream(
  opened: Opened,
  name: string,
  source: Readonly<Record<string, unknown>>,
): AsyncIterable<ReadEvent> {
  const settings = { ...defaults(sourceOptions), ...source } as SourceSettings;
  const format = formatOf(Buffer.alloc(4), name, source);
  if (format === "parquet")
    throw new UserError(`${name}: Parquet is not read as it comes`, "Download it first.");
  return { warc: readWarc, wet: readWet, jsonl: readJsonl }[format](name, settings, name, opened);
}

function formatOf(head: Buffer, name: string, source: Readonly<Record<string, unknown>>): Format {
  if (head.toString("latin1") === "PAR1") return "parquet";
  const given = (["wet", "jsonl", "parquet", "warc"] as const).filter(
    key => Array.isArray(source[key]) && (source[key] as unknown[]).length > 0,
  );
  if (given.length === 1) return given[0]!;
  if (/\.jsonl?(?:\.gz)?$|\.ndjson(?:\.gz)?$/i.test(name)) return "jsonl";
  if (/\.parquet$/i.test(name)) return "parquet";
  return /\.wet(?:\.gz)?$/i.test(name) ? "wet" : "warc";
}
