/**
 * Joins pieces of uncompressed bytes to records. A piece is a chunk of a plain file, a whole gzip member or a part of a
 * large one; records usually lie in one piece and are then cut out of it without copying. Knows no compression: the
 * reader says for each piece where in the input it lies and whether a record may be fetched from there.
 */
import { createHash } from "node:crypto";
import type { Location, WarcRecord } from "../document.ts";
import { cut, type Head, trimLineEnds } from "./cut.ts";
import type { Fields } from "./fields.ts";

export type RecordEvent =
  | { readonly kind: "record"; readonly record: WarcRecord; readonly flaw: "none" | "length" }
  /** A record whose block is larger than the limit: `record.block` is empty, `bytes` is its length as claimed. */
  | { readonly kind: "oversize"; readonly record: WarcRecord; readonly bytes: number }
  | { readonly kind: "failure"; readonly code: string; readonly message: string; readonly at: Location }
  | { readonly kind: "skip"; readonly type: string };

/** Where a piece lies: the member it comes from, or the place of its first byte in a file that is not compressed. */
export type Place =
  | { readonly kind: "member"; readonly offset: number; readonly length: number }
  | { readonly kind: "plain"; readonly offset: number };

export type Piece = {
  readonly bytes: Buffer;
  readonly place: Place;
  /** No other piece of the same member follows. */
  readonly last: boolean;
  /** The bytes are overwritten after the call: records must be copied out. */
  readonly borrowed: boolean;
};

export type Assembler = {
  add(piece: Piece): RecordEvent[];
  /** What is left at the end of the input; `broken` where the input did not end as it should. */
  finish(broken: boolean): RecordEvent[];
  /** Forgets an unfinished record and says so: the bytes that follow do not continue it. */
  cutOff(reason: string): RecordEvent[];
};

