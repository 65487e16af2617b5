/**
 * The two things that flow through the pipeline: WARC records and documents. Read this file first.
 * Both are immutable: a stage that changes a document returns a new one.
 */

/** Where a record lies: enough to fetch it again. Offsets are bytes in the file as stored (compressed). */
export type Location = { readonly file: string; readonly offset: number; readonly length: number };

export type WarcRecord = {
  /** response, conversion, resource, request, metadata, warcinfo, revisit, continuation. */
  readonly type: string;
  /** WARC-Record-ID with its brackets, `<urn:uuid:…>`. */
  readonly id: string;
  readonly uri: string | null;
  /** WARC-Date as written, ISO 8601. */
  readonly date: string;
  /** WARC headers, lower-case names. */
  readonly headers: ReadonlyMap<string, string>;
  /** The record's block as stored, never text. */
  readonly block: Uint8Array;
  readonly at: Location;
};

/** What the server sent, before extraction: transfer and content encodings undone, charset not yet. */
export type Page = {
  /** HTTP status; 0 where the record has no HTTP header. */
  readonly status: number;
  /** HTTP headers, lower-case names; the last of a repeated header wins, lists such as X-Robots-Tag are joined. */
  readonly headers: ReadonlyMap<string, string>;
  /** WARC-Identified-Payload-Type, else the type of Content-Type, lower case, without parameters; "" where neither is given. */
  readonly mime: string;
  readonly body: Uint8Array;
};

export type MetaValue = string | number | boolean;

export type Document = {
  /** From the WARC record, never a position. */
  readonly id: string;
  readonly url: string | null;
  /** ISO 8601, or "" where unknown. */
  readonly date: string;
  /** Well-formed Unicode; "" until `extract` has run. */
  readonly text: string;
  /** Present until `extract` has run; null for documents that came as text (WET, JSONL, Parquet). */
  readonly page: Page | null;
  /** language, language_score, title, minhash_cluster_size, …: scalars only, names in snake_case. */
  readonly meta: Readonly<Record<string, MetaValue>>;
  readonly at: Location;
};
