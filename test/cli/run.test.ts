/** What `curate run` must survive, through the real command in its own process. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { sha256File } from "../../lib/atomic.ts";
import { readTable } from "../../lib/parquet.ts";
import { article, curate, project, start, temporary, warc } from "./curate.ts";

const documentStages = "  - extract\n  - language\n  - gopher-quality\n  - minhash\n  - pii\n";

type Stage = { name: string; in: number; out: number; dropped: Record<string, number>; failed: number };

/** Every output that must not depend on how the run went: name and checksum. */
function outputs(workdir: string): Record<string, string> {
  const folders = ["documents", "decisions", "measures", "rejected", "duplicates", "tokenizer", "shards"];
  const found: Record<string, string> = {};
  for (const folder of folders.filter(name => existsSync(join(workdir, name)))) {
    for (const name of readdirSync(join(workdir, folder), { recursive: true, encoding: "utf8" }).sort()) {
      if (/\.\w+$/.test(name)) found[`${folder}/${name}`] = sha256File(join(workdir, folder, name));
    }
  }
  return found;
}

test("a small crawl becomes documents, with statistics that conserve and an account of each", async () => {
  const dir = project({ stages: documentStages });
  const { code, stdout, stderr } = await curate(["run", "stages.yaml"], { cwd: dir });
  assert.equal(code, 0, stderr);
  assert.match(stdout, /gopher-quality/);
  const { stages } = JSON.parse(readFileSync(join(dir, "out", "stats.json"), "utf8")) as { stages: Stage[] };
  assert.deepEqual(
    stages.map(stage => stage.name),
    ["read", "extract", "language", "gopher-quality", "minhash", "pii"],
  );
  for (const stage of stages) {
    const dropped = Object.values(stage.dropped).reduce((a, b) => a + b, 0);
    assert.equal(stage.in, stage.out + dropped + stage.failed, stage.name);
  }
  assert.equal(stages[0]!.in, 16);
  const documents = [];
  for (const part of readdirSync(join(dir, "out", "documents")).sort())
    for await (const row of readTable(join(dir, "out", "documents", part))) documents.push(row);
  assert.equal(documents.length, stages.at(-1)!.out);
  assert.ok(documents.length > 0, "some stories are kept");
  assert.match(String(documents[0]!["text"]), /(baker|gardener|neighbour|teacher|sailor|carpenter|sister)/);
  assert.equal(documents[0]!["language"], "en");
});

test("one worker and two give the same bytes", async () => {
  const dir = project({ files: 3, stages: documentStages });
  const one = await curate(["run", "--workdir", "one", "--workers", "1"], { cwd: dir });
  const two = await curate(["run", "--workdir", "two", "--workers", "2"], { cwd: dir });
  assert.equal(one.code, 0, one.stderr);
  assert.equal(two.code, 0, two.stderr);
  const bytes = outputs(join(dir, "one"));
  assert.ok(Object.keys(bytes).length > 6);
  assert.deepEqual(outputs(join(dir, "two")), bytes);
});

for (const [what, recipe, expected] of [
  [
    "a wrong recipe",
    "source: { warc: a }\nstages: [extrac]\n",
    /stages\.yaml:3: curate has no stage "extrac"\. Did you mean extract\?/,
  ],
  [
    "a missing input file",
    "source: { warc: nothing-here.warc.gz }\nstages: [extract]\n",
    /stages\.yaml: source\.warc: there is no file .*nothing-here\.warc\.gz/,
  ],
  [
    "a pattern without files",
    'source: { warc: "*.nothing" }\nstages: [extract]\n',
    /no file matches "\*\.nothing"/,
  ],
  [
    "a missing list of a stage",
    "source: { jsonl: stages.yaml }\nstages:\n  - url-filter: { domains: [no-such-list.txt] }\n",
    /cannot read .*no-such-list\.txt/,
  ],
] as const) {
  test(`${what} ends with exit code 2, a message and nothing written`, async () => {
    const dir = temporary("wrong");
    writeFileSync(join(dir, "stages.yaml"), `workdir: out\n${recipe}`);
    const { code, stdout, stderr } = await curate(["run"], { cwd: dir });
    assert.equal(code, 2, stderr);
    assert.match(stderr, expected);
    assert.equal(stdout, "");
    assert.deepEqual(readdirSync(dir), ["stages.yaml"]);
  });
}

test("no recipe, an unknown flag and an unknown command are answered with the way out", async () => {
  const dir = temporary("empty");
  const missing = await curate(["run"], { cwd: dir });
  assert.equal(missing.code, 2);
  assert.match(missing.stderr, /there is no recipe stages\.yaml/);
  const flag = await curate(["run", "--worker", "2"], { cwd: dir });
  assert.equal(flag.code, 2);
  assert.match(flag.stderr, /curate run has no flag --worker\. Did you mean --workers\?/);
  const command = await curate(["rum"], { cwd: dir });
  assert.equal(command.code, 2);
  assert.match(command.stderr, /curate has no command "rum"\. Did you mean run\?/);
});

