/**
 * A stage that needs the whole corpus before it can judge one document: deduplication. It has three parts, all on
 * disk: `collect` sees every document of a task in order, `rounds` run when all tasks are done, `apply` judges the
 * same documents again. Documents are numbered within their task; both passes read the very same checksummed file,
 * so the numbers agree by construction.
 */
import type { OutputFile } from "../lib/atomic.ts";
import type { Options, Values } from "../lib/options.ts";
import type { Document } from "./document.ts";
import type { Verdict } from "./stage.ts";

export type CorpusContext = {
  /**
   * Folder of this stage in the workdir. What `collect` writes goes to `collected/` in it, what a round writes to a
   * folder with the round's name; every file is written atomically.
   */
  readonly dir: string;
  /** Bytes this job may hold in memory. */
  readonly memory: number;
  readonly seed: number;
};

export type Collector = {
  add(document: Document, index: number): void;
  /** Writes what was collected and names the files. Called once, also when no document came. */
  finish(): readonly OutputFile[] | Promise<readonly OutputFile[]>;
};

export type Round = {
  /** Shown to people, and the name of its folder: "buckets", "clusters". */
  readonly name: string;
  /** How many independent jobs; depends on the options and the number of tasks only. */
  readonly jobs: number;
  /** Gives the files it wrote. */
  run(job: number, context: CorpusContext): readonly OutputFile[] | Promise<readonly OutputFile[]>;
};

/** Which cluster a document belongs to, for `duplicates/part-*.parquet`; null for a document without duplicates. */
export type Membership = { readonly cluster: string; readonly kept: string; readonly size: number };

export type Outside = { readonly path: string; readonly sha256: string };

export type CorpusStage<O extends Options = Options> = {
  readonly name: string;
  readonly kind: "dedup";
  readonly about: string;
  readonly source: string;
  readonly options: O;
  readonly reasons: readonly string[];
  readonly measures: readonly string[];
  /** As of a stage of documents. */
  readonly presets?: Readonly<Record<string, Partial<Values<O>>>>;
  /** What of the options `collect` depends on; all of them where a stage does not say. */
  collected?(options: Values<O>): unknown;
  /**
   * What lies outside this run and decides about its documents: a name and a hash of the content for each, without
   * reading all of it. Throws UserError where it is not there.
   */
  readonly outside?: (options: Values<O>, workdir: string) => readonly Outside[];
  collect(
    options: Values<O>,
    context: CorpusContext & { readonly task: number },
  ): Collector | Promise<Collector>;
  rounds(options: Values<O>, tasks: number): readonly Round[];
  apply(
    options: Values<O>,
    context: CorpusContext & { readonly task: number },
  ): Promise<
    (
      document: Document,
      index: number,
    ) => { readonly verdict: Verdict; readonly membership: Membership | null }
  >;
};
