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

/**
 * A UT1 category: a folder with `domains` and `urls`, either of which may be missing, or the archive of one; of an
 * archive of many the one that is named behind `#`.
 */
export async function readUt1(load: Load, path: string, take: Categories): Promise<void> {
  const [file, category = null] = path.split("#", 2) as [string, string?];
  const found = /\.(?:tar|tgz|tar\.gz)$/i.test(file)
    ? inArchive(unzipped(await load(file), file), file, category)
    : await inFolder(load, path.replace(/\/+$/, ""));
  if (found.length === 0)
    throw new UserError(
      `url-filter.ut1: cannot read ${path}: it holds neither domains nor urls`,
      "Name a category's folder, such as ut1/adult, or its archive, such as ut1/adult.tar.gz.",
    );
  for (const { kind, bytes } of found) eachLine(bytes, take[kind]);
}

type Found = { readonly kind: keyof Categories; readonly bytes: Uint8Array };

async function inFolder(load: Load, path: string): Promise<Found[]> {
  const found: Found[] = [];
  for (const kind of ["domains", "urls"] as const) {
    try {
      found.push({ kind, bytes: await load(`${path}/${kind}`) });
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
    }
  }
  return found;
}

/** Entries of each category of an uncompressed archive; empty where the bytes are no archive of categories. */
export function categoriesOf(bytes: Uint8Array): Map<string, number> {
  const counts = new Map<string, number>();
  if (Buffer.from(bytes.subarray(257, 262)).toString("latin1") !== "ustar") return counts;
  for (const { name, bytes: content } of tarEntries(bytes)) {
    const match = /(?:^|([^/]+)\/)(?:domains|urls)$/.exec(name);
    if (!match) continue;
    const category = match[1] ?? "";
    let entries = 0;
    eachLine(content, () => entries++);
    counts.set(category, (counts.get(category) ?? 0) + entries);
  }
  return counts;
}

function inArchive(bytes: Uint8Array, path: string, category: string | null): Found[] {
  const found = [...tarEntries(bytes)].flatMap(({ name, bytes }) => {
    const match = /(?:^|([^/]+)\/)(domains|urls)$/.exec(name);
    return match ? [{ kind: match[2] as keyof Categories, category: match[1] ?? "", bytes }] : [];
  });
  const categories = [...new Set(found.map(entry => entry.category))].sort();
  if (category === null && categories.length > 1)
    throw new UserError(
      `url-filter.ut1: ${path} holds ${categories.length} categories: ${categories.join(", ")}`,
      `Name the ones you mean: ${path}#${categories[0]}`,
    );
  if (category !== null && !categories.includes(category))
    throw new UserError(
      `url-filter.ut1: ${path} has no category ${category}`,
      `It holds ${categories.join(", ")}.`,
    );
  return found.filter(entry => category === null || entry.category === category);
}

/** Entries of one list: lines without blanks and comments around them. In hosts files the names behind the address. */
export function eachLine(bytes: Uint8Array, take: (entry: string) => void): void {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at < buffer.length; ) {
    let end = buffer.indexOf(10, at);
    if (end < 0) end = buffer.length;
    const line = buffer.toString("utf8", at, end).replace(/^\ufeff/, "");
    at = end + 1;
    const text = line.replace(/^\s*[#!][\s\S]*$|\s#[\s\S]*$/, "").trim();
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

export const isGzip = (bytes: Uint8Array): boolean => bytes[0] === 0x1f && bytes[1] === 0x8b;

export function unzipped(bytes: Uint8Array, path: string): Uint8Array {
  if (!isGzip(bytes)) return bytes;
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
