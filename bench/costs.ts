/**
 * What each stage costs, from the statistics and reports of finished runs: CPU seconds a document, share kept, bytes on
 * disk. Prints cli/costs.gen.ts, which `curate check` estimates from. A stage is taken from the first run that has it, its
 * CPU time from the run in which it took least: what disturbs it is other work on the machine.
 * Run: node dist/bench/costs.js RUN [MORE RUNS] > cli/costs.gen.ts
 * after  curate run bench/crawl.yaml --until shards  and  curate run bench/every-stage.yaml
 */
import { readdirSync, readFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import type { Plan } from "../pipeline/execute/plan.ts";
import { readReport, reportedJobs } from "../pipeline/execute/reports.ts";
import type { StageStats } from "../pipeline/stats.ts";

type Run = { readonly workdir: string; readonly plan: Plan; readonly stages: readonly StageStats[] };

function runOf(workdir: string): Run {
  const read = (name: string) => JSON.parse(readFileSync(join(workdir, name), "utf8"));
  return { workdir, plan: read("work/plan.json"), stages: read("stats.json").stages };
}

/** Bytes of all files a run wrote whose path begins so. */
function written({ workdir }: Run, prefix: RegExp): number {
  let bytes = 0;
  for (const phase of readdirSync(join(workdir, "work")))
    for (const job of reportedJobs(workdir, phase)) {
      const found = readReport(workdir, phase, job, false);
      if (found.state !== "done") continue;
      for (const file of found.report.outputs) if (prefix.test(file.path)) bytes += file.bytes;
    }
  return bytes;
}

const runs = process.argv.slice(2).map(runOf);
const first = runs[0]!;
const stageOf = (name: string): StageStats => first.stages.find(stage => stage.name === name)!;
const rounded = (n: number) => Number(n.toPrecision(3));

const stages: Record<string, unknown> = {};
for (const { stages: list, workdir, plan } of runs) {
  for (const { name, in: n, out, bytesOut, tokensOut } of list) {
    if (name in stages || n === 0) continue;
    const times = runs.flatMap(run => run.stages.filter(stage => stage.name === name && stage.in > 0));
    const deduplicates = written({ workdir, plan, stages: list }, new RegExp(`^work/${name}/`));
    stages[name] = {
      cpuSeconds: rounded(Math.min(...times.map(stage => stage.cpuSeconds / stage.in))),
      kept: rounded(out / n),
      bytesOut: rounded(bytesOut / Math.max(out, 1)),
      ...(deduplicates > 0 ? { scratch: rounded(deduplicates / n) } : {}),
      ...(tokensOut === undefined ? {} : { tokens: rounded(tokensOut / n) }),
    };
  }
}
const read = stageOf("read");
const kept = stageOf("shards");
const passed = stageOf("minhash").in;
const costs = {
  machine: `${cpus()[0]?.model.trim()}, Node ${process.version}`,
  corpus: `${read.in} real pages in ${first.plan.inputs.length} WARC files of ${Math.round(first.plan.inputs.reduce((sum, { bytes }) => sum + bytes, 0) / 1e6)} MB (bench/crawl.yaml)`,
  recordBytes: rounded(read.bytesIn / read.in),
  stages,
  disk: {
    passage: rounded(written(first, /\.passage$/) / passed),
    documents: rounded(written(first, /^documents\//) / kept.in),
    decisions: rounded(written(first, /^decisions\//) / read.in),
    measures: rounded(written(first, /^measures\//) / read.in),
    counts: rounded(written(first, /\.counts$/) / kept.in),
    shards: rounded(written(first, /^shards\//) / kept.in),
  },
};
console.log(`/** What stages cost, measured: printed by bench/costs.ts, not written by hand. Per document unless it says otherwise. */
export const costs = ${JSON.stringify(costs, null, 2)} as const;`);
