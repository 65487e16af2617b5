/**
 * Archives as the tests of the readers need them: right ones to begin with, in any framing, and ways to read them back
 * in chunks of any size. Used by tests only.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { defaults } from "../../../lib/options.ts";
import { packageRoot } from "../../../lib/package-root.ts";
import type { ReadEvent } from "../../../pipeline/readers/reader.ts";
import { type RecordEvent, readRecords } from "../../../pipeline/readers/records.ts";
import { type SourceSettings, sourceOptions } from "../../../pipeline/readers/settings.ts";
import { readWarc, type WarcSettings } from "../../../pipeline/readers/warc.ts";
import { fromChunks } from "../../../pipeline/readers/window.ts";

export const sharedData = join(packageRoot, "..", "shared", "data");

/** `false`, or why a test that needs the shared data is skipped. Where CI is set it must be there. */
export function withoutData(): string | false {
  if (existsSync(sharedData)) return false;
  if (process.env["CI"]) throw new Error(`CI is set and ${sharedData} is absent`);
  return `skipped: ${sharedData} is absent`;
}

export type RecordParts = {
  readonly type?: string;
  readonly uri?: string;
  readonly block?: string | Buffer;
  readonly headers?: Readonly<Record<string, string>>;
  /** null leaves the field out. */
  readonly length?: number | string | null;
  readonly version?: string;
  readonly id?: string | null;
  readonly newline?: string;
  readonly end?: string;
};

export const html = (title: string) =>
  `<!DOCTYPE html><html><head><title>${title}</title></head><body><p>${title} and more</p></body></html>`;

export function http(
  body: string | Buffer,
  headers: Readonly<Record<string, string>> = { "Content-Type": "text/html" },
  status = "HTTP/1.1 200 OK",
): Buffer {
  const fields = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.concat([Buffer.from(`${status}\r\n${fields.join("")}\r\n`, "latin1"), Buffer.from(body)]);
}

export function warc(parts: RecordParts = {}): Buffer {
  const { type = "response", uri = "http://example.org/", version = "WARC/1.0", newline = "\r\n" } = parts;
  const block = Buffer.from(parts.block ?? http(html("A page")));
  const length = parts.length === undefined ? block.length : parts.length;
  const id = parts.id === undefined ? `<urn:test:${type}:${uri}>` : parts.id;
  const lines = [
    version,
    `WARC-Type: ${type}`,
    ...(id === null ? [] : [`WARC-Record-ID: ${id}`]),
    `WARC-Date: 2024-11-01T18:42:24Z`,
    `WARC-Target-URI: ${uri}`,
    ...Object.entries(parts.headers ?? {}).map(([name, value]) => `${name}: ${value}`),
    ...(length === null ? [] : [`Content-Length: ${length}`]),
    "",
    "",
  ];
  return Buffer.concat([
    Buffer.from(lines.join(newline)),
    block,
    Buffer.from(parts.end ?? newline + newline),
  ]);
}

export const gzipEach = (...records: readonly Buffer[]): Buffer =>
  Buffer.concat(records.map(record => gzipSync(record)));

export function chunked(bytes: Buffer, size: number): Buffer[] {
  const chunks: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.subarray(at, at + size));
  return chunks;
}

/** Every event, with the blocks copied, so that a reused buffer would show. */
export async function recordsOf(
  bytes: Buffer,
  size = bytes.length || 1,
  maxBlockBytes = 1 << 20,
): Promise<RecordEvent[]> {
  const events: RecordEvent[] = [];
  for await (const event of readRecords(fromChunks(chunked(bytes, size)), "test.warc", { maxBlockBytes }))
    events.push(event);
  return events;
}

export const settings = (changes: Partial<SourceSettings> = {}): SourceSettings =>
  ({ ...defaults(sourceOptions), ...changes }) as SourceSettings;

export async function eventsOf(bytes: Buffer, changes: Partial<WarcSettings> = {}): Promise<ReadEvent[]> {
  const events: ReadEvent[] = [];
  for await (const event of readWarc("test.warc", settings(changes), "test.warc", fromChunks([bytes])))
    events.push(event);
  return events;
}

/** What happened, in a form that reads well in a failed test. */
export function summary(events: readonly (RecordEvent | ReadEvent)[]): string[] {
  return events.map(event => {
    if (event.kind === "record")
      return `${event.record.type} ${event.record.uri}${event.flaw === "none" ? "" : " !"}`;
    if (event.kind === "oversize") return `oversize ${event.record.uri}`;
    if (event.kind === "document") return `document ${event.document.url}`;
    if (event.kind === "drop") return `drop ${event.reason} ${event.value}`;
    return event.kind === "skip" ? `skip ${event.type}` : `failure ${event.code}`;
  });
}
