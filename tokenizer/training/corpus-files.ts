/**
 * Files to train on, cut into jobs that can be counted one by one in any order: stretches of text files, of JSONL
 * files, whole compressed files and Parquet files. Knows no counting. The cuts depend on the files alone, never on
 * the number of workers.
 */
import { closeSync, existsSync, fstatSync, openSync, readSync, statSync } from "node:fs";
import { UserError } from "../../lib/errors.ts";
import { cutFinder } from "../pretokenizer/cut.ts";

export type FileFormat = "text" | "jsonl" | "parquet";

export type CountJob = {
  readonly path: string;
  readonly format: FileFormat;
  readonly gzip: boolean;
  /** Bytes of the file. */
  readonly from: number;
  readonly to: number;
  /** Position of the file in the corpus. */
  readonly base: number;
};

/** Positions of different files never meet: a file has room for 64 GiB of text, 131,072 files fit into a double. */
const fileRoom = 2 ** 36;

const jobBytes = 2 << 20;

export function formatOf(path: string): { readonly format: FileFormat; readonly gzip: boolean } {
  const gzip = path.endsWith(".gz");
  const name = gzip ? path.slice(0, -3) : path;
  if (name.endsWith(".parquet")) return { format: "parquet", gzip };
  return { format: name.endsWith(".jsonl") || name.endsWith(".ndjson") ? "jsonl" : "text", gzip };
}

/** The jobs of some files. UserError for a file that is not there. */
export function planJobs(
  files: readonly string[],
  {
    split,
    docCap,
    unicode,
  }: { readonly split: "documents" | "lines"; readonly docCap: number | null; readonly unicode?: string },
): CountJob[] {
  if (files.length === 0) throw new UserError("expected files to train on, got none");
  return files.flatMap((path, i) => {
    if (!existsSync(path))
      throw new UserError(`expected a file to train on at ${path}, which does not exist`);
    const { size } = statSync(path);
    const { format, gzip } = formatOf(path);
    const whole: CountJob = { path, format, gzip, from: 0, to: size, base: i * fileRoom };
    const oneDocument = format === "text" && split === "documents";
    if (gzip || format === "parquet" || size <= jobBytes) return [whole];
    if (oneDocument && docCap !== null) return [whole];
    return cutFile(whole, oneDocument ? safeCut(unicode) : lineCut);
  });
}

/** The last place up to `at` and behind `from` where a stretch may end, or `from`. */
type Cut = (fd: number, from: number, at: number) => number;

function cutFile(whole: CountJob, cut: Cut): CountJob[] {
  const fd = openSync(whole.path, "r");
  try {
    const size = fstatSync(fd).size;
    const jobs: CountJob[] = [];
    let from = 0;
    for (let at = jobBytes; at < size; at += jobBytes) {
      const to = cut(fd, from, at);
      if (to === from) continue;
      jobs.push({ ...whole, from, to });
      from = to;
    }
    jobs.push({ ...whole, from, to: size });
    return jobs;
  } finally {
    closeSync(fd);
  }
}

function lastIn(fd: number, from: number, at: number, find: (window: Buffer) => number): number {
  for (let size = 1 << 16; ; size *= 4) {
    const start = Math.max(from, at - size);
    const window = Buffer.alloc(at - start);
    readSync(fd, window, 0, window.length, start);
    const found = find(window);
    if (found > 0) return start + found;
    if (start === from) return from;
  }
}

const lineCut: Cut = (fd, from, at) => lastIn(fd, from, at, window => window.lastIndexOf(10) + 1);

function safeCut(unicode?: string): Cut {
  const find = cutFinder(unicode);
  return (fd, from, at) => lastIn(fd, from, at, window => find(window, 0, window.length));
}
