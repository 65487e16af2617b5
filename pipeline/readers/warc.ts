/**
 * Pages of a WARC or ARC file as documents with their page and no text yet. Decides which records are pages (type,
 * status, media type, bytes) and undoes the encodings of transfer; charset and text are the extractor's. Every record
 * that is no page is accounted for with the reason.
 */
import type { Document, Location, MetaValue, Page, WarcRecord } from "../document.ts";
import { digestsFit } from "./digest.ts";
import { parseResponse } from "./http.ts";
import { decodePayload } from "./payload.ts";
import type { ReadEvent } from "./reader.ts";
import { type RecordEvent, readRecords } from "./records.ts";
import type { SourceSettings } from "./settings.ts";
import { looksHtml, notHtml } from "./sniff.ts";
import { type Opened, openFile } from "./window.ts";

export type WarcSettings = Pick<
  SourceSettings,
  "status" | "mime" | "sniff" | "maxPageBytes" | "verifyDigests"
>;

/** Headers and chunk sizes that come on top of a page within its record. */
const envelopeBytes = 1 << 18;
/** Where Common Crawl cut payloads, for years without a mark. */
const crawlLimit = 1 << 20;

/** Reads a file, or `input` where it is given. `name` is what stands in every Location. */
export async function* readWarc(
  path: string,
  settings: WarcSettings,
  name = path,
  input: Opened = openFile(path),
): AsyncGenerator<ReadEvent> {
  const limits = { maxBlockBytes: settings.maxPageBytes + envelopeBytes };
  for await (const event of readRecords(input, name, limits)) yield* toEvents(event, settings);
}

function* toEvents(event: RecordEvent, settings: WarcSettings): Generator<ReadEvent> {
  if (event.kind === "failure" || event.kind === "skip") {
    yield event;
    return;
  }
  const { record } = event;
  if (event.kind === "record" && event.flaw === "length") yield { kind: "skip", type: "wrong-length" };
  if (record.type === "revisit" || record.type === "continuation") {
    yield dropped(record, record.type, "");
  } else if (record.type !== "response") {
    yield { kind: "skip", type: record.type === "" ? "unknown" : record.type };
  } else if (event.kind === "oversize") {
    yield dropped(record, "too-large", event.bytes);
  } else {
    if (settings.verifyDigests && digestsFit(record) === false)
      yield { kind: "skip", type: "digest-mismatch" };
    yield toDocument(record, settings);
  }
}

function dropped(record: WarcRecord, reason: string, value: string | number): ReadEvent {
  return { kind: "drop", reason, id: record.id, url: record.uri, value, at: record.at };
}

function toDocument(record: WarcRecord, settings: WarcSettings): ReadEvent {
  const response = parseResponse(record.block);
  const { status, fields } = response;
  if (settings.status && status !== 0 && !settings.status.includes(status))
    return dropped(record, "status", status);
  const mime = mediaType(record, fields.get("content-type"));
  if (settings.mime && mime !== "" && !settings.mime.includes(mime)) return dropped(record, "mime", mime);
  const payload = decodePayload(response.body, fields, settings.maxPageBytes);
  if ("refused" in payload) return dropped(record, payload.refused, payload.value);
  const { body } = payload;
  if (settings.mime && mime === "" && !looksHtml(body)) return dropped(record, "mime", "unknown");
  if (body.length === 0) return dropped(record, "empty", 0);
  const found = settings.sniff ? notHtml(body) : null;
  if (found !== null) return dropped(record, found === "empty" ? "empty" : "not-html", found);
  const page: Page = { status, headers: fields, mime, body };
  return { kind: "document", document: documentOf(record, page, truncation(record, payload.cut)) };
}

function documentOf(record: WarcRecord, page: Page, truncated: string | null): Document {
  const meta: Record<string, MetaValue> = truncated === null ? {} : { truncated };
  return {
    id: record.id,
    url: record.uri,
    date: record.date,
    text: "",
    page,
    meta,
    at: record.at as Location,
  };
}

/** What the crawler found the payload to be, else what the server said. An ARC record's own type is the server's. */
function mediaType(record: WarcRecord, contentType: string | undefined): string {
  const own = record.headers.get("content-type") ?? "";
  const said =
    record.headers.get("warc-identified-payload-type") || contentType || (isEnvelope(own) ? "" : own);
  const type = said.split(/[;,]/, 1)[0]!.trim().toLowerCase();
  return /^[^\s/]+\/[^\s/]+$/.test(type) ? type : "";
}

function isEnvelope(type: string): boolean {
  return /^application\/http|^no-type|^unk/i.test(type);
}

/** Why a payload is not whole: as the record says, or "disconnect" where its compressed data ends early, or "suspected". */
function truncation(record: WarcRecord, cut: boolean): string | null {
  const said = record.headers.get("warc-truncated");
  if (said) return said.toLowerCase();
  const segment = record.headers.get("warc-segment-number");
  if (segment) return "segment";
  if (cut) return "disconnect";
  return record.block.length >= crawlLimit && parseResponse(record.block).body.length === crawlLimit
    ? "suspected"
    : null;
}
