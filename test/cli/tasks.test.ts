/** Tasks of a plan, as any cluster runs them: by number, in any order, each in a process that knows only files. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import { catalogue } from "../../cli/catalogue.ts";
import { kubernetesJobs, label } from "../../cli/kubernetes.ts";
import { allPhases } from "../../cli/phases.ts";
import { elementIndex } from "../../cli/task-element.ts";
import { UserError } from "../../lib/errors.ts";
import { readGroup, readSaid, runElement } from "../../pipeline/execute/group.ts";
import { asksOf, ranges } from "../../pipeline/execute/slurm.ts";
import { parseQueue, quoted } from "../../pipeline/execute/slurm-commands.ts";
import { sourceOptions } from "../../pipeline/readers/settings.ts";
import { parseRecipe } from "../../pipeline/recipe.ts";
import { curate, project } from "./curate.ts";
import { countsOf, outputsOf } from "./outputs.ts";

const stages =
  "  - extract\n  - gopher-quality\n  - minhash: { buckets: 2 }\n  - tokenizer: { vocabSize: 300 }\n  - shards: { tokensPerShard: 1 }\n";

type Listed = { readonly groups: readonly { phase: string; elements: number; path: string }[] };

const silent = { begin() {}, end() {}, failed() {} };

async function planned(dir: string, ...flags: string[]): Promise<Listed["groups"]> {
  const { code, stdout, stderr } = await curate(["plan", "--workdir", "cluster", "--json", ...flags], {
    cwd: dir,
  });
  assert.equal(code, 0, stderr);
  return (JSON.parse(stdout) as Listed).groups;
}

async function runGroups(groups: Listed["groups"]): Promise<number> {
  let failed = 0;
  for (const { path, elements } of groups) {
    const { group, plan } = readGroup(path);
    for (let index = elements - 1; index >= 0; index--)
      failed += (await runElement(plan, allPhases(plan), group, index, new AbortController().signal, silent))
        .failed;
  }
  return failed;
}

test("a plan's tasks, run by number in any order, leave the bytes and the statistics of a local run", async () => {
  const dir = project({ files: 3, pages: 5, stages });
  assert.equal((await curate(["run", "--workdir", "local"], { cwd: dir })).code, 0);
  const groups = await planned(dir, "--max-elements", "2");
  assert.deepEqual(
    groups.map(({ phase, elements }) => `${phase} ${elements}`),
    [
      ...["documents-1 2", "minhash-buckets 2", "minhash-clusters 1", "minhash-removals 2", "documents-2 2"],
      ...["tokenizer-count 2", "tokenizer 1", "shards 2", "shards-manifest 1"],
    ],
  );
  assert.equal(await runGroups(groups), 0);
  const { code, stderr } = await curate(["run", "--workdir", "cluster"], { cwd: dir });
  assert.equal(code, 0, stderr);
  assert.equal(stderr.match(/already done/g)?.length, groups.length);
  assert.deepEqual(outputsOf(join(dir, "cluster")), outputsOf(join(dir, "local")));
  assert.deepEqual(countsOf(join(dir, "cluster")), countsOf(join(dir, "local")));
  rmSync(dir, { recursive: true });
});

test("curate task takes its number from Slurm, Kubernetes or AWS Batch, and does nothing twice", async () => {
  const dir = project({ files: 2, pages: 2, stages: "  - extract\n" });
  const [first] = await planned(dir);
  const run = (env: Record<string, string>) => curate(["task", first!.path], { cwd: dir, env });
  const [slurm, kubernetes] = await Promise.all([
    run({ SLURM_ARRAY_TASK_ID: "1" }),
    run({ JOB_COMPLETION_INDEX: "0" }),
  ]);
  assert.match(slurm.stderr, /^documents-1 1: begun\ndocuments-1 1: done in/);
  assert.match(kubernetes.stderr, /^documents-1 0: begun\n/);
  const batch = await run({ AWS_BATCH_JOB_ARRAY_INDEX: "1" });
  assert.deepEqual([batch.code, batch.stderr], [0, "documents-1: nothing left to do for element 1\n"]);
  assert.equal(existsSync(join(dir, "cluster", "documents", "part-00001.parquet")), true);
  rmSync(dir, { recursive: true });
});

test("a task that fails leaves its reason, and a run afterwards says the same", async () => {
  const dir = project({ files: 2, pages: 2, stages: "  - extract\n" });
  const groups = await planned(dir);
  rmSync(join(dir, "crawl-1.warc.gz"));
  assert.equal(await runGroups(groups), 1);
  const { failed } = readSaid(join(dir, "cluster"), "documents-1", 1)!;
  assert.match(failed!.message, /cannot open .*crawl-1\.warc\.gz/);
  const { code, stderr } = await curate(["task", groups[0]!.path, "--index", "1"], { cwd: dir });
  assert.equal(code, 1);
  assert.match(stderr, /documents-1 1: failed: cannot open .*\nCheck that the file is there/);
  rmSync(dir, { recursive: true });
});

test("a group's file that is none, and a number that is none, are the user's to mend", () => {
  const dir = project({ files: 1, pages: 1, stages: "  - extract\n" });
  const path = join(dir, "group.json");
  for (const content of [
    "",
    "[]",
    "null",
    '{"phase": 3}',
    '{"plan": "x", "phase": "y", "elements": 0}',
    '{"plan":"x","phase":"y","elements":1}',
  ]) {
    writeFileSync(path, content);
    assert.throws(
      () => readGroup(path),
      (error: unknown) => error instanceof UserError && /expected a group of tasks/.test(error.message),
    );
  }
  assert.throws(() => readGroup(join(dir, "nothing.json")), UserError);
  rmSync(dir, { recursive: true });
  assert.equal(elementIndex("3", { SLURM_ARRAY_TASK_ID: "1" }, 4), 3);
  assert.equal(elementIndex(undefined, { AWS_BATCH_JOB_ARRAY_INDEX: "2" }, 4), 2);
  assert.throws(() => elementIndex(undefined, {}, 4), /which element\? There is no --index/);
  assert.throws(() => elementIndex("4", {}, 4), /--index: expected a whole number from 0 to 3, got "4"/);
  assert.throws(
    () => elementIndex(undefined, { JOB_COMPLETION_INDEX: "-1" }, 4),
    /JOB_COMPLETION_INDEX: expected/,
  );
});

test("curate plan --kubernetes writes an Indexed Job for each group, and says how to run them in order", async () => {
  const dir = project({ files: 2, pages: 1, stages });
  const { code, stdout, stderr } = await curate(
    [
      "plan",
      "--workdir",
      "cluster",
      "--kubernetes",
      "--image",
      "registry.example/curate:1",
      "--claim",
      "corpus",
    ],
    { cwd: dir },
  );
  assert.equal(code, 0, stderr);
  assert.match(stdout, /documents-1 +2 × curate task cluster\/work\/groups\/documents-1\.json/);
  assert.match(stdout, /kubectl wait --for=condition=complete/);
  assert.match(stdout, /A Job that failed never completes: kubectl logs says why/);
  const folder = join(dir, "cluster", "work", "kubernetes");
  const files = readdirSync(folder).sort();
  assert.deepEqual(files.slice(0, 2), ["00-documents-1.yaml", "01-minhash-buckets.yaml"]);
  const job = parse(readFileSync(join(folder, files[0]!), "utf8"));
  assert.equal(`${job.apiVersion} ${job.kind} ${job.spec.completionMode}`, "batch/v1 Job Indexed");
  assert.deepEqual([job.spec.completions, job.spec.parallelism, job.spec.backoffLimitPerIndex], [2, 2, 2]);
  const { containers, volumes, restartPolicy } = job.spec.template.spec;
  assert.deepEqual(containers[0].args, ["task", join(dir, "cluster", "work", "groups", "documents-1.json")]);
  assert.equal(containers[0].image, "registry.example/curate:1");
  assert.deepEqual(containers[0].volumeMounts, [{ name: "workdir", mountPath: join(dir, "cluster") }]);
  assert.deepEqual(volumes[0].persistentVolumeClaim, { claimName: "corpus" });
  assert.equal(restartPolicy, "Never");
  rmSync(dir, { recursive: true });
});

test("names for Kubernetes are labels whatever the recipe is called", () => {
  for (const name of ["My Corpus!", "-x-", "é", "a".repeat(90), ""])
    assert.match(label(`curate-${name}`), /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/);
  const group = { phase: "documents-1", about: "", jobs: 90_000, elements: 1000, path: "/w/g.json" };
  const options = { name: "x", image: "i", claim: "c", workdir: "/w", memory: 2e9, workers: null };
  const { spec } = parse(kubernetesJobs([group], options)[0]!.yaml);
  assert.deepEqual([spec.completions, spec.parallelism], [1000, 100]);
  const long = kubernetesJobs([group, { ...group, phase: "minhash-removals" }], {
    ...options,
    name: "a".repeat(90),
  }).map(({ yaml }) => parse(yaml).metadata.name as string);
  assert.match(long[0]!, /^curate-a+-00-documents-1$/);
  assert.match(long[1]!, /^curate-a+-01-minhash-removals$/);
  // Its pods are called after it: name, dash, number.
  for (const name of long) assert.ok(name.length + "-99999".length <= 63, name);
});

test("Slurm's queue is read entry by entry, whatever state it is in", () => {
  const out =
    "12|0|RUNNING|None\n12|1|PENDING|Resources\n13|0|PENDING|DependencyNeverSatisfied\n14|N/A|COMPLETING|None\n12|2|FAILED|NonZeroExitCode\nslurm_load_jobs error\n";
  assert.deepEqual(parseQueue(out), [
    { id: "12", element: 0, running: true, hopeless: false },
    { id: "12", element: 1, running: false, hopeless: false },
    { id: "13", element: 0, running: false, hopeless: true },
    { id: "14", element: null, running: false, hopeless: false },
  ]);
  assert.deepEqual(ranges([5, 0, 1, 2, 7, 8]), [
    [0, 2],
    [5, 5],
    [7, 8],
  ]);
  assert.equal(quoted("it's $HOME"), "'it'\\''s $HOME'");
});

test("a recipe tells Slurm what single stages ask for, and their jobs get it after what all ask", () => {
  const recipe = (slurm: string) =>
    parseRecipe(
      {
        text: `source: { warc: [a] }\nslurm: ${slurm}\nstages: [extract, minhash, tokenizer, shards, train]\n`,
        path: "r.yaml",
      },
      catalogue,
      sourceOptions,
    );
  const asking = recipe('{ all: --partition=short --time=60, train: " --time=24:00:00  --gres=gpu:1" }');
  const asks = (...stages: string[]) => asksOf({ recipe: asking }, { stages });
  assert.deepEqual(asks("read", "extract"), ["--partition=short", "--time=60"]);
  assert.deepEqual(asks("train"), ["--partition=short", "--time=60", "--time=24:00:00", "--gres=gpu:1"]);
  assert.deepEqual(asksOf({ recipe: recipe("null") }, { stages: ["train"] }), []);
  for (const [slurm, message] of [
    ["{ trian: --mem=8G }", /slurm has no stage "trian"\. Did you mean train\?/],
    ["{ all: --array=1-5 }", /slurm: expected a mapping from stages, or all, to options of sbatch/],
    ["{ all: '--mem=8G; rm -rf x' }", /slurm: expected a mapping/],
    ["--mem=8G", /slurm: expected a mapping/],
  ] as const)
    assert.throws(
      () => recipe(slurm),
      (error: unknown) => error instanceof UserError && message.test(error.message),
    );
});
