/**
 * What deduplication remembers of every document of a task besides its keys: its id, its length and date for
 * choosing which copy is kept, and where its shingles lie. Three files a task: `.facts` with records of one size
 * (so that any document is found by its number), `.ids` and, where copies are verified, `.shingles`.
 */
import { crc32 } from "node:zlib";
import type { OutputFile } from "../../lib/atomic.ts";
import type { Document } from "../document.ts";
import { type CheckedReader, createChecked, Damaged, openFiles, type Section } from "./checked-file.ts";
import { collectedOf, type TaskPlace } from "./earlier.ts";
import { collectedPath } from "./paths.ts";

export type Facts = {
  readonly idAt: number;
  readonly idBytes: number;
  readonly idCrc: number;
  /** UTF-16 units of the text. */
  readonly length: number;
  /** Milliseconds since 1970; -Infinity where unknown. */
  readonly date: number;
  readonly shinglesAt: number;
  readonly shingles: number;
};

export type FactsTrailer = { readonly task: number; readonly documents: number; readonly section: Section };

export const factBytes = 40;

export function writeFacts(view: DataView, at: number, facts: Facts): void {
  view.setFloat64(at, facts.idAt, true);
  view.setFloat64(at + 8, facts.date, true);
  view.setFloat64(at + 16, facts.shinglesAt, true);
  view.setUint32(at + 24, facts.idBytes, true);
  view.setUint32(at + 28, facts.idCrc, true);
  view.setUint32(at + 32, facts.length, true);
  view.setUint32(at + 36, facts.shingles, true);
}

export function readFacts(view: DataView, at: number): Facts {
  return {
    idAt: view.getFloat64(at, true),
    date: view.getFloat64(at + 8, true),
    shinglesAt: view.getFloat64(at + 16, true),
    idBytes: view.getUint32(at + 24, true),
    idCrc: view.getUint32(at + 28, true),
    length: view.getUint32(at + 32, true),
    shingles: view.getUint32(at + 36, true),
  };
}

export type FactsWriter = {
  add(document: Document, shingles: Uint32Array | null): void;
  readonly count: number;
  commit(): OutputFile[];
  abandon(): void;
};

export function createFacts(dir: string, task: number, withShingles: boolean): FactsWriter {
  const facts = createChecked<FactsTrailer>(collectedPath(dir, task, "facts"));
  const ids = createChecked<null>(collectedPath(dir, task, "ids"));
  const sets = withShingles ? createChecked<null>(collectedPath(dir, task, "shingles")) : null;
  const files = [facts, ids, ...(sets ? [sets] : [])];
  const perBuffer = 1024;
  const buffer = new Uint8Array(perBuffer * factBytes);
  const view = new DataView(buffer.buffer);
  let pending: Buffer[] = [];
  let buffered = 0;
  let count = 0;
  let idAt = 0;
  let shinglesAt = 0;
  const flush = () => {
    facts.write(buffer.subarray(0, buffered * factBytes));
    ids.write(Buffer.concat(pending));
    pending = [];
    buffered = 0;
  };
  return {
    get count() {
      return count;
    },
    add({ id, text, date }, shingles) {
      const bytes = Buffer.from(id, "utf8");
      const parsed = Date.parse(date);
      writeFacts(view, buffered * factBytes, {
        idAt,
        idBytes: bytes.length,
        idCrc: crc32(bytes),
        length: text.length,
        date: Number.isNaN(parsed) ? -Infinity : parsed,
        shinglesAt,
        shingles: shingles?.length ?? 0,
      });
      pending.push(bytes);
      idAt += bytes.length;
      if (sets && shingles) {
        sets.write(new Uint8Array(shingles.buffer, shingles.byteOffset, shingles.byteLength));
        shinglesAt += shingles.byteLength;
      }
      count++;
      if (++buffered === perBuffer) flush();
    },
    commit() {
      flush();
      const section = facts.endSection();
      const written = [facts.commit({ task, documents: count, section }), ids.commit(null)];
      if (sets) written.push(sets.commit(null));
      return written;
    },
    abandon: () => {
      for (const file of files) file.abandon();
    },
  };
}

export type FactsLookup = {
  facts(task: number, document: number): Facts;
  id(task: number, document: number): string;
  /** The document's shingles, ascending. */
  shingles(task: number, document: number): Uint32Array;
  close(): void;
};

/** Facts of single documents of any of these tasks, through at most 64 open files. */
export function lookUpFacts(places: readonly TaskPlace[]): FactsLookup {
  const files = openFiles<unknown>(64);
  const bytes = new Uint8Array(factBytes);
  const view = new DataView(bytes.buffer);
  const facts = (task: number, document: number): Facts => {
    const file = files.at(collectedOf(places[task]!, "facts")) as CheckedReader<FactsTrailer>;
    if (document >= file.trailer.documents) throw new Damaged(file.path, `it has no document ${document}`);
    file.readAt(document * factBytes, bytes);
    return readFacts(view, 0);
  };
  return {
    facts,
    id(task, document) {
      const { idAt, idBytes, idCrc } = facts(task, document);
      const file = files.at(collectedOf(places[task]!, "ids"));
      const id = Buffer.alloc(idBytes);
      file.readAt(idAt, id);
      if (crc32(id) !== idCrc) throw new Damaged(file.path, "an id does not match its checksum");
      return id.toString("utf8");
    },
    shingles(task, document) {
      const { shinglesAt, shingles } = facts(task, document);
      const set = new Uint32Array(shingles);
      files.at(collectedOf(places[task]!, "shingles")).readAt(shinglesAt, new Uint8Array(set.buffer));
      return set;
    },
    close: () => files.close(),
  };
}
