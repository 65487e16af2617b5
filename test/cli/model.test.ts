/**
 * A trained model through the real commands: sample, eval, export, import; and outside witnesses of what was exported:
 * llama.cpp for GGUF, PyTorch for safetensors. Both are looked for and reported as skipped where they are not:
 * CURATE_LLAMA_CPP is a folder in which the npm package node-llama-cpp was installed, CURATE_PYTHON a Python with PyTorch.
 */
import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, type TestContext, test } from "node:test";
import { promisify } from "node:util";
import { parseCommandLine } from "../../cli/command.ts";
import { UserError } from "../../lib/errors.ts";
import { builtRoot, packageRoot } from "../../lib/package-root.ts";
import { flopsPerToken } from "../../trainer/flops.ts";
import { countParameters } from "../../trainer/parameters.ts";
import { sharedData } from "../trainer/shared-data.ts";
import { curate, project } from "./curate.ts";

const small =
  "layers: 2, heads: 2, width: 64, context: 64, batchTokens: 512, steps: 60, lr: 0.01, minLr: 0.001";
const stages = `  - extract
  - tokenizer: { vocabSize: 500, pattern: gpt2 }
  - shards: { validation: 20% }
  - train: { ${small}, warmup: 10, evalEvery: 60, sampleEvery: 0, checkpointEvery: 60, device: cpu, threads: 2 }
`;
const prompt = "The baker walked";
const greedy = [
  "--prompt",
  prompt,
  "--max-tokens",
  "32",
  "--temperature",
  "0",
  "--device",
  "cpu",
  "--threads",
  "1",
];

let dir = "";
const inDir = async (...args: string[]) => {
  const outcome = await curate(args, { cwd: dir });
  assert.equal(outcome.code, 0, `curate ${args.join(" ")}: ${outcome.stderr}`);
  return outcome.stdout.trim();
};
/** In this very process: what is refused is refused before anything is opened. */
const refused = async (expected: RegExp, name: string, ...args: string[]) => {
  const of = await commands[name as keyof typeof commands]();
  const error = await (async () => {
    const { positionals, flags } = parseCommandLine(of, args);
    await of.run(positionals, flags);
  })().catch((error: unknown) => error);
  assert.ok(error instanceof UserError, String(error));
  assert.match(`${error.message} ${error.hint ?? ""}`, expected);
};
const commands = {
  sample: async () => (await import("../../cli/sample.ts")).sample,
  eval: async () => (await import("../../cli/eval.ts")).evaluate,
  export: async () => (await import("../../cli/export.ts")).exportCommand,
  import: async () => (await import("../../cli/import.ts")).importCommand,
};

/** Folder of the trained model of each face. */
const models = { gpt2: "out/model", llama: "out/llama" } as const;
const faces = ["gpt2", "llama"] as const;
const located = (face: (typeof faces)[number]) => ["--model", models[face], "--tokenizer", "out/tokenizer"];

type Greedy = { readonly ids: string; readonly tokens: readonly Shown[] };
type Shown = { readonly id: number; readonly probability: number; readonly alternatives: readonly Shown[] };
const held = new Map<string, Promise<Greedy>>();

/** 32 greedy tokens after the prompt, each with the eight likeliest. */
function greedily(...where: string[]): Promise<Greedy> {
  const run = async () => {
    const answer = await inDir("sample", ...where, ...greedy, "--json", "--probs", "8");
    const { ids, tokens } = JSON.parse(answer) as { ids: number[]; tokens: Shown[] };
    return { ids: ids.join(" "), tokens };
  };
  const key = where.join(" ");
  if (!held.has(key)) held.set(key, run());
  return held.get(key)!;
}
const greedyIds = async (...where: string[]) => (await greedily(...where)).ids;

