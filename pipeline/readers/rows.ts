/**
 * A row of JSON lines or of a table as a document: which columns hold what, and what an id is where there is none.
 */
import { createHash } from "node:crypto";
import type { Document, Location, MetaValue } from "../document.ts";
import type { SourceSettings } from "./settings.ts";

export type RowSettings = Pick<
  SourceSettings,
  "textColumn" | "idColumn" | "urlColumn" | "dateColumn" | "metaColumns"
>;

/** The document, or in words why the row is none. */
export function rowToDocument(row: unknown, settings: RowSettings, at: Location): Document | string {
  if (row === null || typeof row !== "object" || Array.isArray(row)) return "expected an object";
  const text = column(row, settings.textColumn);
  if (text === undefined || text === null) return `no column ${settings.textColumn}`;
  if (typeof text !== "string") return `column ${settings.textColumn}: expected a text, got ${typeof text}`;
  const url =
    scalar(column(row, settings.urlColumn)) ?? scalar(column(row, `metadata.${settings.urlColumn}`));
  const date =
    scalar(column(row, settings.dateColumn)) ?? scalar(column(row, `metadata.${settings.dateColumn}`)) ?? "";
  const id = scalar(column(row, settings.idColumn));
  const wellFormed = text.toWellFormed();
  const meta: Record<string, MetaValue> = {};
  for (const name of settings.metaColumns) {
    const value = column(row, name);
    if (typeof value === "string" || typeof value === "number" || typeof value === "boolean")
      meta[snakeCase(name)] = typeof value === "string" ? value.toWellFormed() : value;
    else if (typeof value === "bigint") meta[snakeCase(name)] = Number(value);
    else if (value instanceof Date) meta[snakeCase(name)] = value.toISOString();
  }
  return {
    id: id ?? contentId(url ?? "", wellFormed),
    url: url ?? null,
    date,
    text: wellFormed,
    page: null,
    meta,
    at,
  };
}

/** The value at `a.b.c`; a column whose own name has dots is found first. */
function column(row: object, path: string): unknown {
  if (path in row) return (row as Record<string, unknown>)[path];
  let value: unknown = row;
  for (const name of path.split(".")) {
    if (value === null || typeof value !== "object") return undefined;
    value = (value as Record<string, unknown>)[name];
  }
  return value;
}

function scalar(value: unknown): string | undefined {
  if (typeof value === "string") return value === "" ? undefined : value.toWellFormed();
  if (typeof value === "number" || typeof value === "bigint") return String(value);
  return value instanceof Date ? value.toISOString() : undefined;
}

function contentId(url: string, text: string): string {
  const hash = createHash("sha256").update(`${url}\n`).update(text).digest("hex");
  return `sha256:${hash.slice(0, 32)}`;
}

/** warcFile, warc-file and Metadata.Warc File become warc_file and metadata_warc_file. */
function snakeCase(name: string): string {
  return name
    .replace(/([a-z0-9])([A-Z])/g, "$1_$2")
    .replace(/[^A-Za-z0-9]+/g, "_")
    .replace(/^_+|_+$/g, "")
    .toLowerCase();
}
