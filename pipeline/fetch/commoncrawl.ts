/**
 * Which files of a Common Crawl snapshot a recipe means, as inputs: reads the crawl's list (warc.paths.gz, about
 * 90,000 lines), takes `files` of them spread evenly by seed, and asks the host for length and version of each. What
 * the store already has is not asked again, so a finished run resumes without a network. Writes nothing.
 */

import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { gunzipSync } from "node:zlib";
import { writeAtomic } from "../../lib/atomic.ts";
import { shown, UserError } from "../../lib/errors.ts";
import { makeFolder } from "../../lib/folder.ts";
import { randomOf } from "../../lib/random.ts";
import type { Input } from "../inputs.ts";
import { cleanBase, isCleanPath } from "./addresses.ts";
import { brokenOff, type Client, type ClientOptions, openClient, type Reply } from "./client.ts";
import { type Attempt, forAll } from "./limiter.ts";
import { type CrawlSource, defaultBase } from "./options.ts";
import { findRecords, type IndexedSource, partsOf } from "./records.ts";
import { fingerprintOf, missing, readNote, sizeOf, type Version } from "./store.ts";

export type ListOptions = {
  readonly source: CrawlSource;
  readonly seed: number;
  /** The folder of downloads; need not exist. */
  readonly store: string;
  readonly version: string;
  /** Only the first so many of the files chosen. */
  readonly limit?: number | undefined;
} & Pick<ClientOptions, "clock" | "idle" | "signal" | "onWait">;

/** The address of one file of the crawl. */
export const urlOf = (source: CrawlSource, name: string): string => `${source.base ?? defaultBase}/${name}`;

export const listName = (source: CrawlSource): string => `crawl-data/${source.commoncrawl}/warc.paths.gz`;

/** The base address to use: the recipe's, else that of the environment, else Common Crawl's own. Throws UserError. */
export function baseOf(source: CrawlSource, environment: string | undefined): string {
  const given = source.base ?? (environment || defaultBase);
  const base = cleanBase(given);
  if (!base)
    throw new UserError(
      `CURATE_CC_BASE: expected an address such as ${defaultBase}, got ${shown(given)}`,
      "Set it to the address below which crawl-data/ is served, or unset it.",
    );
  if (base === defaultBase && !/^CC-(MAIN-\d{4}(-\d{2,4})?|NEWS\/\d{4}\/\d{2})$/.test(source.commoncrawl))
    throw new UserError(
      `source.commoncrawl: expected the id of a crawl, such as CC-MAIN-2024-46, got ${shown(source.commoncrawl)}`,
      "The crawls are listed at https://commoncrawl.org/get-started; other names need source.base, the address of a mirror.",
    );
  return base;
}

export const clientFor = (
  { concurrent, retries, userAgent }: CrawlSource,
  rest: Omit<ClientOptions, "concurrent" | "retries" | "contact">,
): Client => openClient({ concurrent, retries, contact: userAgent, ...rest });

/** The inputs of a crawl, in the order of its list. Throws UserError where crawl, host or list is not what it should be. */
export async function listCrawl(options: ListOptions): Promise<Input[]> {
  const { source, seed, store, limit } = options;
  const client = clientFor(source, options);
  try {
    if (source.index) {
      const indexed = indexedOf(source)!;
      const parts = partsOf(indexed, await findRecords(client, indexed, store));
      return parts.slice(0, limit).map(({ input }) => input);
    }
    const names = spread(await readList(client, source, store), source, seed);
    const wanted = limit === undefined ? names : names.slice(0, limit);
    const inputs = await forAll(client.limiter, source.concurrent, wanted, name =>
      describe(client, source, store, name),
    );
    const absent = inputs.filter(({ fingerprint }) => fingerprint === missing).map(({ name }) => name);
    if (absent.length === inputs.length || (absent.length > 0 && source.missing === "fail")) {
      const further = absent.length > 3 ? ` and ${absent.length - 3} more` : "";
      throw new UserError(
        `${source.commoncrawl}: the host does not have ${absent.length} of ${inputs.length} files (404): ${absent
          .slice(0, 3)
          .map(name => urlOf(source, name))
          .join(", ")}${further}`,
        "Go on without them with  source: { missing: skip }, or take another seed or crawl.",
      );
    }
    return inputs;
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(
      (error as Error).message,
      "Check the network, or name a mirror in source.base or CURATE_CC_BASE. Files already on this machine are read with  source: { warc: [...] }.",
    );
  } finally {
    await client.close();
  }
}

/** A source that has an index query, with the address it is asked at; null for one of whole files. */
export function indexedOf(source: CrawlSource): IndexedSource | null {
  const { base, index } = source;
  return index ? { ...source, base: base ?? defaultBase, index } : null;
}

