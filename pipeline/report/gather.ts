/**
 * What a report shows, read from a workdir: numbers of every stage, distributions of every measure with its
 * threshold, samples of what was dropped, domains and languages before and after, clusters, personal data found.
 * One pass over each table; memory does not grow with the corpus (distributions come from a seeded sample of
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
import type { StageStats } from "../stats.ts";

export type Distribution = {
  readonly stage: string;
  readonly measure: string;
  readonly documents: number;
  /** Sampled values in ascending order. */
  readonly values: readonly number[];
  /** Thresholds that dropped documents by this measure, each with its reason. */
  readonly thresholds: readonly { readonly at: number; readonly reason: string }[];
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
export type Step = {
  readonly step: number;
  readonly loss: number;
  readonly valLoss?: number;
  readonly lr?: number;
};
export type TextSample = { readonly step: number; readonly text: string };

export type ReportData = {
  readonly plan: Plan;
  readonly stages: readonly StageStats[];
  readonly distributions: readonly Distribution[];
  readonly rejected: readonly RejectedSample[];
  readonly domainsBefore: Counted;
  readonly domainsAfter: Counted;
  readonly languages: Counted;
  readonly clusterSizes: Counted;
  readonly pii: Counted;
  readonly kept: { readonly documents: number; readonly characters: number };
  readonly steps: readonly Step[];
  readonly samples: readonly TextSample[];
};

const sampledValues = 20_000;
const samplesPerReason = 4;
const countedDomains = 100_000;

const files = (dir: string): string[] =>
  existsSync(dir)
    ? readdirSync(dir)
        .sort()
        .map(name => join(dir, name))
    : [];

export async function gatherReport(workdir: string): Promise<ReportData> {
  const plan = JSON.parse(readFileSync(join(workdir, "work", "plan.json"), "utf8")) as Plan;
  const { stages } = JSON.parse(readFileSync(join(workdir, "stats.json"), "utf8")) as {
    stages: StageStats[];
  };
  const decisions = await gatherDecisions(workdir);
  const distributions: Distribution[] = [];
  for (const { name } of plan.recipe.stages)
    distributions.push(...(await gatherMeasures(workdir, name, plan.recipe.seed, decisions.thresholds)));
  const rejected: RejectedSample[] = [];
  for (const { name } of stages) rejected.push(...(await gatherRejected(workdir, name, plan.recipe.seed)));
  const documents = await gatherDocuments(workdir);
  return {
    plan,
    stages,
    distributions,
    rejected,
    domainsBefore: decisions.domains,
    ...documents,
    clusterSizes: await gatherClusters(workdir),
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

function counter(limit: number): { add(name: string, n?: number): void; top(n: number): Counted } {
  const counts = new Map<string, number>();
  return {
    add(name, n = 1) {
      const before = counts.get(name);
      if (before !== undefined || counts.size < limit) counts.set(name, (before ?? 0) + n);
    },
    top: n => [...counts].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1)).slice(0, n),
  };
}

type Thresholds = ReadonlyMap<
  string,
  readonly { readonly reason: string; readonly value: number; readonly at: number; readonly id: string }[]
>;

/** Domains of everything read, and for each stage a few decided documents from which thresholds can be told. */
async function gatherDecisions(workdir: string): Promise<{ domains: Counted; thresholds: Thresholds }> {
  const domains = counter(countedDomains);
  const thresholds = new Map<string, { reason: string; value: number; at: number; id: string }[]>();
  for (const phase of files(join(workdir, "decisions"))) {
    for (const file of files(phase)) {
      for await (const { id, url, stage, reason, value, threshold } of readTable(file)) {
        domains.add(getDomain(String(url ?? "")) ?? "(none)");
        const [measured, at] = [Number(value ?? Number.NaN), Number(threshold ?? Number.NaN)];
        if (!Number.isFinite(measured) || !Number.isFinite(at)) continue;
        const list = thresholds.get(String(stage)) ?? [];
        thresholds.set(String(stage), list);
        if (list.filter(other => other.reason === reason).length < 3)
          list.push({ reason: String(reason), value: measured, at, id: String(id) });
      }
    }
  }
  return { domains: domains.top(25), thresholds };
}