const encoded = new Map<string, Promise<string>>();
const encode = (tokenizer = "out/tokenizer") => {
  const run = async () =>
    (
      await curate(["tokenizer", "encode", "--tokenizer", tokenizer], { cwd: dir, input: prompt })
    ).stdout.trim();
  if (!encoded.has(tokenizer)) encoded.set(tokenizer, run());
  return encoded.get(tokenizer)!;
};

before(async () => {
  dir = project({ files: 2, pages: 12, stages });
  process.chdir(dir);
  await inDir("run");
  await inDir(
    ...["train", "--workdir", "out", "--out", models.llama],
    ...["--set", "train.family=llama", "--set", "train.kvHeads=1"],
  );
});
after(() => {
  process.chdir(packageRoot);
  rmSync(dir, { recursive: true, force: true });
});

describe("curate sample", () => {
  test("gives the same text for the same seed, as text, ids and JSON, alone or among several", async () => {
    const options = [
      "--workdir",
      "out",
      "--prompt",
      prompt,
      "--max-tokens",
      "20",
      "--device",
      "cpu",
      "--threads",
      "1",
    ];
    const one = await inDir("sample", ...options, "--seed", "5");
    assert.equal(await inDir("sample", ...options, "--seed", "5"), one);
    assert.notEqual(await inDir("sample", ...options, "--seed", "6"), one);
    const ids = await inDir("sample", ...options, "--seed", "5", "--ids", "-n", "3");
    const lines = ids.split("\n");
    assert.equal(lines.length, 3);
    assert.equal(await inDir("sample", ...options, "--seed", "5", "--ids"), lines[0]);
    const decoded = await curate(["tokenizer", "decode", "--tokenizer", "out/tokenizer"], {
      cwd: dir,
      input: lines[0]!,
    });
    assert.equal((prompt + decoded.stdout).trimEnd(), one);
    const json = JSON.parse(await inDir("sample", ...options, "--seed", "5", "--json"));
    assert.equal(prompt + json.text, one);
    assert.equal(json.ids.join(" "), lines[0]);
  });

  test("shows alternatives with their probabilities, and obeys min-p, top-k and the repetition penalty", async () => {
    const options = [
      "--workdir",
      "out",
      "--prompt",
      prompt,
      "--max-tokens",
      "12",
      "--device",
      "cpu",
      "--threads",
      "1",
    ];
    const likeliest = await inDir("sample", ...options, "--temperature", "0");
    assert.equal(await inDir("sample", ...options, "--min-p", "1"), likeliest);
    assert.equal(await inDir("sample", ...options, "--top-p", "0"), likeliest);
    assert.notEqual(
      await inDir("sample", ...options, "--temperature", "0", "--repetition-penalty", "5"),
      likeliest,
    );
    const { tokens } = JSON.parse(
      await inDir("sample", ...options, "--temperature", "0", "--probs", "3", "--json"),
    ) as {
      tokens: { text: string; probability: number; alternatives: { text: string; probability: number }[] }[];
    };
    assert.equal(tokens.length, 12);
    for (const { text, probability, alternatives } of tokens) {
      assert.equal(alternatives.length, 3);
      assert.deepEqual([alternatives[0]!.text, alternatives[0]!.probability], [text, probability]);
      assert.ok(alternatives[1]!.probability <= probability && alternatives[2]!.probability > 0);
    }
    assert.match(await inDir("sample", ...options, "--probs", "2"), /%.*%/);
  });

  test("ends before a stop string, wherever it lies among tokens, and never shows a part of it", async () => {
    const whole = (await inDir("sample", "--workdir", "out", ...greedy)).slice(prompt.length);
    for (const stop of [whole.slice(9, 12), whole.slice(20, 40)]) {
      const cut = await inDir(
        "sample",
        "--workdir",
        "out",
        ...greedy,
        "--stop",
        "never there",
        "--stop",
        stop,
      );
      assert.equal(cut, (prompt + whole.slice(0, whole.indexOf(stop))).trim());
    }
    const missing = await inDir("sample", "--workdir", "out", ...greedy, "--stop", `${whole.slice(-4)}#`);
    assert.equal(missing.slice(prompt.length), whole);
  });

  test("takes ids as they are, and needs no tokenizer for them", async () => {
    const eot = JSON.parse(readFileSync(join(dir, "out", "shards", "manifest.json"), "utf8")).eot as number;
    const ids = `${eot} ${await encode()}`;
    const options = [
      "--max-tokens",
      "32",
      "--temperature",
      "0",
      "--device",
      "cpu",
      "--threads",
      "1",
      "--ids",
    ];
    assert.equal(
      await inDir("sample", "--model", "out/model", "--prompt-ids", ids, ...options),
      await greedyIds("--workdir", "out"),
    );
  });

  test("answers what makes no sense", async () => {
    await refused(/--top-k: expected a whole number/, "sample", "--workdir", "out", "--top-k", "0.5");
    await refused(
      /--temperature: expected a number from 0 to 100, got -1/,
      "sample",
      "--workdir",
      "out",
      "--temperature",
      "-1",
    );
    for (const [flag, value, message] of [
      ["--min-p", "2", /--min-p: expected a number from 0 to 1, got 2/],
      ["--top-p", "-1", /--top-p: expected a number from 0 to 1, got -1/],
      ["--repetition-penalty", "0", /--repetition-penalty: expected a number from 0.01 to 100, got 0/],
      ["--seed", "1.5", /--seed: expected a whole number/],
      ["--probs", "-2", /--probs: expected a whole number/],
      ["-n", "0", /-n: expected a whole number from 1 to 4096, got 0/],
    ] as const)
      await refused(message, "sample", "--workdir", "out", flag, value);
    await refused(
      /--prompt-ids: expected whole numbers/,
      "sample",
      "--workdir",
      "out",
      "--prompt-ids",
      "1 x",
      "--ids",
    );
    await refused(
      /prompt: expected token ids below 500/,
      "sample",
      "--workdir",
      "out",
      "--prompt-ids",
      "500",
      "--ids",
    );
    await refused(/--prompt-ids answers with ids/, "sample", "--workdir", "out", "--prompt-ids", "1");
    await refused(/the prompt is given twice/, "sample", "--workdir", "out", "a", "--prompt", "b");
    await refused(/there is no model/, "sample", "--model", "nowhere");
  });
});

