/**
 * What a recipe's `source` may say besides its files: which records become documents, and which columns hold what.
 * The recipe reader adds the keys that name the files.
 */
import { flag, type Option, type Options, size, text, texts, type Values } from "../../lib/options.ts";

/** `[200]`, `[200, 203]` or `any`, which is null. */
const status: Option<readonly number[] | null> = {
  about: "HTTP status codes whose responses become documents, or any",
  expects: "a list of status codes such as [200], or any",
  default: [200],
  parse(raw) {
    if (raw === "any" || raw === null) return null;
    const list = typeof raw === "number" ? [raw] : raw;
    const right =
      Array.isArray(list) && list.every(code => Number.isInteger(code) && code >= 0 && code <= 999);
    return right && list.length > 0 ? (list as number[]) : undefined;
  },
};

/** A list of media types, or `any`, which is null. */
const mime: Option<readonly string[] | null> = {
  about: "media types whose responses become documents, or any; without a type a page must look like HTML",
  expects: 'a list of media types such as ["text/html"], or any',
  default: ["text/html", "application/xhtml+xml"],
  parse(raw) {
    if (raw === "any" || raw === null) return null;
    const list = typeof raw === "string" ? [raw] : raw;
    const right =
      Array.isArray(list) &&
      list.every(type => typeof type === "string" && /^[^\s/;]+\/[^\s/;]+$/.test(type));
    return right && list.length > 0 ? (list as string[]).map(type => type.toLowerCase()) : undefined;
  },
};

export const sourceOptions = {
  status,
  mime,
  sniff: flag(true, "look at the bytes and refuse PDFs, images, feeds and other data served as HTML"),
  maxPageBytes: size(20_000_000, "pages longer than this, decoded, are dropped", {
    min: 1024,
    max: 250_000_000,
  }),
  verifyDigests: flag(
    false,
    "compare WARC-Block-Digest and WARC-Payload-Digest with the bytes and count what differs",
  ),
  textColumn: text("text", "JSON lines, Parquet: where the text is; a.b means b inside a"),
  idColumn: text("id", "JSON lines, Parquet: where the id is; without one it is a hash of the content"),
  urlColumn: text("url", "JSON lines, Parquet: where the URL is, if anywhere"),
  dateColumn: text("date", "JSON lines, Parquet: where the date is, if anywhere"),
  metaColumns: texts([], "JSON lines, Parquet: further columns to keep, scalars only"),
} satisfies Options;

export type SourceSettings = Values<typeof sourceOptions>;
