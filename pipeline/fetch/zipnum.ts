/**
 * Lines of a ZipNum index, by Range requests: `cluster.idx` has the first key of every block (for a crawl of 2.6
 * billion pages a file of about 130 MB), and the blocks are gzip members of about 3,000 lines. The file is not
 * downloaded but searched: a dozen requests of 64 KiB find the first block. Knows lines, not what they mean.
 */
import { gunzipSync } from "node:zlib";
import { UserError } from "../../lib/errors.ts";
import type { Client } from "./client.ts";
import { fetchRange } from "./range.ts";
import { compareKeys, type KeyRange } from "./surt.ts";

export type Block = {
  readonly key: string;
  readonly file: string;
  readonly offset: number;
  readonly length: number;
};

/** Bytes of cluster.idx looked at in one request; its lines have some 150. */
const probe = 1 << 16;
/** Neighbouring blocks are asked for together up to so many bytes. */
const togetherBytes = 4 << 20;
const longestBlock = 16 << 20;
const longestText = 256 << 20;

/** `key timestamp<TAB>file<TAB>offset<TAB>length<TAB>number`; null where it is not that. */
export function parseBlock(line: string): Block | null {
  const match = /^(\S+) \d{14}\t(cdx-\d{1,9}\.gz)\t(\d{1,15})\t(\d{1,9})(?:\t\d*)?$/.exec(line);
  if (!match || Number(match[4]) > longestBlock) return null;
  return { key: match[1]!, file: match[2]!, offset: Number(match[3]), length: Number(match[4]) };
}

/** Every line of the blocks that may hold keys of `range`, in order. `take` ends it by giving false. */
export async function searchZipnum(
  client: Client,
  folder: string,
  range: KeyRange,
  take: (line: string) => boolean,
): Promise<void> {
  const blocks = await blocksOf(client, `${folder}/cluster.idx`, range);
  for (let i = 0; i < blocks.length; ) {
    let j = i + 1;
    let end = blocks[i]!.offset + blocks[i]!.length;
    const { file, offset } = blocks[i]!;
    for (; j < blocks.length; j++) {
      const next = blocks[j]!;
      if (next.file !== file || next.offset !== end || end + next.length - offset > togetherBytes) break;
      end += next.length;
    }
    const piece = await fetchRange(client, `${folder}/${file}`, offset, end);
    for (const block of blocks.slice(i, j)) {
      const from = block.offset - offset;
      const text = inflate(piece?.bytes.subarray(from, from + block.length), `${folder}/${file}`, block);
      for (const line of text.split("\n")) if (line !== "" && !take(line)) return;
    }
    i = j;
  }
}

function inflate(bytes: Buffer | undefined, url: string, { offset, length }: Block): string {
  try {
    if (bytes?.length === length) return gunzipSync(bytes, { maxOutputLength: longestText }).toString("utf8");
  } catch {
    // said below
  }
  throw new UserError(
    `${url}: expected a gzip block of ${length} bytes at ${offset}, as cluster.idx says, got ${bytes ? `${bytes.length} bytes that are none` : "no such file"}`,
    "The index is damaged or of another crawl; check source.base, or name another in source.index.api.",
  );
}

/** The blocks from the last one that begins before the range to the last one that begins within it. */
async function blocksOf(client: Client, url: string, range: KeyRange): Promise<Block[]> {
  const read = async (from: number, to: number) => {
    const piece = await fetchRange(client, url, from, to);
    if (piece) return piece;
    throw new UserError(
      `the crawl has no index here: ${url} was not found (404)`,
      "Check source.commoncrawl and source.base, or name a CDXJ server in source.index.api.",
    );
  };
  const first = await read(0, probe);
  const total = first.total ?? first.bytes.length;
  // The line that begins at or before `low` has a key below the range, or is the first.
  let low = 0;
  let high = total;
  while (high - low > probe) {
    const middle = Math.floor((low + high) / 2);
    const { bytes } = await read(middle, Math.min(total, middle + probe));
    const start = bytes.indexOf(10) + 1;
    const end = bytes.indexOf(10, start);
    if (start === 0 || end < 0) throw notIndex(url, middle);
    const block = parseBlock(bytes.toString("utf8", start, end));
    if (!block) throw notIndex(url, middle + start);
    if (compareKeys(block.key, range.from) < 0) low = middle + start;
    else high = middle;
  }
  const blocks: Block[] = [];
  let before: Block | null = null;
  let rest = "";
  for (let at = low; at < total; at += probe) {
    const bytes = at === 0 ? first.bytes : (await read(at, Math.min(total, at + probe))).bytes;
    const lines = (rest + bytes.toString("latin1")).split("\n");
    rest = at + bytes.length < total ? lines.pop()! : "";
    for (const line of lines) {
      if (line === "") continue;
      const block = parseBlock(Buffer.from(line, "latin1").toString("utf8"));
      if (!block) throw notIndex(url, at);
      if (compareKeys(block.key, range.to) >= 0) return before ? [before, ...blocks] : blocks;
      if (compareKeys(block.key, range.from) < 0) before = block;
      else blocks.push(block);
    }
    if (rest.length > probe) throw notIndex(url, at);
  }
  return before ? [before, ...blocks] : blocks;
}

function notIndex(url: string, at: number): UserError {
  return new UserError(
    `${url}: expected lines of key, file, offset and length, got something else at byte ${at}`,
    "Check source.base; the host may have sent an error page.",
  );
}
