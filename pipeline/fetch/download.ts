/**
 * One file from the host to the store, whole or not at all: written as X.part, gone on with by Range where an earlier
 * try stopped, started again where the host has another version or knows no ranges, measured, flushed and renamed.
 * Knows nothing of what is in it, but that a name in .gz must begin as gzip does: error pages come with status 200.
 */

import { createHash } from "node:crypto";
import {
  closeSync,
  createReadStream,
  fsync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { promisify } from "node:util";
import type { OutputFile } from "../../lib/atomic.ts";
import { makeFolder } from "../../lib/folder.ts";
import type { Input } from "../inputs.ts";
import { brokenOff, type Client, type Reply } from "./client.ts";
import type { Attempt } from "./limiter.ts";
import {
  fingerprintOf,
  forgetPart,
  type Note,
  partPath,
  readNote,
  sizeOf,
  type Version,
  writeNote,
} from "./store.ts";

export type Download = {
  readonly url: string;
  /** Its final name. */
  readonly path: string;
  /** Length and version as they were when the crawl was listed. */
  readonly listed: Pick<Input, "bytes" | "fingerprint">;
  /** Bytes that are there now; negative where they had to be thrown away. */
  readonly onBytes?: (bytes: number) => void;
};

export type Downloaded = {
  readonly file: OutputFile;
  /** The host's version is not the one listed. */
  readonly changed: boolean;
  /** Nothing was downloaded: an earlier run or another tool left it there. */
  readonly reused: boolean;
};

/** A request that brought this much is getting somewhere. */
const goodBytes = 1 << 20;

/** Gives null where the host does not have the file. Rejects with the limiter's errors, or those of the disk. */
export async function download(client: Client, wanted: Download): Promise<Downloaded | null> {
  const { path, listed, onBytes = () => {} } = wanted;
  const there = await whole(path, listed, client.limiter.signal);
  if (there) {
    onBytes(there.bytes);
    return { file: there, changed: false, reused: true };
  }
  makeFolder(dirname(path));
  const note = await fetchPart(client, { ...wanted, onBytes });
  if (!note) return null;
  const sha256 = await sha256Of(partPath(path), client.limiter.signal);
  writeNote(path, { ...note, sha256 });
  renameSync(partPath(path), path);
  return {
    file: { path, bytes: note.bytes, sha256 },
    changed: fingerprintOf(note) !== listed.fingerprint,
    reused: false,
  };
}

/**
 * The file under its final name, if it is the version listed and undamaged. One without a note was put there by
 * somebody else: its length has to do.
 */
async function whole(
  path: string,
  listed: Download["listed"],
  signal: AbortSignal,
): Promise<OutputFile | null> {
  const bytes = sizeOf(path);
  if (bytes === null) return null;
  const note = readNote(path);
  const right =
    bytes === listed.bytes && (note?.sha256 ? fingerprintOf(note) === listed.fingerprint : looksRight(path));
  const sha256 = right ? await sha256Of(path, signal) : "";
  if (right && (!note?.sha256 || note.sha256 === sha256)) return { path, bytes, sha256 };
  if (note?.sha256) rmSync(path);
  return null;
}

/** Brings X.part to its full length; gives what the host said of it. */
async function fetchPart(client: Client, wanted: Required<Download>): Promise<Version | null> {
  const { url, path, listed, onBytes } = wanted;
  const part = partPath(path);
  let have = 0;
  let note = readNote(path);
  const startAgain = () => {
    onBytes(-have);
    forgetPart(path);
    have = 0;
    note = null;
  };

  const size = sizeOf(part);
  if (
    note &&
    size !== null &&
    size <= note.bytes &&
    fingerprintOf(note) === listed.fingerprint &&
    validator(note)
  ) {
    have = size;
    onBytes(have);
    if (have === note.bytes && looksRight(path, part)) return note;
  } else startAgain();

  const use = async (reply: Reply, good: () => void): Promise<Attempt<Version>> => {
    const again = (why: string, restart: boolean): Attempt<Version> => {
      reply.body.destroy();
      if (restart) startAgain();
      return { kind: "again", why, after: null, answered: true };
    };
    if (reply.status === 416) return again("the host has less of it than we do", true);
    if (reply.status === 206) {
      const fault = wrongRange(reply, have, note);
      if (fault) return again(fault, true);
    } else {
      startAgain();
      const version = versionOf(reply, listed.bytes);
      const said = fingerprintOf({ ...version, bytes: listed.bytes });
      if (version.bytes !== listed.bytes && said === listed.fingerprint)
        return again(
          `the host says ${version.bytes} bytes, and said ${listed.bytes} of the same version before`,
          false,
        );
      note = { ...version, sha256: null };
      writeNote(path, note);
    }
    const total = note!.bytes;
    const file = openSync(part, have > 0 ? "r+" : "w");
    try {
      let unpraised = 0;
      let tooMuch = false;
      const fault = await pour(reply.body, chunk => {
        tooMuch = have + chunk.length > total;
        if (tooMuch) return false;
        writeAll(file, chunk, have);
        have += chunk.length;
        onBytes(chunk.length);
        unpraised += chunk.length;
        if (unpraised >= goodBytes) {
          unpraised = 0;
          good();
        }
        return true;
      });
      client.limiter.signal.throwIfAborted();
      if (tooMuch) return again(`the host sent more than the ${total} bytes it promised`, true);
      if (fault) return brokenOff(fault, client.idle, true);
      if (have < total) return again(`the answer ended after ${have} of ${total} bytes`, false);
      if (!looksRight(path, part)) return again("what the host sent is not gzip data", true);
      await promisify(fsync)(file);
      return { kind: "done", value: note! };
    } finally {
      reply.body.destroy();
      closeSync(file);
    }
  };
  const headers = (): Record<string, string> => {
    const version = note && have > 0 ? validator(note) : null;
    if (have > 0 && !version) startAgain();
    return version ? { range: `bytes=${have}-`, "if-range": version } : {};
  };
  return client.ask({ method: "GET", url, headers, use, accept: [416] });
}

/** What If-Range may hold: a strong ETag, else the date of the last change. */
function validator({ etag, lastModified }: Version): string | null {
  return etag && !etag.startsWith("W/") ? etag : lastModified;
}

function versionOf({ headers }: Reply, fallback: number): Version {
  const length = headers.get("content-length");
  return {
    bytes: length === undefined ? fallback : Number(length),
    etag: headers.get("etag") ?? null,
    lastModified: headers.get("last-modified") ?? null,
  };
}

/** Why a 206 is not the rest that was asked for, or null. */
function wrongRange({ headers }: Reply, have: number, note: Note | null): string | null {
  const value = headers.get("content-range") ?? "";
  const range = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(value.trim());
  if (!note || !range || Number(range[1]) !== have)
    return `the host sent the range ${JSON.stringify(value)}, asked was ${have}-`;
  if (range[3] !== "*" && Number(range[3]) !== note.bytes) return "the length changed between two tries";
  const etag = headers.get("etag");
  return etag !== undefined && etag !== note.etag ? "the ETag changed between two tries" : null;
}

/**
 * Hands over each chunk the moment it comes, until `take` says no. Resolves with the fault of the connection or null,
 * rejects with an error of `take`. Iterating over the body instead lost up to 64 KiB before every break: a stream that
 * fails throws away what was not read yet.
 */
function pour(body: Reply["body"], take: (chunk: Uint8Array) => boolean): Promise<Error | null> {
  return new Promise((resolve, reject) => {
    body.on("error", resolve);
    body.on("end", () => resolve(null));
    body.on("data", (chunk: Uint8Array) => {
      try {
        if (take(chunk)) return;
        resolve(null);
      } catch (error) {
        reject(error);
      }
      body.destroy();
    });
  });
}

function writeAll(file: number, chunk: Uint8Array, position: number): void {
  for (let at = 0; at < chunk.length; ) at += writeSync(file, chunk, at, chunk.length - at, position + at);
}

/** Whether the first bytes fit the name. */
function looksRight(path: string, at = path): boolean {
  if (!path.endsWith(".gz")) return true;
  const file = openSync(at, "r");
  try {
    const head = Buffer.alloc(2);
    return readSync(file, head, 0, 2, 0) === 2 && head[0] === 0x1f && head[1] === 0x8b;
  } finally {
    closeSync(file);
  }
}

/** sha256 of a file in hexadecimal; other work goes on meanwhile. */
async function sha256Of(path: string, signal: AbortSignal): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20, signal }))
    hash.update(chunk as Uint8Array);
  return hash.digest("hex");
}
