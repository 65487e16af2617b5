/**
 * One zstd frame at a time: how long it is, and at most how much it inflates to, told from its headers without
 * inflating (RFC 8878). Node 20 has no zstd of its own; the decoder is fzstd, through hyparquet-compressors, at some
 * 50 MB/s. Knows no files.
 */
import { decompressZstd } from "hyparquet-compressors";
import type { Window } from "./window.ts";

export type Frame = {
  /** Bytes of the frame, headers and checksum included. */
  readonly length: number;
  /** No frame inflates to more than this. */
  readonly mostBytes: number;
  /** Where the header says how much it inflates to. */
  readonly contentBytes: number | null;
  readonly kind: "data" | "skippable" | "dictionary";
};

const frameMagic = 0xfd2fb528;
/** 0x184D2A50 to 0x184D2A5F; the one that ends in D holds the dictionary of a .warc.zst. */
const skippableMagic = 0x184d2a5;
const dictionaryMagic = 0x184d2a5d;
const maxBlockContent = 1 << 17;

type FrameHeader = {
  /** Bytes before the first block. */
  readonly length: number;
  readonly checksumBytes: number;
  readonly contentBytes: number | null;
  readonly hasDictionary: boolean;
};

/** The header at the beginning of `bytes`; "cut" where they end within it; null where no frame of data begins. */
function frameHeader(bytes: Buffer): FrameHeader | "cut" | null {
  if (bytes.length < 5) return "cut";
  if (bytes.readUInt32LE(0) !== frameMagic) return null;
  const descriptor = bytes[4]!;
  const single = (descriptor & 0x20) !== 0;
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3]!;
  const sizeFlag = descriptor >> 6;
  const sizeBytes = sizeFlag === 0 ? (single ? 1 : 0) : 1 << sizeFlag;
  const sizeAt = 5 + (single ? 0 : 1) + dictionaryBytes;
  if (bytes.length < sizeAt + sizeBytes) return "cut";
  return {
    length: sizeAt + sizeBytes,
    checksumBytes: descriptor & 4,
    contentBytes: contentSize(bytes, sizeAt, sizeBytes),
    hasDictionary: dictionaryBytes > 0 && bytes.readUIntLE(sizeAt - dictionaryBytes, dictionaryBytes) !== 0,
  };
}

type Block = { readonly length: number; readonly last: boolean; readonly mostBytes: number };

/** The block whose three header bytes lie at `at`, or null where none can. */
function blockAt(bytes: Buffer, at: number): Block | null {
  const header = bytes.readUIntLE(at, 3);
  const type = (header >> 1) & 3;
  const size = header >> 3;
  if (type === 3 || size > maxBlockContent) return null;
  return {
    length: 3 + (type === 1 ? 1 : size),
    last: (header & 1) === 1,
    mostBytes: type === 2 ? maxBlockContent : size,
  };
}

/** The frame at the beginning of `bytes`; "cut" where they end within it; null where none begins. */
export function zstdFrame(bytes: Buffer): Frame | "cut" | null {
  if (bytes.length < 8) return "cut";
  const magic = bytes.readUInt32LE(0);
  if (magic >>> 4 === skippableMagic) {
    const length = 8 + bytes.readUInt32LE(4);
    const kind = magic === dictionaryMagic ? "dictionary" : "skippable";
    return bytes.length < length ? "cut" : { length, mostBytes: 0, contentBytes: 0, kind };
  }
  const header = frameHeader(bytes);
  if (header === null || header === "cut") return header;
  const { contentBytes, checksumBytes, hasDictionary } = header;
  let at = header.length;
  let mostBytes = 0;
  for (let last = false; !last; ) {
    if (bytes.length < at + 3) return "cut";
    const block = blockAt(bytes, at);
    if (!block) return null;
    last = block.last;
    mostBytes += block.mostBytes;
    at += block.length;
  }
  const length = at + checksumBytes;
  if (bytes.length < length) return "cut";
  const kind = hasDictionary ? "dictionary" : "data";
  return { length, mostBytes: Math.min(mostBytes, contentBytes ?? mostBytes), contentBytes, kind };
}

/** Passes over a frame too long to hold, block by block; false where it is damaged or the input ends. */
export async function skipFrame(window: Window): Promise<boolean> {
  const header = frameHeader(window.bytes);
  if (header === null || header === "cut") return false;
  const skip = async (count: number) => {
    for (let left = count; left > 0; ) {
      if (window.bytes.length === 0) await window.fill();
      const now = Math.min(left, window.bytes.length);
      if (now === 0 && window.ended) return false;
      window.skip(now);
      left -= now;
    }
    return true;
  };
  await skip(header.length);
  for (;;) {
    while (!window.ended && window.bytes.length < 3) await window.fill();
    const block = window.bytes.length < 3 ? null : blockAt(window.bytes, 0);
    if (!block || !(await skip(block.length))) return false;
    if (block.last) return skip(header.checksumBytes);
  }
}

function contentSize(bytes: Buffer, at: number, length: number): number | null {
  if (length === 0) return null;
  if (length === 8) return Number(bytes.readBigUInt64LE(at));
  return bytes.readUIntLE(at, length) + (length === 2 ? 256 : 0);
}

/** Hostile frames may claim more than they hold; a frame without a size is refused only far beyond the limit. */
const boundFactor = 8;

/** What a frame inflates to, "too-large" where that is more than `maxOutput`, null where it is damaged. */
export function inflateFrame(bytes: Buffer, frame: Frame, maxOutput: number): Buffer | "too-large" | null {
  if (frame.contentBytes !== null && frame.contentBytes > maxOutput) return "too-large";
  if (frame.mostBytes > maxOutput * boundFactor) return "too-large";
  try {
    const data = decompressZstd(bytes.subarray(0, frame.length));
    if (frame.contentBytes !== null && data.length !== frame.contentBytes) return null;
    return data.length > maxOutput ? "too-large" : Buffer.from(data.buffer, data.byteOffset, data.length);
  } catch {
    return null;
  }
}