test("a workdir that cannot be written is refused", async () => {
  const dir = project({ files: 1, stages: "  - extract\n" });
  writeFileSync(join(dir, "occupied"), "a file where the folder should be");
  const { code, stderr } = await curate(["run", "--workdir", "occupied/out"], { cwd: dir });
  assert.equal(code, 2);
  assert.match(stderr, /cannot write the workdir .*occupied\/out: ENOTDIR/);
});

test("an empty WARC and a WARC of one record are read for what they are", async () => {
  const dir = project({ files: 0, stages: documentStages });
  writeFileSync(join(dir, "a.warc.gz"), "");
  writeFileSync(join(dir, "b.warc.gz"), warc([{ url: "https://one.example/", html: article(5) }]));
  const { code, stdout, stderr } = await curate(["run", "--json"], { cwd: dir });
  assert.equal(code, 0, stderr);
  const { stages } = JSON.parse(stdout) as { stages: Stage[] };
  assert.equal(stages[0]!.in, 1);
  assert.equal(stages.at(-1)!.out, 1);
  assert.equal(readdirSync(join(dir, "out", "documents")).length, 2);
});

test("damaged records are counted with their place and the rest is read", async () => {
  const dir = project({ files: 1, pages: 6, stages: "  - extract\n" });
  const whole = readFileSync(join(dir, "crawl-0.warc.gz"));
  writeFileSync(join(dir, "crawl-0.warc.gz"), whole.subarray(0, whole.length - 40));
  const { code, stderr } = await curate(["run"], { cwd: dir });
  assert.equal(code, 0, stderr);
  const { stages } = JSON.parse(readFileSync(join(dir, "out", "stats.json"), "utf8")) as { stages: Stage[] };
  assert.equal(stages[0]!.out, 5);
  assert.equal(stages[0]!.failed, 1);
  const errors = readFileSync(join(dir, "out", "errors", "documents-1", "part-00000.jsonl"), "utf8");
  const [error] = errors
    .trim()
    .split("\n")
    .map(line => JSON.parse(line));
  assert.equal(error.file, "crawl-0.warc.gz");
  assert.ok(error.offset > 0);
});

test("filters that drop everything are said loudly, and the run still ends well", async () => {
  const dir = project({ stages: "  - extract\n  - gopher-quality: { minWords: 90000 }\n  - minhash\n" });
  const { code, stderr } = await curate(["run"], { cwd: dir });
  assert.equal(code, 0, stderr);
  assert.match(
    stderr,
    /warning: stage gopher-quality dropped all 16 documents \(mostly short-document: 16\)/,
  );
});

test("a second run on the same workdir is refused while the first still runs", async () => {
  const dir = project({ stages: documentStages });
  mkdirSync(join(dir, "out"));
  const stat = readFileSync(`/proc/${process.pid}/stat`, "utf8");
  const processStart = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  const { hostname } = await import("node:os");
  writeFileSync(
    join(dir, "out", "lock"),
    JSON.stringify({ pid: process.pid, host: hostname(), processStart, since: "now" }),
  );
  const second = await curate(["run"], { cwd: dir });
  assert.equal(second.code, 2);
  assert.match(second.stderr, new RegExp(`another run is using .*: process ${process.pid} on`));
  rmSync(join(dir, "out", "lock"));
  assert.equal((await curate(["run"], { cwd: dir })).code, 0);
});

test("a run that failed says so with its error in stats and inspect, and no longer once it went on", async () => {
  const tiny =
    "layers: 1, heads: 1, width: 16, context: 16, batchTokens: 64, steps: 2, evalTokens: 64, device: cpu";
  const dir = project({
    files: 1,
    stages: `  - extract\n  - gopher-quality\n  - tokenizer: { vocabSize: 300 }\n  - shards\n  - train: { ${tiny} }\n`,
  });
  const hungry = ["--set", "gopher-quality.minWords=100000"];
  const failed = await curate(["run", ...hungry], { cwd: dir });
  assert.equal(failed.code, 2, failed.stderr);
  const told = /The run failed in phase train: .+\n.*The same curate run goes on from there\./s;
  const stats = await curate(["stats"], { cwd: dir });
  assert.match(stats.stdout, told);
  assert.match(stats.stdout, /^gopher-quality +8 +0 /m);
  assert.match((await curate(["inspect", "gopher-quality"], { cwd: dir })).stderr, told);
  const asJson = JSON.parse((await curate(["stats", "--json"], { cwd: dir })).stdout);
  assert.deepEqual([asJson.state, asJson.phase], ["failed", "train"]);
  assert.ok(failed.stderr.includes(asJson.error.split("\n")[0]), asJson.error);
  assert.equal((await curate(["run"], { cwd: dir })).code, 0);
  assert.doesNotMatch((await curate(["stats"], { cwd: dir })).stdout, /failed/);
  assert.equal((await curate(["inspect", "gopher-quality"], { cwd: dir })).stderr, "");
  const last = JSON.parse((await curate(["stats", "--json"], { cwd: dir })).stdout);
  assert.deepEqual([last.state, last.phase, last.error], ["done", null, null]);
});

