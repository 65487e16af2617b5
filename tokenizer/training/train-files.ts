/**
 * Trains a tokenizer on files in one call: plan, count on several threads, merge, train. Knows no vocabulary format.
 * The result does not depend on the number of threads: counts are sums, first positions minima, and the stretches
 * that are counted are cut by the files alone.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { Worker } from "node:worker_threads";
import { UserError } from "../../lib/errors.ts";
import { defaultUnicode } from "../unicode.ts";
import { type CountJob, formatOf, planJobs } from "./corpus-files.ts";
import { writeWords } from "./count-file.ts";
import { countJob, type Unread } from "./count-job.ts";
import { addCorpora } from "./count-merge.ts";
import type { FromWorker, Handed, ToWorker, WorkerSetup } from "./count-worker.ts";
import { type CountOptions, createCounter } from "./counter.ts";
import { type Counted, joinWords, mergeCounts } from "./merge-counts.ts";
import { type Trained, type TrainOptions, trainFromCounts } from "./train.ts";
import type { Corpus } from "./training.ts";
import type { Words } from "./word-table.ts";

export type TrainingProgress = {
  readonly phase: "count" | "merge";
  /** Bytes of files counted, or merges made, and of how many. */
  readonly done: number;
  readonly total: number;
  /** Bytes or merges a second so far. */
  readonly perSecond: number;
};

export type TrainFilesOptions = CountOptions &
  Omit<TrainOptions, "onMerges"> & {
    readonly files: readonly string[];
    /** Threads that count; all cores unless given. */
    readonly workers?: number;
    readonly onProgress?: (progress: TrainingProgress) => void;
  };

/** `unread`: lines and rows of the files that had no text. */
export type TrainedOnFiles = Trained & { readonly unread: number };

/** Text (a document a file, or a line), JSONL and Parquet (a document a row, its `text`), .gz of the first two. */
export async function trainTokenizer(options: TrainFilesOptions): Promise<TrainedOnFiles> {
  const { files, split = "documents", docCap = null, unicode = defaultUnicode, onProgress } = options;
  refuseSampledText(options);
  const jobs = planJobs(files, { split, docCap, unicode });
  const workers = Math.max(1, Math.min(options.workers ?? availableParallelism(), jobs.length));
  const memory = options.memory ?? 2 ** 30;
  const folder = mkdtempSync(join(tmpdir(), "curate-count-"));
  const count: CountOptions = { ...plainCountOptions(options), split, unicode, memory: memory / workers };
  const rate = rateOf(
    onProgress,
    "count",
    jobs.reduce((sum, job) => sum + job.to - job.from, 0),
  );
  try {
    const { parts, corpus, unread } = await countFiles(jobs, workers, count, folder, rate);
    const inMemory = parts.flatMap(part => ("words" in part ? [part.words] : []));
    const joined =
      inMemory.length === parts.length
        ? joinWords(inMemory, { memory })
        : mergeCounts(
            parts.map((part, i) =>
              "file" in part ? part.file : fileOf(part.words, join(folder, `part-${i}`), count),
            ),
            { memory, offsets: parts.map(() => 0) },
          );
    const { words, different, wordsFrom } = joined;
    const counted: Counted = { words, different, wordsFrom, corpus, pattern: options.pattern, unicode };
    const merging = rateOf(onProgress, "merge", options.vocabSize);
    const trained = trainFromCounts(counted, { ...options, onMerges: (done, total) => merging(done, total) });
    return { ...trained, unread };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Sampling chooses documents, and a text file that is one document cannot be sampled. */
function refuseSampledText({ files, sample = 1, split = "documents" }: TrainFilesOptions): void {
  const whole = split === "documents" && sample < 1 && files.find(path => formatOf(path).format === "text");
  if (whole)
    throw new UserError(
      `a share of the documents was asked for, and ${whole} is one document`,
      "train on its lines (split: lines), on JSON lines or on Parquet",
    );
}

function fileOf(words: Words, path: string, { pattern, unicode = defaultUnicode }: CountOptions): string {
  return writeWords(path, { pattern, unicode, corpus: addCorpora([]) }, words).path;
}

function plainCountOptions(options: TrainFilesOptions): CountOptions {
  const { pattern, docCap, pieceCap, sample, seed } = options;
  return {
    pattern,
    ...(docCap === undefined ? {} : { docCap }),
    ...(pieceCap === undefined ? {} : { pieceCap }),
    ...(sample === undefined ? {} : { sample }),
    ...(seed === undefined ? {} : { seed }),
  };
}

type Rate = (done: number, total?: number) => void;

function rateOf(onProgress: TrainFilesOptions["onProgress"], phase: "count" | "merge", all: number): Rate {
  const start = performance.now();
  return (done, total = all) =>
    onProgress?.({
      phase,
      done,
      total,
      perSecond: done / Math.max(1e-3, (performance.now() - start) / 1000),
    });
}

type CountedParts = { readonly parts: readonly Handed[]; readonly corpus: Corpus; readonly unread: number };

type Part = { readonly corpus: Corpus; readonly unread: Unread; readonly handed: Handed };

/**
 * All threads take jobs from one list, this one too: it is at work while the others are still loading. The table of
 * each is handed over as arrays, or as a file where it did not fit into its share of the memory.
 */
async function countFiles(
  jobs: readonly CountJob[],
  workers: number,
  options: CountOptions,
  folder: string,
  rate: Rate,
): Promise<CountedParts> {
  let next = 0;
  let done = 0;
  const take = (): CountJob | null => jobs[next++] ?? null;
  const counted = (job: CountJob) => rate((done += job.to - job.from));
  const threads: Worker[] = [];
  const elsewhere = (number: number) =>
    new Promise<Part>((resolve, reject) => {
      const setup: WorkerSetup = { options, spillPath: join(folder, String(number)) };
      const thread = new Worker(new URL("./count-worker.js", import.meta.url), { workerData: setup });
      threads.push(thread);
      const give = () => {
        const job = take();
        const message: ToWorker = job ? { job } : { finish: true };
        thread.postMessage(message);
      };
      thread.on("error", reject);
      thread.on("message", (message: FromWorker) => {
        if (message.kind === "mistake") reject(new UserError(message.message, message.hint));
        else if (message.kind === "finished") resolve(message);
        else {
          counted(message.job);
          give();
        }
      });
      give();
    });
  const here = async (): Promise<Part> => {
    const counter = createCounter(options, join(folder, "0"));
    const unread: Unread = { lines: 0 };
    for (let job = take(); job; job = take()) {
      await countJob(job, counter, options.split ?? "documents", unread);
      counted(job);
    }
    const words = counter.words();
    const handed = words ? { words } : { file: counter.finish(join(folder, "0.words")).path };
    counter.dispose();
    return { corpus: counter.corpus(), unread, handed };
  };
  try {
    const others = Array.from({ length: workers - 1 }, (_, number) => elsewhere(number + 1));
    const parts = await Promise.all([here(), ...others]);
    return {
      parts: parts.map(({ handed }) => handed),
      corpus: addCorpora(parts.map(({ corpus }) => corpus)),
      unread: parts.reduce((sum, { unread }) => sum + unread.lines, 0),
    };
  } finally {
    // After an error no more jobs are taken.
    next = jobs.length;
    await Promise.all(threads.map(thread => thread.terminate()));
  }
}