test("curate train --dry-run tells what a run would take, and trains nothing", async () => {
  const metrics = join(dir, "out", "model", "metrics.jsonl");
  const before = readFileSync(metrics, "utf8");
  const asked = [
    "train",
    "--workdir",
    "out",
    "--dry-run",
    "--price-per-hour",
    "2",
    "--set",
    "train.steps=9000",
  ];
  const plan = JSON.parse(await inDir(...asked, "--json"));
  assert.equal(plan.tokens, 9000 * 512);
  assert.equal(plan.epochs, plan.tokens / plan.trainTokens);
  assert.equal(plan.parameters, countParameters(plan.config));
  assert.equal(plan.flopsPerToken, flopsPerToken(plan.config));
  // Weights, gradients and two moments, four bytes each.
  assert.ok(plan.memory.total > 16 * plan.parameters, JSON.stringify(plan.memory));
  assert.ok(Math.abs((plan.seconds * plan.peakFlops * 0.7) / (plan.tokens * plan.flopsPerToken) - 1) < 1e-9);
  assert.equal(plan.cost, (2 * plan.seconds) / 3600);
  const text = await inDir(...asked);
  for (const line of text.split("\n")) assert.ok(line.length <= 80, line);
  for (const word of ["device", "parameters", "memory", "tokens", "FLOPs", "time", "cost"])
    assert.match(text, new RegExp(`^ *${word}\\b`, "m"));
  assert.equal(readFileSync(metrics, "utf8"), before);
});

