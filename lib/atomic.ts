/**
 * Files that exist whole or not at all: written under a temporary name, flushed, renamed. What a task leaves
 * behind is described by an OutputFile, whose checksum a later reader can verify.
 * A temporary name ends in `.tmp`; a sweep at start may delete every such file. Processes of several machines, or of
 * containers that share a host's name and process numbers, never choose the same one.
 */

import { createHash, randomBytes } from "node:crypto";
import { closeSync, fsyncSync, openSync, readSync, renameSync, rmSync, writeSync } from "node:fs";
import { hostname } from "node:os";
import { dirname } from "node:path";
import { makeFolder } from "./folder.ts";

/** One write, and one update of a hash, of Node.js ends at 2 GiB. */
const piece = 2 ** 30;

const host = hostname()
  .split(".", 1)[0]!
  .replace(/[^A-Za-z0-9-]/g, "")
  .slice(0, 24);

/** How the temporary names of this thread end, and no others. */
export const temporaryEnding = `.${host}-${process.pid}-${randomBytes(3).toString("hex")}.tmp`;

/** Where what will be `path` is written meanwhile: beside it, under a name that no other thread or machine uses. */
export const temporaryName = (path: string): string => path + temporaryEnding;

export type OutputFile = { readonly path: string; readonly bytes: number; readonly sha256: string };

export type AtomicFile = {
  write(chunk: Uint8Array | string): void;
  /** Bytes written so far. */
  readonly bytes: number;
  /** Flushes and gives the file its final name. */
  commit(): OutputFile;
  /** Removes what was written. Harmless after `commit`. */
  abandon(): void;
};

export function createAtomic(path: string): AtomicFile {
  makeFolder(dirname(path));
  const temporary = temporaryName(path);
  const fd = openSync(temporary, "w");
  const hash = createHash("sha256");
  let bytes = 0;
  let open = true;
  const write = (chunk: Uint8Array | string) => {
    const data = typeof chunk === "string" ? Buffer.from(chunk, "utf8") : chunk;
    for (let at = 0; at < data.length; ) at += writeSync(fd, data, at, Math.min(data.length - at, piece));
    for (let at = 0; at < data.length; at += piece) hash.update(data.subarray(at, at + piece));
    bytes += data.length;
  };
  return {
    write,
    get bytes() {
      return bytes;
    },
    commit() {
      fsyncSync(fd);
      closeSync(fd);
      open = false;
      renameSync(temporary, path);
      return { path, bytes, sha256: hash.digest("hex") };
    },
    abandon() {
      if (!open) return;
      closeSync(fd);
      open = false;
      rmSync(temporary, { force: true });
    },
  };
}

export function writeAtomic(path: string, data: Uint8Array | string): OutputFile {
  const file = createAtomic(path);
  try {
    file.write(data);
    return file.commit();
  } catch (error) {
    file.abandon();
    throw error;
  }
}

/** sha256 of a file in hexadecimal, read in pieces of 1 MiB. */
export function sha256File(path: string): string {
  const hash = createHash("sha256");
  const fd = openSync(path, "r");
  const buffer = Buffer.allocUnsafe(1 << 20);
  try {
    for (let n = readSync(fd, buffer); n > 0; n = readSync(fd, buffer)) hash.update(buffer.subarray(0, n));
  } finally {
    closeSync(fd);
  }
  return hash.digest("hex");
}
