/**
 * What a recipe would cost, from what its stages cost on real pages: documents through each stage, CPU time, disk by
 * folder, tokens. Pure. It knows how many bytes come in, not what they are: other pages keep other shares, so it is
 * right to a factor, and says so.
 */
import type { Recipe } from "../pipeline/recipe.ts";
import { costs } from "./costs.gen.ts";

export type StageCost = {
  readonly cpuSeconds: number;
  readonly kept: number;
  readonly bytesOut: number;
  /** Bytes a deduplication keeps on disk for a document. */
  readonly scratch?: number;
  readonly tokens?: number;
};

export type StageEstimate = {
  readonly name: string;
  readonly documents: number;
  readonly out: number;
  readonly cpuSeconds: number;
  /** False where the stage's cost has not been measured and is left out. */
  readonly measured: boolean;
};

export type Estimate = {
  readonly stages: readonly StageEstimate[];
  readonly cpuSeconds: number;
  readonly textBytes: number;
  readonly tokens: number;
  /** Bytes by folder of the workdir when everything is there. */
  readonly disk: Readonly<Record<string, number>>;
  readonly diskBytes: number;
  readonly dollars: number;
};

/** What the large clouds ask on demand for a core of this kind is 0.04 to 0.05 dollars an hour; a third of it for spare ones. */
export const dollarsPerCoreHour = 0.05;

/** Bytes a file's job keeps of texts that were dropped, with the default of 20 a reason. */
const rejectedPerFile = 2e6;

const known: Readonly<Record<string, StageCost>> = costs.stages;
const deduplications = ["url-dedup", "exact-dedup", "minhash", "line-dedup"];

export function estimate(recipe: Recipe, inputs: number, bytes: number): Estimate {
  const pages =
    (recipe.source["warc"] as readonly string[]).length > 0 || recipe.source["commoncrawl"] != null;
  const records = bytes / costs.recordBytes;
  const stages: StageEstimate[] = [];
  let [documents, size, scratch, tokens, shards] = [records, known["extract"]!.bytesOut, 0, 0, 0];
  const judged = ["read", ...recipe.stages.map(({ name }) => name)];
  let filters = 0;
  for (const name of judged) {
    if (name === "train" || name === "sample") continue;
    const cost = known[name];
    if (name === "read" && !pages) {
      stages.push({ name, documents, out: documents, cpuSeconds: documents * 0.0002, measured: true });
      continue;
    }
    const out = documents * (cost?.kept ?? 1);
    stages.push({
      name,
      documents,
      out,
      cpuSeconds: documents * (cost?.cpuSeconds ?? 0),
      measured: cost !== undefined,
    });
    if (deduplications.includes(name)) {
      scratch += documents * ((cost?.scratch ?? known["minhash"]!.scratch ?? 0) + costs.disk.passage);
    } else if (name === "tokenizer") scratch += documents * costs.disk.counts;
    else if (name === "shards") {
      tokens = documents * (cost?.tokens ?? 0);
      shards = documents * costs.disk.shards;
    } else filters++;
    if (cost && cost.bytesOut < 50_000) size = cost.bytesOut;
    documents = out;
  }
  const cpuSeconds = stages.reduce((sum, stage) => sum + stage.cpuSeconds, 0);
  const account =
    records * costs.disk.decisions +
    records * (costs.disk.measures * Math.min(1, filters / 7)) +
    inputs * rejectedPerFile;
  const disk = {
    ...(recipe.source["commoncrawl"] == null ? {} : { crawl: bytes }),
    work: scratch,
    documents: documents * costs.disk.documents,
    "decisions, measures, rejected": Math.min(account, records * 3000),
    ...(shards > 0 ? { shards } : {}),
  };
  return {
    stages,
    cpuSeconds,
    textBytes: documents * size,
    tokens,
    disk,
    diskBytes: Object.values(disk).reduce((a, b) => a + b, 0),
    dollars: (cpuSeconds / 3600) * dollarsPerCoreHour,
  };
}
