/**
 * Finds the next record in some bytes of WARC or ARC: a pure function from bytes to the places where things begin and
 * end. Content-Length is believed where a record boundary follows it; where none does, the boundary is looked for,
 * first inside the claimed block (a length too long), then behind it (too short). Knows no files and no compression.
 */
import { isArcLine, parseArcLine } from "./arc.ts";
import { type Fields, findBlankLine, headerText, parseFields } from "./fields.ts";

export type Head = {
  /** Lower case; "" where the record does not say. */
  readonly type: string;
  readonly fields: Fields;
  readonly arc: boolean;
};

export type Cut =
  /** Undecided before there are this many bytes. */
  | { readonly kind: "more"; readonly atLeast: number }
  /** Nothing but line ends and zeros up to the end. */
  | { readonly kind: "blank" }
  | {
      readonly kind: "record";
      readonly head: Head;
      readonly start: number;
      readonly blockStart: number;
      readonly blockEnd: number;
      readonly next: number;
      /** Content-Length was missing or wrong, or the bytes end before the block does. */
      readonly flaw: "none" | "length" | "truncated";
    }
  /** A block larger than the limit: `claimed` bytes follow `blockStart`. */
  | {
      readonly kind: "oversize";
      readonly head: Head;
      readonly start: number;
      readonly blockStart: number;
      readonly claimed: number;
    }
  /** Bytes that belong to no record, up to `next`. */
  | { readonly kind: "junk"; readonly start: number; readonly next: number };

const maxHeaderBytes = 65536;
const longestVersionLine = 16;

/** `from` is where the last record ended; `ended` says that no bytes follow these. Blocks longer than `maxBlock` are not collected. */
export function cut(bytes: Buffer, from: number, ended: boolean, maxBlock: number): Cut {
  const start = skipBlank(bytes, from);
  if (start === bytes.length) return ended ? { kind: "blank" } : { kind: "more", atLeast: start + 1 };
  if (!ended && bytes.length - start < longestVersionLine) {
    return { kind: "more", atLeast: start + longestVersionLine };
  }
  const found = isWarcLine(bytes, start)
    ? warcHead(bytes, start, ended)
    : (arcHead(bytes, start, ended) ?? junk(bytes, start, ended));
  if ("kind" in found) return found;
  const { head, blockStart } = found;
  const length = head.fields.get("content-length") ?? "";
  const claimed = /^\d{1,15}$/.test(length) ? Number(length) : null;
  return block(bytes, { head, start, blockStart, claimed, ended, maxBlock });
}

type Found = { readonly head: Head; readonly blockStart: number };

function warcHead(bytes: Buffer, start: number, ended: boolean): Found | Cut {
  const blank = findBlankLine(bytes, start, start + maxHeaderBytes);
  if (!blank && !ended && bytes.length - start < maxHeaderBytes)
    return { kind: "more", atLeast: bytes.length + 1 };
  if (!blank && bytes.length - start >= maxHeaderBytes) return junk(bytes, start, ended);
  const firstLine = bytes.indexOf(10, start);
  const fields = parseFields(
    firstLine < 0 ? "" : headerText(bytes.subarray(firstLine + 1, blank?.at ?? bytes.length)),
    "first",
  );
  if (!blank && fields.size === 0) return junk(bytes, start, ended);
  const type = (fields.get("warc-type") ?? "").toLowerCase();
  return { head: { type, fields, arc: false }, blockStart: blank?.next ?? bytes.length };
}

function arcHead(bytes: Buffer, start: number, ended: boolean): Found | Cut | null {
  const end = bytes.indexOf(10, start);
  if (end < 0 && !ended && bytes.length - start < maxHeaderBytes && arcMayBegin(bytes, start))
    return { kind: "more", atLeast: bytes.length + 1 };
  const text = headerText(bytes.subarray(start, end < 0 ? bytes.length : end));
  const parsed = end >= 0 && isArcLine(text) ? parseArcLine(text) : null;
  return parsed ? { head: { ...parsed, arc: true }, blockStart: end + 1 } : null;
}

/** Whether an ARC line may begin here: a scheme and a colon. */
function arcMayBegin(bytes: Buffer, start: number): boolean {
  return /^[a-z][a-z0-9+.-]{1,14}(?::|$)/i.test(
    bytes.toString("latin1", start, start + 16).split(" ", 1)[0]!,
  );
}

type Block = Found & {
  readonly start: number;
  readonly claimed: number | null;
  readonly ended: boolean;
  readonly maxBlock: number;
};

