/**
 * What a report shows, read from a workdir: numbers of every stage, distributions of every measure with the lines
 * that its rules draw, samples of what was dropped, domains and languages before and after, clusters, personal data
 * found. One pass over each table; memory does not grow with the corpus (distributions come from a seeded sample of
 * 20,000 documents, domains from a capped count). Draws nothing.
 */
import { createReadStream, existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { createGunzip } from "node:zlib";
import { getDomain } from "tldts";
import { readTable } from "../../lib/parquet.ts";
import { randomOf } from "../../lib/random.ts";
import type { Plan } from "../execute/plan.ts";
import { languageMeasure } from "../filters/by-language.ts";
import type { RecipeStage } from "../recipe.ts";
import type { Mark } from "../stage.ts";
import { documentStages } from "../stages.ts";
import type { StageStats } from "../stats.ts";
import { readPlan, readStats } from "./workdir.ts";

export type Distribution = {
  readonly stage: string;
  readonly measure: string;
  readonly documents: number;
  /** Sampled values in ascending order. */
  readonly values: readonly number[];
  readonly marks: readonly Mark[];
};

export type RejectedSample = {
  readonly stage: string;
  readonly reason: string;
  readonly url: string;
  readonly value: string;
  readonly threshold: string;
  readonly text: string;
};
export type Counted = readonly (readonly [name: string, n: number])[];
export type BeforeAfter = readonly {
  readonly name: string;
  readonly before: number;
  readonly after: number;
}[];
export type Step = {
  readonly step: number;
  readonly loss: number;
  readonly valLoss?: number;
  readonly lr?: number;
};
export type TextSample = { readonly step: number; readonly text: string };
export type Cluster = {
  readonly size: number;
  /** Address of the document that stands for it, and of some others. */
  readonly kept: string;
  readonly others: readonly string[];
};

export type ReportData = {
  readonly plan: Plan;
  readonly stages: readonly StageStats[];
  readonly distributions: readonly Distribution[];
  readonly rejected: readonly RejectedSample[];
  readonly domains: BeforeAfter;
  readonly languages: BeforeAfter;
  readonly clusters: { readonly sizes: Counted; readonly largest: readonly Cluster[] };
  readonly pii: { readonly kinds: Counted; readonly documents: number };
  readonly kept: {
    readonly documents: number;
    readonly characters: number;
    /** Characters of sampled documents, ascending. */
    readonly lengths: readonly number[];
  };
  readonly steps: readonly Step[];
  readonly samples: readonly TextSample[];
};

const sampledValues = 20_000;
const samplesPerReason = 4;
const countedDomains = 100_000;
const listed = 25;
const shownClusters = 8;
const membersShown = 4;

const files = (dir: string): string[] =>
  existsSync(dir)
    ? readdirSync(dir)
        .sort()
        .map(name => join(dir, name))
    : [];

/** Tables of clusters: a folder of files, or of folders where several stages removed duplicates. */
export const duplicateTables = (workdir: string): string[] =>
  files(join(workdir, "duplicates")).flatMap(path => (path.endsWith(".parquet") ? [path] : files(path)));

export async function gatherReport(workdir: string): Promise<ReportData> {
  const plan = readPlan(workdir);
  const stages = readStats(workdir);
  const { seed } = plan.recipe;
  const distributions: Distribution[] = [];
  for (const stage of plan.recipe.stages) distributions.push(...(await gatherMeasures(workdir, stage, seed)));
  const rejected: RejectedSample[] = [];
  for (const { name } of stages) rejected.push(...(await gatherRejected(workdir, name, seed)));
  const clusters = await gatherClusters(workdir);
  const decisions = await gatherDecisions(workdir, clusters.largest);
  const documents = await gatherDocuments(workdir, seed);
  const address = (id: string) => decisions.addresses.get(id) ?? id;
  return {
    plan,
    stages,
    distributions,
    rejected,
    domains: beforeAfter(decisions.domains, documents.domains),
    languages: beforeAfter(languagesBefore(plan, stages, decisions.languages), documents.languages),
    clusters: {
      sizes: clusters.sizes,
      largest: clusters.largest.map(({ size, kept, others }) => ({
        size,
        kept: address(kept),
        others: others.map(address),
      })),
    },
    pii: documents.pii,
    kept: documents.kept,
    steps: readLines<Step>(join(workdir, "model", "metrics.jsonl")),
    samples: readLines<TextSample>(join(workdir, "model", "samples.jsonl")),
  };
}

function readLines<T>(path: string): T[] {
  if (!existsSync(path)) return [];
  return readFileSync(path, "utf8")
    .split("\n")
    .filter(line => line !== "")
    .map(line => JSON.parse(line) as T);
}

type Counter = {
  add(name: string, n?: number): void;
  of(name: string): number;
  top(n: number): Counted;
};

function counter(limit: number): Counter {
  const counts = new Map<string, number>();
  return {
    add(name, n = 1) {
      const before = counts.get(name);
      if (before !== undefined || counts.size < limit) counts.set(name, (before ?? 0) + n);
    },
    of: name => counts.get(name) ?? 0,
    top: n => [...counts].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1)).slice(0, n),
  };
}

