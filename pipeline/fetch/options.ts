/**
 * What a recipe's `source` may say about a Common Crawl snapshot, and what of it decides which documents are read.
 * Knows nothing of the network. Common Crawl's operators ask for whole files, few connections and a contact address;
 * their limits hit an address that opens more than a handful at once, hence at most 4.
 */
import {
  choice,
  defaults,
  integer,
  type Option,
  type Options,
  optional,
  text,
  type Values,
} from "../../lib/options.ts";
import { cleanBase, isCleanPath } from "./addresses.ts";
import { type IndexQuery, indexOptions } from "./cdx.ts";

export const defaultBase = "https://data.commoncrawl.org";

const crawl: Option<string | null> = {
  about: "a Common Crawl snapshot, downloaded from its public host or a mirror",
  expects: "the id of a crawl, such as CC-MAIN-2024-46",
  default: null,
  parse: raw => (typeof raw === "string" && isCleanPath(raw) ? raw : undefined),
};

const base: Option<string> = {
  about:
    "where the crawl is served; default: the environment's CURATE_CC_BASE, else Common Crawl's public host",
  expects: "an address such as https://data.commoncrawl.org",
  default: defaultBase,
  parse: raw => (typeof raw === "string" ? (cleanBase(raw) ?? undefined) : undefined),
};

const contact: Option<string> = {
  about: "how the host's operators can reach you, sent in the User-Agent header: an address or a page",
  expects: "a line of plain ASCII text without round brackets",
  default: "",
  parse: raw => (typeof raw === "string" && /^[\x20-\x27\x2a-\x7e]{0,200}$/.test(raw) ? raw : undefined),
};

/** A mapping of its own; wrong keys and values make the whole wrong. */
const index: Option<IndexQuery> = {
  about: "only the pages that the crawl's index finds, fetched record by record",
  expects: `a mapping with url and, where wanted, ${Object.keys(indexOptions).slice(1).join(", ")}, such as { url: "*.example.org", mime: text/html, languages: [eng], status: 200 }`,
  default: { ...defaults(indexOptions), url: "" },
  parse(raw) {
    if (typeof raw !== "object" || raw === null || Array.isArray(raw)) return undefined;
    const values: Record<string, unknown> = { ...defaults(indexOptions) };
    for (const [key, value] of Object.entries(raw)) {
      const option = (indexOptions as Options)[key];
      if ((values[key] = option?.parse(value)) === undefined) return undefined;
    }
    return typeof values["url"] === "string" ? (values as IndexQuery) : undefined;
  },
};

export const crawlOptions = {
  commoncrawl: crawl,
  files: integer(1, "how many WARC files of the crawl, spread evenly over its list by the seed", { min: 1 }),
  index: optional(index),
  base: optional(base),
  cache: optional(
    text(
      "",
      "folder for downloads, each fetched once and kept, which several runs may share; default: crawl/ in the workdir; none: files are read as they come, use no disk, and are fetched again when a changed recipe reads them again",
    ),
  ),
  concurrent: integer(2, "requests under way at a time", { min: 1, max: 4 }),
  retries: integer(12, "tries after the first for each request, counted anew after every MiB that came", {
    min: 0,
    max: 1000,
  }),
  userAgent: contact,
  missing: choice("fail", "what to do when the host does not have a file of the list (404)", [
    "fail",
    "skip",
  ]),
} satisfies Options;

export type CrawlSource = Omit<Values<typeof crawlOptions>, "commoncrawl"> & { readonly commoncrawl: string };

/** The crawl a recipe's source names, or null for a source of local files. */
export function crawlOf(source: Readonly<Record<string, unknown>>): CrawlSource | null {
  return source["commoncrawl"] == null ? null : (source as unknown as CrawlSource);
}

/** Whether the files of a source are read as they come from the host, without a copy on disk. */
export function isStreamed(source: Readonly<Record<string, unknown>>): boolean {
  return source["commoncrawl"] != null && source["cache"] === "none";
}

/** A source without what only says how its files are fetched: the part that decides what is read from them. */
export function readingSettings(source: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const transport = ["base", "cache", "concurrent", "retries", "userAgent"];
  const reading = Object.entries(source).filter(([key]) => !transport.includes(key));
  const { api: _, ...index } = (source["index"] ?? {}) as Record<string, unknown>;
  return Object.fromEntries(reading.map(([key, value]) => [key, key === "index" && value ? index : value]));
}
