/**
 * The charset a page declares in itself: the WHATWG prescan for `<meta charset>`, `<meta http-equiv=content-type>` and
 * the XML declaration. Knows nothing of the bytes beyond the head: the caller checks the answer against them.
 */
import { normalizeEncoding } from "@exodus/bytes/encoding.js";
import { metaTags } from "./head.ts";

/** The standard looks at 1,024 bytes, in the head or not. */
const standardWindow = 1024;
/** Pages that put scripts first declare later, and browsers go on to the end of the head. */
const window = 16384;

/** The declared charset by its WHATWG name, or null. A declared UTF-16 means UTF-8, as the declaration was readable. */
export function metaCharset(body: Uint8Array): string | null {
  const head = Buffer.from(body.buffer, body.byteOffset, Math.min(body.length, window)).toString("latin1");
  const found = prescan(head) ?? xmlDeclaration(head);
  const name = found === null ? null : normalizeEncoding(found);
  if (name === null || name === "replacement") return null;
  if (name.startsWith("utf-16")) return "utf-8";
  return name === "x-user-defined" ? "windows-1252" : name;
}

function prescan(head: string): string | null {
  for (const { at, inHead, attributes } of metaTags(head)) {
    if (!inHead && at >= standardWindow) return null;
    const charset = ofMeta(attributes);
    if (charset !== null) return charset;
  }
  return null;
}

function ofMeta(attributes: ReadonlyMap<string, string>): string | null {
  const charset = attributes.get("charset");
  if (charset !== undefined && normalizeEncoding(charset) !== null) return charset;
  if (attributes.get("http-equiv")?.trim().toLowerCase() !== "content-type") return null;
  const match = /charset\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s;"']+))/i.exec(attributes.get("content") ?? "");
  const label = match ? (match[1] ?? match[2] ?? match[3]!) : null;
  return label !== null && normalizeEncoding(label) !== null ? label : null;
}

function xmlDeclaration(head: string): string | null {
  const match = /^\s*<\?xml\s[^>]*?encoding\s*=\s*(?:"([^"]*)"|'([^']*)')/i.exec(
    head.slice(0, standardWindow),
  );
  return match ? (match[1] ?? match[2]!) : null;
}