/** The most frequent names before and after. */
function beforeAfter(before: Counter, after: Counter): BeforeAfter {
  const names = new Set([...before.top(listed), ...after.top(listed)].map(([name]) => name));
  return [...names]
    .map(name => ({ name, before: before.of(name), after: after.of(name) }))
    .sort((x, y) => y.before - x.before || y.after - x.after)
    .slice(0, listed);
}

/** The n smallest of what was added, by a seeded number, of which the second half is thrown away now and then. */
function sample<T>(n: number): { add(at: number, item: T): void; items(): T[] } {
  let held: { at: number; item: T }[] = [];
  const shorten = () => {
    held = held.sort((a, b) => a.at - b.at).slice(0, n);
  };
  return {
    add(at, item) {
      held.push({ at, item });
      if (held.length >= 2 * n) shorten();
    },
    items() {
      shorten();
      return held.map(({ item }) => item);
    },
  };
}

type Decisions = {
  readonly domains: Counter;
  /** Languages of what the language stage dropped. */
  readonly languages: Counter;
  readonly addresses: ReadonlyMap<string, string>;
};

async function gatherDecisions(workdir: string, clusters: readonly Cluster[]): Promise<Decisions> {
  const [domains, languages] = [counter(countedDomains), counter(1000)];
  const wanted = new Set(clusters.flatMap(({ kept, others }) => [kept, ...others]));
  const addresses = new Map<string, string>();
  for (const phase of files(join(workdir, "decisions"))) {
    for (const file of files(phase)) {
      for await (const { id, url, stage, value } of readTable(file, ["id", "url", "stage", "value"])) {
        domains.add(getDomain(String(url ?? "")) ?? "(none)");
        if (stage === "language") languages.add(String(value ?? "").split(" ")[0] || "(none)");
        if (url !== null && wanted.has(String(id))) addresses.set(String(id), String(url));
      }
    }
  }
  return { domains, languages, addresses };
}

/** What passed the language stage is in the one language that is kept, or in one of several. */
function languagesBefore({ recipe }: Plan, stages: readonly StageStats[], dropped: Counter): Counter {
  const passed = stages.find(({ name }) => name === "language");
  const keep = recipe.stages.find(({ name }) => name === "language")?.options["keep"];
  const codes = Array.isArray(keep) ? keep : Object.keys((keep as object | null) ?? {});
  if (passed) dropped.add(codes.length === 1 ? String(codes[0]) : "(the kept ones)", passed.out);
  return dropped;
}

async function gatherMeasures(
  workdir: string,
  { name: stage, options }: RecipeStage,
  seed: number,
): Promise<Distribution[]> {
  const marks = documentStages.get(stage)?.marks?.(options) ?? [];
  const values = new Map<string, ReturnType<typeof sample<number>>>();
  let documents = 0;
  for (const file of files(join(workdir, "measures", stage))) {
    for await (const { id, reason: _, ...measures } of readTable(file)) {
      documents++;
      const at = randomOf(seed, `report ${id}`);
      for (const [name, value] of Object.entries(measures)) {
        if (typeof value !== "number" || name === languageMeasure) continue;
        const held = values.get(name) ?? sample<number>(sampledValues);
        values.set(name, held);
        held.add(at, value);
      }
    }
  }
  return [...values].map(([measure, held]) => ({
    stage,
    measure,
    documents,
    values: held.items().sort((a, b) => a - b),
    marks: marks.filter(mark => mark.measure === measure),
  }));
}