/** Waits until the run has taken its lock and said so, and `more` milliseconds. */
async function begun(running: ReturnType<typeof start>, more: number): Promise<void> {
  while (!running.stderr().includes("worker") && running.child.exitCode === null)
    await new Promise(resolve => setTimeout(resolve, 20));
  await new Promise(resolve => setTimeout(resolve, more));
}

test("a run stopped by Ctrl-C or killed outright goes on with the same command to the same bytes", async () => {
  const dir = project({ files: 4, pages: 40, stages: documentStages });
  const whole = await curate(["run", "--workdir", "whole"], { cwd: dir });
  assert.equal(whole.code, 0, whole.stderr);
  const stopped = start(["run"], { cwd: dir });
  await begun(stopped, 0);
  stopped.child.kill("SIGINT");
  const first = await stopped.done;
  assert.ok(first.code === 130 || first.code === 0, `code ${first.code}: ${first.stderr}`);
  if (first.code === 130) {
    assert.match(first.stderr, /stopping; the same command goes on from here/);
    const { state, phases } = JSON.parse(readFileSync(join(dir, "out", "run.json"), "utf8"));
    const states = Object.values(phases as Record<string, { state: string }>).map(phase => phase.state);
    assert.equal(state, "stopped");
    assert.ok(!states.includes("running") && !states.includes("failed"), states.join(" "));
  }
  for (const wait of [0, 150, 400]) {
    const killed = start(["run"], { cwd: dir });
    await begun(killed, wait);
    killed.child.kill("SIGKILL");
    await killed.done;
  }
  const last = await curate(["run"], { cwd: dir });
  assert.equal(last.code, 0, last.stderr);
  assert.deepEqual(outputs(join(dir, "out")), outputs(join(dir, "whole")));
  const left = readdirSync(join(dir, "out"), { recursive: true, encoding: "utf8" }).filter(name =>
    name.endsWith(".tmp"),
  );
  assert.deepEqual(left, []);
});

test("a changed value redoes what depends on it, and says what", async () => {
  const dir = project({ stages: documentStages });
  assert.equal((await curate(["run"], { cwd: dir })).code, 0);
  const again = await curate(["run", "--set", "pii.email=false"], { cwd: dir });
  assert.equal(again.code, 0, again.stderr);
  assert.match(again.stderr, /✓ documents-1: already done/);
  assert.match(
    again.stderr,
    /changed since the last run: pii\.email: true → false\. Redoing minhash \(from documents-2 on\), pii; keeping read, extract, language, gopher-quality$/m,
  );
});

test("stats, what-if, inspect, explain, check and report answer about a run", async () => {
  const dir = project({ stages: documentStages });
  writeFileSync(
    join(dir, "short.warc.gz"),
    warc([
      {
        url: "https://short.example/",
        html: "<p>Too few words here to be kept by anyone at all, but enough to be text in English.</p>",
      },
    ]),
  );
  assert.equal((await curate(["run"], { cwd: dir })).code, 0);
  const stats = await curate(["stats", "--json"], { cwd: dir });
  assert.equal((JSON.parse(stats.stdout) as { state: string }).state, "done");
  const whatIf = await curate(["stats", "--what-if", "gopher-quality.minWords=100000", "--json"], {
    cwd: dir,
  });
  const [answer] = JSON.parse(whatIf.stdout) as [
    { in: number; keptBefore: number; keptNow: number; newlyDropped: number },
  ];
  assert.equal(answer.keptNow, 0);
  assert.equal(answer.newlyDropped, answer.keptBefore);
  const inspected = await curate(["inspect", "gopher-quality", "--json"], { cwd: dir });
  const [rejected] = inspected.stdout
    .trim()
    .split("\n")
    .map(line => JSON.parse(line));
  assert.equal(rejected.reason, "short-document");
  assert.equal(rejected.url, "https://short.example/");
  const explained = await curate(["explain", "https://short.example/"], { cwd: dir });
  assert.match(explained.stdout, /Dropped by gopher-quality: short-document: \d+ against 50/);
  const kept = await curate(["explain", "https://stories.example/0/0"], { cwd: dir });
  assert.match(kept.stdout, /Kept: it is in the corpus\./);
  const check = await curate(["check", "--print"], { cwd: dir });
  assert.match(check.stdout, /minWords: 50/);
  assert.equal((await curate(["report"], { cwd: dir })).code, 0);
  const html = readFileSync(join(dir, "out", "report.html"), "utf8");
  assert.match(html, /short\.example/);
  assert.doesNotMatch(html, /<script/);
  assert.match(readFileSync(join(dir, "out", "DATASET_CARD.md"), "utf8"), /\| gopher-quality \|/);
});
