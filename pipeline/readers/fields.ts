/**
 * Header lines as they are found, not as they should be: CRLF or LF, folded, without a space after the colon, twice,
 * in no known encoding. The same for WARC and HTTP. Knows no field by name.
 */
import { isUtf8 } from "node:buffer";

export type Fields = ReadonlyMap<string, string>;

/** Text of header bytes: UTF-8 where they are, else one character a byte. */
export function headerText(bytes: Buffer): string {
  return bytes.toString(isUtf8(bytes) ? "utf8" : "latin1");
}

/** Fields that are lists, of which a repetition is a continuation. */
const listFields = new Set(["content-encoding", "transfer-encoding", "x-robots-tag"]);

/** Fields by lower-case name. A line without a colon is no field; of a repeated field the first or the last wins, lists are joined. */
export function parseFields(text: string, wins: "first" | "last"): Map<string, string> {
  const fields = new Map<string, string>();
  let name = "";
  let value = "";
  const put = () => {
    const before = fields.get(name);
    if (before !== undefined && listFields.has(name)) fields.set(name, `${before}, ${value}`);
    else if (name !== "" && (wins === "last" || before === undefined)) fields.set(name, value);
    name = "";
  };
  for (let at = 0; at < text.length; ) {
    let end = text.indexOf("\n", at);
    if (end < 0) end = text.length;
    const first = text.charCodeAt(at);
    if (first === 0x20 || first === 0x09) {
      const more = text.slice(at, end).trim();
      if (name !== "" && more !== "") value = value === "" ? more : `${value} ${more}`;
    } else {
      put();
      const colon = text.indexOf(":", at);
      if (colon >= 0 && colon < end) {
        name = text.slice(at, colon).trim().toLowerCase();
        value = text.slice(colon + 1, end).trim();
      }
    }
    at = end + 1;
  }
  put();
  return fields;
}

/** Where the blank line that ends a header begins and ends, or null; looks no further than `limit`. */
export function findBlankLine(
  bytes: Buffer,
  from: number,
  limit: number,
): { readonly at: number; readonly next: number } | null {
  const stop = Math.min(bytes.length, limit);
  for (let at = bytes.indexOf(10, from); at >= 0 && at < stop; at = bytes.indexOf(10, at + 1)) {
    let next = at + 1;
    while (bytes[next] === 13) next++;
    if (bytes[next] === 10) return { at: at + 1, next: next + 1 };
  }
  return null;
}
