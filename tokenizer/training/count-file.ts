/**
 * Counted words on disk: a header, then every word once, in the order of its bytes, with its count and first
 * position. Runs spilled while counting and the result of a counting job are the same format, so that merging is
 * one operation. Knows neither text nor training.
 *
 *   "curate-words 1\n" · JSON of the corpus account and "\n" · records · 0
 *   record: varint length (> 0), bytes, varint count, varint first position
 */
import { closeSync, openSync, readSync } from "node:fs";
import { createAtomic, type OutputFile } from "../../lib/atomic.ts";
import { UserError } from "../../lib/errors.ts";
import type { Corpus } from "./training.ts";
import { sortedByBytes, type Words } from "./word-table.ts";

const magic = "curate-words 1\n";

export type CountFileHeader = {
  readonly pattern: string;
  readonly unicode: string;
  readonly corpus: Corpus;
};

export type CountWriter = {
  /** Words come in the order of their bytes. */
  add(bytes: Uint8Array, start: number, end: number, count: number, first: number): void;
  commit(): OutputFile;
  abandon(): void;
};

export function createCountFile(path: string, header: CountFileHeader): CountWriter {
  const file = createAtomic(path);
  file.write(`${magic}${JSON.stringify(header)}\n`);
  const buffer = new Uint8Array(1 << 18);
  let used = 0;
  const varint = (value: number) => {
    while (value >= 128) {
      buffer[used++] = (value % 128) | 128;
      value = Math.floor(value / 128);
    }
    buffer[used++] = value;
  };
  const flush = () => {
    file.write(buffer.subarray(0, used));
    used = 0;
  };
  return {
    add(bytes, start, end, count, first) {
      if (used + (end - start) + 32 > buffer.length) flush();
      varint(end - start);
      if (end - start + 32 > buffer.length) {
        flush();
        file.write(bytes.subarray(start, end));
      } else {
        buffer.set(bytes.subarray(start, end), used);
        used += end - start;
      }
      varint(count);
      varint(first);
    },
    commit() {
      varint(0);
      flush();
      return file.commit();
    },
    abandon: () => file.abandon(),
  };
}

/** Writes a table's words, sorted. */
export function writeWords(path: string, header: CountFileHeader, words: Words): OutputFile {
  const file = createCountFile(path, header);
  try {
    for (const entry of sortedByBytes(words))
      file.add(
        words.arena,
        words.starts[entry]!,
        words.starts[entry + 1]!,
        words.counts[entry]!,
        words.firsts[entry]!,
      );
    return file.commit();
  } catch (error) {
    file.abandon();
    throw error;
  }
}

export type CountReader = {
  readonly header: CountFileHeader;
  /** Moves to the next word; false at the end. */
  next(): boolean;
  /** The word: bytes [start, end) of `bytes`, valid until `next`. */
  bytes: Uint8Array;
  start: number;
  end: number;
  count: number;
  first: number;
  close(): void;
};

/** Opens a count file. UserError where it is not one or ends early; reading holds 64 KiB. */
export function openCountFile(path: string): CountReader {
  const fd = openSync(path, "r");
  const damaged = () =>
    new UserError(
      `${path} is not a whole file of counted words`,
      "delete it and run the tokenizer stage again",
    );
  let buffer = new Uint8Array(1 << 16);
  let at = 0;
  let filled = 0;
  /** Makes `need` bytes available at `at`, or as many as there are. */
  const fill = (need: number) => {
    if (filled - at >= need) return;
    if (need > buffer.length) {
      const larger = new Uint8Array(2 * need);
      larger.set(buffer.subarray(at, filled));
      buffer = larger;
    } else buffer.copyWithin(0, at, filled);
    filled -= at;
    at = 0;
    while (filled < need) {
      const n = readSync(fd, buffer, filled, buffer.length - filled, null);
      if (n === 0) break;
      filled += n;
    }
  };
  const varint = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      if (at >= filled) throw damaged();
      const byte = buffer[at++]!;
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  const line = (): string => {
    for (let size = 256; ; size *= 2) {
      fill(size);
      const stop = buffer.subarray(at, filled).indexOf(10);
      if (stop >= 0) {
        const text = Buffer.from(buffer.subarray(at, at + stop + 1)).toString("utf8");
        at += stop + 1;
        return text;
      }
      if (filled - at < size) throw damaged();
    }
  };
  let header: CountFileHeader;
  try {
    if (line() !== magic) throw damaged();
    header = JSON.parse(line()) as CountFileHeader;
  } catch (error) {
    closeSync(fd);
    throw error instanceof UserError ? error : damaged();
  }
  const reader: CountReader = {
    header,
    bytes: buffer,
    start: 0,
    end: 0,
    count: 0,
    first: 0,
    next() {
      fill(16);
      const length = varint();
      if (length === 0) return false;
      fill(length + 32);
      if (filled - at < length) throw damaged();
      reader.bytes = buffer;
      reader.start = at;
      reader.end = at += length;
      reader.count = varint();
      reader.first = varint();
      return true;
    },
    close: () => closeSync(fd),
  };
  return reader;
}
