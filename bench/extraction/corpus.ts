/**
 * The labelled crawl beside the repository: pages as bytes from the WARC files, with their gold text or snippets.
 * Reads one gzip member a page by offset, so that a bench does not depend on the pipeline's own readers.
 */
import { closeSync, existsSync, openSync, readFileSync, readSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { packageRoot } from "../../lib/package-root.ts";
import { hash32 } from "../../lib/random.ts";
import { decodeHtml } from "../../pipeline/decoding/charset.ts";

export type Gold = {
  readonly kind: "full_text" | "full_text_from_html" | "snippets";
  readonly text: string | null;
  /** Snippets that must, and must not, be in the text. */
  readonly with: readonly string[];
  readonly without: readonly string[];
};

export type LabelledPage = {
  /** WARC-Record-ID. */
  readonly id: string;
  readonly url: string;
  readonly source: string;
  /** article, forum, …; "other" where the benchmark does not say. */
  readonly type: string;
  readonly language: string;
  /** Registrable domain: pages of one are never split between halves. */
  readonly domain: string;
  readonly gold: Gold;
  /** Decoded as the stage decodes it. Read anew at every call. */
  html(): string;
};

export const crawlFolder = join(packageRoot, "../shared/data/crawl");
export const hasCrawl = existsSync(join(crawlFolder, "gold.jsonl.gz"));

function lines(path: string): Record<string, never>[] {
  return gunzipSync(readFileSync(path))
    .toString("utf8")
    .split("\n")
    .filter(line => line !== "")
    .map(line => JSON.parse(line) as Record<string, never>);
}

const headEnd = Buffer.from("\r\n\r\n");

function pageBytes(
  file: string,
  offset: number,
  length: number,
): { body: Uint8Array; contentType: string | null } {
  const descriptor = openSync(join(crawlFolder, file), "r");
  const member = Buffer.alloc(length);
  readSync(descriptor, member, 0, length, offset);
  closeSync(descriptor);
  const record = gunzipSync(member);
  const http = record.indexOf(headEnd) + 4;
  const body = record.indexOf(headEnd, http) + 4;
  const contentType = /^content-type:\s*(.*?)\s*$/im.exec(record.toString("latin1", http, body))?.[1] ?? null;
  return { body: record.subarray(body, record.length - 4), contentType };
}

export function labelledPages(): LabelledPage[] {
  return lines(join(crawlFolder, "gold.jsonl.gz")).map(line => ({
    id: line["record_id"] as string,
    url: line["url"] as string,
    source: line["source"] as string,
    type: (line["page_type"] as string | null) ?? "other",
    language: String(line["lang"]).slice(0, 2).toLowerCase(),
    domain: line["domain"] as string,
    gold: {
      kind: line["kind"],
      text: line["text"] as string | null,
      with: (line["with"] as string[] | null) ?? [],
      without: (line["without"] as string[] | null) ?? [],
    },
    html: () => {
      const { body, contentType } = pageBytes(line["filename"], line["offset"], line["length"]);
      return decodeHtml(body, contentType).text;
    },
  }));
}

/** The half a page belongs to, by a seeded hash of its domain. */
export function halfOf(page: LabelledPage): "A" | "B" {
  return hash32(1, page.domain) & 1 ? "A" : "B";
}

/** Texts by record id from a file of predictions; the text without cross-page deduplication where there are two. */
export function predictions(name: string): Map<string, string> {
  const texts = new Map<string, string>();
  for (const line of lines(join(packageRoot, "../shared/data/oracle", name))) {
    texts.set(line["id"] as string, ((line["text_nodedup"] as string) || (line["text"] as string)) ?? "");
  }
  return texts;
}