describe("curate eval", () => {
  test("states the validation loss that training stated", async () => {
    const result = JSON.parse(
      await inDir("eval", "--workdir", "out", "--device", "cpu", "--threads", "1", "--json"),
    );
    const last = readFileSync(join(dir, "out", "model", "metrics.jsonl"), "utf8")
      .trim()
      .split("\n")
      .at(-1)!;
    const { valLoss, valBitsPerByte } = JSON.parse(last) as { valLoss: number; valBitsPerByte: number };
    assert.ok(Math.abs(result.loss - valLoss) < 1e-6, `${result.loss} and ${valLoss}`);
    assert.ok(Math.abs(result.bitsPerByte - valBitsPerByte) < 1e-6);
    assert.ok(result.loss < 3, "the model has learned");
  });

  test("states HellaSwag with its standard error", async t => {
    const data = sharedData(t, "eval", "hellaswag_val1000.jsonl");
    if (!data) return;
    const args = [
      "--workdir",
      "out",
      "--task",
      "hellaswag",
      "--data",
      data,
      "--limit",
      "12",
      "--device",
      "cpu",
    ];
    const { items, accNorm, accNormError } = JSON.parse(await inDir("eval", ...args, "--json"));
    assert.equal(items, 12);
    assert.ok(accNorm >= 0 && accNorm <= 1);
    assert.ok(Math.abs(accNormError - Math.sqrt((accNorm * (1 - accNorm)) / 12)) < 1e-12);
    await refused(/--task hellaswag needs --data FILE/, "eval", "--workdir", "out", "--task", "hellaswag");
  });
});

describe("curate export and curate import", () => {
  for (const face of faces) {
    test(`a Hugging Face folder and back is the same model (${face})`, async () => {
      await inDir("export", "hf", ...located(face), "--out", `hf-${face}`);
      assert.deepEqual(readdirSync(join(dir, `hf-${face}`)).sort(), [
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "special_tokens_map.json",
        "tokenizer.json",
        "tokenizer_config.json",
      ]);
      await inDir("import", "hf", `hf-${face}`, "--out", `back-${face}`);
      assert.equal(await greedyIds("--model", `back-${face}`), await greedyIds(...located(face)));
    });
  }

  test("shards for four other trainers", async () => {
    const files = {
      "llm.c": ["curate_train_000001.bin", "curate_val_000000.bin"],
      nanogpt: ["meta.pkl", "train.bin", "val.bin"],
      megatron: [
        "train_text_document.bin",
        "train_text_document.idx",
        "val_text_document.bin",
        "val_text_document.idx",
      ],
      datasets: ["dataset_dict.json", "train", "validation"],
    };
    for (const [to, names] of Object.entries(files)) {
      await inDir("export", "shards", "--workdir", "out", "--to", to, "--out", `shards-${to}`);
      assert.deepEqual(readdirSync(join(dir, `shards-${to}`)).sort(), names);
    }
  });

  test("a llama2.c checkpoint, sampled by ids and as text with the reference's greedy tokens", async t => {
    const path = sharedData(t, "weights", "esp32-llm", "data", "stories260K.bin");
    if (!path) return;
    const known = sharedData(t, "weights", "derived", "stories260K_reference.json")!;
    const reference = JSON.parse(readFileSync(known, "utf8")) as {
      greedy_tokens: number[];
      greedy_text: string;
    };
    const { greedy_tokens: expected, greedy_text: text } = reference;
    await inDir("import", "llama2c", path, "--out", "stories");
    const options = ["--temperature", "0", "--max-tokens", String(expected.length - 1), "--device", "cpu"];
    const first = String(expected[0]);
    const ids = await inDir("sample", "--model", "stories", "--prompt-ids", first, "--ids", ...options);
    assert.equal(ids, expected.slice(1).join(" "));
    const tokenizer = join(path, "..", "tok512.bin");
    await inDir("import", "llama2c", path, "--tokenizer", tokenizer, "--out", "stories-text");
    const spoken = await inDir("sample", "--model", "stories-text", "--prompt", "Once", ...options);
    assert.ok(spoken.startsWith(text.replaceAll("<0x0A>", "\n").slice(0, 400)), spoken);
    await refused(
      /has no form in a Hugging Face folder/,
      "export",
      "hf",
      "--model",
      "stories-text",
      "--out",
      "x",
    );
    await refused(
      /tok512\.bin is not a llama2\.c tokenizer of 500 pieces/,
      ...["import", "hf", "hf-gpt2", "--tokenizer", tokenizer, "--out", "x"],
    );
  });

  test("answer what cannot be done, and write nothing", async () => {
    await refused(
      /expected hf, gguf or shards, got "ggml" Did you mean gguf/,
      "export",
      "ggml",
      "--out",
      "x",
    );
    await refused(/curate export gguf needs --out/, "export", "gguf");
    await refused(
      /--type: expected f32, f16 or q8_0, got "q4_0"/,
      "export",
      "gguf",
      "--out",
      "x",
      "--type",
      "q4_0",
    );
    await refused(
      /--to: expected llm\.c, nanogpt, megatron or datasets, got nothing/,
      "export",
      "shards",
      "--out",
      "x",
    );
    await refused(
      /expected a file for the GGUF, got the folder/,
      "export",
      "gguf",
      "--workdir",
      "out",
      "--out",
      "out",
    );
    await refused(
      /holds a model of ours/,
      "export",
      "hf",
      "--workdir",
      "out",
      "--out",
      "out/model/checkpoints/step-000060",
    );
    await refused(
      /holds the shards themselves/,
      "export",
      "shards",
      "--workdir",
      "out",
      "--to",
      "nanogpt",
      "--out",
      "out/shards",
    );
    await refused(/expected hf or llama2c, got "gguf"/, "import", "gguf", "x", "--out", "x");
    await refused(/expected a Hugging Face model, but .* is missing/, "import", "hf", "out", "--out", "x");
    await refused(/expected a llama2\.c checkpoint at/, "import", "llama2c", "none.bin", "--out", "x");
    await refused(/curate import needs --out/, "import", "hf", "out");
    writeFileSync(join(dir, "other-tokenizer.json"), "{}");
    await refused(
      /expected a tokenizer\.json with a model/,
      "export",
      "gguf",
      "--model",
      "out/model",
      "--tokenizer",
      "other-tokenizer.json",
      "--out",
      "x",
    );
    assert.equal(existsSync(join(dir, "x")), false);
  });
});

