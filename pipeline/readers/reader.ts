/**
 * What every reader gives: documents, and an account of what did not become one. A reader never throws for bad data;
 * it yields a failure with the place and goes on at the next record. It throws only when the input cannot be opened
 * or the disk or network gives up.
 */
import type { Document, Location } from "../document.ts";

export type ReadEvent =
  | { readonly kind: "document"; readonly document: Document }
  /** A record that is whole but not wanted: status, mime, not-html, revisit, … */
  | {
      readonly kind: "drop";
      readonly reason: string;
      readonly id: string;
      readonly url: string | null;
      readonly value: string | number;
      readonly at: Location;
    }
  /** A record that could not be read: truncated, bad-gzip, bad-header, … */
  | { readonly kind: "failure"; readonly code: string; readonly message: string; readonly at: Location }
  /** Records that never hold a page (warcinfo, request, metadata), and what was noticed of one that did (wrong-length, digest-mismatch): counted, nothing more. */
  | { readonly kind: "skip"; readonly type: string };

/** Bytes of an input in order; the chunks may be of any size. `compressedOffset` starts at 0. */
export type ByteSource = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
