/**
 * The file that carries documents from one documents phase to the next: JSON lines in gzip members of about 1 MiB,
 * then their number, so that a file that was cut between two members is noticed; one writer and one reader, nobody
 * else's format. Level 1 because this is scratch: 78 MB/s instead of 31.
 */
import { closeSync, openSync, readSync } from "node:fs";
import { gunzipSync, gzipSync } from "node:zlib";
import { createAtomic, type OutputFile } from "../../lib/atomic.ts";
import { DamagedFile } from "../../lib/errors.ts";
import type { Document } from "../document.ts";

const memberBytes = 1 << 20;
/** One document may be as long as a string can be; compressed it is never longer than this. */
const maxMember = 2 ** 30;

export type PassageWriter = {
  add(document: Document): void;
  readonly count: number;
  commit(): OutputFile;
  abandon(): void;
};

export function createPassage(path: string): PassageWriter {
  const file = createAtomic(path);
  let lines: string[] = [];
  let chars = 0;
  let count = 0;
  const flush = () => {
    if (lines.length === 0) return;
    const member = gzipSync(Buffer.from(lines.join(""), "utf8"), { level: 1 });
    const size = Buffer.alloc(4);
    size.writeUInt32LE(member.length);
    file.write(size);
    file.write(member);
    lines = [];
    chars = 0;
  };
  return {
    get count() {
      return count;
    },
    add({ id, url, date, text, meta, at }) {
      const line = `${JSON.stringify({ id, url, date, text, meta, at })}\n`;
      lines.push(line);
      chars += line.length;
      count++;
      if (chars >= memberBytes) flush();
    },
    commit() {
      flush();
      const end = Buffer.alloc(8);
      end.writeUInt32LE(count, 4);
      file.write(end);
      return file.commit();
    },
    abandon: () => file.abandon(),
  };
}

/** Documents in the order they were added. Throws DamagedFile. */
export function* readPassage(path: string): Generator<Document> {
  let fd: number;
  try {
    fd = openSync(path, "r");
  } catch (error) {
    throw new DamagedFile(path, (error as Error).message);
  }
  let count = 0;
  try {
    for (;;) {
      const bytes = read(fd, path, 4).readUInt32LE();
      if (bytes === 0) {
        if (read(fd, path, 4).readUInt32LE() !== count)
          throw new DamagedFile(path, "it has another number of documents than it says");
        return;
      }
      const text = inflated(path, read(fd, path, bytes));
      for (let start = 0; start < text.length; ) {
        const end = text.indexOf("\n", start);
        yield { ...(JSON.parse(text.slice(start, end)) as Omit<Document, "page">), page: null };
        count++;
        start = end + 1;
      }
    }
  } finally {
    closeSync(fd);
  }
}

function read(fd: number, path: string, bytes: number): Buffer {
  if (bytes > maxMember) throw new DamagedFile(path, "a length in it cannot be right");
  const buffer = Buffer.allocUnsafe(bytes);
  if (readSync(fd, buffer) !== bytes) throw new DamagedFile(path, "it ends too early");
  return buffer;
}

/** A member as text; its checksum is checked on the way. */
function inflated(path: string, member: Buffer): string {
  try {
    return gunzipSync(member).toString("utf8");
  } catch (error) {
    throw new DamagedFile(path, (error as Error).message);
  }
}