/** The first folder with node-llama-cpp in it; null after the test was marked as skipped. */
function llamaCpp(t: TestContext): string | null {
  const named = process.env["CURATE_LLAMA_CPP"];
  const module = join(named ?? packageRoot, "node_modules", "node-llama-cpp", "dist", "index.js");
  if (existsSync(module)) return module;
  if (named) throw new Error(`CURATE_LLAMA_CPP names ${named}, but there is no ${module}`);
  t.skip("node-llama-cpp is not installed; CURATE_LLAMA_CPP names a folder where it is");
  return null;
}

const runFile = promisify(execFile);

type Continued = {
  readonly version: string;
  /** Ids of the text, and whether llama.cpp itself puts the token that begins a text before it. */
  readonly prompt: readonly number[];
  readonly bos: boolean;
  /** 32 greedy ids. */
  readonly ids: readonly number[];
};

const main = join(packageRoot, "runs", "fixtures");
const exported = [
  ...faces.flatMap(face =>
    (["f32", "f16", "q8_0"] as const).map(type => ({ what: face, type, where: located(face) })),
  ),
  ...(["f16", "q8_0"] as const).map(type => ({
    what: "the main job's model",
    type,
    where: ["--workdir", main],
  })),
  { what: "stories260K", type: "f32" as const, where: ["--model", "stories-text"] },
];

let answers: Promise<(Continued | null)[]> | null = null;

