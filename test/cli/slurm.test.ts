/** A real Slurm cluster of one machine (.ci/install-slurm.sh): same bytes, retries, logs, leaving and cancelling. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { allPhases } from "../../cli/phases.ts";
import { builtRoot } from "../../lib/package-root.ts";
import { execute, type RunEvents } from "../../pipeline/execute/execute.ts";
import { jobsInQueue, openSlurm } from "../../pipeline/execute/slurm.ts";
import { readPlanFile } from "../../pipeline/execute/task.ts";
import { curate, project, start } from "./curate.ts";
import { countsOf, outputsOf } from "./outputs.ts";

const up = spawnSync("sinfo", ["-h", "-o", "%T"], { encoding: "utf8" });
const ready = /idle|mixed|allocated/.test(up.stdout ?? "");

function withoutSlurm(t: TestContext): boolean {
  if (ready) return false;
  const why = "no Slurm cluster is up here (.ci/install-slurm.sh starts one)";
  assert.notEqual(process.env["CI"], "true", why);
  t.skip(why);
  return true;
}

const stages =
  "  - extract\n  - gopher-quality\n  - minhash: { buckets: 2 }\n  - tokenizer: { vocabSize: 300 }\n  - shards\n";

test("a run on Slurm leaves the bytes and the statistics of a local run, and resumes with nothing to do", async t => {
  if (withoutSlurm(t)) return;
  const dir = project({ files: 3, pages: 5, stages });
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const [local, slurm] = await Promise.all([
    curate(["run", "--workdir", "local"], { cwd: dir }),
    curate(["run", "--workdir", "slurm", "--executor", "slurm"], { cwd: dir }),
  ]);
  assert.equal(local.code, 0, local.stderr);
  assert.equal(slurm.code, 0, slurm.stderr);
  assert.match(slurm.stderr, /3 input files.*, Slurm\n/);
  assert.match(slurm.stderr, /✓ documents-1: 15 in/);
  assert.deepEqual(outputsOf(join(dir, "slurm")), outputsOf(join(dir, "local")));
  assert.deepEqual(countsOf(join(dir, "slurm")), countsOf(join(dir, "local")));
  assert.deepEqual(jobsInQueue(join(dir, "slurm")), []);
  const again = await curate(["run", "--workdir", "slurm", "--executor", "slurm"], { cwd: dir });
  assert.equal(again.code, 0, again.stderr);
  assert.equal(again.stderr.match(/already done/g)?.length, 9);
});

const silent: Omit<RunEvents, "say"> = { phase() {}, progress() {}, job() {}, end() {} };

/** Runs a project through an executor whose tasks go through a script that may fail first. */
async function through(dir: string, script: string): Promise<{ error: Error | null; said: string[] }> {
  const wrapper = join(dir, "wrapper.sh");
  writeFileSync(wrapper, `#!/bin/sh\n${script}\nexec "$@"\n`);
  chmodSync(wrapper, 0o755);
  assert.equal((await curate(["plan", "--workdir", "slurm"], { cwd: dir })).code, 0);
  const plan = readPlanFile(join(dir, "slurm", "work", "plan.json"));
  const phases = allPhases(plan);
  const said: string[] = [];
  const say = (line: string) => said.push(line);
  const command = [wrapper, process.execPath, join(builtRoot, "cli", "main.js")];
  const executor = openSlurm({ plan, phases, command, onStop: "cancel", say });
  try {
    await execute({ plan, phases, executor, signal: new AbortController().signal, on: { ...silent, say } });
    return { error: null, said };
  } catch (error) {
    return { error: error as Error, said };
  } finally {
    await executor.stop();
  }
}

test("an element that is killed is tried again; one that always fails is reported with its log", async t => {
  if (withoutSlurm(t)) return;
  const dir = project({ files: 2, pages: 3, stages: "  - extract\n  - minhash: { buckets: 1 }\n" });
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  assert.equal((await curate(["run", "--workdir", "local"], { cwd: dir })).code, 0);
  const once = `if [ "$SLURM_ARRAY_TASK_ID" = 1 ] && [ ! -e ${dir}/killed ]; then touch ${dir}/killed; kill -9 $$; fi`;
  const { error, said } = await through(dir, once);
  assert.equal(error, null, `${error?.stack}`);
  assert.ok(existsSync(join(dir, "killed")));
  assert.ok(
    said.some(line => /^documents-1: element 1 failed \(.*\); trying again$/.test(line)),
    said.join("\n"),
  );
  assert.deepEqual(outputsOf(join(dir, "slurm")), outputsOf(join(dir, "local")));

  rmSync(join(dir, "slurm"), { recursive: true });
  const always = `if [ "$SLURM_ARRAY_TASK_ID" = 1 ]; then echo "the disk of this node is gone"; exit 7; fi`;
  const failed = await through(dir, always);
  assert.match(failed.error?.message ?? "", /job 1 of documents-1 failed: /);
  assert.match(
    failed.error!.message,
    /The log of its last of 3 tries is .*documents-1-\d+_1\.log:\nthe disk of this node is gone/,
  );
  assert.deepEqual(jobsInQueue(join(dir, "slurm")), []);
});

