/**
 * Documents of a run, one at a time: decision, text, page, measures and near-duplicates; nothing is held in memory but
 * the indexes. Parts of decisions, measures and documents carry the same name, so one document costs one part of each.
 */
import { createReadStream, existsSync, readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { createInterface } from "node:readline";
import { createGunzip } from "node:zlib";
import { type Row, readTable } from "../../lib/parquet.ts";
import type { Plan } from "../../pipeline/execute/plan.ts";
import { readPlan, statsSoFar } from "../../pipeline/report/workdir.ts";
import type { Choices, DocumentDetail, DocumentPage, DuplicateShown, MeasureShown } from "../api.ts";
import { decisionParts, list, type Question, rowOf } from "./listing.ts";
import { markTaken } from "./marked.ts";
import type { MeasureRoom } from "./measures.ts";
import { extractAgain, htmlOf, readPage } from "./one-page.ts";
import { findById, indexRows, type RowIndex } from "./row-index.ts";
import { partsOf } from "./workdir.ts";

const mostMembers = 24;

export type DocumentRoom = {
  list(question: Question, signal?: AbortSignal): Promise<DocumentPage>;
  /** `near`: the name of the part that is likely to hold it. */
  detail(id: string, near: string): Promise<DocumentDetail | null>;
  /** The page's own HTML with what the extractor takes marked, or null. */
  original(id: string): Promise<string | null>;
  choices(): Promise<Choices>;
};

const text = (value: unknown): string | null =>
  value === null || value === undefined ? null : String(value);

function clusterParts(workdir: string): string[] {
  const dir = join(workdir, "duplicates");
  if (!existsSync(dir)) return [];
  return readdirSync(dir, { recursive: true, encoding: "utf8" })
    .filter(name => name.endsWith(".parquet"))
    .sort()
    .map(name => join(dir, name));
}

type Indexes = { readonly decisions: RowIndex; readonly members: RowIndex; readonly clusters: RowIndex };

type Found = { readonly row: Row; readonly part: string };

async function findDecision({ decisions }: Indexes, id: string, near = ""): Promise<Found | null> {
  const [found] = await decisions.find(id, { near });
  return found ? { row: found.row, part: basename(found.path, ".parquet") } : null;
}

const findIn = async (path: string, id: string): Promise<Row | null> =>
  existsSync(path) ? findById(path, id) : null;

async function rejectedText(path: string, id: string): Promise<string | null> {
  if (!existsSync(path)) return null;
  const lines = createInterface({ input: createReadStream(path).pipe(createGunzip()) });
  for await (const line of lines) {
    if (!line.includes(JSON.stringify(id).slice(1, -1))) continue;
    const { id: found, text: body } = JSON.parse(line) as { id: string; text: string };
    if (found === id) return body;
  }
  return null;
}

async function clusterOf(
  { decisions, members, clusters }: Indexes,
  id: string,
  part: string,
): Promise<DocumentDetail["cluster"]> {
  const [own] = await members.find(id, { near: part });
  if (!own) return null;
  const rows = await clusters.find(String(own.row["cluster_id"]), { most: mostMembers });
  const shown: DuplicateShown[] = [];
  for (const { row, path } of rows) {
    const member = String(row["id"]);
    const [decided] = await decisions.find(member, {
      near: basename(path, ".parquet"),
      columns: ["id", "url"],
    });
    shown.push({ id: member, url: text(decided?.row["url"]), kept: member === row["kept_id"] });
  }
  return { id: String(own.row["cluster_id"]), size: Number(own.row["cluster_size"]), members: shown };
}

async function measuresOf(
  workdir: string,
  plan: Plan,
  id: string,
  part: string,
  room: MeasureRoom,
): Promise<MeasureShown[]> {
  const shown: MeasureShown[] = [];
  for (const { name } of plan.recipe.stages) {
    const row = await findIn(join(workdir, "measures", name, `${part}.parquet`), id);
    if (!row) continue;
    const limits = room.limits(name);
    const { id: _, reason, ...values } = row;
    shown.push({
      stage: name,
      reason: reason === "" ? null : text(reason),
      values: Object.entries(values).map(([measure, cell]) => {
        const lines = limits.get(measure) ?? [];
        const value = Number(cell);
        return {
          ...{ name: measure, value },
          limits: lines
            .map(({ at, drops }) => `${drops === "below" ? "≥" : "≤"} ${Number(at.toPrecision(4))}`)
            .join(", "),
          beyond: lines.some(({ at, drops }) => (drops === "below" ? value < at : value > at)),
        };
      }),
    });
  }
  return shown;
}

async function detail(
  workdir: string,
  indexes: Indexes,
  { id, near }: { readonly id: string; readonly near: string },
  room: MeasureRoom,
): Promise<DocumentDetail | null> {
  const plan = readPlan(workdir);
  const found = await findDecision(indexes, id, near);
  if (!found) return null;
  const { row, part } = found;
  const decided = rowOf(row, part);
  const [warcFile, warcOffset] = [String(row["warc_file"]), Number(row["warc_offset"])];
  const kept =
    decided.reason === "kept" ? await findIn(join(workdir, "documents", `${part}.parquet`), id) : null;
  const sampled = kept
    ? null
    : await rejectedText(join(workdir, "rejected", decided.stage, `${part}.jsonl.gz`), id);
  const page = await readPage(plan, warcFile, warcOffset, id);
  const anew = !kept && !sampled && page ? await extractAgain(plan, page) : "";
  return {
    row: decided,
    ...{ warcFile, warcOffset },
    textFrom: kept ? "corpus" : sampled ? "sample" : anew ? "anew" : "none",
    text: kept ? String(kept["text"]) : (sampled ?? anew),
    language: text(kept?.["language"]),
    title: text(kept?.["title"]),
    date: text(kept?.["date"]) ?? (page?.date || null),
    meta: JSON.parse(text(kept?.["meta"]) ?? "{}") as Record<string, unknown>,
    measures: await measuresOf(workdir, plan, id, part, room),
    cluster: await clusterOf(indexes, id, part),
    original: page?.page !== null && page !== null,
  };
}

export function openDocuments(workdir: string, room: MeasureRoom): DocumentRoom {
  const indexes: Indexes = {
    decisions: indexRows(() => decisionParts(workdir), "id"),
    members: indexRows(() => clusterParts(workdir), "id"),
    clusters: indexRows(() => clusterParts(workdir), "cluster_id"),
  };
  return {
    list: (question, signal) => list(workdir, question, signal),
    detail: (id, near) => detail(workdir, indexes, { id, near }, room),
    async original(id) {
      const found = await findDecision(indexes, id);
      if (!found) return null;
      const plan = readPlan(workdir);
      const page = await readPage(plan, String(found.row["warc_file"]), Number(found.row["warc_offset"]), id);
      const html = page ? htmlOf(page) : null;
      return page && html !== null ? markTaken(html, await extractAgain(plan, page)) : null;
    },
    async choices() {
      const languages = new Set<string>();
      const first = partsOf(join(workdir, "documents"))[0];
      if (first)
        for await (const { language } of readTable(first, ["language"]))
          if (language) languages.add(String(language));
      return {
        stages: statsSoFar(workdir)
          .filter(stage => Object.keys(stage.dropped).length > 0 || stage.failed > 0)
          .map(({ name, dropped, failed }) => ({
            name,
            reasons: [...Object.keys(dropped), ...(failed > 0 ? ["failed"] : [])],
          })),
        languages: [...languages].sort(),
      };
    },
  };
}