export function openAssembler(file: string, maxBlock: number): Assembler {
  let held = Buffer.alloc(0);
  let heldEnd = 0;
  let heldPlace: Place = { kind: "plain", offset: 0 };
  let needed = 0;
  let skipping = 0;
  /** True while what is held began in an earlier member than the next piece. */
  let memberEnded = false;

  const locate = (place: Place, start: number, end: number): Location =>
    place.kind === "member"
      ? { file, offset: place.offset, length: place.length }
      : { file, offset: place.offset + start, length: end - start };

  const hold = (bytes: Buffer, place: Place) => {
    if (bytes.length > held.length) held = Buffer.allocUnsafeSlow(Math.max(65536, bytes.length * 2));
    bytes.copy(held, 0);
    heldEnd = bytes.length;
    heldPlace = place;
  };
  const append = (bytes: Buffer) => {
    if (heldEnd + bytes.length > held.length) {
      const larger = Buffer.allocUnsafeSlow((heldEnd + bytes.length) * 2);
      held.copy(larger, 0, 0, heldEnd);
      held = larger;
    }
    bytes.copy(held, heldEnd);
    heldEnd += bytes.length;
  };

  /** Cuts all there is to cut; what remains is held. */
  const run = (
    bytes: Buffer,
    place: Place,
    copy: boolean,
    ended: boolean,
    incomplete: boolean,
  ): RecordEvent[] => {
    const events: RecordEvent[] = [];
    let from = 0;
    for (;;) {
      const found = cut(bytes, from, ended, maxBlock);
      if (found.kind === "blank") {
        from = bytes.length;
        break;
      }
      if (found.kind === "more") {
        needed = found.atLeast - from;
        break;
      }
      if (found.kind === "junk") {
        const at = locate(place, found.start, found.next);
        events.push({
          kind: "failure",
          code: "not-a-record",
          message: junkMessage(found.next - found.start),
          at,
        });
        from = found.next;
        continue;
      }
      const { head, start, blockStart } = found;
      if (found.kind === "oversize") {
        const end = blockStart + found.claimed;
        const record = toRecord(head, Buffer.alloc(0), locate(place, start, end));
        events.push({ kind: "oversize", record, bytes: found.claimed });
        from = Math.min(end, bytes.length);
        skipping = end - from;
        continue;
      }
      const { flaw } = found;
      // A length too long within a member that is whole: what there is is all there was.
      const lied = flaw === "truncated" && !incomplete;
      const end = lied ? trimLineEnds(bytes, blockStart, found.blockEnd) : found.blockEnd;
      const view = bytes.subarray(blockStart, end);
      const at = locate(place, start, found.next);
      if (flaw === "truncated" && incomplete) {
        const message = `the input ends within a record of ${head.fields.get("content-length")} bytes, after ${view.length}`;
        events.push({ kind: "failure", code: "truncated", message, at });
      } else {
        const record = toRecord(head, copy ? Buffer.from(view) : view, at);
        events.push({ kind: "record", record, flaw: flaw === "none" ? "none" : "length" });
      }
      from = found.next;
    }
    const rest = bytes.subarray(from);
    if (rest.length === 0 || isBlank(rest)) heldEnd = 0;
    else if (bytes === held || bytes.buffer === held.buffer) {
      held.copyWithin(0, from, from + rest.length);
      heldEnd = rest.length;
      heldPlace = place.kind === "plain" ? { kind: "plain", offset: place.offset + from } : place;
    } else hold(rest, place.kind === "plain" ? { kind: "plain", offset: place.offset + from } : place);
    return events;
  };

  const finishHeld = (incomplete: boolean): RecordEvent[] => {
    if (heldEnd === 0) return [];
    const bytes = Buffer.from(held.subarray(0, heldEnd));
    heldEnd = 0;
    return run(bytes, heldPlace, false, true, incomplete);
  };

  return {
    add({ bytes, place, last, borrowed }) {
      const events: RecordEvent[] = [];
      if (skipping > 0) {
        const skipped = Math.min(skipping, bytes.length);
        skipping -= skipped;
        bytes = bytes.subarray(skipped);
        if (place.kind === "plain") place = { kind: "plain", offset: place.offset + skipped };
        if (bytes.length === 0) return events;
      }
      if (heldEnd > 0 && memberEnded && beginsRecord(bytes)) events.push(...finishHeld(false));
      if (heldEnd > 0) {
        append(bytes);
        memberEnded = last;
        if (heldEnd >= needed) events.push(...run(held.subarray(0, heldEnd), heldPlace, true, false, true));
      } else {
        events.push(...run(bytes, place, borrowed, false, true));
        memberEnded = last;
      }
      return events;
    },
    finish: broken => {
      skipping = 0;
      return finishHeld(broken || !memberEnded);
    },
    cutOff(reason) {
      if (memberEnded) return finishHeld(false);
      skipping = 0;
      if (heldEnd === 0) return [];
      const at = locate(heldPlace, 0, heldEnd);
      heldEnd = 0;
      return [{ kind: "failure", code: "truncated", message: reason, at }];
    },
  };
}

function junkMessage(bytes: number): string {
  return `${bytes} bytes that belong to no record, expected WARC/1.x or an ARC header line`;
}

function isBlank(bytes: Buffer): boolean {
  return bytes.every(byte => byte === 10 || byte === 13 || byte === 0);
}

function beginsRecord(bytes: Buffer): boolean {
  return /^[\r\n\0]*(?:WARC\/\d|filedesc:\/\/|[a-z]+:\/\/\S+ \d+\.\d+\.)/.test(
    bytes.toString("latin1", 0, 256),
  );
}

function toRecord({ type, fields }: Head, block: Buffer, at: Location): WarcRecord {
  const uri = fields.get("warc-target-uri") ?? "";
  const date = fields.get("warc-date") ?? "";
  return {
    type,
    id: fields.get("warc-record-id") || derivedId(uri, date, block),
    uri: uri === "" ? null : cleanUri(uri),
    date,
    headers: fields as Fields,
    block,
    at,
  };
}

/** wget writes `<uri>`; blanks are not allowed in one and are written as %20. */
function cleanUri(uri: string): string {
  const bare = uri.startsWith("<") && uri.endsWith(">") ? uri.slice(1, -1) : uri;
  return bare.replaceAll(" ", "%20");
}

/** ARC records, and some broken ones, have no id: one from what they hold, the same wherever the record lies. */
function derivedId(uri: string, date: string, block: Buffer): string {
  const hash = createHash("sha256").update(`${uri}\n${date}\n`).update(block).digest("hex");
  return `<urn:sha256:${hash.slice(0, 32)}>`;
}