test("a mistake of the user's is not tried again and stays the user's", async t => {
  if (withoutSlurm(t)) return;
  const dir = project({ files: 2, pages: 1, stages: "  - extract\n" });
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const { error, said } = await through(dir, `rm -f ${dir}/crawl-1.warc.gz`);
  assert.match(error?.message ?? "", /cannot open .*crawl-1\.warc\.gz/);
  assert.equal(error?.name, "UserError");
  assert.ok(!said.some(line => /trying again/.test(line)));
});

async function stopEarly(dir: string, ...flags: string[]) {
  const running = start(["run", "--workdir", "slurm", "--executor", "slurm", ...flags], { cwd: dir });
  while (
    !existsSync(join(dir, "slurm", "work", "slurm.json")) ||
    !/documents-1/.test(readFileSync(join(dir, "slurm", "work", "slurm.json"), "utf8"))
  )
    await delay(20);
  running.child.kill("SIGINT");
  return running.done;
}

test("Ctrl-C leaves the jobs, the same command watches them again, and no other run comes between", async t => {
  if (withoutSlurm(t)) return;
  const dir = project({
    files: 4,
    pages: 12,
    stages: "  - extract\n  - gopher-quality\n  - minhash: { buckets: 1 }\n",
  });
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  assert.equal((await curate(["run", "--workdir", "local"], { cwd: dir })).code, 0);
  const stopped = await stopEarly(dir);
  assert.equal(stopped.code, 130, stopped.stderr);
  assert.match(
    stopped.stderr,
    /the jobs [\d ]+ go on; the same command watches them again, scancel [\d ]+ ends them/,
  );
  const other = await curate(["run", "--workdir", "slurm"], { cwd: dir });
  assert.equal(other.code, 2);
  assert.match(other.stderr, /Slurm's jobs [\d, ]+ are at work in/);
  const again = await curate(["run", "--workdir", "slurm", "--executor", "slurm"], { cwd: dir });
  assert.equal(again.code, 0, again.stderr);
  assert.match(again.stderr, /watching the jobs of an earlier run: \d+/);
  assert.deepEqual(outputsOf(join(dir, "slurm")), outputsOf(join(dir, "local")));
});

test("Ctrl-C cancels the jobs where that was asked, and a later run does the rest", async t => {
  if (withoutSlurm(t)) return;
  const dir = project({ files: 4, pages: 6, stages: "  - extract\n" });
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const stopped = await stopEarly(dir, "--on-stop", "cancel");
  assert.equal(stopped.code, 130, stopped.stderr);
  assert.match(stopped.stderr, /cancelled the jobs \d+/);
  assert.deepEqual(jobsInQueue(join(dir, "slurm")), []);
  const again = await curate(["run", "--workdir", "slurm"], { cwd: dir });
  assert.equal(again.code, 0, again.stderr);
});

test("a Slurm that does not answer for a while is asked again", async t => {
  if (withoutSlurm(t)) return;
  const dir = project({ files: 1, pages: 2, stages: "  - extract\n" });
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const real = spawnSync("sh", ["-c", "command -v squeue"], { encoding: "utf8" }).stdout.trim();
  const silent = `#!/bin/sh
echo asked >> ${dir}/asked
if [ $(wc -l < ${dir}/asked) -lt 4 ]; then
  echo "slurm_load_jobs error: Unable to contact slurm controller (connect failure)" >&2
  exit 1
fi
exec ${real} "$@"
`;
  writeFileSync(join(dir, "squeue"), silent, { mode: 0o755 });
  const env = { PATH: `${dir}:${process.env["PATH"]}` };
  const { code, stderr } = await curate(["run", "--executor", "slurm"], { cwd: dir, env });
  assert.equal(code, 0, stderr);
  assert.equal(
    stderr.match(/Unable to contact slurm controller.*; the jobs go on, asking again/g)?.length,
    1,
  );
});

test("flags for a cluster are checked", async () => {
  const dir = project({ files: 1, pages: 1, stages: "  - extract\n" });
  const wrong = await curate(["run", "--executor", "pbs"], { cwd: dir });
  assert.deepEqual([wrong.code, /expected local or slurm, got "pbs"/.test(wrong.stderr)], [2, true]);
  const when = await curate(["run", "--on-stop", "later"], { cwd: dir });
  assert.match(when.stderr, /--on-stop: expected leave or cancel, got "later"/);
  const none = await curate(["run", "--executor", "slurm"], { cwd: dir, env: { PATH: "/nonexistent" } });
  assert.equal(none.code, 2);
  assert.match(none.stderr, /there is no scontrol on this machine|there is no squeue on this machine/);
  rmSync(dir, { recursive: true });
});
