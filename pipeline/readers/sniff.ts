/**
 * What a body is by its bytes, whatever the header says: servers send PDFs, images and feeds as text/html. Knows only
 * what is needed to keep them out; whether a page has text worth keeping is for the stages.
 */
import { getBOMEncoding } from "@exodus/bytes/encoding.js";
import { looksUtf16 } from "../decoding/detect.ts";

const signatures: readonly (readonly [name: string, bytes: string])[] = [
  ["pdf", "%PDF-"],
  ["postscript", "%!PS"],
  ["png", "\x89PNG"],
  ["gif", "GIF8"],
  ["jpeg", "\xff\xd8\xff"],
  ["riff", "RIFF"],
  ["zip", "PK\x03\x04"],
  ["gzip", "\x1f\x8b\x08"],
  ["rar", "Rar!"],
  ["7z", "7z\xbc\xaf\x27\x1c"],
  ["ogg", "OggS"],
  ["mp3", "ID3"],
  ["flash", "FWS"],
  ["flash", "CWS"],
  ["woff", "wOFF"],
  ["woff2", "wOF2"],
  ["office", "\xd0\xcf\x11\xe0"],
  ["rtf", "{\\rtf"],
  ["elf", "\x7fELF"],
  ["bzip2", "BZh9"],
  ["icon", "\0\0\x01\0"],
];

const htmlTag =
  /<(?:!doctype\s+html|html|head|title|meta|link|script|style|body|div|p|h[1-6]|table|font|br|a|b|img|iframe|frameset|center|span|ul|main|article|section|form)[\s>/]/i;
const feedTag = /<(?:rss|feed|urlset|sitemapindex|rdf:RDF|svg|kml|opml|wsdl:definitions|soap:envelope)[\s>]/i;

/** Why a body is no page: "pdf", "png", "binary", "json", "feed", "empty"; null where it may be one. */
export function notHtml(body: Buffer): string | null {
  if (body.length === 0) return "empty";
  const head = body.toString("latin1", 0, 4096);
  for (const [name, bytes] of signatures) if (head.startsWith(bytes)) return name;
  if (head.startsWith("ftyp", 4)) return "mp4";
  const wide = getBOMEncoding(body)?.startsWith("utf-16") || looksUtf16(body) !== null;
  if (wide) return null;
  if (isBinary(body)) return "binary";
  const text = head.replace(/^\xef\xbb\xbf/, "").trimStart();
  if (text === "" && body.length <= 4096) return "empty";
  if (/^[[{]/.test(text) && !htmlTag.test(head)) return "json";
  if (
    /^<\?xml|^<(?:rss|feed|urlset|sitemapindex|svg)[\s>]/i.test(text) &&
    feedTag.test(head) &&
    !/<html[\s>]/i.test(head)
  )
    return "feed";
  return null;
}

/** Whether a body of unknown type is a page: it has a tag that only pages have. */
export function looksHtml(body: Buffer): boolean {
  const head = body.toString("latin1", 0, 4096);
  return htmlTag.test(
    looksUtf16(body) || getBOMEncoding(body)?.startsWith("utf-16") ? head.replaceAll("\0", "") : head,
  );
}

/** Control characters that no text holds: one zero is a slip, more are data. */
function isBinary(body: Buffer): boolean {
  const length = Math.min(body.length, 1024);
  let strange = 0;
  for (let i = 0; i < length; i++) {
    const byte = body[i]!;
    if (byte <= 0x08 || (byte >= 0x0e && byte <= 0x1a) || (byte >= 0x1c && byte <= 0x1f)) strange++;
  }
  return strange > Math.max(1, length / 128);
}