async function gatherRejected(workdir: string, stage: string, seed: number): Promise<RejectedSample[]> {
  const byReason = new Map<string, ReturnType<typeof sample<RejectedSample>>>();
  for (const file of files(join(workdir, "rejected", stage))) {
    for await (const line of createInterface({ input: createReadStream(file).pipe(createGunzip()) })) {
      const { id, url, text, reason, value, threshold } = JSON.parse(line) as Record<string, string | null>;
      const held = byReason.get(String(reason)) ?? sample<RejectedSample>(samplesPerReason);
      byReason.set(String(reason), held);
      held.add(randomOf(seed, `report ${id}`), {
        stage,
        reason: String(reason),
        url: url ?? String(id),
        value: String(value ?? ""),
        threshold: String(threshold ?? ""),
        text: excerpt(text ?? ""),
      });
    }
  }
  return [...byReason].sort(([a], [b]) => (a < b ? -1 : 1)).flatMap(([, held]) => held.items());
}

const excerptLength = 700;

function excerpt(text: string): string {
  return text.length <= excerptLength ? text : `${text.slice(0, excerptLength).trimEnd().toWellFormed()} …`;
}

type Kept = Pick<ReportData, "pii" | "kept"> & { readonly domains: Counter; readonly languages: Counter };

async function gatherDocuments(workdir: string, seed: number): Promise<Kept> {
  const [domains, languages, pii] = [counter(countedDomains), counter(1000), counter(100)];
  const lengths = sample<number>(sampledValues);
  let [documents, characters, withPii] = [0, 0, 0];
  for (const file of files(join(workdir, "documents"))) {
    const rows = readTable(file, ["id", "url", "language", "text", "meta"]);
    for await (const { id, url, language, text, meta } of rows) {
      const { length } = String(text ?? "");
      documents++;
      characters += length;
      lengths.add(randomOf(seed, `report ${id}`), length);
      domains.add(getDomain(String(url ?? "")) ?? "(none)");
      if (language !== null) languages.add(String(language));
      let found = false;
      for (const [name, value] of Object.entries(
        JSON.parse(String(meta ?? "{}")) as Record<string, unknown>,
      )) {
        if (!name.startsWith("pii_") || typeof value !== "number" || value === 0) continue;
        pii.add(name.slice(4), value);
        found = true;
      }
      if (found) withPii++;
    }
  }
  return {
    domains,
    languages,
    pii: { kinds: pii.top(listed), documents: withPii },
    kept: { documents, characters, lengths: lengths.items().sort((a, b) => a - b) },
  };
}

/** How many clusters there are of each size, and the ids of the largest ones. */
async function gatherClusters(workdir: string): Promise<ReportData["clusters"]> {
  const sizes = new Map<number, number>();
  let largest: { size: number; kept: string }[] = [];
  for (const file of duplicateTables(workdir)) {
    for await (const { id, kept_id, cluster_size } of readTable(file)) {
      if (id !== kept_id) continue;
      const size = Number(cluster_size);
      sizes.set(size, (sizes.get(size) ?? 0) + 1);
      largest.push({ size, kept: String(id) });
      if (largest.length > 1000) largest = ordered(largest);
    }
  }
  const others = new Map(ordered(largest).map(({ kept }) => [kept, [] as string[]]));
  for (const file of duplicateTables(workdir)) {
    for await (const { id, kept_id } of readTable(file)) {
      const list = others.get(String(kept_id));
      if (list && id !== kept_id && list.length < membersShown) list.push(String(id));
    }
  }
  return {
    sizes: [...sizes].sort(([a], [b]) => a - b).map(([size, n]) => [String(size), n]),
    largest: ordered(largest).map(({ size, kept }) => ({ size, kept, others: others.get(kept)! })),
  };
}

const ordered = (list: readonly { size: number; kept: string }[]) =>
  [...list].sort((a, b) => b.size - a.size || (a.kept < b.kept ? -1 : 1)).slice(0, shownClusters);
