/**
 * Lines of a CDX index, and which of them a recipe wants. Index lines come from a host: what is not well-formed is
 * counted and left out, and a file is only taken from a clean path below crawl-data/. Knows no network.
 */
import { integers, type Option, type Options, optional, texts, type Values } from "../../lib/options.ts";
import { cleanBase, isCleanPath } from "./addresses.ts";
import { keyRange } from "./surt.ts";

const pages: Option<string | null> = {
  about:
    "which pages: a page, everything that begins so (example.org/blog/*), or a domain with its hosts (*.example.org)",
  expects: "an address such as example.org/page, example.org/* or *.example.org",
  default: null,
  parse: raw => (typeof raw === "string" && keyRange(raw) ? raw : undefined),
};

const api: Option<string> = {
  about:
    "a CDXJ server to ask, such as https://index.commoncrawl.org; default: the ZipNum index beside the crawl",
  expects: "an address",
  default: "",
  parse: raw => (typeof raw === "string" ? (cleanBase(raw) ?? undefined) : undefined),
};

export const indexOptions = {
  url: pages,
  mime: optional(texts([], "media types, as the server said or as the crawler found; default: any")),
  languages: optional(
    texts([], "ISO 639-3 codes of which the crawler found one in the page, such as eng; default: any"),
  ),
  status: integers([200], "HTTP status codes"),
  api: optional(api),
} satisfies Options;

export type IndexQuery = Omit<Values<typeof indexOptions>, "url"> & { readonly url: string };

/** One page of the index: where its record lies. */
export type Hit = {
  readonly key: string;
  readonly timestamp: string;
  readonly url: string;
  readonly file: string;
  readonly offset: number;
  readonly length: number;
};

/** A line's fields as the index has them; null where it is not a line of an index. */
export type CdxLine = { readonly key: string; readonly timestamp: string; readonly fields: Fields };
type Fields = Readonly<Record<string, unknown>>;

/** `key timestamp {json}`, as ZipNum blocks hold it. */
export function parseCdxj(line: string): CdxLine | null {
  const match = /^(\S+) (\d{14}) (\{.*)$/.exec(line);
  const fields = match && parseObject(match[3]!);
  return fields ? { key: match[1]!, timestamp: match[2]!, fields } : null;
}

/** A JSON object, as a CDXJ server answers it: key and timestamp are among its fields. */
export function parseCdxJson(line: string): CdxLine | null {
  const fields = parseObject(line);
  const { urlkey: key, timestamp } = fields ?? {};
  const right = typeof key === "string" && key !== "" && !/\s/.test(key) && /^\d{14}$/.test(`${timestamp}`);
  return fields && right ? { key, timestamp: `${timestamp}`, fields } : null;
}

function parseObject(json: string): Fields | null {
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : null;
  } catch {
    return null;
  }
}

/** Members of a crawl's files hold payloads of at most 1 MiB; more than this is no record. */
const longestRecord = 64 << 20;

/** The line as a place to fetch from: null where it names none. */
export function hitOf({ key, timestamp, fields }: CdxLine): Hit | null {
  const { url, filename } = fields;
  const [offset, length] = [wholeNumber(fields["offset"]), wholeNumber(fields["length"])];
  if (typeof url !== "string" || typeof filename !== "string") return null;
  if (offset === null || length === null || length < 18 || length > longestRecord) return null;
  if (!filename.startsWith("crawl-data/") || !isCleanPath(filename)) return null;
  return { key, timestamp, url, file: filename, offset, length };
}

function wholeNumber(value: unknown): number | null {
  const digits = typeof value === "number" ? String(value) : value;
  return typeof digits === "string" && /^\d{1,15}$/.test(digits) ? Number(digits) : null;
}

/** Whether the line is of a page that the query wants. */
export function wanted({ fields }: CdxLine, query: IndexQuery): boolean {
  if (!query.status.includes(Number(fields["status"]))) return false;
  if (query.mime) {
    const types = [fields["mime"], fields["mime-detected"]];
    if (!query.mime.some(type => types.includes(type))) return false;
  }
  const languages = typeof fields["languages"] === "string" ? fields["languages"].split(",") : [];
  return !query.languages || query.languages.some(code => languages.includes(code));
}

/** What was found of a query so far. */
export type Found = { readonly hits: Hit[]; lines: number; bad: number };

/** More records than this are better read as whole files. */
export const mostRecords = 1_000_000;

/** Takes in one line: null is a line that could not be parsed. Gives false once there are too many. */
export function take(
  line: CdxLine | null,
  query: IndexQuery,
  into: Found,
  wants: (key: string) => boolean,
): boolean {
  into.lines++;
  if (!line) into.bad++;
  else if (wants(line.key) && wanted(line, query)) {
    const hit = hitOf(line);
    if (hit) into.hits.push(hit);
    else into.bad++;
  }
  return into.hits.length <= mostRecords;
}
