/** The bookkeeping of a crawl of 90,000 files: keys, the plan on disk, sums of statistics; no file is read twice. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { estimate } from "../../../cli/estimate.ts";
import { allPhases } from "../../../cli/phases.ts";
import { planPath, writePlan } from "../../../pipeline/execute/execute.ts";
import { type Plan, planKeys } from "../../../pipeline/execute/plan.ts";
import { readPlanFile } from "../../../pipeline/execute/task.ts";
import type { Recipe } from "../../../pipeline/recipe.ts";
import { checkConservation, emptyStats, sumStats } from "../../../pipeline/stats.ts";

const files = 90_000;

function plan(workdir: string): Plan {
  const stage = (name: string, options: Record<string, unknown> = {}) => ({
    name,
    mode: "drop" as const,
    preset: null,
    options,
  });
  const stages = [
    stage("extract"),
    stage("gopher-quality"),
    stage("minhash", { buckets: 14, rows: 8, keep: "first", verify: null }),
    stage("tokenizer", { use: null }),
  ];
  const recipe = { seed: 1, memory: 1e9, source: { warc: ["*"] }, keepRejected: {}, stages };
  const inputs = Array.from({ length: files }, (_, i) => ({
    name: `crawl-data/CC-MAIN-2024-46/segments/${i % 100}/warc/CC-MAIN-${i}.warc.gz`,
    bytes: 8e8,
    fingerprint: `${i}`.padStart(64, "0"),
  }));
  return { version: "1", recipe: recipe as unknown as Recipe, base: "/", workdir, inputs, files: [] };
}

test("a plan of 90,000 files has a job and a key a file, and is the same when read from disk", async () => {
  const dir = mkdtempSync(join(tmpdir(), "curate-snapshot-"));
  const made = plan(dir);
  const phases = allPhases(made);
  const jobs = await Promise.all(phases.map(phase => phase.jobs({ workdir: dir, memory: 1e9 })));
  const of = (name: string) => jobs[phases.findIndex(phase => phase.name === name)];
  assert.equal(of("documents-1"), files);
  assert.equal(of("minhash-buckets"), 14);
  assert.equal(of("tokenizer-join"), Math.ceil(files / 256));
  const [first] = planKeys(made, phases);
  assert.equal(new Set(made.inputs.map((_, job) => first!.job(job))).size, files);
  writePlan(made);
  assert.ok(statSync(planPath(made)).size < 30e6);
  assert.deepEqual(
    planKeys(readPlanFile(planPath(made)), phases).map(({ whole }) => whole),
    planKeys(made, phases).map(({ whole }) => whole),
  );
  rmSync(dir, { recursive: true });
});

test("the statistics of 90,000 jobs sum to what they hold, in any order", () => {
  const job = (i: number) => [
    {
      ...emptyStats("read"),
      in: 30,
      out: 20,
      dropped: { mime: 8, [`r${i % 50}`]: 1 },
      failed: 1,
      bytesIn: i,
    },
    { ...emptyStats("minhash"), in: 20, out: 20, notes: { spans: 2 } },
  ];
  const [up, down] = [sumStats(), sumStats()];
  for (let i = 0; i < files; i++) up.add(job(i));
  for (let i = files - 1; i >= 0; i--) down.add(job(i));
  const [read, minhash] = up.list();
  assert.equal(read!.in, 30 * files);
  assert.equal(read!.dropped["mime"], 8 * files);
  assert.equal(read!.dropped["r7"], files / 50);
  assert.equal(minhash!.notes!["spans"], 2 * files);
  checkConservation(up.list());
  assert.deepEqual(up.list(), down.list());
});

test("what a snapshot would cost grows with its bytes, and a stage that was never measured is said", () => {
  const { recipe } = plan("/nowhere");
  const [one, ten] = [estimate(recipe, 9, 1e12), estimate(recipe, 90, 1e13)];
  assert.ok(Math.abs(ten.cpuSeconds / one.cpuSeconds - 10) < 1e-9);
  assert.ok(one.stages.every(({ measured, out, documents }) => measured && out <= documents));
  assert.ok(one.diskBytes > 0 && one.dollars > 0);
  const unknown = { ...recipe, stages: [...recipe.stages, { ...recipe.stages[0]!, name: "bad-words" }] };
  assert.equal(estimate(unknown, 9, 1e12).stages.at(-1)!.measured, false);
});
