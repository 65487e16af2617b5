/**
 * The files deduplication leaves between its passes: any bytes, then a trailer with what they are and their lengths
 * and checksums, so that a file that was cut, changed or taken from another run is refused before it is merged. Sections are
 * checked as they are read through; single reads (`readAt`) are the caller's to check.
 */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { crc32 } from "node:zlib";
import { createAtomic, type OutputFile } from "../../lib/atomic.ts";
import { DamagedFile as Damaged } from "../../lib/errors.ts";

/** A run of bytes in the file with its checksum. */
export type Section = { readonly offset: number; readonly bytes: number; readonly crc: number };

const magic = "CURATEDD";
/** CRC of the trailer's text, its length, and the magic. */
const tailBytes = 4 + 4 + 8;

export { Damaged };

export type CheckedWriter<T> = {
  /** Adds bytes to the current section. */
  write(bytes: Uint8Array): void;
  /** Ends the current section. */
  endSection(): Section;
  commit(trailer: T): OutputFile;
  abandon(): void;
};

export function createChecked<T>(path: string): CheckedWriter<T> {
  const file = createAtomic(path);
  let offset = 0;
  let crc = 0;
  return {
    write(bytes) {
      crc = crc32(bytes, crc);
      file.write(bytes);
    },
    endSection() {
      const section = { offset, bytes: file.bytes - offset, crc };
      offset = file.bytes;
      crc = 0;
      return section;
    },
    commit(trailer) {
      const text = Buffer.from(JSON.stringify({ bytes: file.bytes, trailer }), "utf8");
      const tail = Buffer.alloc(tailBytes);
      tail.writeUInt32LE(crc32(text), 0);
      tail.writeUInt32LE(text.length, 4);
      tail.write(magic, 8, "latin1");
      file.write(text);
      file.write(tail);
      return file.commit();
    },
    abandon: () => file.abandon(),
  };
}

export type CheckedReader<T> = {
  readonly path: string;
  readonly trailer: T;
  /** Fills `into` from `offset`, or throws Damaged. */
  readAt(offset: number, into: Uint8Array): void;
  close(): void;
};

export function openChecked<T>(path: string): CheckedReader<T> {
  let fd: number;
  try {
    fd = openSync(path, "r");
  } catch (error) {
    throw new Damaged(path, (error as Error).message);
  }
  const readAt = (offset: number, into: Uint8Array) => {
    for (let at = 0; at < into.length; ) {
      const n = readSync(fd, into, at, into.length - at, offset + at);
      if (n === 0) throw new Damaged(path, "it ends too early");
      at += n;
    }
  };
  try {
    const { size } = fstatSync(fd);
    const tail = Buffer.alloc(tailBytes);
    if (size < tailBytes) throw new Damaged(path, "it ends too early");
    readAt(size - tailBytes, tail);
    if (tail.toString("latin1", 8) !== magic) throw new Damaged(path, "its end is missing");
    const text = Buffer.alloc(Math.min(tail.readUInt32LE(4), size - tailBytes));
    readAt(size - tailBytes - text.length, text);
    if (crc32(text) !== tail.readUInt32LE(0))
      throw new Damaged(path, "its trailer does not match its checksum");
    const { bytes, trailer } = JSON.parse(text.toString("utf8")) as { bytes: number; trailer: T };
    if (bytes + text.length + tailBytes !== size)
      throw new Damaged(path, `expected ${bytes} bytes of content`);
    return { path, trailer, readAt, close: () => closeSync(fd) };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

export function readTrailer<T>(path: string): T {
  const reader = openChecked<T>(path);
  reader.close();
  return reader.trailer;
}

/** Records of `words` u32 each, read through one section; throws Damaged at its end if the checksum differs. Begins before the first. */
export type RecordReader = {
  /** The current record lies in `data` from `at`. */
  readonly data: Uint32Array;
  readonly at: number;
  /** Moves to the next record; false at the end. */
  next(): boolean;
};

export function readRecords(
  file: CheckedReader<unknown>,
  section: Section,
  words: number,
  bufferBytes: number,
): RecordReader {
  const recordBytes = words * 4;
  if (section.bytes % recordBytes !== 0) throw new Damaged(file.path, "a section holds part of a record");
  const perBuffer = Math.max(1, Math.floor(bufferBytes / recordBytes));
  const records = section.bytes / recordBytes;
  const data = new Uint32Array(Math.min(perBuffer, Math.max(1, records)) * words);
  const bytes = new Uint8Array(data.buffer);
  let read = 0;
  let crc = 0;
  let filled = 0;
  const reader = {
    data,
    at: -words,
    next(): boolean {
      reader.at += words;
      if (reader.at < filled) return true;
      if (read === section.bytes) {
        if (crc !== section.crc) throw new Damaged(file.path, "a section does not match its checksum");
        return false;
      }
      const n = Math.min(bytes.length, section.bytes - read);
      const part = bytes.subarray(0, n);
      file.readAt(section.offset + read, part);
      crc = crc32(part, crc);
      read += n;
      filled = n / 4;
      reader.at = 0;
      return true;
    },
  };
  return reader;
}

/** Reads a section through and throws Damaged unless its checksum is right. */
export function verifySection(file: CheckedReader<unknown>, section: Section): void {
  const buffer = new Uint8Array(Math.min(1 << 18, section.bytes));
  let crc = 0;
  for (let read = 0; read < section.bytes; ) {
    const part = buffer.subarray(0, Math.min(buffer.length, section.bytes - read));
    file.readAt(section.offset + read, part);
    crc = crc32(part, crc);
    read += part.length;
  }
  if (crc !== section.crc) throw new Damaged(file.path, "a section does not match its checksum");
}

/** Writes records through a buffer. */
export function recordWriter(file: CheckedWriter<unknown>, words: number, buffered = 4096) {
  const data = new Uint32Array(words * buffered);
  let at = 0;
  let count = 0;
  const flush = () => {
    if (at > 0) file.write(new Uint8Array(data.buffer, 0, at * 4));
    at = 0;
  };
  return {
    get count() {
      return count;
    },
    push(...values: readonly number[]) {
      for (const value of values) data[at++] = value;
      count++;
      if (at === data.length) flush();
    },
    /** The same for a record as it lies in an array of `words`. */
    pushRecord(record: Uint32Array) {
      for (let k = 0; k < words; k++) data[at++] = record[k]!;
      count++;
      if (at === data.length) flush();
    },
    flush,
  };
}

/** Keeps at most `limit` files open, the ones used last. */
export function openFiles<T>(limit: number): { at(path: string): CheckedReader<T>; close(): void } {
  const open = new Map<string, CheckedReader<T>>();
  return {
    at(path) {
      let reader = open.get(path);
      if (reader) open.delete(path);
      else {
        if (open.size >= limit) {
          const [oldest, file] = open.entries().next().value!;
          file.close();
          open.delete(oldest);
        }
        reader = openChecked<T>(path);
      }
      open.set(path, reader);
      return reader;
    },
    close() {
      for (const reader of open.values()) reader.close();
      open.clear();
    },
  };
}
