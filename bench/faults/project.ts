/**
 * The small project that the fault script breaks: three WARC files of the fixtures through every kind of stage to a
 * sampled sentence, in about eight CPU seconds; and what must be the same afterwards, which is every byte in the
 * workdir but times. Knows no fault.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { builtRoot, packageRoot } from "../../lib/package-root.ts";
import { readTable } from "../../lib/parquet.ts";
import { hash32 } from "../../lib/random.ts";

export const stages = `  - url-filter: { domains: [blocked.txt] }
  - extract
  - language
  - gopher-quality
  - exact-dedup
  - minhash
  - pii
  - tokenizer: { vocabSize: 400, pattern: gpt2 }
  - shards: { validation: 10%, tokensPerShard: 20000 }
  - train: { layers: 1, heads: 2, width: 32, context: 32, batchTokens: 256, steps: 30, lr: 0.01, warmup: 3, evalEvery: 10, evalTokens: 512, sampleEvery: 10, sampleTokens: 8, checkpointEvery: 5, device: cpu }
  - sample: { prompts: ["The baker"], maxTokens: 8 }
`;

export const recipe = (list = stages): string =>
  `name: faults\nworkdir: out\nmemory: 256MB\nkeepRejected: all\nsource: { warc: ["crawl/*.warc.gz"] }\nstages:\n${list}`;

export type Project = { readonly dir: string; remove(): void };

export function createProject(files: number): Project {
  const dir = mkdtempSync(join(tmpdir(), "curate-faults-"));
  mkdirSync(join(dir, "crawl"));
  for (const path of fixtureFiles().slice(0, files)) copyFileSync(path, join(dir, "crawl", basename(path)));
  writeFileSync(join(dir, "blocked.txt"), "blocked.example\n");
  writeFileSync(join(dir, "stages.yaml"), recipe());
  return { dir, remove: () => rmSync(dir, { recursive: true, force: true }) };
}

export function fixtureFiles(): string[] {
  const root = join(packageRoot, "fixtures", "crawl");
  return readdirSync(root, { recursive: true, encoding: "utf8" })
    .filter(name => name.endsWith(".warc.gz"))
    .sort()
    .map(name => join(root, name));
}

export type Outcome = { readonly code: number | null; readonly stdout: string; readonly stderr: string };
export type Running = { readonly child: ChildProcess; readonly done: Promise<Outcome> };

/** `curate run` in a process of its own. */
export function launch(
  dir: string,
  workdir: string,
  more: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Running {
  const main = join(builtRoot, "cli", "main.js");
  const child = spawn(process.execPath, [main, "run", "--workdir", workdir, "--workers", "2", ...more], {
    cwd: dir,
    env: { ...process.env, NO_COLOR: "1", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [stdout, stderr] = ["", ""];
  child.stdout!.setEncoding("utf8").on("data", text => (stdout += text));
  child.stderr!.setEncoding("utf8").on("data", text => (stderr += text));
  const done = new Promise<Outcome>(resolve => child.on("close", code => resolve({ code, stdout, stderr })));
  return { child, done };
}

export async function finished(dir: string, workdir: string, more: readonly string[] = []): Promise<Outcome> {
  const outcome = await launch(dir, workdir, more).done;
  if (outcome.code !== 0) throw new Error(`curate run ended with ${outcome.code}:\n${outcome.stderr}`);
  return outcome;
}

export type Snapshot = ReadonlyMap<string, string>;

/** A hash of every file of a workdir, with times taken out of the files that hold some. */
export function snapshot(workdir: string): Snapshot {
  const found = new Map<string, string>();
  for (const entry of readdirSync(workdir, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const name = path.slice(workdir.length + 1);
    if (name === "run.json" || name === "work/plan.json") continue;
    const bytes = readFileSync(path);
    const timed =
      name === "stats.json" || /^work\/[^/]+\/jobs\//.test(name) || name.endsWith("metrics.jsonl");
    const content = timed ? withoutTimes(bytes.toString("utf8"), name) : bytes;
    found.set(name, createHash("sha256").update(content).digest("hex"));
  }
  return new Map([...found].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function withoutTimes(text: string, name: string): string {
  const times = /^(?:cpuSeconds|wallSeconds|ms|tokensPerSecond|mfu|kernels)$/;
  const lines = name.endsWith(".jsonl") ? text.trim().split("\n") : [text];
  const drop = (key: string, value: unknown) => (times.test(key) ? undefined : value);
  return lines.map(line => JSON.stringify(JSON.parse(line), drop)).join("\n");
}

/** Names of files that are missing, extra or different. */
export function difference(expected: Snapshot, got: Snapshot): string[] {
  const names = new Set([...expected.keys(), ...got.keys()]);
  return [...names].filter(name => expected.get(name) !== got.get(name));
}

/** How many documents of the one workdir are missing in the other, and how many stand there twice. */
export async function lostAndDoubled(
  expected: string,
  got: string,
): Promise<{ lost: number; doubled: number }> {
  const counts = async (workdir: string) => {
    const seen = new Map<string, number>();
    const root = join(workdir, "decisions");
    const names = existsSync(root) ? readdirSync(root, { recursive: true, encoding: "utf8" }) : [];
    for (const name of names.filter(name => name.endsWith(".parquet")))
      for await (const { id } of readTable(join(root, name), ["id"]))
        seen.set(String(id), (seen.get(String(id)) ?? 0) + 1);
    return seen;
  };
  const [wanted, found] = [await counts(expected), await counts(got)];
  let [lost, doubled] = [0, 0];
  for (const [id, n] of wanted) lost += Math.max(0, n - (found.get(id) ?? 0));
  for (const [id, n] of found) doubled += Math.max(0, n - (wanted.get(id) ?? 0));
  return { lost, doubled };
}

/** Phases of a finished run with how long each took, seconds. */
export function phasesOf(workdir: string): { readonly name: string; readonly seconds: number }[] {
  const { phases } = JSON.parse(readFileSync(join(workdir, "run.json"), "utf8")) as {
    phases: Record<string, { started: string; finished: string }>;
  };
  return Object.entries(phases).map(([name, { started, finished }]) => ({
    name,
    seconds: (Date.parse(finished) - Date.parse(started)) / 1000,
  }));
}

/** Numbers from a seed: `of("kill 3")` is between 0 and 1. */
export const chances =
  (seed: number) =>
  (what: string): number =>
    hash32(seed, what) / 2 ** 32;

export const sleep = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms));

/** Waits until a phase runs or is done, or the run ends. */
export async function reached(running: Running, workdir: string, phase: string): Promise<void> {
  while (running.child.exitCode === null && running.child.signalCode === null) {
    try {
      const { phases } = JSON.parse(readFileSync(join(workdir, "run.json"), "utf8")) as {
        phases: Record<string, { state: string }>;
      };
      if (phases[phase]?.state === "running" || phases[phase]?.state === "done") return;
    } catch {
      // Not there yet.
    }
    await sleep(5);
  }
}
