/** The engine on phases made for the purpose: order, resume, damage, changed settings, failures, the lock. */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { test } from "node:test";
import { createAtomic, writeAtomic } from "../../../lib/atomic.ts";
import { DamagedFile, UserError } from "../../../lib/errors.ts";
import { execute, type RunEvents, readRunState } from "../../../pipeline/execute/execute.ts";
import type { Executor } from "../../../pipeline/execute/executor.ts";
import { acquireLock } from "../../../pipeline/execute/lock.ts";
import { type Phase, partName } from "../../../pipeline/execute/phase.ts";
import { type Plan, phaseKeys } from "../../../pipeline/execute/plan.ts";
import { taskRunner } from "../../../pipeline/execute/task.ts";
import type { Recipe } from "../../../pipeline/recipe.ts";
import { standingOf } from "../../../pipeline/report/workdir.ts";
import { emptyStats } from "../../../pipeline/stats.ts";

const workdir = () => mkdtempSync(join(tmpdir(), "curate-execute-"));

function planIn(dir: string): Plan {
  const recipe = {
    version: 1,
    name: "t",
    seed: 1,
    memory: 1e9,
    workers: null,
    workdir: dir,
    source: {},
    keepRejected: { sample: 0, minPerReason: 1 },
    stages: [],
  } as unknown as Recipe;
  return { version: "1", recipe, base: dir, workdir: dir, inputs: [], files: [] };
}

type Log = { ran: string[]; said: string[] };

/** A phase of three jobs, each writing one file. */
function phase(
  name: string,
  log: Log,
  settings: unknown = 1,
  fail: (job: number) => Error | null = () => null,
): Phase {
  return {
    name,
    about: `about ${name}`,
    stages: [name],
    settings,
    outputs: [`out-${name}`],
    place: "workers",
    jobs: () => 3,
    async run(job, { workdir }) {
      log.ran.push(`${name} ${job}`);
      const error = fail(job);
      if (error) throw error;
      const file = writeAtomic(
        join(workdir, `out-${name}`, partName(job)),
        `${name} ${job} ${JSON.stringify(settings)}`,
      );
      return {
        stats: [{ ...emptyStats(name), in: 2, out: 2 }],
        outputs: [{ ...file, path: relative(workdir, file.path) }],
      };
    },
  };
}

/** Runs jobs here, in order. */
function inline(plan: Plan, phases: readonly Phase[]): Executor {
  const runTask = taskRunner(plan, phases);
  return {
    async run(phase, jobs, on) {
      const failures = [];
      for (const job of jobs) {
        try {
          const hooks = { signal: new AbortController().signal, progress: on.progress };
          on.done(job, await runTask({ phase: phase.name, job }, hooks));
        } catch (error) {
          failures.push({ job, error: error as Error });
        }
      }
      return failures;
    },
    stop: async () => {},
  };
}

function events(log: Log): RunEvents {
  return { phase() {}, progress() {}, job() {}, end() {}, say: line => log.said.push(line) };
}

async function go(dir: string, log: Log, phases: readonly Phase[], until?: string, plan = planIn(dir)) {
  const options = {
    plan,
    phases,
    executor: inline(plan, phases),
    signal: new AbortController().signal,
    on: events(log),
  };
  return execute(until === undefined ? options : { ...options, until });
}

test("phases run in order, their statistics add up, and a second run does nothing", async () => {
  const [dir, log] = [workdir(), { ran: [], said: [] } as Log];
  const phases = [phase("a", log), phase("b", log)];
  const stats = await go(dir, log, phases);
  assert.deepEqual(log.ran, ["a 0", "a 1", "a 2", "b 0", "b 1", "b 2"]);
  assert.deepEqual(
    stats.map(({ name, in: n }) => [name, n]),
    [
      ["a", 6],
      ["b", 6],
    ],
  );
  assert.deepEqual(JSON.parse(readFileSync(join(dir, "stats.json"), "utf8")).stages.length, 2);
  assert.equal(readRunState(dir)?.state, "done");
  await go(dir, log, phases);
  assert.equal(log.ran.length, 6);
});

test("a job that failed is the only one that runs again", async () => {
  const [dir, log] = [workdir(), { ran: [], said: [] } as Log];
  const broken = [phase("a", log, 1, job => (job === 1 ? new Error("no luck") : null)), phase("b", log)];
  await assert.rejects(go(dir, log, broken), /job 1 of a failed: no luck/);
  assert.equal(readRunState(dir)?.state, "failed");
  log.ran.length = 0;
  await go(dir, log, [phase("a", log), phase("b", log)]);
  assert.deepEqual(log.ran, ["a 1", "b 0", "b 1", "b 2"]);
});

