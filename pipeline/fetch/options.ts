/**
 * What a recipe's `source` may say about a Common Crawl snapshot, and what of it decides which documents are read.
 * Knows nothing of the network. Common Crawl's operators ask for whole files, few connections and a contact address;
 * their limits hit an address that opens more than a handful at once, hence at most 4.
 */
import {
  choice,
  integer,
  type Option,
  type Options,
  optional,
  text,
  type Values,
} from "../../lib/options.ts";

export const defaultBase = "https://data.commoncrawl.org";

/** A relative path without `.` or `..`: an id of a crawl, or the path of one of its files. */
export function isCleanPath(path: string): boolean {
  return path
    .split("/")
    .every(part => /^[\w.~+=@,-]+$/.test(part) && part !== "." && part !== ".." && part.length <= 255);
}

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

/** An http or https address without query, fragment, credentials and closing slashes, or null. */
export function cleanBase(address: string): string | null {
  const url = URL.canParse(address) ? new URL(address) : null;
  if (!url || (url.protocol !== "http:" && url.protocol !== "https:")) return null;
  if (url.search || url.hash || url.username || url.password) return null;
  return url.href.replace(/\/+$/, "");
}

const contact: Option<string> = {
  about: "how the host's operators can reach you, sent in the User-Agent header: an address or a page",
  expects: "a line of plain ASCII text without round brackets",
  default: "",
  parse: raw => (typeof raw === "string" && /^[\x20-\x27\x2a-\x7e]{0,200}$/.test(raw) ? raw : undefined),
};

export const crawlOptions = {
  commoncrawl: crawl,
  files: integer(1, "how many WARC files of the crawl, spread evenly over its list by the seed", { min: 1 }),
  base: optional(base),
  cache: optional(text("", "folder for downloads that several runs share; default: crawl/ in the workdir")),
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

/** A source without what only says how its files are fetched: the part that decides what is read from them. */
export function readingSettings(source: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const transport = ["base", "cache", "concurrent", "retries", "userAgent"];
  return Object.fromEntries(Object.entries(source).filter(([key]) => !transport.includes(key)));
}
