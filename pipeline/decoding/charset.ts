/**
 * Bytes of a page to text, by the WHATWG order: byte order mark, HTTP header, `<meta>`, and then evidence. A
 * declaration is believed only as far as the bytes allow: text that is valid UTF-8 with characters of several bytes
 * is UTF-8 whatever was declared, the most common lie of real servers. Knows no HTTP and no WARC.
 * The decoders are @exodus/bytes: Node 20's TextDecoder leaves 0x80-0x9F of windows-1252 as control characters and
 * lacks the CP949 part of euc-kr, the four-byte forms of gbk and big5's HKSCS characters.
 */
import { isAscii, isUtf8, transcode } from "node:buffer";
import { getBOMEncoding, normalizeEncoding, TextDecoder } from "@exodus/bytes/encoding.js";
import { detectCharset, looksUtf16 } from "./detect.ts";
import { metaCharset } from "./prescan.ts";
import { countUtf8 } from "./utf8.ts";

export type Decoded = {
  /** Well-formed Unicode without a byte order mark. */
  readonly text: string;
  /** WHATWG name in lower case, such as "utf-8", "windows-1252", "shift_jis". */
  readonly charset: string;
  /** What decided: "utf-8" means that the bytes themselves did, against or without a declaration. */
  readonly how: "bom" | "header" | "meta" | "utf-8" | "detected" | "fallback";
  /** How many U+FFFD the decoder put in for bytes that mean nothing in this charset. */
  readonly replaced: number;
};

/** Characters of several bytes that a text must hold to be UTF-8 against a declared East Asian charset, whose pairs now and then look like it. */
const enoughAgainstMultiByte = 3;

const multiByteCharsets = new Set(["gbk", "gb18030", "big5", "euc-jp", "euc-kr", "shift_jis"]);

/** The WHATWG name for a label as found in headers and pages, or null: quotes, blanks and what follows `;` or `,` are ignored. */
export function charsetOf(label: string): string | null {
  const bare = label.replace(/^[\s"']+/, "").split(/[\s"';,]/, 1)[0]!;
  const name = normalizeEncoding(bare);
  return name === "replacement" ? null : name;
}

/** The charset named by a Content-Type, or null. */
export function headerCharset(contentType: string | null): string | null {
  const match = contentType ? /charset\s*=\s*([^;]*(?:;|$))/i.exec(contentType) : null;
  return match ? charsetOf(match[1]!) : null;
}

/** Decodes `body`. Never throws; unknown and misspelt labels count as no declaration. */
export function decodeHtml(body: Uint8Array, contentType: string | null): Decoded {
  const bom = getBOMEncoding(body);
  if (bom) return decodeAs(body, bom, "bom");

  const header = headerCharset(contentType);
  if (isUtf8(body)) return decodeValidUtf8(body, header);

  const zeros = looksUtf16(body);
  if (zeros) return decodeAs(body, zeros, header === zeros ? "header" : "detected");

  const meta = metaCharset(body);
  for (const [charset, how] of [
    [header, "header"],
    [meta, "meta"],
  ] as const) {
    if (charset === null || charset.startsWith("utf-16")) continue;
    if (charset !== "utf-8") return decodeAs(body, charset, how);
    const { sequences, invalid } = countUtf8(body);
    if (sequences > invalid) return decodeAs(body, "utf-8", how);
  }
  const { sequences, invalid } = countUtf8(body);
  if (sequences > invalid) return decodeAs(body, "utf-8", "utf-8");
  const detected = detectCharset(body);
  return detected && detected !== "utf-8"
    ? decodeAs(body, detected, "detected")
    : decodeAs(body, "windows-1252", "fallback");
}

/** Bytes that are valid UTF-8, pure ASCII included, and may still be something else that is written in such bytes. */
function decodeValidUtf8(body: Uint8Array, header: string | null): Decoded {
  const ascii = isAscii(body);
  const declared = header ?? metaCharset(body);
  const how = declared === null ? "utf-8" : header ? "header" : "meta";
  if (ascii && body.includes(0x1b)) {
    const escaped = declared === "iso-2022-jp" ? declared : detectCharset(body);
    if (escaped === "iso-2022-jp") return decodeAs(body, escaped, declared === escaped ? how : "detected");
  }
  const zeros = looksUtf16(body);
  if (zeros) return decodeAs(body, zeros, header === zeros ? "header" : "detected");
  if (ascii) {
    // Pure ASCII reads the same in every charset but the two-byte ones, which it is not.
    const charset = declared === null || declared.startsWith("utf-16") ? "utf-8" : declared;
    return { text: latin1(body), charset, how: charset === declared ? how : "utf-8", replaced: 0 };
  }
  if (declared !== null && multiByteCharsets.has(declared)) {
    if (countUtf8(body).sequences < enoughAgainstMultiByte) return decodeAs(body, declared, how);
  }
  return { text: utf8(body), charset: "utf-8", how: declared === "utf-8" ? how : "utf-8", replaced: 0 };
}

function decodeAs(body: Uint8Array, charset: string, how: Decoded["how"]): Decoded {
  const text = new TextDecoder(charset).decode(body);
  let replaced = 0;
  for (let at = text.indexOf("\ufffd"); at >= 0; at = text.indexOf("\ufffd", at + 1)) replaced++;
  if (replaced > 0 && charset === "utf-8") replaced = countUtf8(body).invalid;
  return { text, charset, how, replaced };
}

/** First bytes of characters beyond U+00FF, the most frequent first: punctuation, and the letters of most scripts. */
const wideLeads = [0xe2, 0xc5, 0xc4, 0xd0, 0xf0, 0xe3, 0xce, 0xd8];

/** Text of valid UTF-8. A text that takes two bytes a character in memory anyway is made 1.8 times as fast by `transcode`. */
function utf8(body: Uint8Array): string {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.length);
  const isWide = wideLeads.some(lead => bytes.includes(lead));
  return isWide ? transcode(bytes, "utf8", "utf16le").toString("utf16le") : bytes.toString("utf8");
}

function latin1(body: Uint8Array): string {
  return Buffer.from(body.buffer, body.byteOffset, body.length).toString("latin1");
}
