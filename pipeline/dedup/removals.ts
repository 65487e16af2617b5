/**
 * The last round and the second pass: for each task the list of its documents in clusters with the id of the one that
 * is kept (`removals/<task>.removals`), and the judge that walks that list beside the documents. The list carries
 * the task's number of documents and a checksum of each member's id, so a list that belongs to other documents is
 * noticed at the first member.
 */
import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import type { OutputFile } from "../../lib/atomic.ts";
import type { CorpusContext, Membership } from "../corpus-stage.ts";
import type { Document } from "../document.ts";
import {
  createChecked,
  Damaged,
  openChecked,
  readRecords,
  recordWriter,
  type Section,
  verifySection,
} from "./checked-file.ts";
import { type MembersTrailer, membersPath, memberWords } from "./clusters.ts";
import type { Tasks } from "./earlier.ts";
import { lookUpFacts } from "./facts.ts";
import { roundPath } from "./paths.ts";

/** Document, checksum of its id, whether it is the kept one, size, place and length of the kept id. */
const removalWords = 7;

type RemovalsTrailer = {
  readonly task: number;
  readonly documents: number;
  readonly ids: Section;
  readonly list: Section;
};

const removalsPath = (dir: string, task: number): string => roundPath(dir, "removals", task, "removals");

export function writeRemovals(
  task: number,
  { places, earlier }: Tasks,
  { dir }: CorpusContext,
): OutputFile[] {
  const members = openChecked<MembersTrailer>(membersPath(dir, task));
  const file = createChecked<RemovalsTrailer>(removalsPath(dir, task));
  const lookup = lookUpFacts(places);
  try {
    const { documents, section } = members.trailer;
    const list = new Uint32Array(members.trailer.members * removalWords);
    const records = readRecords(members, section, memberWords, 1 << 16);
    let at = 0;
    let written = 0;
    while (records.next()) {
      const [document, keptTask, keptDocument, size] = records.data.subarray(
        records.at,
        records.at + memberWords,
      ) as unknown as [number, number, number, number];
      const kept = keptTask === earlier + task && keptDocument === document;
      const id = Buffer.from(lookup.id(keptTask, keptDocument), "utf8");
      file.write(id);
      list.set(
        [
          document,
          lookup.facts(earlier + task, document).idCrc,
          kept ? 1 : 0,
          size,
          written >>> 0,
          Math.floor(written / 2 ** 32),
          id.length,
        ],
        at,
      );
      at += removalWords;
      written += id.length;
    }
    const ids = file.endSection();
    const writer = recordWriter(file, removalWords);
    for (let i = 0; i < list.length; i += removalWords) writer.push(...list.subarray(i, i + removalWords));
    writer.flush();
    const listed = file.endSection();
    return [file.commit({ task, documents, ids, list: listed })];
  } catch (error) {
    file.abandon();
    throw error;
  } finally {
    members.close();
    lookup.close();
  }
}

/** A cluster's name: 16 hexadecimal digits made from the id of the document that is kept. */
export const clusterName = (keptId: string): string =>
  createHash("sha256").update(keptId, "utf8").digest("hex").slice(0, 16);

export type MemberOf = Membership & { readonly isKept: boolean };

/** Tells for documents of a task, asked in ascending order, what cluster they are in; null for none. */
export function readRemovals(
  dir: string,
  task: number,
): (document: Document, index: number) => MemberOf | null {
  const file = openChecked<RemovalsTrailer>(removalsPath(dir, task));
  const { documents, ids, list } = file.trailer;
  if (file.trailer.task !== task) throw new Damaged(file.path, `it belongs to task ${file.trailer.task}`);
  verifySection(file, ids);
  const records = readRecords(file, list, removalWords, 1 << 16);
  let more = records.next();
  if (!more) file.close();
  let last = -1;
  const mismatch = (index: number) =>
    new Damaged(
      file.path,
      `it was made for other documents (task ${task}, document ${index} of ${documents})`,
    );
  return (document, index) => {
    if (index >= documents || index <= last) throw mismatch(index);
    last = index;
    if (!more || records.data[records.at] !== index) return null;
    const [, idCrc, isKept, size, low, high, idBytes] = records.data.subarray(
      records.at,
      records.at + removalWords,
    ) as unknown as number[];
    if (crc32(Buffer.from(document.id, "utf8")) !== idCrc) throw mismatch(index);
    const bytes = Buffer.alloc(idBytes!);
    file.readAt(high! * 2 ** 32 + low!, bytes);
    const kept = bytes.toString("utf8");
    more = records.next();
    if (!more) file.close();
    return { cluster: clusterName(kept), kept, size: size!, isKept: isKept === 1 };
  };
}
