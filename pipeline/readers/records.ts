/**
 * WARC and ARC records of one input, in order, whatever compression it has (told by its first bytes, never by its
 * name): gzip with one member a record or one for all, zstd frames, or none. Memory is bounded by the largest record
 * taken. A record that cannot be read costs itself and nothing behind it: reading goes on at the next gzip member or
 * the next record header, and the failure says where and how much was lost.
 */
import { createInflateRaw } from "node:zlib";
import { UserError } from "../../lib/errors.ts";
import { type Assembler, openAssembler, type RecordEvent } from "./assemble.ts";
import { gzipHeaderLength, inflateMember, inflatePrefix, type Member } from "./gzip.ts";
import type { Opened, Window } from "./window.ts";
import { openWindow } from "./window.ts";
import { zstdRecords } from "./zstd-records.ts";

export type { RecordEvent } from "./assemble.ts";

export type RecordLimits = {
  /** Blocks longer than this many bytes are not collected. */
  readonly maxBlockBytes: number;
};

/** Compressed bytes of one member held for inflating at once; longer members are inflated in parts. */
const maxHeldBytes = 8 << 20;
const headerRoom = 1 << 17;
const inflateStep = 1 << 16;
const memberMagic = "\x1f\x8b\x08";
/** Compressed bytes that show whether a member begins with a record. */
const probeBytes = 2048;

/** Reads `input` to its end and closes it. Throws UserError where it is nothing that holds records. */
export async function* readRecords(
  input: Opened,
  file: string,
  limits: RecordLimits,
): AsyncGenerator<RecordEvent> {
  const window = openWindow(input);
  const assembler = openAssembler(file, limits.maxBlockBytes);
  try {
    while (!window.ended && window.bytes.length < 64) await window.fill();
    const { bytes } = window;
    if (bytes.length === 0) return;
    const format = recognise(bytes);
    if (format === "gzip") yield* gzipRecords(window, assembler, file, limits);
    else if (format === "zstd")
      yield* zstdRecords(window, assembler, file, limits.maxBlockBytes + headerRoom);
    else if (format === "plain") yield* plainRecords(window, assembler);
    else
      throw new UserError(
        `${file} is ${format}, expected WARC or ARC, plain or compressed with gzip or zstd`,
        "Decompress it first, or recompress it with gzip, one member a record.",
      );
  } finally {
    await input.close();
  }
}

/** What an input of records is, by its first bytes. */
export function recognise(bytes: Buffer): string {
  if (bytes.length >= 4) {
    const magic = bytes.readUInt32LE(0);
    if (magic === 0xfd2fb528 || magic >>> 4 === 0x0184d2a5) return "zstd";
    if (magic === 0x184d2204) return "compressed with LZ4";
    if (magic === 0x04034b50) return "a ZIP archive (WACZ?)";
  }
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) return "gzip";
  if (bytes.toString("latin1", 0, 3) === "BZh") return "compressed with bzip2";
  if (bytes.toString("latin1", 0, 6) === "\xfd7zXZ\0") return "compressed with xz";
  return "plain";
}

async function* plainRecords(window: Window, assembler: Assembler): AsyncGenerator<RecordEvent> {
  while (!window.ended || window.bytes.length > 0) {
    if (window.bytes.length === 0) {
      await window.fill();
      continue;
    }
    const place = { kind: "plain", offset: window.offset } as const;
    yield* assembler.add({ bytes: window.bytes, place, last: false, borrowed: true });
    window.skip(window.bytes.length);
  }
  yield* assembler.finish(true);
}

async function* gzipRecords(
  window: Window,
  assembler: Assembler,
  file: string,
  limits: RecordLimits,
): AsyncGenerator<RecordEvent> {
  const maxOutput = limits.maxBlockBytes + headerRoom;
  for (;;) {
    if (window.bytes.length === 0) {
      if (window.ended) break;
      await window.fill();
      continue;
    }
    const headerLength = gzipHeaderLength(window.bytes, 0);
    if (headerLength === null) {
      if (!window.again()) yield* skipToMember(window, assembler, file);
      continue;
    }
    const member =
      headerLength < 0 ? ({ kind: "cut" } as const) : inflateMember(window.bytes, headerLength, maxOutput);
    if (member.kind === "whole" && member.intact) {
      const place = { kind: "member", offset: window.offset, length: member.length } as const;
      yield* assembler.add({ bytes: member.data, place, last: true, borrowed: false });
      if (member.data.length === 0) yield { kind: "skip", type: "empty-member" };
      window.skip(member.length);
    } else if (isDamage(member, window.ended) && window.again()) {
      // Read once more: what came over a network may have been damaged on its way.
    } else if (member.kind === "whole") {
      // Damage may have taken away the member's end, so that its length is not to be believed.
      yield* skipToMember(window, assembler, file, "its checksum or size does not fit");
    } else if (member.kind === "cut" && !window.ended && window.bytes.length < maxHeldBytes) {
      const wanted = Math.max(4096, window.bytes.length * 2);
      while (!window.ended && window.bytes.length < wanted) await window.fill();
    } else if (member.kind === "cut" && window.ended) {
      // Damage can make a member seem to go on to the end; then others begin within it.
      if (anotherMember(window.bytes) === null)
        yield* lastMember(window, assembler, file, headerLength, maxOutput);
      else yield* skipToMember(window, assembler, file, "it seems to go on into the next");
    } else if (member.kind === "broken") {
      yield* skipToMember(window, assembler, file, member.message);
    } else yield* largeMember(window, assembler, file, headerLength);
  }
  yield* assembler.finish(false);
}

