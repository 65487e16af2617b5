/** `curate inspect <stage>`: real documents that a stage kept or dropped, with value and threshold. */
import { createReadStream, existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { createGunzip } from "node:zlib";
import { nearest, shown, UserError } from "../lib/errors.ts";
import { readTable } from "../lib/parquet.ts";
import { randomOf } from "../lib/random.ts";
import { readPlan, standingOf } from "../pipeline/report/workdir.ts";
import type { FlagValues } from "./command.ts";
import type { inspectFlags } from "./inspect.ts";
import { workdirOf } from "./load.ts";
import { standingText } from "./standing.ts";
import { json, out, printable, say, styled } from "./terminal.ts";

export type Rejected = {
  readonly id: string;
  readonly url: string | null;
  readonly text: string;
  readonly reason: string;
  readonly value: unknown;
  readonly threshold: unknown;
};

/** The kept samples of what a stage dropped, part by part. */
export async function* readRejected(workdir: string, stage: string): AsyncGenerator<Rejected> {
  const dir = join(workdir, "rejected", stage);
  for (const file of existsSync(dir) ? readdirSync(dir).sort() : []) {
    const lines = createInterface({
      input: createReadStream(join(dir, file)).pipe(createGunzip()),
      crlfDelay: Number.POSITIVE_INFINITY,
    });
    for await (const line of lines) if (line !== "") yield JSON.parse(line) as Rejected;
  }
}

/** The n items with the smallest seeded numbers; at most n are held. */
export async function sampleOf<T>(
  items: AsyncIterable<T>,
  n: number,
  key: (item: T) => string,
  seed: number,
): Promise<T[]> {
  const held: { at: number; item: T }[] = [];
  for await (const item of items) {
    const at = randomOf(seed, key(item));
    if (held.length === n && at >= held[n - 1]!.at) continue;
    const place = held.findIndex(other => other.at > at);
    held.splice(place < 0 ? held.length : place, 0, { at, item });
    if (held.length > n) held.pop();
  }
  return held.map(({ item }) => item);
}

async function* keptBy(
  workdir: string,
  stage: string,
): AsyncGenerator<{ id: string; url: string | null; text: string; measures: Record<string, unknown> }> {
  const measures = new Map<string, Record<string, unknown>>();
  const dir = join(workdir, "measures", stage);
  const documents = join(workdir, "documents");
  for (const part of existsSync(documents) ? readdirSync(documents).sort() : []) {
    measures.clear();
    if (existsSync(join(dir, part))) {
      for await (const { id, reason: _, ...rest } of readTable(join(dir, part)))
        measures.set(String(id), rest);
    }
    for await (const row of readTable(join(documents, part), ["id", "url", "text"])) {
      yield {
        id: String(row["id"]),
        url: row["url"] as string | null,
        text: String(row["text"]),
        measures: measures.get(String(row["id"])) ?? {},
      };
    }
  }
}

export async function inspectDocuments([stage]: readonly string[], flags: FlagValues<typeof inspectFlags>) {
  const workdir = workdirOf(flags.workdir);
  const names = ["read", ...readPlan(workdir).recipe.stages.map(s => s.name)];
  if (stage === undefined) throw new UserError("inspect which stage?", `One of ${names.join(", ")}`);
  if (!names.includes(stage)) {
    const near = nearest(stage, names);
    throw new UserError(
      `the run has no stage ${shown(stage)}.${near ? ` Did you mean ${near}?` : ""} Known: ${names.join(", ")}`,
    );
  }
  const words = standingText(standingOf(workdir));
  if (words !== null) say(words);
  const n = flags.sample ?? 5;
  const seed = flags.seed ?? 1;
  if (flags.kept) {
    const found = await sampleOf(keptBy(workdir, stage), n, item => item.id, seed);
    for (const item of found) {
      if (flags.json) json(item);
      else out(shownDocument(item.url ?? item.id, measuresText(item.measures), item.text, flags.full));
    }
    if (found.length === 0) out("No document was kept.");
    return;
  }
  const wanted = flags.reason;
  const matching = async function* () {
    for await (const item of readRejected(workdir, stage))
      if (wanted === undefined || item.reason === wanted) yield item;
  };
  const found = await sampleOf(matching(), n, item => `${item.reason} ${item.id}`, seed);
  for (const item of found) {
    if (flags.json) json(item);
    else out(shownDocument(item.url ?? item.id, verdictText(item), item.text, flags.full));
  }
  if (found.length === 0 && !flags.json)
    out(
      `${stage} dropped no document${wanted ? ` because of ${wanted}` : ""} (of those whose text was kept for reading).`,
    );
}

export function verdictText({
  reason,
  value,
  threshold,
}: {
  readonly reason: string;
  readonly value: unknown;
  readonly threshold: unknown;
}): string {
  const measured = value === null || value === undefined || value === "" ? "" : `: ${shortNumber(value)}`;
  return `${reason}${measured}${threshold === null || threshold === undefined || threshold === "" ? "" : ` against ${shortNumber(threshold)}`}`;
}

function shortNumber(value: unknown): string {
  const number =
    typeof value === "number"
      ? value
      : typeof value === "string" && value.trim() !== ""
        ? Number(value)
        : Number.NaN;
  return Number.isFinite(number) ? String(Number(number.toPrecision(5))) : printable(String(value));
}

function measuresText(measures: Readonly<Record<string, unknown>>): string {
  return Object.entries(measures)
    .map(([name, value]) => `${name} ${shortNumber(value)}`)
    .join(" · ");
}

function shownDocument(title: string, detail: string, text: string, full: boolean): string {
  const body = full || text.length <= 700 ? text : `${text.slice(0, 700)}…`;
  const rule = styled("─".repeat(78), "dim");
  return `${rule}\n${styled(printable(title), "bold")}\n${styled(detail, "yellow")}\n\n${printable(body) || styled("(no text: dropped before extraction)", "dim")}\n`;
}

/** Text of a file of the package or workdir; small files only. */
export const readText = (path: string): string => readFileSync(path, "utf8");
