/**
 * The charset a page declares in itself: the WHATWG prescan for `<meta charset>`, `<meta http-equiv=content-type>` and
 * the XML declaration. Reads tags as a browser does, so that what stands in a comment or in another attribute does
 * not count. Knows nothing of the bytes beyond the head: the caller checks the answer against them.
 */
import { normalizeEncoding } from "@exodus/bytes/encoding.js";

/** The standard looks at 1,024 bytes; pages that put scripts first declare later, and browsers go on to the end of the head. */
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

const attribute = /[\s/]*([^\s/>][^\s/>=]*)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>"'][^\s>]*)))?/y;

function prescan(head: string): string | null {
  let i = 0;
  while ((i = head.indexOf("<", i)) >= 0) {
    if (head.startsWith("<!--", i)) {
      const end = head.indexOf("-->", i + 2);
      if (end < 0) return null;
      i = end + 3;
      continue;
    }
    const name = /^<\/?([a-z][^\s/>]*)/i.exec(head.slice(i, i + 32));
    if (!name) {
      const next = head.charAt(i + 1);
      i = next === "!" || next === "/" || next === "?" ? head.indexOf(">", i) : i + 1;
      if (i < 0) return null;
      continue;
    }
    const tag = name[0].toLowerCase();
    const { attributes, end } = readAttributes(head, i + name[0].length);
    if (tag === "<meta") {
      const charset = ofMeta(attributes);
      if (charset !== null) return charset;
    }
    if (tag === "<body" || tag === "</head") return i < 1024 ? prescanRest(head.slice(end, 1024)) : null;
    i = end;
    if (tag === "<script" || tag === "<style") {
      const close = head.toLowerCase().indexOf(`</${tag.slice(1)}`, i);
      if (close < 0) return null;
      i = close;
    }
  }
  return null;
}

/** Within the standard's first 1,024 bytes a declaration counts even behind the head. */
function prescanRest(rest: string): string | null {
  return rest === "" ? null : prescan(rest.replace(/<(?:body|\/head)/gi, "<x"));
}

function readAttributes(head: string, from: number): { attributes: Map<string, string>; end: number } {
  const attributes = new Map<string, string>();
  attribute.lastIndex = from;
  let end = from;
  for (let match = attribute.exec(head); match; match = attribute.exec(head)) {
    end = attribute.lastIndex;
    const name = match[1]!.toLowerCase();
    if (!attributes.has(name)) attributes.set(name, match[2] ?? match[3] ?? match[4] ?? "");
  }
  return { attributes, end };
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
  const match = /^\s*<\?xml\s[^>]*?encoding\s*=\s*(?:"([^"]*)"|'([^']*)')/i.exec(head.slice(0, 1024));
  return match ? (match[1] ?? match[2]!) : null;
}