/** State and error of every phase as run.json has them. */
const phaseStates = (dir: string) =>
  Object.values(readRunState(dir)!.phases).map(({ state, error }) => (error ? [state, error] : [state]));

test("a phase that fails says so with its error, runs again when the run goes on, and forgets it when done", async () => {
  const [dir, log] = [workdir(), { ran: [], said: [] } as Log];
  const states: unknown[] = [];
  const watched = (name: string) => {
    const inner = phase(name, log);
    const run: Phase["run"] = (...given) => {
      states.push(phaseStates(dir));
      return inner.run(...given);
    };
    return { ...inner, run };
  };
  const broken = phase("b", log, 1, () => new UserError("no room on the shelf", "Build another."));
  await assert.rejects(go(dir, log, [phase("a", log), broken, phase("c", log)]), /no room on the shelf/);
  const failed = [["done"], ["failed", "no room on the shelf\nBuild another."], ["waiting"]];
  assert.deepEqual(phaseStates(dir), failed);
  assert.equal(readRunState(dir)?.phases["b"]?.finished, undefined);
  const standing = { state: "failed", phase: "b", after: "a", error: failed[1]![1] };
  assert.deepEqual(standingOf(dir), standing);
  await go(dir, log, [phase("a", log), watched("b"), phase("c", log)]);
  assert.deepEqual(states[0], [["done"], ["running"], ["waiting"]]);
  assert.deepEqual(phaseStates(dir), [["done"], ["done"], ["done"]]);
  assert.deepEqual(standingOf(dir), { state: "done", phase: null, after: "c", error: null });
});

test("a phase whose list of jobs cannot be made has failed too", async () => {
  const [dir, log] = [workdir(), { ran: [], said: [] } as Log];
  const lost = { ...phase("a", log), jobs: () => Promise.reject(new Error("the crawl does not answer")) };
  await assert.rejects(go(dir, log, [lost]), /does not answer/);
  assert.deepEqual(phaseStates(dir), [["failed", "the crawl does not answer"]]);
});

test("a run that is stopped leaves its phase stopped, without an error, and goes on", async () => {
  const [dir, log] = [workdir(), { ran: [], said: [] } as Log];
  const stop = new AbortController();
  const phases = [phase("a", log), phase("b", log)];
  const stopping: Executor = {
    async run() {
      stop.abort(new Error("stopped"));
      throw stop.signal.reason;
    },
    stop: async () => {},
  };
  const options = { plan: planIn(dir), phases, executor: stopping, signal: stop.signal, on: events(log) };
  await assert.rejects(execute(options), /stopped/);
  assert.deepEqual(phaseStates(dir), [["stopped"], ["waiting"]]);
  assert.deepEqual(standingOf(dir), { state: "stopped", phase: "a", after: null, error: null });
  await go(dir, log, phases);
  assert.deepEqual(phaseStates(dir), [["done"], ["done"]]);
});

test("a user's mistake found inside a job comes out as one", async () => {
  const [dir, log] = [workdir(), { ran: [], said: [] } as Log];
  await assert.rejects(
    go(dir, log, [phase("a", log, 1, () => new UserError("mend it", "so"))]),
    (error: unknown) => error instanceof UserError && error.hint === "so",
  );
});

test("a damaged or missing file is noticed by its checksum, named, and only its job redone", async () => {
  const [dir, log] = [workdir(), { ran: [], said: [] } as Log];
  const phases = [phase("a", log), phase("b", log, 1, job => (job === 2 ? new Error("cut off") : null))];
  await assert.rejects(go(dir, log, phases));
  const victim = join(dir, "out-a", partName(1));
  const whole = readFileSync(victim);
  const damaged = Buffer.from(whole);
  damaged[0]! ^= 1;
  writeFileSync(victim, damaged);
  rmSync(join(dir, "out-b", partName(0)));
  log.ran.length = 0;
  await go(dir, log, [phase("a", log), phase("b", log)]);
  assert.deepEqual(log.ran, ["a 1", "b 0", "b 2"]);
  assert.deepEqual(readFileSync(victim), whole);
  assert.equal(log.said.filter(line => line.includes("is damaged or missing")).length, 2);
});

