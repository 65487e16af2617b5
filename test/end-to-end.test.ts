/** From WARC bytes to a sampled sentence through the real command, stopped in every phase and started again. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { sha256File } from "../lib/atomic.ts";
import { packageRoot } from "../lib/package-root.ts";
import { curate, project, start } from "./cli/curate.ts";

const stages = `  - extract
  - language
  - gopher-quality
  - minhash
  - pii
  - tokenizer: { vocabSize: 400, pattern: gpt2 }
  - shards: { validation: 20% }
  - train: { layers: 1, heads: 2, width: 32, context: 32, batchTokens: 256, steps: 60, lr: 0.01, warmup: 5, evalEvery: 20, evalTokens: 512, sampleEvery: 20, sampleTokens: 16, checkpointEvery: 10, device: cpu }
  - sample: { prompts: ["The baker", "My neighbour"], maxTokens: 12 }
`;

/** Every output that must not depend on how the run went. Times stand in metrics.jsonl, so only its losses count. */
function outputs(workdir: string): Record<string, string> {
  const found: Record<string, string> = {};
  const folders = [
    "documents",
    "decisions",
    "measures",
    "rejected",
    "duplicates",
    "tokenizer",
    "shards",
    "model",
  ];
  for (const folder of folders.filter(name => existsSync(join(workdir, name)))) {
    for (const name of readdirSync(join(workdir, folder), { recursive: true, encoding: "utf8" }).sort()) {
      const path = join(workdir, folder, name);
      if (name === "metrics.jsonl") found[name] = losses(path).join(" ");
      else if (/\.\w+$/.test(name)) found[`${folder}/${name}`] = sha256File(path);
    }
  }
  return found;
}

const losses = (path: string): number[] =>
  readFileSync(path, "utf8")
    .trim()
    .split("\n")
    .map(line => (JSON.parse(line) as { loss: number }).loss);

test("the whole way ends with a model that has learned, and is the same bytes however often it was stopped", async () => {
  const dir = project({ files: 3, pages: 14, stages });
  const whole = await curate(["run", "--workdir", "whole", "--json"], { cwd: dir });
  assert.equal(whole.code, 0, whole.stderr);
  const result = JSON.parse(whole.stdout) as { state: string; stages: { name: string }[] };
  assert.equal(result.state, "done");
  assert.deepEqual(result.stages.map(({ name }) => name).slice(-4), [
    "tokenizer",
    "shards",
    "train",
    "sample",
  ]);
  const curve = losses(join(dir, "whole", "model", "metrics.jsonl"));
  assert.equal(curve.length, 60);
  assert.ok(curve.at(-1)! < curve[0]! - 1, `loss went from ${curve[0]} to ${curve.at(-1)}`);
  const expected = outputs(join(dir, "whole"));

  const phases = ["documents-1", "documents-2", "tokenizer", "shards", "train"];
  for (const [i, phase] of phases.entries()) {
    const running = start(["run", "--workdir", "often"], { cwd: dir });
    const state = join(dir, "often", "run.json");
    const reached = () =>
      existsSync(state) && /"state": "(running|done)"/.test(phaseOf(readFileSync(state, "utf8"), phase));
    while (!reached() && running.child.exitCode === null)
      await new Promise(resolve => setTimeout(resolve, 10));
    if (phase === "train") await new Promise(resolve => setTimeout(resolve, 400));
    running.child.kill(i % 2 === 0 ? "SIGKILL" : "SIGINT");
    await running.done;
  }
  const last = await curate(["run", "--workdir", "often"], { cwd: dir });
  assert.equal(last.code, 0, last.stderr);
  assert.deepEqual(outputs(join(dir, "often")), expected);
  assert.match(last.stdout, /validation loss/);
  assert.match(last.stdout, /› The baker/);

  const again = () =>
    curate(["sample", "The teacher", "--workdir", "whole", "--max-tokens", "8", "--seed", "5"], { cwd: dir });
  const [one, two] = [await again(), await again()];
  assert.equal(one.code, 0, one.stderr);
  assert.match(one.stdout, /^The teacher/);
  assert.equal(one.stdout, two.stdout);
  const evaluated = await curate(["eval", "--workdir", "whole", "--json"], { cwd: dir });
  assert.ok((JSON.parse(evaluated.stdout) as { loss: number }).loss > 0, evaluated.stderr);
});

function phaseOf(json: string, phase: string): string {
  try {
    const { phases } = JSON.parse(json) as { phases: Record<string, unknown> };
    return JSON.stringify(phases[phase] ?? {}, null, 1);
  } catch {
    return "";
  }
}

test("the tokenizer's commands are filters: ids out of text, and the same bytes back", async () => {
  const dir = project({ files: 1, pages: 1, stages });
  const text = "The baker's oven, déjà vu, 你好\r\n\tend  ";
  const trained = await curate(
    ["tokenizer", "train", "stages.yaml", "--vocab-size", "300", "--pattern", "gpt2", "--out", "bpe"],
    { cwd: dir },
  );
  assert.equal(trained.code, 0, trained.stderr);
  const encoded = await curate(["tokenizer", "encode", "--tokenizer", "bpe"], { cwd: dir, input: text });
  assert.match(encoded.stdout, /^\d+( \d+)*\n$/);
  const decoded = await curate(["tokenizer", "decode", "--tokenizer", "bpe"], {
    cwd: dir,
    input: encoded.stdout,
  });
  assert.equal(decoded.stdout, text);
  const wrong = await curate(["tokenizer", "decode", "--tokenizer", "bpe"], { cwd: dir, input: "1 2 x" });
  assert.equal(wrong.code, 2);
  assert.match(wrong.stderr, /expected token ids separated by white space, got "x"/);
});

test("the recipe in the root is right and its inputs are there", async () => {
  const { code, stdout, stderr } = await curate(["check", "stages.yaml", "--json"], { cwd: packageRoot });
  assert.equal(code, 0, stderr);
  const { phases, inputs } = JSON.parse(stdout) as { phases: { name: string }[]; inputs: number };
  assert.ok(inputs >= 4);
  assert.equal(phases.at(-1)!.name, "sample");
});
