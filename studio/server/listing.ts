/**
 * Listings of documents, a page at a time: read forward from a cursor until the page is full or the time is up, so that
 * a million documents cost as little as a thousand. Words are looked for in the texts of kept documents and in those of
 * dropped ones that the run kept (rejected/, often a sample). A document whose address matches is listed from the
 * decisions only, one whose text alone does from its text only: so none is listed twice, and nothing is held in memory.
 */
import { createReadStream } from "node:fs";
import { basename, join } from "node:path";
import { pipeline } from "node:stream";
import { createGunzip } from "node:zlib";
import { getDomain } from "tldts";
import { UserError } from "../../lib/errors.ts";
import { openTable, type Row } from "../../lib/parquet.ts";
import { readPlan } from "../../pipeline/report/workdir.ts";
import type { DocumentPage, DocumentRow, FoundWords } from "../api.ts";
import { foundIn, wordsPattern } from "../words-found.ts";
import { partsOf } from "./workdir.ts";

export type Question = {
  readonly state: "kept" | "rejected" | "all";
  readonly stage: string;
  readonly reason: string;
  /** Part of the URL, or words of the text. */
  readonly query: string;
  readonly domain: string;
  readonly language: string;
  /** Kept documents only. */
  readonly minScore: number;
  readonly cursor: string;
};

const pageRows = 50;
const budgetMs = 1200;

const text = (value: unknown): string | null =>
  value === null || value === undefined ? null : String(value);

export function rowOf(row: Row, part: string): DocumentRow {
  const kept = row["reason"] === "kept" || row["reason"] === undefined;
  return {
    ...{ id: String(row["id"]), part, url: text(row["url"]) },
    stage: kept ? "" : String(row["stage"]),
    reason: kept ? "kept" : String(row["reason"]),
    value: text(row["value"]),
    threshold: text(row["threshold"]),
    ...{ title: text(row["title"]), language: text(row["language"]) },
    score: typeof row["language_score"] === "number" ? row["language_score"] : null,
    found: null,
  };
}

/** All parts of the decisions, phase by phase. */
export const decisionParts = (workdir: string): string[] =>
  partsOf(join(workdir, "decisions")).flatMap(partsOf);

/** The language a dropped document was dropped for: the stage language writes it before its score. */
const saidLanguage = (row: Row) =>
  row["stage"] === "language" ? String(row["value"]).split(" ", 1)[0] : undefined;

/** Whether a cell contains the words in their order, in any case and with any white space between them. */
export function wordsIn(query: string): (cell: unknown) => boolean {
  const pattern = wordsPattern(query);
  return cell => typeof cell === "string" && pattern.test(cell);
}

/** The first place of the words: in the text where it was read, else in title or address. */
function placeOf(row: Row, pattern: RegExp): FoundWords | null {
  for (const cell of [row["text"], row["title"], row["url"]]) {
    const found = typeof cell === "string" ? foundIn(cell, pattern) : null;
    if (found) return found;
  }
  return null;
}

/** Something that is read forward; where the reading goes on after a row is told with the row. */
type Source = {
  readonly kind: "table" | "lines";
  readonly path: string;
  /** Whether its rows are looked at for their text. */
  readonly words: boolean;
  /** Rows between two looks at the clock. */
  readonly breath: number;
  readonly columns: readonly string[];
  /** Set on every row: what the file's place says of it. */
  readonly also: Row;
  readonly takes: (row: Row) => boolean;
};

/** What a listing reads, in this order, and which rows it takes. */
function sourcesOf(workdir: string, question: Question): Source[] {
  const { state, stage, reason, language, minScore, domain, query } = question;
  const matches = wordsIn(query);
  const byAddress = (row: Row) => query === "" || matches(row["id"]) || matches(row["url"]);
  const inDomain = (row: Row) => {
    const url = text(row["url"]);
    return domain === "" || (url !== null && (getDomain(url) === domain || url.includes(`//${domain}`)));
  };
  const inText = query !== "" && !/^https?:|^<?urn:/i.test(query);

  const ofKept = (row: Row) =>
    (language === "" || row["language"] === language) &&
    (minScore === 0 || Number(row["language_score"]) >= minScore) &&
    inDomain(row);
  const kept = (takes: Source["takes"]): Source[] =>
    partsOf(join(workdir, "documents")).map(path => ({
      ...{ kind: "table", path, words: inText, breath: inText ? 64 : 512, also: {} },
      columns: ["id", "url", "title", "language", "language_score", ...(inText ? ["text"] : [])],
      takes,
    }));
  const byWords = (row: Row) => matches(row["title"]) || matches(row["text"]);
  if (state === "kept") return kept(row => ofKept(row) && (byAddress(row) || byWords(row)));

  const ofDecided = (row: Row) =>
    (stage === "" || row["stage"] === stage) &&
    (reason === "" || row["reason"] === reason) &&
    (language === "" || saidLanguage(row) === language) &&
    inDomain(row);
  const decisions = decisionParts(workdir).map(
    (path): Source => ({
      ...{ kind: "table", path, words: false, breath: 512, also: {} },
      columns: ["id", "url", "stage", "reason", "value", "threshold"],
      takes: row => (state === "all" || row["reason"] !== "kept") && ofDecided(row) && byAddress(row),
    }),
  );
  if (!inText) return decisions;
  // What a stage only tags stands in its folder too, and was not dropped by it.
  const stages = [
    "read",
    ...readPlan(workdir).recipe.stages.flatMap(({ name, mode }) => (mode === "tag" ? [] : [name])),
  ];
  const dropped = stages
    .filter(name => stage === "" || name === stage)
    .flatMap(name => partsOf(join(workdir, "rejected", name)).map(path => ({ name, path })))
    .filter(({ path }) => path.endsWith(".jsonl.gz"))
    .map(
      ({ name, path }): Source => ({
        ...{ kind: "lines", path, words: true, breath: 64, columns: [], also: { stage: name } },
        takes: row => ofDecided(row) && !byAddress(row) && matches(row["text"]),
      }),
    );
  const anyKept = state === "all" && stage === "" && language === "" && (reason === "" || reason === "kept");
  const keptByWords = anyKept ? kept(row => inDomain(row) && !byAddress(row) && byWords(row)) : [];
  // What looks like part of an address is looked for among addresses first.
  return /^\S+[./]\S+$/.test(query)
    ? [...decisions, ...dropped, ...keptByWords]
    : [...dropped, ...decisions, ...keptByWords];
}

