/**
 * Pages found through the index as inputs: the records are sorted by their place in the crawl, cut into parts of 500
 * (some 12 MB), and each part is fetched into a WARC file of its own, gzip members as they are. Beside it a note says
 * where in the crawl each record lies, so that documents keep their place. A part is begun again at the last whole
 * record; a record that is not where the index says costs itself alone. Neighbours come in one request: between two
 * responses lie a request and a metadata record of 1 to 2 KB.
 */

import { createHash } from "node:crypto";
import {
  closeSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { type OutputFile, sha256File, writeAtomic } from "../../lib/atomic.ts";
import { shown, UserError } from "../../lib/errors.ts";
import { makeFolder } from "../../lib/folder.ts";
import type { Input } from "../inputs.ts";
import { gzipHeaderLength, inflateMember } from "../readers/gzip.ts";
import {
  type Found,
  type Hit,
  hitOf,
  type IndexQuery,
  mostRecords,
  parseCdxJson,
  parseCdxj,
  take,
} from "./cdx.ts";
import { searchServer } from "./cdx-server.ts";
import type { Client } from "./client.ts";
import type { CrawlSource } from "./options.ts";
import { fetchRange } from "./range.ts";
import { partPath, sizeOf } from "./store.ts";
import { keyRange } from "./surt.ts";
import { searchZipnum } from "./zipnum.ts";

/** A crawl's source that names pages instead of files. */
export type IndexedSource = CrawlSource & { readonly base: string; readonly index: IndexQuery };

const recordsPerPart = 500;
const gapBytes = 16 << 10;
const spanBytes = 8 << 20;
/** Times a record is asked for whose bytes are not a whole gzip member. */
const triesOfRecord = 3;
const mostInflated = 256 << 20;

/** Folder of a query's records in the store. */
export function recordsFolder({ commoncrawl, index }: IndexedSource): string {
  const { api: _, ...query } = index;
  return `crawl-data/${commoncrawl}/records/${hash(JSON.stringify(query))}`;
}

const hash = (text: string): string => createHash("sha256").update(text).digest("hex").slice(0, 16);

/** The records a query finds, from the store where an earlier run left them; in the order of the crawl. Throws UserError. */
export async function findRecords(client: Client, source: IndexedSource, store: string): Promise<Hit[]> {
  const path = join(store, recordsFolder(source), "hits.jsonl");
  return sizeOf(path) === null ? askIndex(client, source) : readHits(path);
}

/** Puts the list of records into the store. */
export function keepHits(source: IndexedSource, store: string, hits: readonly Hit[]): void {
  const path = join(store, recordsFolder(source), "hits.jsonl");
  if (sizeOf(path) !== null) return;
  makeFolder(dirname(path));
  writeAtomic(path, hits.map(hit => `${JSON.stringify(hit)}\n`).join(""));
}

function readHits(path: string): Hit[] {
  return readFileSync(path, "utf8")
    .split("\n")
    .filter(line => line !== "")
    .map(line => {
      try {
        const { file, ...rest } = JSON.parse(line) as Hit;
        const { key, timestamp } = rest;
        const hit = hitOf({ key, timestamp, fields: { ...rest, filename: file } });
        if (hit) return hit;
      } catch {
        // said below
      }
      throw new UserError(`${path} is damaged`, "Delete that file; the index is asked again.");
    });
}

async function askIndex(client: Client, source: IndexedSource): Promise<Hit[]> {
  const { base, commoncrawl, index } = source;
  const range = keyRange(index.url)!;
  const found: Found = { hits: [], lines: 0, bad: 0 };
  if (index.api === null) {
    const folder = `${base}/cc-index/collections/${commoncrawl}/indexes`;
    await searchZipnum(client, folder, range, line => take(parseCdxj(line), index, found, range.wants));
  } else {
    const { api, url, status } = index;
    await searchServer(client, { api, crawl: commoncrawl, url, status }, line =>
      take(parseCdxJson(line), index, found, range.wants),
    );
  }
  if (found.hits.length > mostRecords)
    throw new UserError(
      `source.index: ${shown(index.url)} finds more than ${mostRecords} records`,
      "Name a smaller domain or prefix, or read whole files:  source: { commoncrawl: …, files: N }",
    );
  if (found.hits.length === 0)
    throw new UserError(
      `source.index: the index of ${commoncrawl} has no page for ${shown(index.url)} with this status, type and language (${found.lines} lines read, ${found.bad} damaged)`,
      "Check the address: example.org/* is one host's pages, *.example.org a whole domain; status is [200] unless the recipe says otherwise.",
    );
  return inOrder(found.hits);
}

/** By file and offset, each once. */
function inOrder(hits: readonly Hit[]): Hit[] {
  const sorted = [...hits].sort((a, b) =>
    a.file === b.file ? a.offset - b.offset : a.file < b.file ? -1 : 1,
  );
  return sorted.filter(
    (hit, i) => i === 0 || hit.file !== sorted[i - 1]!.file || hit.offset !== sorted[i - 1]!.offset,
  );
}

export type Part = { readonly input: Input; readonly hits: readonly Hit[] };

export function partsOf(source: IndexedSource, hits: readonly Hit[]): Part[] {
  const folder = recordsFolder(source);
  return Array.from({ length: Math.ceil(hits.length / recordsPerPart) }, (_, i) => {
    const own = hits.slice(i * recordsPerPart, (i + 1) * recordsPerPart);
    const bytes = own.reduce((sum, { length }) => sum + length, 0);
    const name = `${folder}/part-${String(i).padStart(5, "0")}.warc.gz`;
    const fingerprint = hash(own.map(hit => `${hit.file} ${hit.offset} ${hit.length}`).join("\n"));
    return { input: { name, bytes, fingerprint }, hits: own };
  });
}

/** Where a record of a part lies in the crawl. */
export type Place = { readonly file: string; readonly offset: number; readonly length: number };

/** The note beside a part; `sha256` and `places` once it is whole. `skipped` counts within the part's list. */
type PartNote = {
  readonly fingerprint: string;
  readonly bytes: number;
  readonly sha256: string | null;
  readonly skipped: readonly number[];
  readonly places: readonly Place[];
};

const notePath = (path: string): string => `${path}.json`;

export function readPartNote(path: string): PartNote | null {
  try {
    const note = JSON.parse(readFileSync(notePath(path), "utf8")) as PartNote;
    return Array.isArray(note.places) && Array.isArray(note.skipped) ? note : null;
  } catch {
    return null;
  }
}

const writePartNote = (path: string, note: PartNote): OutputFile =>
  writeAtomic(notePath(path), `${JSON.stringify(note)}\n`);

export type FetchedPart = { readonly files: readonly OutputFile[]; readonly skipped: number };

/** Brings a part into the store. `onBytes` hears of every record, negative where bytes had to be thrown away. */
export async function fetchPart(
  client: Client,
  {
    source,
    store,
    part,
    onBytes,
  }: { source: IndexedSource; store: string; part: Part; onBytes(bytes: number): void },
): Promise<FetchedPart> {
  const { input, hits } = part;
  const path = join(store, input.name);
  const there = wholePart(path, input.fingerprint);
  if (there) {
    onBytes(input.bytes);
    return there;
  }
  makeFolder(dirname(path));
  const skipped = new Set(resumable(path, input.fingerprint));
  const note = (more: Partial<PartNote>): PartNote => ({
    ...{ fingerprint: input.fingerprint, bytes: 0, sha256: null, places: [] },
    ...{ skipped: [...skipped], ...more },
  });
  let { next, size } = wholeRecords(hits, skipped, sizeOf(partPath(path)) ?? 0);
  const file = openSync(partPath(path), size > 0 ? "r+" : "w");
  const digest = { bytes: size };
  try {
    truncateSync(partPath(path), size);
    onBytes(hits.slice(0, next).reduce((sum, { length }) => sum + length, 0));
    writePartNote(path, note({}));
    while (next < hits.length) {
      const span = spanFrom(hits, next);
      for (const [i, bytes] of (await fetchSpan(client, source, span)).entries()) {
        if (bytes) {
          for (let at = 0; at < bytes.length; )
            at += writeSync(file, bytes, at, bytes.length - at, digest.bytes + at);
          digest.bytes += bytes.length;
        } else {
          skipped.add(next + i);
          writePartNote(path, note({}));
        }
        onBytes(span[i]!.length);
      }
      next += span.length;
    }
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  size = digest.bytes;
  const sha256 = sha256File(partPath(path));
  const places = hits
    .filter((_, i) => !skipped.has(i))
    .map(({ file, offset, length }) => ({ file, offset, length }));
  const noted = writePartNote(path, note({ bytes: size, sha256, places }));
  renameSync(partPath(path), path);
  return { files: [{ path, bytes: size, sha256 }, noted], skipped: skipped.size };
}

function wholePart(path: string, fingerprint: string): FetchedPart | null {
  const note = readPartNote(path);
  if (!note?.sha256 || note.fingerprint !== fingerprint || sizeOf(path) !== note.bytes) return null;
  if (sha256File(path) !== note.sha256) {
    rmSync(path);
    return null;
  }
  const at = notePath(path);
  const noted = { path: at, bytes: sizeOf(at)!, sha256: sha256File(at) };
  return { files: [{ path, bytes: note.bytes, sha256: note.sha256 }, noted], skipped: note.skipped.length };
}

/** What an earlier try skipped; where it was another part, nothing of it is kept. */
function resumable(path: string, fingerprint: string): readonly number[] {
  const note = readPartNote(path);
  if (note && note.fingerprint === fingerprint && note.sha256 === null) return note.skipped;
  for (const old of [path, partPath(path), notePath(path)]) rmSync(old, { force: true });
  return [];
}

/** How many of the first hits are whole in `bytes` bytes, and how many bytes those are. */
function wholeRecords(
  hits: readonly Hit[],
  skipped: ReadonlySet<number>,
  bytes: number,
): { next: number; size: number } {
  let size = 0;
  for (const [i, { length }] of hits.entries()) {
    const own = skipped.has(i) ? 0 : length;
    if (size + own > bytes) return { next: i, size };
    size += own;
  }
  return { next: hits.length, size };
}

/** The hits from `first` on that come in one request. */
function spanFrom(hits: readonly Hit[], first: number): Hit[] {
  const { file, offset } = hits[first]!;
  let end = offset + hits[first]!.length;
  let last = first + 1;
  for (; last < hits.length; last++) {
    const next = hits[last]!;
    const reach = next.offset + next.length;
    if (next.file !== file || next.offset < end || next.offset - end > gapBytes || reach - offset > spanBytes)
      break;
    end = reach;
  }
  return hits.slice(first, last);
}

/** The members of a span's hits; null for one that is not what the index says, or whose file is not there. */
async function fetchSpan(
  client: Client,
  source: IndexedSource,
  span: readonly Hit[],
): Promise<(Buffer | null)[]> {
  const url = `${source.base}/${span[0]!.file}`;
  const from = span[0]!.offset;
  const last = span[span.length - 1]!;
  const piece = await fetchRange(client, url, from, last.offset + last.length);
  if (!piece) {
    if (source.missing === "skip") return span.map(() => null);
    throw new UserError(
      `${url}: the host does not have it (404), and the index has ${span.length} record${span.length === 1 ? "" : "s"} in it`,
      "Go on without it with  source: { missing: skip }.",
    );
  }
  const members: (Buffer | null)[] = [];
  for (const hit of span) {
    let bytes: Buffer | null = piece.bytes.subarray(hit.offset - from, hit.offset - from + hit.length);
    for (let tries = 1; bytes && !isRecord(bytes, hit.length); tries++) {
      const again =
        tries < triesOfRecord ? await fetchRange(client, url, hit.offset, hit.offset + hit.length) : null;
      bytes = again?.bytes ?? null;
    }
    members.push(bytes);
  }
  return members;
}

/** Whether the bytes are one whole gzip member with a WARC record. */
function isRecord(bytes: Buffer, length: number): boolean {
  const header = bytes.length === length ? gzipHeaderLength(bytes, 0) : null;
  if (header === null || header < 0) return false;
  const member = inflateMember(bytes, header, mostInflated);
  if (member.kind !== "whole") return member.kind === "large";
  return member.intact && member.length === length && member.data.toString("latin1", 0, 5) === "WARC/";
}