test("a changed setting redoes its phase and every later one, and says so", async () => {
  const [dir, log] = [workdir(), { ran: [], said: [] } as Log];
  await go(dir, log, [phase("a", log), phase("b", log, { b: 1 }), phase("c", log)]);
  log.ran.length = 0;
  await go(dir, log, [phase("a", log), phase("b", log, { b: 2 }), phase("c", log)]);
  assert.deepEqual(log.ran, ["b 0", "b 1", "b 2", "c 0", "c 1", "c 2"]);
  assert.deepEqual(log.said, ["changed since the last run: b: 1 → 2. Redoing b, c; keeping a"]);
});

test("what is redone and kept is said in stages; one redone in part says from where on", async () => {
  const [dir, log] = [workdir(), { ran: [], said: [] } as Log];
  const phases = (settings: number) => [
    { ...phase("documents-1", log), stages: ["read", "extract"] },
    { ...phase("count", log), stages: ["tokenizer"] },
    { ...phase("merge", log, { merge: settings }), stages: ["tokenizer"] },
    phase("shards", log),
  ];
  await go(dir, log, phases(1));
  await go(dir, log, phases(2));
  assert.deepEqual(log.said, [
    "changed since the last run: merge: 1 → 2. Redoing tokenizer (from merge on), shards; keeping read, extract",
  ]);
});

test("a finished run is taken by the sizes of its files; with verify every one is compared and mended", async () => {
  const [dir, log] = [workdir(), { ran: [], said: [] } as Log];
  const phases = [phase("a", log), phase("b", log)];
  await go(dir, log, phases);
  const victim = join(dir, "out-b", partName(1));
  const whole = readFileSync(victim);
  writeFileSync(
    victim,
    whole.map(byte => byte ^ 1),
  );
  log.ran.length = 0;
  await go(dir, log, phases);
  assert.deepEqual(log.ran, []);
  const plan = planIn(dir);
  const executor = inline(plan, phases);
  const { signal } = new AbortController();
  await execute({ plan, phases, executor, signal, on: events(log), verify: true });
  assert.deepEqual(log.ran, ["b 1"]);
  assert.deepEqual(readFileSync(victim), whole);
});

/** A phase with a job an input. */
function perInput(name: string, log: Log, plan: Plan, reads: "input" | "part"): Phase {
  const plain = phase(name, log);
  return { ...plain, reads, jobs: () => plan.inputs.length };
}

function withInputs(dir: string, ...names: readonly string[]): Plan {
  const inputs = names.map(name => ({ name, bytes: 1, fingerprint: `content of ${name}` }));
  return { ...planIn(dir), inputs };
}

test("more inputs leave the jobs of the others alone; what depends on all of them is redone", async () => {
  const [dir, log] = [workdir(), { ran: [], said: [] } as Log];
  const phases = (plan: Plan) => [
    perInput("a", log, plan, "input"),
    perInput("b", log, plan, "part"),
    phase("c", log),
  ];
  const [two, three] = [withInputs(dir, "x", "y"), withInputs(dir, "x", "y", "z")];
  await go(dir, log, phases(two), undefined, two);
  log.ran.length = log.said.length = 0;
  await go(dir, log, phases(three), undefined, three);
  assert.deepEqual(log.ran, ["a 2", "b 2", "c 0", "c 1", "c 2"]);
  assert.deepEqual(log.said, [
    "changed since the last run: the list of inputs or their content. Redoing c; keeping a, b",
    "a: 2 of 3 inputs are done already",
    "b: 2 of 3 inputs are done already",
  ]);
  log.ran.length = 0;
  const other = withInputs(dir, "x", "new");
  writeFileSync(join(dir, "out-a", "left-over"), "of a job that was cut off");
  await go(dir, log, phases(other), undefined, other);
  assert.deepEqual(log.ran, ["a 1", "b 1", "c 0", "c 1", "c 2"]);
  assert.deepEqual(readdirSync(join(dir, "out-a")), [partName(0), partName(1)]);
});

test("settings that no later phase depends on redo only their own phase", async () => {
  const [dir, log] = [workdir(), { ran: [], said: [] } as Log];
  const phases = (kept: number) => [{ ...phase("a", log), local: { kept } }, phase("b", log)];
  await go(dir, log, phases(1));
  log.ran.length = 0;
  await go(dir, log, phases(2));
  assert.deepEqual(log.ran, ["a 0", "a 1", "a 2"]);
  assert.deepEqual(log.said, ["changed since the last run: kept: 1 → 2. Redoing a; keeping b"]);
});

