/**
 * The bookkeeping of a whole crawl snapshot, without the crawl: a plan of 90,000 inputs, a report for each in every
 * phase that has a job an input, the sums of their statistics, and a second run that finds all of it done. Says what
 * each costs in CPU seconds, memory and disk. Files that jobs would write stand for themselves by one empty file.
 * Run: node dist/bench/snapshot.js [--inputs N] [--cores N] [--dir FOLDER]   (a folder in memory measures the engine, not the disk)
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { catalogue } from "../cli/catalogue.ts";
import { estimateText } from "../cli/check-recipe.ts";
import { estimate } from "../cli/estimate.ts";
import { allPhases } from "../cli/phases.ts";
import { execute, planPath, writePlan } from "../pipeline/execute/execute.ts";
import type { Executor } from "../pipeline/execute/executor.ts";
import type { JobReport, Phase } from "../pipeline/execute/phase.ts";
import { type Plan, planKeys } from "../pipeline/execute/plan.ts";
import { writeReport } from "../pipeline/execute/reports.ts";
import { readPlanFile } from "../pipeline/execute/task.ts";
import { sourceOptions } from "../pipeline/readers/settings.ts";
import { parseRecipe } from "../pipeline/recipe.ts";
import { emptyStats } from "../pipeline/stats.ts";

const { values } = parseArgs({
  options: {
    inputs: { type: "string", default: "90000" },
    cores: { type: "string", default: "1024" },
    dir: { type: "string", default: existsSync("/dev/shm") ? "/dev/shm" : tmpdir() },
  },
});

const text = `name: snapshot
source: { warc: ["*.warc.gz"] }
stages: [url-filter, extract, language, gopher-repetition, gopher-quality, c4-quality, fineweb-quality, minhash, pii, tokenizer, shards]
`;

/** Files that a job of documents-1 leaves with this recipe: passage, decisions, measures, rejected, keys and facts. */
const filesOfJob = 20;

function planOf(inputs: number, workdir: string): Plan {
  const recipe = parseRecipe({ text, path: "snapshot.yaml" }, catalogue, sourceOptions);
  const named = Array.from({ length: inputs }, (_, i) => {
    const name = `crawl-data/CC-MAIN-2024-46/segments/${1730477027710 + Math.floor(i / 900)}.33/warc/CC-MAIN-20241101184224-20241101214224-${String(i).padStart(5, "0")}.warc.gz`;
    return { name, bytes: fileBytes, fingerprint: createHash("sha256").update(name).digest("hex") };
  });
  return { version: "0", recipe, base: "/", workdir, inputs: named, files: [] };
}

/** 90,000 files with 2.6 thousand million pages. */
const fileBytes = (2.6e9 * 27_700) / 90_000;

const empty = createHash("sha256").digest("hex");

function reportOf(phase: Phase, key: string, job: number): JobReport {
  const stats = phase.stages.map(name => ({
    ...emptyStats(name),
    in: 1000 + (job % 7),
    out: 900,
    dropped: { "one-reason": 50, "another-reason": 40, [`rare-${job % 11}`]: 10 + (job % 7) },
    bytesIn: 1e8,
    bytesOut: 9e7,
    cpuSeconds: 1.25,
    wallSeconds: 1.5,
  }));
  const outputs = Array.from({ length: filesOfJob }, () => ({
    path: "out/part-00000.parquet",
    bytes: 0,
    sha256: empty,
  }));
  return { stats, outputs, key };
}

type Cost = { readonly what: string; readonly cpu: number; readonly note: string };
const costs: Cost[] = [];
async function measured<T>(
  what: string,
  work: () => T | Promise<T>,
  note: (result: T) => string,
): Promise<T> {
  const before = process.cpuUsage();
  const result = await work();
  const { user, system } = process.cpuUsage(before);
  costs.push({ what, cpu: (user + system) / 1e6, note: note(result) });
  return result;
}

const count = Number(values.inputs);
const workdir = mkdtempSync(join(values.dir, "curate-snapshot-"));
try {
  const plan = planOf(count, workdir);
  /** Only phases with a job an input; their number is what grows. */
  const phases = (all: readonly Phase[]) =>
    all
      .filter(
        phase =>
          phase.place === "workers" &&
          !/^(?:shards|tokenizer$|minhash-(?:buckets|clusters))/.test(phase.name),
      )
      .map(phase => ({ ...phase, jobs: () => count }));
  const list = await measured(
    "phases and keys",
    () => {
      const made = phases(allPhases(plan));
      const keys = planKeys(plan, made);
      for (const key of keys) for (let job = 0; job < count; job++) key.job(job);
      return made;
    },
    made => `${made.length} phases of ${count} jobs`,
  );
  await measured(
    "writing the plan",
    () => writePlan(plan),
    () => `${(statSync(planPath(plan)).size / 1e6).toFixed(1)} MB`,
  );
  await measured(
    "reading it, as every process does",
    () => readPlanFile(planPath(plan)),
    () => "",
  );
  execFileSync("mkdir", ["-p", join(workdir, "out")]);
  writeFileSync(join(workdir, "out", "part-00000.parquet"), "");

  const keys = planKeys(plan, list);
  const silent = { phase() {}, progress() {}, job() {}, end() {}, say() {} };
  let ran = 0;
  const executor: Executor = {
    async run(phase, jobs, on) {
      const key = keys[list.findIndex(({ name }) => name === phase.name)]!;
      for (const job of jobs) {
        const report = reportOf(phase, key.job(job), job);
        writeReport(workdir, phase.name, job, report);
        on.done(job, report);
        ran++;
      }
      return [];
    },
    stop: async () => {},
  };
  const run = () =>
    execute({ plan, phases: list, executor, signal: new AbortController().signal, on: silent });
  await measured(
    "a first run: reports written, statistics summed",
    run,
    stats => `${ran} jobs, ${stats[0]!.in} documents`,
  );
  const disk = execFileSync("du", ["-s", "-B1", join(workdir, "work")], { encoding: "utf8" }).split("\t")[0];
  ran = 0;
  await measured("a second run: all reports read, all files looked at", run, () => `${ran} jobs run again`);
  console.log(`Node ${process.version}, ${cpus()[0]?.model.trim()}; ${count} inputs in ${values.dir}`);
  console.log("| what | CPU s | |\n|---|---|---|");
  for (const { what, cpu, note } of costs) console.log(`| ${what} | ${cpu.toFixed(2)} | ${note} |`);
  console.log(
    `reports on disk: ${(Number(disk) / 1e6).toFixed(0)} MB; peak memory ${(process.resourceUsage().maxRSS / 1000).toFixed(0)} MB`,
  );
  const expected = estimate(plan.recipe, count, count * fileBytes);
  console.log(
    `\nWhat curate check says of it:\n\n${estimateText(expected, Number(values.cores), plan.recipe.memory)}`,
  );
} finally {
  rmSync(workdir, { recursive: true, force: true });
}
