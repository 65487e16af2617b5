/**
 * List files as people have them: plain lists, hosts files, UT1 category folders and archives, gzip or not, with CRLF,
 * byte order marks, blank lines and comments. A blank line never becomes an entry, which would match everything.
 */
import { gunzipSync } from "node:zlib";
import { UserError } from "../../../lib/errors.ts";
import type { Load } from "../../stage.ts";

/** Calls `take` for each entry of a list file. */
export async function readList(load: Load, path: string, take: (entry: string) => void): Promise<void> {
  eachLine(unzipped(await load(path), path), take);
}

export type Categories = { domains(entry: string): void; urls(entry: string): void };

/** A UT1 category: a folder with `domains` and `urls`, either of which may be missing, or the archive of one. */
export async function readUt1(load: Load, path: string, take: Categories): Promise<void> {
  let found = 0;
  if (/\.(?:tar|tgz|tar\.gz)$/i.test(path)) {
    for (const { name, bytes } of tarEntries(unzipped(await load(path), path))) {
      const kind = /(?:^|\/)(domains|urls)$/.exec(name)?.[1] as keyof Categories | undefined;
      if (!kind) continue;
      found++;
      eachLine(bytes, take[kind]);
    }
  } else {
    for (const kind of ["domains", "urls"] as const) {
      let bytes: Uint8Array;
      try {
        bytes = await load(`${path.replace(/\/+$/, "")}/${kind}`);
      } catch (error) {
        if (error instanceof UserError) continue;
        throw error;
      }
      found++;
      eachLine(bytes, take[kind]);
    }
  }
  if (found === 0)
    throw new UserError(
      `url-filter.ut1: cannot read ${path}: it holds neither domains nor urls`,
      "Name a category's folder, such as ut1/adult, or its archive, such as ut1/adult.tar.gz.",
    );
}

/** Entries of one list: lines without blanks and comments around them. In hosts files the names behind the address. */
export function eachLine(bytes: Uint8Array, take: (entry: string) => void): void {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at < buffer.length; ) {
    let end = buffer.indexOf(10, at);
    if (end < 0) end = buffer.length;
    const line = buffer.toString("utf8", at, end).replace(/^\ufeff/, "");
    at = end + 1;
    const text = line.replace(/^\s*[#!].*$|\s#.*$/, "").trim();
    if (text === "") continue;
    const hosts = /^(?:0\.0\.0\.0|127\.0\.0\.1|::1?|fe80::1%lo0|255\.255\.255\.255)\s+(.*)$/.exec(text);
    if (!hosts) take(text);
    else for (const name of hosts[1]!.split(/\s+/)) if (!ownNames.has(name)) take(name);
  }
}

/** What a hosts file says of the machine itself. */
const ownNames = new Set([
  "localhost",
  "localhost.localdomain",
  "local",
  "broadcasthost",
  "ip6-localhost",
  "ip6-loopback",
  "0.0.0.0",
]);

function unzipped(bytes: Uint8Array, path: string): Uint8Array {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  try {
    return gunzipSync(bytes);
  } catch (error) {
    throw new UserError(
      `cannot read ${path}: damaged gzip: ${(error as Error).message}`,
      "Download it again.",
    );
  }
}

const tarBlock = 512;

function* tarEntries(bytes: Uint8Array): Generator<{ readonly name: string; readonly bytes: Uint8Array }> {
  const text = (from: number, length: number) =>
    Buffer.from(bytes.subarray(from, from + length))
      .toString("latin1")
      .replace(/\0.*$/s, "");
  for (let at = 0; at + tarBlock <= bytes.length; ) {
    const name = text(at, 100);
    if (name === "") return;
    const size = Number.parseInt(text(at + 124, 12).trim() || "0", 8);
    const regular = ["0", "", "\0"].includes(text(at + 156, 1));
    const start = at + tarBlock;
    if (regular) yield { name, bytes: bytes.subarray(start, start + size) };
    at = start + Math.ceil((Number.isFinite(size) ? size : 0) / tarBlock) * tarBlock;
  }
}