/** `files` names, one from each of as many equal pieces of the list, chosen by seed. */
export function spread(
  names: readonly string[],
  { commoncrawl, files }: CrawlSource,
  seed: number,
): string[] {
  if (files > names.length)
    throw new UserError(
      `source.files: expected at most ${names.length}, the number of files in ${commoncrawl}, got ${files}`,
    );
  return Array.from({ length: files }, (_, i) => {
    const from = Math.floor((i * names.length) / files);
    const to = Math.floor(((i + 1) * names.length) / files);
    return names[from + Math.floor(randomOf(seed, `${commoncrawl} ${i}`) * (to - from))]!;
  });
}

async function readList(client: Client, source: CrawlSource, store: string): Promise<string[]> {
  const path = join(store, listName(source));
  if (sizeOf(path) !== null)
    return parseList(readFileSync(path), path, "Delete that file; it is downloaded again.");
  return parseList(await fetchList(client, source), urlOf(source, listName(source)), mirrorHint);
}

const mirrorHint = "Check that source.base is the root of a mirror.";

/** Puts the crawl's list into the store, where it is not there yet. */
export async function keepList(client: Client, source: CrawlSource, store: string): Promise<void> {
  const path = join(store, listName(source));
  if (sizeOf(path) !== null) return;
  const list = await fetchList(client, source);
  parseList(list, urlOf(source, listName(source)), mirrorHint);
  makeFolder(dirname(path));
  writeAtomic(path, list);
}

/** The longest list there is has under 1 MB. */
const longestList = 64 << 20;

async function fetchList(client: Client, source: CrawlSource): Promise<Buffer> {
  const url = urlOf(source, listName(source));
  const found = await client.ask({ method: "GET", url, use: reply => readBody(url, reply, client) });
  if (found) return found;
  throw new UserError(
    `there is no crawl ${source.commoncrawl}: ${url} was not found (404)`,
    "The crawls are listed at https://commoncrawl.org/get-started; their ids look like CC-MAIN-2024-46.",
  );
}

async function readBody(url: string, { headers, body }: Reply, client: Client): Promise<Attempt<Buffer>> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const chunk of body) {
      chunks.push(chunk as Uint8Array);
      bytes += (chunk as Uint8Array).length;
      if (bytes > longestList)
        throw new UserError(`${url}: expected a list of paths, got over 64 MiB of data`, mirrorHint);
    }
  } catch (error) {
    if (error instanceof UserError) throw error;
    client.limiter.signal.throwIfAborted();
    return brokenOff(error, client.idle, true);
  } finally {
    body.destroy();
  }
  const promised = headers.get("content-length");
  if (promised !== undefined && Number(promised) !== bytes)
    return {
      kind: "again",
      why: `the answer ended after ${bytes} of ${promised} bytes`,
      after: null,
      answered: true,
    };
  return { kind: "done", value: Buffer.concat(chunks) };
}

export function parseList(data: Buffer, where: string, hint: string): string[] {
  let text: string;
  try {
    text = gunzipSync(data, { maxOutputLength: 1 << 29 }).toString("latin1");
  } catch (error) {
    throw new UserError(
      `${where}: expected a gzip file with a list of paths: ${(error as Error).message}`,
      hint,
    );
  }
  const names = text.split(/\r?\n/).filter(line => line !== "");
  const wrong = names.find(name => !isCleanPath(name));
  if (wrong !== undefined)
    throw new UserError(`${where}: expected a list of relative paths, got the line ${shown(wrong)}`, hint);
  if (names.length === 0) throw new UserError(`${where}: the list of files is empty`, hint);
  return names;
}

async function describe(client: Client, source: CrawlSource, store: string, name: string): Promise<Input> {
  const path = join(store, name);
  const note = readNote(path);
  if (note?.sha256 && sizeOf(path) === note.bytes)
    return { name, bytes: note.bytes, fingerprint: fingerprintOf(note) };
  const url = urlOf(source, name);
  const version = await client.ask<Version>({
    method: "HEAD",
    url,
    use: async ({ headers, body }) => {
      await body.dump();
      const length = headers.get("content-length") ?? "";
      if (!/^\d{1,15}$/.test(length))
        throw new UserError(
          `${url}: the host does not say how long it is (Content-Length)`,
          "Name another mirror in source.base.",
        );
      const [etag, lastModified] = [headers.get("etag") ?? null, headers.get("last-modified") ?? null];
      return { kind: "done", value: { bytes: Number(length), etag, lastModified } };
    },
  });
  return version
    ? { name, bytes: version.bytes, fingerprint: fingerprintOf(version) }
    : { name, bytes: 0, fingerprint: missing };
}
