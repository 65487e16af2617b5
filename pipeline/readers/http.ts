/**
 * An HTTP response as archives hold it: status line, fields, body. Lenient in all a server can get wrong: no reason
 * phrase, LF line ends, no header at all. Knows no encodings and no types.
 */
import { type Fields, findBlankLine, headerText, parseFields } from "./fields.ts";

export type HttpResponse = {
  /** 0 where there is no status line. */
  readonly status: number;
  readonly fields: Fields;
  readonly body: Buffer;
};

const maxHeaderBytes = 1 << 18;

/** Splits a record's block; a block without a status line is all body. */
export function parseResponse(bytes: Uint8Array): HttpResponse {
  const block = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const status = /^HTTP(?:\/\d(?:\.\d)?)?[ \t]+(\d{3})(?=[\s]|$)/i.exec(block.toString("latin1", 0, 64));
  if (!status) return { status: 0, fields: new Map(), body: block };
  const firstEnd = block.indexOf(10);
  if (firstEnd < 0)
    return { status: Number(status[1]), fields: new Map(), body: block.subarray(block.length) };
  // A header without fields: the status line's own end is the first of the two that make a blank line.
  const blank = findBlankLine(block, firstEnd, maxHeaderBytes);
  const fields = parseFields(
    headerText(block.subarray(firstEnd + 1, blank?.at ?? Math.min(block.length, maxHeaderBytes))),
    "last",
  );
  let body = block.subarray(blank?.next ?? block.length);
  // A crawl of August 2018 has one line end too many between header and body.
  if (body[0] === 13 && body[1] === 10 && bodyBegins(body[2])) body = body.subarray(2);
  return { status: Number(status[1]), fields, body };
}

function bodyBegins(byte: number | undefined): boolean {
  return byte === 0x3c || byte === 0xef;
}
