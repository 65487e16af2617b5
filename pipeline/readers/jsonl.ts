/**
 * JSON lines, plain or gzip, as documents: one object a line. Lines are found in bytes, so that memory is bounded by
 * the longest line taken. Locations count bytes of the decompressed text: a line within gzip has no place of its own.
 */
import { createGunzip } from "node:zlib";
import type { Location } from "../document.ts";
import type { ReadEvent } from "./reader.ts";
import { type RowSettings, rowToDocument } from "./rows.ts";
import type { SourceSettings } from "./settings.ts";
import { fromChunks, type Opened, openFile, openWindow } from "./window.ts";

/** Longest line in multiples of the longest page: JSON writes a character as up to six bytes, and there are other columns. */
const lineFactor = 8;
/** V8 has no longer strings than 512 MiB. */
const longestLine = 500_000_000;

/** Reads a file, or `input` where it is given. `name` is what stands in every Location. */
export async function* readJsonl(
  path: string,
  settings: RowSettings & Pick<SourceSettings, "maxPageBytes">,
  name = path,
  input: Opened = openFile(path),
): AsyncGenerator<ReadEvent> {
  const opened = await decompressed(input);
  try {
    yield* readLines(opened, settings, name);
  } finally {
    await opened.close();
    await input.close();
  }
}

async function* readLines(
  opened: Opened,
  settings: RowSettings & Pick<SourceSettings, "maxPageBytes">,
  file: string,
): AsyncGenerator<ReadEvent> {
  const maxLine = Math.min(longestLine, settings.maxPageBytes * lineFactor);
  const window = openWindow(opened);
  let searched = 0;
  let tooLong = 0;
  for (;;) {
    const { bytes, offset } = window;
    const end = bytes.indexOf(10, searched);
    if (end < 0 && !window.ended) {
      searched = bytes.length;
      if (bytes.length > maxLine) {
        tooLong += bytes.length;
        window.skip(bytes.length);
        searched = 0;
      }
      try {
        await window.fill();
      } catch (error) {
        const at = { file, offset, length: bytes.length };
        yield { kind: "failure", code: "bad-gzip", message: (error as Error).message, at };
        return;
      }
      continue;
    }
    const length = end < 0 ? bytes.length : end;
    const at: Location = { file, offset: offset - tooLong, length: length + tooLong };
    if (tooLong > 0) {
      const message = `a line of ${length + tooLong} bytes, at most ${maxLine} are read`;
      yield { kind: "failure", code: "too-large", message, at };
    } else {
      const event = lineToEvent(bytes.subarray(0, length), settings, at);
      if (event) yield event;
    }
    tooLong = 0;
    searched = 0;
    window.skip(end < 0 ? length : length + 1);
    if (end < 0) return;
  }
}

function lineToEvent(
  line: Buffer,
  settings: RowSettings & Pick<SourceSettings, "maxPageBytes">,
  at: Location,
): ReadEvent | null {
  const json = line.toString("utf8").replace(/^\ufeff/, "");
  if (json.trim() === "") return null;
  let row: unknown;
  try {
    row = JSON.parse(json);
  } catch (error) {
    return { kind: "failure", code: "bad-json", message: (error as Error).message, at };
  }
  const document = rowToDocument(row, settings, at);
  if (typeof document === "string") return { kind: "failure", code: "bad-row", message: document, at };
  const { id, url, text } = document;
  if (text === "") return { kind: "drop", reason: "empty", id, url, value: 0, at };
  if (text.length > settings.maxPageBytes)
    return { kind: "drop", reason: "too-large", id, url, value: text.length, at };
  return { kind: "document", document };
}

/** The input's own bytes, or what they inflate to. */
async function decompressed(input: Opened): Promise<Opened> {
  const window = openWindow(input, 1 << 16);
  while (!window.ended && window.bytes.length < 3) await window.fill();
  async function* chunks() {
    for (;;) {
      if (window.bytes.length > 0) {
        const bytes = Buffer.from(window.bytes);
        window.skip(bytes.length);
        yield bytes;
      } else if (window.ended) return;
      else await window.fill();
    }
  }
  const { bytes } = window;
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return fromChunks(chunks());
  const gunzip = createGunzip({ chunkSize: 1 << 18 });
  const { Readable } = await import("node:stream");
  const source = Readable.from(chunks(), { objectMode: false });
  source.on("error", error => gunzip.destroy(error));
  return fromChunks(source.pipe(gunzip));
}