/** Exports every model and asks llama.cpp about all of them in one process. null: there is no such model here. */
function askLlamaCpp(module: string): Promise<(Continued | null)[]> {
  const ask = async () => {
    const files: (string | null)[] = [];
    for (const [i, { type, where }] of exported.entries()) {
      const folder = where.includes(main) ? join(main, "model", "checkpoints") : where[1]!;
      const missing = !existsSync(folder);
      files.push(missing ? null : join(dir, `${i}.gguf`));
      if (!missing) await inDir("export", "gguf", ...where, "--type", type, "--out", files[i]!);
    }
    const there = files.filter(file => file !== null);
    const program = join(builtRoot, "test", "cli", "llama-cpp.js");
    const { stdout } = await runFile(process.execPath, [program, module, prompt, ...there]);
    const lines = stdout.trim().split("\n");
    return files.map(file => (file === null ? null : (JSON.parse(lines.shift()!) as Continued)));
  };
  answers ??= ask();
  return answers;
}

describe("llama.cpp goes on with our own 32 tokens", () => {
  for (const [i, { what, type, where }] of exported.entries()) {
    test(`from the GGUF of ${what} in ${type}`, async t => {
      const module = llamaCpp(t);
      if (!module) return;
      const theirs = (await askLlamaCpp(module))[i]!;
      if (theirs === null)
        return t.skip(
          what === "stories260K" ? "no such model" : `no model in ${main}: curate run stages.yaml makes it`,
        );
      t.diagnostic(`node-llama-cpp ${theirs.version}`);
      const ours = await greedily(...where);
      if (what !== "stories260K") {
        const tokenizer = where.includes(main) ? join(main, "tokenizer") : "out/tokenizer";
        const cut = await encode(tokenizer);
        assert.equal(theirs.prompt.join(" "), cut, "the text is cut into the same tokens");
      }
      assert.equal(theirs.bos, true, "llama.cpp puts the end of text before it, as training did");
      if (type !== "q8_0") return assert.equal(theirs.ids.join(" "), ours.ids);
      // Eight bits move logits a little: the first token that differs must be nearly as likely as ours.
      const at = theirs.ids.findIndex((id, i) => id !== ours.tokens[i]!.id);
      t.diagnostic(at < 0 ? "all 32 tokens the same" : `the first ${at} tokens the same`);
      if (at < 0) return;
      const { probability, alternatives } = ours.tokens[at]!;
      const other = alternatives.find(({ id }) => id === theirs.ids[at])?.probability ?? 0;
      assert.ok(Math.log(probability / other) < 0.1, `token ${at}: ${probability} against ${other}`);
    });
  }
});

/** A Python that has PyTorch; null after the test was marked as skipped. */
function pythonWithTorch(t: TestContext): string | null {
  const named = process.env["CURATE_PYTHON"];
  for (const python of named ? [named] : ["python3", "/usr/bin/python3"]) {
    try {
      const version = execFileSync(python, ["-c", "import torch; print(torch.__version__)"], {
        stdio: "pipe",
      });
      t.diagnostic(`PyTorch ${String(version).trim()}`);
      return python;
    } catch (error) {
      if (named) throw error;
    }
  }
  t.skip("no Python with PyTorch; CURATE_PYTHON names one");
  return null;
}

describe("PyTorch goes on with our own 32 tokens", () => {
  for (const face of faces) {
    test(`from the safetensors of ${face}`, async t => {
      const python = pythonWithTorch(t);
      if (!python) return;
      mkdirSync(join(dir, "torch"), { recursive: true });
      const folder = join(dir, "torch", face);
      await inDir("export", "hf", ...located(face), "--out", folder);
      const { eot } = JSON.parse(readFileSync(join(dir, "out", "shards", "manifest.json"), "utf8"));
      const script = join(packageRoot, "test", "trainer", "reference", "gpt.py");
      const ids = [String(eot), ...(await encode()).split(" ")];
      const { stdout } = await runFile(python, [script, "generate", folder, "32", ...ids]);
      assert.equal(stdout.trim(), await greedyIds(...located(face)));
    });
  }
});