type Step = { readonly row: Row; readonly next: number };

/** The JSON lines of a gzip file from a byte of its unpacked content on. Lines that are no JSON are passed over. */
export async function* linesOf(path: string, from: number, signal?: AbortSignal): AsyncGenerator<Step> {
  const file = createReadStream(path, { highWaterMark: 1 << 18 });
  const unpacked = createGunzip({ chunkSize: 1 << 18 });
  pipeline(file, unpacked, () => {});
  let [at, begun] = [0, from];
  let held: Buffer[] = [];
  try {
    for await (const whole of unpacked as AsyncIterable<Buffer>) {
      if (signal?.aborted) return;
      const chunk = whole.subarray(Math.min(whole.length, Math.max(0, from - at)));
      at += whole.length;
      let start = 0;
      for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
        held.push(chunk.subarray(start, end));
        const line = held.length === 1 ? held[0]! : Buffer.concat(held);
        held = [];
        start = end + 1;
        begun += line.length + 1;
        yield { row: parsed(line), next: begun };
      }
      if (start < chunk.length) held.push(chunk.subarray(start));
    }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    // Taken away by a run that begins its phase anew.
    if (code === "ENOENT") return;
    throw new UserError(`${path} cannot be read: ${message}`, "Run again with --verify to have it rebuilt.");
  } finally {
    file.destroy();
    unpacked.destroy();
  }
}

function parsed(line: Buffer): Row {
  try {
    const row: unknown = JSON.parse(line.toString("utf8"));
    return typeof row === "object" && row !== null ? (row as Row) : {};
  } catch {
    return {};
  }
}

async function* tableRows(path: string, columns: readonly string[], from: number): AsyncGenerator<Step> {
  const table = await openTable(path);
  try {
    let next = from;
    for await (const row of table.read({ columns, from })) yield { row, next: ++next };
  } finally {
    table.close();
  }
}

async function rowsIn(path: string): Promise<number> {
  const table = await openTable(path);
  table.close();
  return table.rows;
}

/** A page of the listing; where `signal` is aborted, what was found until then. */
export async function list(workdir: string, question: Question, signal?: AbortSignal): Promise<DocumentPage> {
  const sources = sourcesOf(workdir, question);
  const [startSource = 0, startAt = 0] = question.cursor.split(".").map(Number);
  const rows: DocumentRow[] = [];
  const pattern = question.query === "" ? null : wordsPattern(question.query);
  let [looked, textsLooked] = [0, 0];
  // Rows of the main list: kept documents, or decisions.
  const main = (source: Source) => source.kind === "table" && (question.state === "kept" || !source.words);
  let total = 0;
  for (const source of sources.filter(main)) total += await rowsIn(source.path);
  let next: string | null = null;
  let until = 0;
  for (let i = startSource; i < sources.length && next === null; i++) {
    const source = sources[i]!;
    const from = i === startSource ? startAt : 0;
    const steps =
      source.kind === "lines"
        ? linesOf(source.path, from, signal)
        : tableRows(source.path, source.columns, from);
    let n = 0;
    for await (const { row, next: after } of steps) {
      // The time begins with the first row: going on deep in a file must get somewhere, too.
      until ||= Date.now() + budgetMs;
      n++;
      if (main(source)) looked++;
      else textsLooked++;
      const whole = source.kind === "lines" ? { ...row, ...source.also } : row;
      if (source.takes(whole)) {
        const shown = rowOf(whole, basename(source.path).split(".")[0]!);
        rows.push(pattern ? { ...shown, found: placeOf(whole, pattern) } : shown);
      }
      const over = signal?.aborted || (n % source.breath === 0 && Date.now() >= until);
      if (rows.length < pageRows && !over) continue;
      next = `${i}.${after}`;
      break;
    }
    if (signal?.aborted) next ??= `${i}.${from}`;
    // Many small files: the clock is looked at between them as well.
    else if (next === null && i + 1 < sources.length && until > 0 && Date.now() >= until) next = `${i + 1}.0`;
  }
  const ended = next === null ? sources.length : Number(next.split(".")[0]);
  const texts = sources.map((source, i) => ({ source, i })).filter(({ source }) => source.kind === "lines");
  const { sample, minPerReason } = readPlan(workdir).recipe.keepRejected;
  return {
    ...{ rows, next, looked, total },
    texts:
      sources.some(({ words }) => words) && question.state !== "kept"
        ? {
            looked: textsLooked,
            files: texts.length,
            filesEnded: texts.filter(({ i }) => i < ended).length,
            ...{ sample, minPerReason },
          }
        : null,
  };
}