test("what a phase left goes when the recipe no longer has it, but never a model", async () => {
  const [dir, log] = [workdir(), { ran: [], said: [] } as Log];
  const model: Phase = { ...phase("model", log), place: "main" };
  await go(dir, log, [phase("a", log), phase("b", log), model]);
  await go(dir, log, [phase("a", log)]);
  assert.equal(existsSync(join(dir, "out-b")), false);
  assert.equal(existsSync(join(dir, "work", "b")), false);
  assert.equal(existsSync(join(dir, "out-model", partName(0))), true);
  assert.match(log.said.join("\n"), /b is no longer part of the recipe/);
});

/** A phase whose only job reads a file of phase a and finds it damaged unless it is whole. */
function reader(log: Log, error: (path: string) => Error): Phase {
  const plain = phase("b", log);
  return {
    ...plain,
    jobs: () => 1,
    async run(job, context) {
      const path = join(context.workdir, "out-a", partName(1));
      if (readFileSync(path, "utf8") !== "a 1 1") throw error(path);
      return plain.run(job, context);
    },
  };
}

for (const [what, error] of [
  ["found damaged by the job that reads it", (path: string) => new DamagedFile(path, "no sense in it")],
  ["that makes a job fail without saying why", () => new Error("cannot make sense of it")],
] as const) {
  test(`a file ${what} costs the job that wrote it`, async () => {
    const [dir, log] = [workdir(), { ran: [], said: [] } as Log];
    const phases = [phase("a", log), reader(log, error)];
    await go(dir, log, phases, "a");
    const state = readRunState(dir)!;
    writeFileSync(join(dir, "run.json"), JSON.stringify({ ...state, state: "done" }));
    writeFileSync(join(dir, "out-a", partName(1)), "a ! 1");
    log.ran.length = 0;
    await go(dir, log, phases);
    assert.deepEqual(log.ran, ["a 1", "b 0"]);
    assert.match(log.said.join("\n"), /out-a\/part-00001 is damaged or missing: redoing job 1 of a/);
    assert.equal(readRunState(dir)?.state, "done");
  });
}

test("a file that is damaged again and again ends the run with its name", async () => {
  const [dir, log] = [workdir(), { ran: [], said: [] } as Log];
  const never: Phase = {
    ...phase("b", log),
    run: async (_, context) => {
      const path = join(context.workdir, "out-a", partName(1));
      writeFileSync(path, "a ! 1");
      throw new DamagedFile(path, "it stays so");
    },
  };
  await assert.rejects(go(dir, log, [phase("a", log), never]), /part-00001 is damaged: it stays so/);
  assert.equal(log.ran.filter(line => line === "a 1").length, 4);
});

test("a job misled by a damaged file about another one costs the job that wrote the damaged one", async () => {
  const [dir, log] = [workdir(), { ran: [], said: [] } as Log];
  const sound = join(dir, "out-a", partName(0));
  const phases = [phase("a", log), reader(log, () => new DamagedFile(sound, "it has no document 131098"))];
  await go(dir, log, phases, "a");
  const state = readRunState(dir)!;
  writeFileSync(join(dir, "run.json"), JSON.stringify({ ...state, state: "done" }));
  writeFileSync(join(dir, "out-a", partName(1)), "a ! 1");
  log.ran.length = 0;
  await go(dir, log, phases);
  assert.deepEqual(log.ran, ["a 1", "b 0"]);
});

test("a job that fails leaves no temporary file behind, and takes none of another thread", async () => {
  const [dir, log] = [workdir(), { ran: [], said: [] } as Log];
  const failing: Phase = {
    ...phase("a", log),
    async run(_, { workdir }) {
      createAtomic(join(workdir, "out-a", "half")).write("half");
      writeFileSync(join(workdir, "out-a", "other.elsewhere-1-abcdef.tmp"), "half");
      throw new Error("no sense in it");
    },
  };
  await assert.rejects(go(dir, log, [failing]), /no sense in it/);
  assert.deepEqual(readdirSync(join(dir, "out-a")), ["other.elsewhere-1-abcdef.tmp"]);
});

