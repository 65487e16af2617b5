/**
 * Counts one job of a corpus of files: reads the stretch and feeds it to a counter. Used by the worker threads and by
 * the caller itself, which counts beside them. A document that cannot be read is counted as such, never thrown.
 */
import { createReadStream } from "node:fs";
import { createGunzip } from "node:zlib";
import { UserError } from "../../lib/errors.ts";
import { slack } from "../text-feed.ts";
import type { CountJob } from "./corpus-files.ts";
import type { Counter } from "./counter.ts";

const lineBuffer = 1 << 19;

/** Rows and lines that had no text to count. */
export type Unread = { lines: number };

export async function countJob(
  job: CountJob,
  counter: Counter,
  split: "documents" | "lines",
  unread: Unread,
): Promise<void> {
  if (job.format === "parquet") return countParquet(job, counter, unread);
  if (job.format === "jsonl")
    return eachLine(job, (line, at) => {
      const text = textOf(line);
      if (text === null) unread.lines++;
      else counter.addText(text, job.base + at);
    });
  if (split === "lines") return countLines(job, counter);
  const document = counter.document(job.base + job.from, job.from === 0);
  for await (const chunk of chunks(job)) document.add(chunk);
  document.end();
}

function chunks(job: CountJob): AsyncIterable<Uint8Array> {
  if (job.to === job.from) return (async function* () {})();
  const raw = createReadStream(job.path, { start: job.from, end: job.to - 1, highWaterMark: 1 << 18 });
  return job.gzip ? raw.pipe(createGunzip({ chunkSize: 1 << 18 })) : raw;
}

/** Calls `take` with each line and its position in the text. */
async function eachLine(job: CountJob, take: (line: Uint8Array, at: number) => void): Promise<void> {
  let held: Uint8Array = new Uint8Array(0);
  let at = job.from;
  for await (const chunk of chunks(job)) {
    let rest = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
    for (let stop = rest.indexOf(10) + 1; stop > 0; stop = rest.indexOf(10) + 1) {
      take(rest.subarray(0, stop), at);
      at += stop;
      rest = rest.subarray(stop);
    }
    held = rest;
  }
  if (held.length > 0) take(held, at);
}

/** Counts the lines of a text file, as many at once as a buffer holds: most lines are shorter than a call is worth. */
async function countLines(job: CountJob, counter: Counter): Promise<void> {
  let bytes = new Uint8Array(lineBuffer + slack);
  let view = new DataView(bytes.buffer);
  let filled = 0;
  let at = job.base + job.from;
  for await (const chunk of chunks(job)) {
    if (filled + chunk.length + slack > bytes.length) {
      const larger = new Uint8Array(2 * (filled + chunk.length) + slack);
      larger.set(bytes.subarray(0, filled));
      bytes = larger;
      view = new DataView(bytes.buffer);
    }
    bytes.set(chunk, filled);
    const stop = chunk.lastIndexOf(10) + 1;
    const end = filled + stop;
    filled += chunk.length;
    if (stop === 0) continue;
    counter.addLines(bytes, view, end, at);
    bytes.copyWithin(0, end, filled);
    filled -= end;
    at += end;
  }
  if (filled > 0) counter.addLines(bytes, view, filled, at);
}

/** The text of a JSONL line, or null. */
function textOf(line: Uint8Array): string | null {
  try {
    const row = JSON.parse(
      Buffer.from(line.buffer, line.byteOffset, line.length).toString("utf8"),
    ) as unknown;
    const text = typeof row === "string" ? row : (row as { text?: unknown } | null)?.text;
    return typeof text === "string" ? text : null;
  } catch {
    return null;
  }
}

async function countParquet(job: CountJob, counter: Counter, unread: Unread): Promise<void> {
  // Loaded when it is needed: the Parquet reader takes longer to load than all the rest of a counting thread.
  const { openTable } = await import("../../lib/parquet.ts");
  const table = await openTable(job.path);
  try {
    if (!table.columns.includes("text"))
      throw new UserError(`${job.path}: expected a column text, got ${table.columns.join(", ")}`);
    let at = job.base;
    for await (const row of table.read({ columns: ["text"] })) {
      const text = row["text"];
      if (typeof text !== "string") unread.lines++;
      else {
        counter.addText(text, at);
        at += text.length;
      }
    }
  } finally {
    table.close();
  }
}