async function gatherMeasures(
  workdir: string,
  stage: string,
  seed: number,
  thresholds: Thresholds,
): Promise<Distribution[]> {
  const decided = thresholds.get(stage) ?? [];
  const values = new Map<string, { at: number; value: number }[]>();
  const found = new Map<string, Map<string, number>>();
  let documents = 0;
  for (const file of files(join(workdir, "measures", stage))) {
    for await (const { id, reason, ...measures } of readTable(file)) {
      documents++;
      const at = randomOf(seed, `report ${id}`);
      for (const [name, value] of Object.entries(measures)) {
        if (typeof value !== "number") continue;
        const list = values.get(name) ?? [];
        values.set(name, list);
        list.push({ at, value });
        if (list.length > 2 * sampledValues) list.sort((a, b) => a.at - b.at).length = sampledValues;
      }
      for (const decision of decided) {
        if (decision.id !== id || decision.reason !== reason) continue;
        const name = Object.entries(measures).find(
          ([, value]) =>
            typeof value === "number" &&
            Math.abs(value - decision.value) <= 1e-9 * Math.max(1, Math.abs(value)),
        )?.[0];
        if (name) found.set(name, (found.get(name) ?? new Map()).set(decision.reason, decision.at));
      }
    }
  }
  return [...values].map(([measure, list]) => ({
    stage,
    measure,
    documents,
    values: list
      .sort((a, b) => a.at - b.at)
      .slice(0, sampledValues)
      .map(({ value }) => value)
      .sort((a, b) => a - b),
    thresholds: [...(found.get(measure) ?? [])].map(([reason, at]) => ({ reason, at })),
  }));
}

async function gatherRejected(workdir: string, stage: string, seed: number): Promise<RejectedSample[]> {
  const byReason = new Map<string, { at: number; sample: RejectedSample }[]>();
  for (const file of files(join(workdir, "rejected", stage))) {
    for await (const line of createInterface({ input: createReadStream(file).pipe(createGunzip()) })) {
      const { id, url, text, reason, value, threshold } = JSON.parse(line) as Record<string, string | null>;
      const list = byReason.get(String(reason)) ?? [];
      byReason.set(String(reason), list);
      const sample = {
        stage,
        reason: String(reason),
        url: url ?? String(id),
        value: String(value ?? ""),
        threshold: String(threshold ?? ""),
        text: (text ?? "").slice(0, 600),
      };
      list.push({ at: randomOf(seed, `report ${id}`), sample });
      list.sort((a, b) => a.at - b.at).length = Math.min(list.length, samplesPerReason);
    }
  }
  return [...byReason]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([, list]) => list.map(({ sample }) => sample));
}

async function gatherDocuments(
  workdir: string,
): Promise<Pick<ReportData, "domainsAfter" | "languages" | "pii" | "kept">> {
  const [domains, languages, pii] = [counter(countedDomains), counter(1000), counter(100)];
  let [documents, characters] = [0, 0];
  for (const file of files(join(workdir, "documents"))) {
    for await (const { url, language, text, meta } of readTable(file, ["url", "language", "text", "meta"])) {
      documents++;
      characters += String(text ?? "").length;
      domains.add(getDomain(String(url ?? "")) ?? "(none)");
      if (language !== null) languages.add(String(language));
      for (const [name, value] of Object.entries(
        JSON.parse(String(meta ?? "{}")) as Record<string, unknown>,
      )) {
        if (name.startsWith("pii_") && typeof value === "number" && value > 0) pii.add(name.slice(4), value);
      }
    }
  }
  return {
    domainsAfter: domains.top(25),
    languages: languages.top(25),
    pii: pii.top(25),
    kept: { documents, characters },
  };
}

async function gatherClusters(workdir: string): Promise<Counted> {
  const sizes = new Map<number, number>();
  for (const file of files(join(workdir, "duplicates"))) {
    for await (const { id, kept_id, cluster_size } of readTable(file))
      if (id === kept_id) sizes.set(Number(cluster_size), (sizes.get(Number(cluster_size)) ?? 0) + 1);
  }
  return [...sizes].sort(([a], [b]) => a - b).map(([size, n]) => [String(size), n]);
}