function block(bytes: Buffer, { head, start, blockStart, claimed, ended, maxBlock }: Block): Cut {
  const record = (blockEnd: number, flaw: "none" | "length" | "truncated"): Cut => ({
    kind: "record",
    head,
    start,
    blockStart,
    blockEnd,
    next: skipBlank(bytes, blockEnd),
    flaw,
  });
  const claimedEnd = claimed === null ? null : blockStart + claimed;
  if (claimedEnd !== null && claimedEnd <= bytes.length) {
    const boundary = boundaryAt(bytes, claimedEnd, ended, head.arc);
    if (boundary === "yes")
      return claimed! > maxBlock
        ? { kind: "oversize", head, start, blockStart, claimed: claimed! }
        : record(claimedEnd, "none");
    if (boundary === "unknown") return { kind: "more", atLeast: claimedEnd + longestVersionLine };
  } else if (claimedEnd !== null && !ended) {
    if (claimed! <= maxBlock) return { kind: "more", atLeast: claimedEnd + 4 };
    if (bytes.length - blockStart <= maxBlock) return { kind: "more", atLeast: blockStart + maxBlock + 1 };
  }
  const other = nextRecord(bytes, blockStart, head.arc);
  if (other !== null) return record(trimLineEnds(bytes, blockStart, other), "length");
  if (!ended) {
    if (bytes.length - blockStart <= maxBlock) return { kind: "more", atLeast: bytes.length + 1 };
    return { kind: "oversize", head, start, blockStart, claimed: claimed ?? maxBlock };
  }
  if (claimedEnd !== null && claimedEnd > bytes.length) return record(bytes.length, "truncated");
  return record(trimLineEnds(bytes, blockStart, bytes.length), "length");
}

/** Whether a record may end at `end`: two line ends, or the next record, or the end of everything. */
function boundaryAt(bytes: Buffer, end: number, ended: boolean, arc: boolean): "yes" | "no" | "unknown" {
  let at = end;
  let lines = 0;
  while (at < bytes.length && at < end + 8 && (bytes[at] === 13 || bytes[at] === 10)) {
    if (bytes[at] === 10) lines++;
    at++;
  }
  if (lines >= 2) return "yes";
  if (at === bytes.length) return ended ? "yes" : "unknown";
  if (bytes.length - at < longestVersionLine && !ended) return "unknown";
  if (isWarcLine(bytes, at) || isZeros(bytes, at)) return "yes";
  return arc && lines === 1 ? (arcLineAt(bytes, at) ? "yes" : "no") : "no";
}

function arcLineAt(bytes: Buffer, at: number): boolean {
  const end = bytes.indexOf(10, at);
  return isArcLine(
    headerText(bytes.subarray(at, end < 0 ? Math.min(bytes.length, at + maxHeaderBytes) : end)),
  );
}

/** Where a record begins after a blank line (WARC) or at a line's beginning (ARC), or null. */
function nextRecord(bytes: Buffer, from: number, arc: boolean): number | null {
  if (arc) {
    for (let at = bytes.indexOf(10, from - 1); at >= 0; at = bytes.indexOf(10, at + 1))
      if (at + 1 < bytes.length && arcMayBegin(bytes, at + 1) && arcLineAt(bytes, at + 1)) return at + 1;
    return null;
  }
  for (let at = bytes.indexOf("\nWARC/", from - 1, "latin1"); at >= 0; ) {
    const afterBlank = bytes[at - 1] === 10 || (bytes[at - 1] === 13 && bytes[at - 2] === 10);
    if ((at + 1 === from || afterBlank) && isWarcLine(bytes, at + 1)) return at + 1;
    at = bytes.indexOf("\nWARC/", at + 1, "latin1");
  }
  return null;
}

/** From `start`, which begins no record, to the next place where one may begin. */
function junk(bytes: Buffer, start: number, ended: boolean): Cut {
  for (let at = bytes.indexOf(10, start); at >= 0; at = bytes.indexOf(10, at + 1)) {
    if (!ended && bytes.length - at < longestVersionLine) return { kind: "junk", start, next: at };
    if (at + 1 < bytes.length && isWarcLine(bytes, at + 1)) return { kind: "junk", start, next: at + 1 };
    if (at + 1 < bytes.length && arcMayBegin(bytes, at + 1) && arcLineAt(bytes, at + 1))
      return { kind: "junk", start, next: at + 1 };
  }
  return { kind: "junk", start, next: bytes.length };
}

/** `WARC/1.0` and a line end. */
function isWarcLine(bytes: Buffer, at: number): boolean {
  if ((bytes[at]! | 0x20) !== 0x77 || bytes.length - at < 9) return false;
  return /^WARC\/\d\.\d{1,3}[ \t]*\r*\n/i.test(bytes.toString("latin1", at, at + longestVersionLine));
}

function isZeros(bytes: Buffer, at: number): boolean {
  return bytes[at] === 0 && bytes[Math.min(at + 1, bytes.length - 1)] === 0;
}

function skipBlank(bytes: Buffer, from: number): number {
  let at = from;
  while (at < bytes.length && (bytes[at] === 13 || bytes[at] === 10 || bytes[at] === 0)) at++;
  return at;
}

/** `end` without up to two line ends before it. */
export function trimLineEnds(bytes: Buffer, start: number, end: number): number {
  for (let lines = 0; lines < 2 && end > start && bytes[end - 1] === 10; lines++) {
    end--;
    if (end > start && bytes[end - 1] === 13) end--;
  }
  return end;
}
