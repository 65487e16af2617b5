/**
 * One gzip member at a time, synchronously: where its header ends, what it inflates to, how long it was. Gives exact
 * compressed lengths, which Node's own gunzip, taking all members as one stream, does not. 256 KiB output chunks are a
 * quarter faster than zlib's 16 KiB default. Knows no files.
 */
import { constants, crc32, inflateRawSync } from "node:zlib";

const outputChunk = 1 << 18;
/**
 * A member that seems to end within so many bytes is inflated in small chunks: two of three in Common Crawl's files are
 * requests and metadata of a kilobyte, and a large buffer for each is what the garbage collector then sees.
 */
const smallMember = 4096;
const smallChunk = 1 << 14;
const magic = Buffer.from([0x1f, 0x8b, 0x08]);
const trailerBytes = 8;

export type Member =
  /** A whole member; `length` counts its header and trailer. `intact` is false where the checksum or the size is wrong. */
  | { readonly kind: "whole"; readonly data: Buffer; readonly length: number; readonly intact: boolean }
  /** The bytes end before the member does. */
  | { readonly kind: "cut" }
  /** Inflates to more than the limit. */
  | { readonly kind: "large"; readonly headerLength: number }
  | { readonly kind: "broken"; readonly message: string };

/** Length of the gzip header at `start`, null where there is none, -1 where the bytes end within it. */
export function gzipHeaderLength(bytes: Buffer, start: number): number | null {
  const available = bytes.length - start;
  for (const [i, byte] of [0x1f, 0x8b, 0x08].entries())
    if (available > i && bytes[start + i] !== byte) return null;
  if (available < 10) return -1;
  const flags = bytes[start + 3]!;
  if ((flags & 0xe0) !== 0) return null;
  let at = start + 10;
  if (flags & 4) {
    if (bytes.length < at + 2) return -1;
    at += 2 + bytes.readUInt16LE(at);
  }
  for (const flag of [8, 16]) {
    if (!(flags & flag)) continue;
    const end = at < bytes.length ? bytes.indexOf(0, at) : -1;
    if (end < 0) return -1;
    at = end + 1;
  }
  if (flags & 2) at += 2;
  return at <= bytes.length ? at - start : -1;
}

/** Inflates the member at the beginning of `bytes`, to at most `maxOutput` bytes. */
export function inflateMember(bytes: Buffer, headerLength: number, maxOutput: number): Member {
  const isSmall = bytes.subarray(0, smallMember).indexOf(magic, headerLength) > 0;
  try {
    const { buffer, engine } = inflateRawSync(bytes.subarray(headerLength), {
      info: true,
      chunkSize: isSmall ? smallChunk : outputChunk,
      maxOutputLength: maxOutput,
    }) as unknown as { buffer: Buffer; engine: { bytesWritten: number } };
    const end = headerLength + engine.bytesWritten;
    if (bytes.length < end + trailerBytes) return { kind: "cut" };
    return {
      kind: "whole",
      data: buffer,
      length: end + trailerBytes,
      intact: trailerFits(bytes, end, buffer),
    };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "Z_BUF_ERROR") return { kind: "cut" };
    if (code === "ERR_BUFFER_TOO_LARGE") return { kind: "large", headerLength };
    return { kind: "broken", message };
  }
}

function trailerFits(bytes: Buffer, at: number, data: Buffer): boolean {
  return bytes.readUInt32LE(at + 4) === data.length % 2 ** 32 && bytes.readUInt32LE(at) === crc32(data);
}

/** As much of a member as can be inflated from bytes that end too early; null where nothing can. */
export function inflatePrefix(bytes: Buffer, headerLength: number, maxOutput: number): Buffer | null {
  try {
    return inflateRawSync(bytes.subarray(headerLength), {
      finishFlush: constants.Z_SYNC_FLUSH,
      chunkSize: outputChunk,
      maxOutputLength: maxOutput,
    });
  } catch {
    return null;
  }
}
