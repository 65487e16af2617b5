/** A run while it goes on and when it has ended in another way than well: what the studio says of it. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { createTable } from "../../lib/parquet.ts";
import { acquireLock } from "../../pipeline/execute/lock.ts";
import type { RunState } from "../../pipeline/execute/state.ts";
import { emptyStats, type StageStats } from "../../pipeline/stats.ts";
import { endedJobs, liveStats } from "../../studio/server/live.ts";
import { openMeasures } from "../../studio/server/measures.ts";
import { readTraining } from "../../studio/server/training.ts";
import { overview, partsOf } from "../../studio/server/workdir.ts";

function newWorkdir(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), "curate-live-"));
  t.after(() => rmSync(dir, { recursive: true }));
  return dir;
}

function write(path: string, content: unknown) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
}

const numbers = (name: string, n: number, out: number): StageStats => ({
  ...emptyStats(name),
  ...{ in: n, out, dropped: { short: n - out }, bytesIn: 10 * n, cpuSeconds: 1 },
});

type State = RunState["phases"][string]["state"];

const started = "2026-01-01T00:00:00.000Z";
const runOf = (state: RunState["state"], first: State, second: State = "waiting", key = "k"): RunState => ({
  ...{ state, version: "0", node: "v20", name: "small" },
  phases: {
    "documents-1": { key, state: first, jobs: 3, started },
    tokenizer: { key, state: second, jobs: 2, started },
  },
});

const report = (workdir: string, phase: string, job: number, stats: readonly StageStats[]) =>
  write(join(workdir, "work", phase, "jobs", `${job}.json`), { stats, outputs: [] });

const inAndOut = (stats: readonly StageStats[]) => stats.map(({ name, in: n, out }) => [name, n, out]);

test("counts follow as jobs end: each report is added once, a half-written one at the next look", t => {
  const workdir = newWorkdir(t);
  const run = runOf("running", "running");
  // An earlier run's, until a phase of this one has ended.
  write(join(workdir, "stats.json"), { stages: [numbers("read", 999, 999)] });
  assert.deepEqual(liveStats(workdir, run), []);
  assert.equal(endedJobs(workdir, "documents-1"), 0);
  report(workdir, "documents-1", 0, [numbers("read", 10, 6)]);
  write(join(workdir, "work", "documents-1", "jobs", "1.json"), '{"stats": [');
  write(join(workdir, "work", "documents-1", "jobs", "2.json.tmp"), "{}");
  for (let look = 0; look < 2; look++) assert.deepEqual(inAndOut(liveStats(workdir, run)), [["read", 10, 6]]);
  report(workdir, "documents-1", 1, [numbers("read", 5, 5), numbers("words", 5, 1)]);
  assert.deepEqual(inAndOut(liveStats(workdir, run)), [
    ["read", 15, 11],
    ["words", 5, 1],
  ]);
  assert.deepEqual(liveStats(workdir, run)[0]!.dropped, { short: 4 });
  assert.equal(endedJobs(workdir, "documents-1"), 2);
  // The phase begun anew, with another recipe: what was summed is forgotten.
  report(workdir, "documents-1", 1, [numbers("read", 7, 7)]);
  assert.deepEqual(inAndOut(liveStats(workdir, runOf("running", "running", "waiting", "other"))), [
    ["read", 17, 13],
  ]);
  rmSync(join(workdir, "work", "documents-1", "jobs"), { recursive: true });
  assert.deepEqual(liveStats(workdir, runOf("running", "running", "waiting", "other")), []);
});

test("what a phase added is not counted again when it is in stats.json already", t => {
  const workdir = newWorkdir(t);
  const run = runOf("running", "done", "running");
  write(join(workdir, "stats.json"), { stages: [numbers("read", 15, 11)] });
  utimesSync(join(workdir, "stats.json"), 1000, 1000);
  report(workdir, "tokenizer", 0, [numbers("tokenizer", 4, 4)]);
  const before = [
    ["read", 15, 11],
    ["tokenizer", 4, 4],
  ];
  assert.deepEqual(inAndOut(liveStats(workdir, run)), before);
  report(workdir, "tokenizer", 1, [numbers("tokenizer", 7, 7)]);
  const whole = [
    ["read", 15, 11],
    ["tokenizer", 11, 11],
  ];
  // All jobs have ended, stats.json is still the one of before.
  assert.deepEqual(inAndOut(liveStats(workdir, run)), whole);
  write(join(workdir, "stats.json"), { stages: [numbers("read", 15, 11), numbers("tokenizer", 11, 11)] });
  utimesSync(join(workdir, "stats.json"), 4e9, 4e9);
  assert.deepEqual(inAndOut(liveStats(workdir, run)), whole);
  assert.deepEqual(inAndOut(liveStats(workdir, runOf("done", "done", "done"))), whole);
});

test("a folder with nothing yet, and runs that go on, were cut off, stopped or failed, each say so", t => {
  const workdir = newWorkdir(t);
  const nothing = overview(workdir);
  assert.deepEqual([nothing.state, nothing.stages, nothing.has.documents], ["nothing", [], false]);
  const recipe = { name: "small", stages: [{ name: "exact", mode: "drop", options: {} }] };
  write(join(workdir, "work", "plan.json"), { version: "0", recipe, inputs: [], files: [] });
  assert.equal(overview(workdir).state, "unknown");
  const marks = new Set([nothing.marks.corpus]);
  const told = (run: RunState, bytes: number) => {
    write(join(workdir, "run.json"), JSON.stringify(run).padEnd(bytes));
    utimesSync(join(workdir, "run.json"), 1000, 1000);
    const { state, marks: now, phases, stages } = overview(workdir);
    marks.add(now.corpus);
    assert.deepEqual(
      stages.map(({ name }) => name),
      ["read", "exact"],
    );
    return [state, phases[0]!.state, phases[0]!.ended];
  };
  report(workdir, "documents-1", 0, [numbers("read", 10, 6)]);
  const lock = acquireLock(workdir);
  assert.deepEqual(told(runOf("running", "running"), 1000), ["running", "running", 1]);
  report(workdir, "documents-1", 1, [numbers("read", 5, 5)]);
  assert.deepEqual(told(runOf("running", "running"), 1000), ["running", "running", 2]);
  assert.equal(overview(workdir).stages[0]!.in, 15);
  lock.release();
  assert.deepEqual(told(runOf("running", "running"), 1000), ["cut off", "running", 2]);
  // A lock whose owner is gone does not keep it running.
  write(join(workdir, "lock"), { pid: 2 ** 22 + 1, host: hostname(), processStart: "", since: started });
  assert.deepEqual(told(runOf("running", "running"), 1000), ["cut off", "running", 2]);
  assert.deepEqual(told(runOf("stopped", "running"), 1001), ["stopped", "running", 2]);
  assert.deepEqual(told(runOf("stopped", "stopped"), 1002), ["stopped", "stopped", 2]);
  assert.equal(overview(workdir).error, null);
  const failed = runOf("failed", "failed");
  failed.phases["documents-1"]!.error = "no room\nMake some.";
  assert.deepEqual(told(failed, 1003), ["failed", "failed", 2]);
  assert.equal(overview(workdir).error, "no room\nMake some.");
  // What its jobs had done until then is counted.
  assert.equal(overview(workdir).stages[0]!.in, 15);
  assert.deepEqual(told(runOf("done", "done", "done"), 1004), ["done", "done", 0]);
  assert.equal(marks.size, 8);
});

test("a part that is being written is not looked into", t => {
  const workdir = newWorkdir(t);
  assert.deepEqual(partsOf(join(workdir, "measures")), []);
  for (const name of ["part-00001.parquet", "part-00000.parquet", "part-00002.parquet.host-1-abc.tmp"])
    write(join(workdir, "measures", name), "PAR1");
  assert.deepEqual(
    partsOf(join(workdir, "measures")),
    [0, 1].map(n => join(workdir, "measures", `part-0000${n}.parquet`)),
  );
});

test("measures that could not be read once are read the next time", async t => {
  const workdir = newWorkdir(t);
  const recipe = { name: "small", stages: [{ name: "gopher-quality", mode: "drop", options: {} }] };
  write(join(workdir, "work", "plan.json"), { version: "0", recipe, inputs: [], files: [] });
  const path = join(workdir, "measures", "gopher-quality", "part-00000.parquet");
  write(path, "not yet a table");
  const room = openMeasures(workdir);
  await assert.rejects(room.histograms("gopher-quality"));
  const table = createTable(path, { id: "string", reason: "string", words: "double" });
  for (const words of [10, 70])
    table.add({ id: `d${words}`, reason: words < 50 ? "short-document" : "", words });
  table.commit();
  const { histograms } = await room.histograms("gopher-quality");
  assert.deepEqual(
    histograms.map(({ measure, documents, min, max }) => [measure, documents, min, max]),
    [["words", 2, 10, 70]],
  );
});

test("compared runs of one recipe are told apart by their folders", t => {
  const dir = newWorkdir(t);
  const names = [
    ["a", "small"],
    ["b", "small"],
    ["c", "large"],
  ] as const;
  for (const [folder, name] of names)
    write(join(dir, folder, "work", "plan.json"), { version: "0", recipe: { name, stages: [] } });
  const { runs } = readTraining(names.map(([folder]) => join(dir, folder)));
  assert.deepEqual(
    runs.map(({ name }) => name),
    ["a", "b", "large"],
  );
});