const isDamage = ({ kind }: Member, ended: boolean): boolean =>
  kind === "whole" || kind === "broken" || (kind === "cut" && ended);

/** The input ends within this member: gives the records that are whole. */
function* lastMember(
  window: Window,
  assembler: Assembler,
  file: string,
  headerLength: number,
  maxOutput: number,
): Generator<RecordEvent> {
  const { offset, bytes } = window;
  const place = { kind: "member", offset, length: bytes.length } as const;
  const data = headerLength < 0 ? null : inflatePrefix(bytes, headerLength, maxOutput);
  if (data && data.length > 0) {
    yield* assembler.add({ bytes: data, place, last: false, borrowed: false });
    yield* assembler.finish(true);
  } else {
    yield* assembler.finish(false);
    const at = { file, offset, length: bytes.length };
    yield { kind: "failure", code: "truncated", message: "the input ends within a gzip member", at };
  }
  window.skip(bytes.length);
}

/** Goes on at the next gzip member that holds the beginning of a record. */
async function* skipToMember(
  window: Window,
  assembler: Assembler,
  file: string,
  why: string | null = null,
  offset = window.offset,
): AsyncGenerator<RecordEvent> {
  let zeros = true;
  let first = why !== null;
  for (;;) {
    const { bytes } = window;
    const found = bytes.indexOf(memberMagic, first ? 1 : 0, "latin1");
    const upTo = found < 0 ? (window.ended ? bytes.length : Math.max(0, bytes.length - 2)) : found;
    if (why === null && zeros)
      zeros = bytes.subarray(0, upTo).every(byte => byte === 0 || byte === 10 || byte === 13);
    first = false;
    if (found >= 0) {
      window.skip(found);
      while (!window.ended && window.bytes.length < probeBytes * 2) await window.fill();
      if (holdsRecord(window.bytes)) break;
      first = true;
      zeros = false;
    } else {
      window.skip(upTo);
      if (window.ended) break;
      await window.fill();
    }
  }
  const length = window.offset - offset;
  if (why === null && zeros) {
    yield { kind: "skip", type: "padding" };
    return;
  }
  yield* assembler.cutOff("damaged bytes follow");
  const code = why === null ? "not-gzip" : "bad-gzip";
  const message =
    why === null
      ? `${length} bytes between gzip members that belong to none`
      : `a damaged gzip member (${why}); ${length} bytes skipped up to ${window.ended && window.bytes.length === 0 ? "the end" : "the next member"}`;
  yield { kind: "failure", code, message, at: { file, offset, length } };
}

/** Where behind the first byte a member begins that holds a record, or null. */
function anotherMember(bytes: Buffer): number | null {
  for (
    let at = bytes.indexOf(memberMagic, 1, "latin1");
    at >= 0;
    at = bytes.indexOf(memberMagic, at + 1, "latin1")
  )
    if (holdsRecord(bytes.subarray(at))) return at;
  return null;
}

/** Whether `bytes` begin with a gzip member that inflates to the beginning of a record. */
function holdsRecord(bytes: Buffer): boolean {
  const headerLength = gzipHeaderLength(bytes, 0);
  if (headerLength === null || headerLength < 0) return false;
  const data = inflatePrefix(bytes.subarray(0, headerLength + probeBytes), headerLength, 1 << 22);
  return data !== null && /^[\r\n]*(?:WARC\/\d|filedesc:|[a-z]+:\S+ \d)/.test(data.toString("latin1", 0, 64));
}

/** A member too long to hold: inflated part by part. Its records cannot be fetched by their place: their length is 0. */
async function* largeMember(
  window: Window,
  assembler: Assembler,
  file: string,
  headerLength: number,
): AsyncGenerator<RecordEvent> {
  const memberOffset = window.offset;
  const place = { kind: "member", offset: memberOffset, length: 0 } as const;
  const inflate = createInflateRaw({ chunkSize: 1 << 18 });
  let parts: Buffer[] = [];
  let failure: Error | null = null;
  let done = false;
  inflate.on("data", part => parts.push(part as Buffer));
  inflate.on("error", error => {
    failure = error;
  });
  const ended = new Promise<void>(settle => {
    inflate.on("end", () => {
      done = true;
      settle();
    });
    inflate.on("error", () => settle());
  });
  window.skip(headerLength);
  let before = 0;
  while (!done && !failure) {
    if (window.bytes.length === 0) {
      if (window.ended) break;
      await window.fill();
      continue;
    }
    const step = Buffer.from(window.bytes.subarray(0, inflateStep));
    await Promise.race([ended, new Promise<void>(settle => inflate.write(step, () => settle()))]);
    const used = inflate.bytesWritten - before;
    before = inflate.bytesWritten;
    for (const bytes of parts) yield* assembler.add({ bytes, place, last: false, borrowed: false });
    parts = [];
    if (used < step.length && !failure) {
      await ended;
      for (const bytes of parts) yield* assembler.add({ bytes, place, last: false, borrowed: false });
      done = true;
    }
    window.skip(failure ? 0 : used);
  }
  inflate.destroy();
  if (failure) {
    yield* assembler.cutOff("a damaged gzip member");
    yield* skipToMember(window, assembler, file, (failure as Error).message, memberOffset);
    return;
  }
  if (!done) {
    yield* assembler.finish(true);
    return;
  }
  while (!window.ended && window.bytes.length < 8) await window.fill();
  window.skip(Math.min(8, window.bytes.length));
  yield* assembler.add({ bytes: Buffer.alloc(0), place, last: true, borrowed: false });
}
