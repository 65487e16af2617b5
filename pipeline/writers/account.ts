/**
 * The account of every document: what decided its fate (decisions), what was measured on it (measures), the texts of
 * a seeded sample of what was dropped (rejected), its cluster (duplicates), and what could not be processed at all
 * (errors). One set of files a task; `curate stats --what-if`, `inspect`, `explain` and `report` read them.
 * Which rejected texts are kept depends on seed and id alone, not on order.
 */
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { type OutputFile, writeAtomic } from "../../lib/atomic.ts";
import { createTable, type Schema, type TableWriter } from "../../lib/parquet.ts";
import { randomOf } from "../../lib/random.ts";
import type { Membership } from "../corpus-stage.ts";
import type { Document, Location } from "../document.ts";
import type { Drop, Measures } from "../stage.ts";

export const decisionsSchema = {
  id: "string",
  url: "string",
  stage: "string",
  reason: "string",
  value: "string",
  threshold: "string",
  warc_file: "string",
  warc_offset: "int",
} as const satisfies Schema;

export const duplicatesSchema = {
  id: "string",
  cluster_id: "string",
  kept_id: "string",
  cluster_size: "int",
} as const satisfies Schema;

export type Subject = {
  readonly id: string;
  readonly url: string | null;
  readonly text: string;
  readonly at: Location;
};

export type Account = {
  /** A document or record that a stage dropped (or that `tagged` only marked: the text is sampled, no decision is written). */
  dropped(stage: string, subject: Subject, drop: Drop, tagged?: boolean): void;
  measured(stage: string, id: string, reason: string, measures: Measures): void;
  member(id: string, membership: Membership): void;
  failed(stage: string, id: string, url: string | null, at: Location, code: string, message: string): void;
  /** A document that leaves the pipeline, kept. */
  kept(document: Document): void;
  commit(): OutputFile[];
  abandon(): void;
};

type Sampled = { readonly priority: number; readonly line: string };

export function openAccount(options: {
  readonly workdir: string;
  readonly part: string;
  /** Folder name under decisions/: the phase. */
  readonly phase: string;
  readonly seed: number;
  readonly keepRejected: { readonly sample: number; readonly minPerReason: number };
  /** Names of the measures of each stage that has any. */
  readonly measures: ReadonlyMap<string, readonly string[]>;
  /** Folder for the clusters, relative to the workdir; null where the phase has none. */
  readonly duplicates: string | null;
}): Account {
  const { workdir, part, seed, keepRejected } = options;
  const decisions = createTable(
    join(workdir, "decisions", options.phase, `${part}.parquet`),
    decisionsSchema,
  );
  const duplicates =
    options.duplicates === null
      ? null
      : createTable(join(workdir, options.duplicates, `${part}.parquet`), duplicatesSchema);
  const measureTables = new Map<string, TableWriter>();
  for (const [stage, names] of options.measures) {
    const schema: Schema = {
      id: "string",
      reason: "string",
      ...Object.fromEntries(names.map(name => [name, "double" as const])),
    };
    measureTables.set(stage, createTable(join(workdir, "measures", stage, `${part}.parquet`), schema));
  }
  const samples = new Map<string, Map<string, Sampled[]>>();
  const errors: string[] = [];

  const sample = (stage: string, subject: Subject, drop: Drop) => {
    const priority = randomOf(seed, `${stage} ${subject.id}`);
    const reasons = samples.get(stage) ?? new Map<string, Sampled[]>();
    samples.set(stage, reasons);
    const kept = reasons.get(drop.drop) ?? [];
    reasons.set(drop.drop, kept);
    const last = kept[keepRejected.minPerReason - 1];
    if (priority >= keepRejected.sample && last && priority >= last.priority) return;
    const { id, url, text } = subject;
    const line = JSON.stringify({
      id,
      url,
      text,
      reason: drop.drop,
      value: drop.value ?? null,
      threshold: drop.threshold ?? null,
    });
    const at = kept.findIndex(other => other.priority > priority);
    kept.splice(at < 0 ? kept.length : at, 0, { priority, line });
    while (kept.length > keepRejected.minPerReason && kept[kept.length - 1]!.priority >= keepRejected.sample)
      kept.pop();
  };

  return {
    dropped(stage, subject, drop, tagged = false) {
      sample(stage, subject, drop);
      if (tagged) return;
      decisions.add({
        id: subject.id,
        url: subject.url,
        stage,
        reason: drop.drop,
        value: drop.value === undefined ? null : String(drop.value),
        threshold: drop.threshold === undefined ? null : String(drop.threshold),
        warc_file: subject.at.file,
        warc_offset: subject.at.offset,
      });
    },
    measured: (stage, id, reason, measures) => measureTables.get(stage)?.add({ id, reason, ...measures }),
    member: (id, { cluster, kept, size }) =>
      duplicates?.add({ id, cluster_id: cluster, kept_id: kept, cluster_size: size }),
    failed(stage, id, url, at, code, message) {
      errors.push(JSON.stringify({ stage, id, url, file: at.file, offset: at.offset, code, message }));
      decisions.add({
        id,
        url,
        stage,
        reason: "failed",
        value: code,
        threshold: null,
        warc_file: at.file,
        warc_offset: at.offset,
      });
    },
    kept(document) {
      const { id, url, at } = document;
      decisions.add({
        id,
        url,
        stage: "",
        reason: "kept",
        value: null,
        threshold: null,
        warc_file: at.file,
        warc_offset: at.offset,
      });
    },
    commit() {
      const files = [decisions.commit(), ...[...measureTables.values()].map(table => table.commit())];
      if (duplicates) files.push(duplicates.commit());
      for (const [stage, reasons] of [...samples].sort(([a], [b]) => (a < b ? -1 : 1))) {
        const lines = [...reasons]
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .flatMap(([, kept]) => kept.map(({ line }) => `${line}\n`));
        files.push(
          writeAtomic(
            join(workdir, "rejected", stage, `${part}.jsonl.gz`),
            gzipSync(Buffer.from(lines.join(""), "utf8")),
          ),
        );
      }
      if (errors.length > 0)
        files.push(
          writeAtomic(
            join(workdir, "errors", options.phase, `${part}.jsonl`),
            errors.map(line => `${line}\n`).join(""),
          ),
        );
      return files;
    },
    abandon() {
      for (const table of [decisions, duplicates, ...measureTables.values()]) table?.abandon();
    },
  };
}
