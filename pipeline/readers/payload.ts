/**
 * Undoes a payload's transfer and content encodings. Chunks first, then encodings from right to left. A header that
 * claims what the bytes are not (gzip on plain text, chunks that are none) is ignored; an encoding nobody knows
 * gives no body at all rather than compressed bytes as text. Output is capped. Common Crawl stores payloads decoded
 * and renames the headers, so that nothing here applies to them.
 */
import {
  brotliDecompressSync,
  constants,
  gunzipSync,
  inflateRawSync,
  inflateSync,
  type ZlibOptions,
} from "node:zlib";
import type { Fields } from "./fields.ts";
import { inflateFrame, zstdFrame } from "./zstd.ts";

export type Payload =
  | { readonly body: Buffer; readonly cut: boolean }
  | { readonly refused: "encoding" | "too-large"; readonly value: string };

type Step = Buffer | "not-encoded" | "too-large";

/** The body as the server meant it, at most `maxBytes` long; `cut` where compressed data ended too early. */
export function decodePayload(raw: Buffer, fields: Fields, maxBytes: number): Payload {
  let body = raw;
  let cut = false;
  for (const coding of codings(fields)) {
    if (coding === "identity" || coding === "none" || coding === "binary" || coding === "utf-8") continue;
    if (coding === "chunked") {
      const joined = joinChunks(body);
      if (joined) {
        body = joined.body;
        cut ||= joined.cut;
      }
      continue;
    }
    const decoder = decoders[coding];
    if (!decoder) return { refused: "encoding", value: coding };
    const decoded = decoder(body, maxBytes);
    if (decoded === "too-large")
      return { refused: "too-large", value: `more than ${maxBytes} bytes in ${coding}` };
    if (decoded !== "not-encoded") body = decoded;
    else if ((coding === "br" || coding === "zstd") && !looksPlain(body))
      return { refused: "encoding", value: coding };
  }
  return body.length > maxBytes ? { refused: "too-large", value: `${body.length} bytes` } : { body, cut };
}

/** Codings in the order in which they are undone. */
function codings(fields: Fields): string[] {
  const list = (name: string) =>
    (fields.get(name) ?? "")
      .toLowerCase()
      .split(",")
      .map(coding => coding.split(";", 1)[0]!.trim())
      .filter(coding => coding !== "")
      .reverse();
  return [...list("transfer-encoding"), ...list("content-encoding")];
}

const gzip = (body: Buffer, maxBytes: number): Step =>
  body[0] === 0x1f && body[1] === 0x8b ? inflated(gunzipSync, body, maxBytes) : "not-encoded";

const deflate = (body: Buffer, maxBytes: number): Step => {
  const zlib = inflated(inflateSync, body, maxBytes);
  if (zlib !== "not-encoded" || looksPlain(body)) return zlib;
  return inflated(inflateRawSync, body, maxBytes);
};

const brotli = (body: Buffer, maxBytes: number): Step => {
  if (looksPlain(body)) return "not-encoded";
  const run = (finishFlush: number) =>
    attempt(() => brotliDecompressSync(body, { maxOutputLength: maxBytes, finishFlush }));
  const whole = run(constants.BROTLI_OPERATION_FINISH);
  return whole === "not-encoded" ? run(constants.BROTLI_OPERATION_FLUSH) : whole;
};

const zstd = (body: Buffer, maxBytes: number): Step => {
  const parts: Buffer[] = [];
  let left = maxBytes;
  for (let at = 0; at < body.length; ) {
    const rest = body.subarray(at);
    const frame = zstdFrame(rest);
    if (frame === null || frame === "cut" || frame.kind === "dictionary") return "not-encoded";
    if (frame.kind === "data") {
      const data = inflateFrame(rest, frame, left);
      if (data === "too-large") return data;
      if (data === null) return "not-encoded";
      parts.push(data);
      left -= data.length;
    }
    at += frame.length;
  }
  return Buffer.concat(parts);
};

const decoders: Readonly<Record<string, (body: Buffer, maxBytes: number) => Step>> = {
  gzip,
  "x-gzip": gzip,
  deflate,
  br: brotli,
  zstd,
};

type Inflate = (body: Buffer, options: ZlibOptions) => Buffer;

/** The whole stream, or of one that ends early as much as there is. */
function inflated(inflate: Inflate, body: Buffer, maxBytes: number): Step {
  return attempt(() => inflate(body, { maxOutputLength: maxBytes, finishFlush: constants.Z_SYNC_FLUSH }));
}

function attempt(decode: () => Buffer): Step {
  try {
    return decode();
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE" ? "too-large" : "not-encoded";
  }
}

/** Text or markup, which no compressed stream begins with. */
function looksPlain(body: Buffer): boolean {
  const head = body.subarray(0, 64);
  return (
    head.every(byte => byte === 9 || byte === 10 || byte === 13 || (byte >= 0x20 && byte !== 0x7f)) &&
    head.some(byte => byte === 0x3c || byte === 0x20)
  );
}

/** Chunks joined, or null where the bytes are no chunks. A missing last chunk is tolerated. */
export function joinChunks(raw: Buffer): { readonly body: Buffer; readonly cut: boolean } | null {
  const parts: Buffer[] = [];
  let at = 0;
  for (;;) {
    const end = raw.indexOf(10, at);
    if (end < 0 || end - at > 1024)
      return parts.length > 0 ? { body: Buffer.concat(parts), cut: true } : null;
    const line = raw.toString("latin1", at, end);
    const size = /^[ \t]*([0-9a-f]{1,8})[ \t]*(?:;.*)?\r?$/i.exec(line);
    if (!size) {
      if (parts.length > 0 && line.trim() === "") {
        at = end + 1;
        continue;
      }
      return parts.length > 0 ? { body: Buffer.concat([...parts, raw.subarray(at)]), cut: true } : null;
    }
    const length = Number.parseInt(size[1]!, 16);
    if (length === 0) return { body: Buffer.concat(parts), cut: false };
    const start = end + 1;
    if (parts.length === 0 && start + length > raw.length + 2 && !raw.includes("\r\n", start + 1, "latin1"))
      return null;
    parts.push(raw.subarray(start, start + length));
    at = start + length;
    if (at >= raw.length) return { body: Buffer.concat(parts), cut: true };
    if (raw[at] === 13) at++;
    if (raw[at] === 10) at++;
  }
}
