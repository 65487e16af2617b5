/**
 * Text that was extracted elsewhere: the conversion records of WET files as documents with text and no page.
 */
import type { ReadEvent } from "./reader.ts";
import { readRecords } from "./records.ts";
import type { SourceSettings } from "./settings.ts";
import { type Opened, openFile } from "./window.ts";

/** Reads a file, or `input` where it is given. `name` is what stands in every Location. */
export async function* readWet(
  path: string,
  settings: Pick<SourceSettings, "maxPageBytes">,
  name = path,
  input: Opened = openFile(path),
): AsyncGenerator<ReadEvent> {
  for await (const event of readRecords(input, name, { maxBlockBytes: settings.maxPageBytes })) {
    if (event.kind === "failure" || event.kind === "skip") {
      yield event;
      continue;
    }
    const { id, uri: url, date, at, block, type } = event.record;
    if (type !== "conversion") {
      yield { kind: "skip", type: type === "" ? "unknown" : type };
    } else if (event.kind === "oversize") {
      yield { kind: "drop", reason: "too-large", id, url, value: event.bytes, at };
    } else if (block.length === 0) {
      yield { kind: "drop", reason: "empty", id, url, value: 0, at };
    } else {
      if (event.flaw === "length") yield { kind: "skip", type: "wrong-length" };
      const text = Buffer.from(block.buffer, block.byteOffset, block.length).toString("utf8");
      yield {
        kind: "document",
        document: { id, url, date, text: withoutMark(text), page: null, meta: {}, at },
      };
    }
  }
}

function withoutMark(text: string): string {
  return text.startsWith("\ufeff") ? text.slice(1) : text;
}