test("a damaged note of what a phase was begun for is no change of the recipe, and is written anew", async () => {
  const [dir, log] = [workdir(), { ran: [], said: [] } as Log];
  const phases = [phase("a", log, { limit: 10 })];
  await go(dir, log, phases);
  const path = join(dir, "work", "a", "begun.json");
  const whole = readFileSync(path, "utf8");
  writeFileSync(path, whole.replace('"limit":10', '"limit":30'));
  log.ran.length = 0;
  await go(dir, log, phases);
  assert.deepEqual([log.ran, log.said], [[], []]);
  assert.equal(readFileSync(path, "utf8"), whole);
});

test("a run.json that cannot be read does not stop the check of what is there", async () => {
  const [dir, log] = [workdir(), { ran: [], said: [] } as Log];
  await go(dir, log, [phase("a", log)]);
  writeFileSync(join(dir, "run.json"), '{"state": "do');
  writeFileSync(join(dir, "out-a", partName(2)), "a x 1");
  log.ran.length = 0;
  await go(dir, log, [phase("a", log)]);
  assert.deepEqual(log.ran, ["a 2"]);
});

test("--until stops after a phase and the next run goes on", async () => {
  const [dir, log] = [workdir(), { ran: [], said: [] } as Log];
  const phases = [phase("a", log), phase("b", log)];
  await go(dir, log, phases, "a");
  assert.deepEqual(log.ran, ["a 0", "a 1", "a 2"]);
  assert.equal(readRunState(dir)?.state, "stopped");
  await go(dir, log, phases);
  assert.equal(log.ran.length, 6);
});

test("temporary files of a killed run are swept away", async () => {
  const [dir, log] = [workdir(), { ran: [], said: [] } as Log];
  const broken = [phase("a", log, 1, job => (job === 0 ? new Error("killed") : null))];
  await assert.rejects(go(dir, log, broken));
  writeFileSync(join(dir, "out-a", "half.123.tmp"), "half");
  await go(dir, log, [phase("a", log)]);
  assert.equal(existsSync(join(dir, "out-a", "half.123.tmp")), false);
});

test("keys depend on settings, on inputs and on everything before, not on the workdir", () => {
  const log: Log = { ran: [], said: [] };
  const [one, two] = [planIn("/one"), planIn("/two")];
  const keys = phaseKeys(one, [phase("a", log), phase("b", log)]);
  assert.deepEqual(phaseKeys(two, [phase("a", log), phase("b", log)]), keys);
  const changed = phaseKeys(one, [phase("a", log, 2), phase("b", log)]);
  assert.notEqual(changed[0], keys[0]);
  assert.notEqual(changed[1], keys[1]);
  const moreInputs = phaseKeys({ ...one, inputs: [{ name: "x", bytes: 1, fingerprint: "f" }] }, [
    phase("a", log),
  ]);
  assert.notEqual(moreInputs[0], keys[0]);
});

test("a workdir has one run at a time, and the second is told who holds it", () => {
  const dir = workdir();
  const lock = acquireLock(dir);
  assert.throws(
    () => acquireLock(dir),
    (error: unknown) =>
      error instanceof UserError &&
      error.message.includes(`another run is using ${dir}: process ${process.pid} on`),
  );
  lock.release();
  acquireLock(dir).release();
});

test("a lock of another machine is respected, and the message says how to be rid of it", () => {
  const dir = workdir();
  const owner = { pid: 1, host: "elsewhere", processStart: "1", since: "2024-01-01T00:00:00Z" };
  writeFileSync(join(dir, "lock"), JSON.stringify(owner));
  assert.throws(
    () => acquireLock(dir),
    (error: unknown) =>
      error instanceof UserError &&
      error.message.includes("process 1 on elsewhere") &&
      error.hint!.includes(`delete ${join(dir, "lock")}`),
  );
});

test("a lock whose owner is gone is taken over", () => {
  const dir = workdir();
  const lock = acquireLock(dir);
  const owner = JSON.parse(readFileSync(join(dir, "lock"), "utf8"));
  writeFileSync(join(dir, "lock"), JSON.stringify({ ...owner, pid: 4_194_303 }));
  acquireLock(dir);
  writeFileSync(join(dir, "lock"), JSON.stringify({ ...owner, processStart: "1" }));
  acquireLock(dir).release();
  for (const half of ["", '{"pid": 12']) {
    writeFileSync(join(dir, "lock"), half);
    acquireLock(dir).release();
  }
  assert.deepEqual(readdirSync(dir), []);
  lock.release();
});
