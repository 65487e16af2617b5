/** `curate sample "prompt"`: text from a model, as it is written. */
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { UserError } from "../lib/errors.ts";
import type { Decoder } from "../tokenizer/decoder.ts";
import type { DeviceKind } from "../trainer/devices.ts";
import type { SampleOptions } from "../trainer/sample.ts";
import { command } from "./command.ts";
import { harmless, json, out, say, styled } from "./terminal.ts";

type Place = {
  readonly model?: string | undefined;
  readonly workdir?: string | undefined;
  readonly tokenizer?: string | undefined;
};

async function modelOf(flags: Place): Promise<string> {
  const model = flags.model === undefined ? await modelOfWorkdir(flags.workdir) : resolve(flags.model);
  if (existsSync(model)) return model;
  throw new UserError(`there is no model ${model}`, "Train one first: curate run stages.yaml");
}

/** Finding a workdir takes the whole pipeline, half a second of loading that a named model does without. */
async function modelOfWorkdir(workdir: string | undefined): Promise<string> {
  const { workdirOf } = await import("./load.ts");
  return join(workdirOf(workdir), "model");
}

/** Where a model and its tokenizer are: a workdir, a model folder in one, or a folder that holds both. */
export async function locateModel(flags: Place): Promise<{ model: string; tokenizer: string }> {
  const model = await modelOf(flags);
  if (flags.tokenizer !== undefined) return { model, tokenizer: flags.tokenizer };
  const candidates = [
    model,
    join(model, "tokenizer"),
    join(model, "..", "tokenizer"),
    join(model, "..", "..", "tokenizer"),
    join(model, "..", "..", "..", "tokenizer"),
  ];
  const found = candidates.find(folder =>
    ["tokenizer.json", "tokenizer.bin"].some(name => existsSync(join(folder, name))),
  );
  if (!found)
    throw new UserError(
      `no tokenizer.json beside ${model}`,
      "Name the tokenizer's folder with --tokenizer; curate sample also takes --prompt-ids with --ids.",
    );
  return { model, tokenizer: found };
}

export const sampleFlags = {
  model: {
    type: "text",
    value: "DIR",
    about: "a checkpoint or model folder; default: the model of the workdir",
  },
  workdir: {
    type: "text",
    value: "DIR",
    about: "the run whose model talks; default: that of stages.yaml here",
  },
} as const;

/** What any command that runs a model takes besides. */
export const deviceFlags = {
  device: { type: "text", value: "NAME", about: "auto (default), cpu or webgpu", more: true },
  threads: { type: "number", value: "N", about: "threads of the cpu device", more: true },
  tokenizer: {
    type: "text",
    value: "DIR",
    about: "the tokenizer's folder, where it does not lie beside the model",
    more: true,
  },
} as const;

export const sample = command({
  name: "sample",
  about: "Continues a prompt with a trained model, writing as it goes.",
  usage: "[prompt]",
  example: 'curate sample "In the morning" --temperature 0.7 --seed 3',
  maxPositionals: 1,
  flags: {
    ...sampleFlags,
    prompt: {
      type: "text",
      value: "TEXT",
      about: "what to continue; - reads standard input; default: the start of a document",
    },
    "max-tokens": { type: "number", value: "N", about: "tokens to write; default 128" },
    temperature: {
      type: "number",
      value: "T",
      about: "0 takes the most probable token every time; default 0.8",
    },
    "top-k": {
      type: "number",
      value: "K",
      about: "choose among the K most probable tokens; 0: all; default 50",
    },
    "top-p": {
      type: "number",
      value: "P",
      about: "choose among the most probable with this share together; default 1",
    },
    seed: { type: "number", value: "N", about: "the same seed gives the same text; default 1" },
    n: { type: "number", short: "n", value: "N", about: "so many samples; default 1" },
    "min-p": {
      type: "number",
      value: "P",
      about: "drop tokens below this share of the most probable",
      more: true,
    },
    "repetition-penalty": {
      type: "number",
      value: "R",
      about: "above 1: say the same less often",
      more: true,
    },
    stop: {
      type: "list",
      value: "TEXT",
      about: "end before this text; may be repeated",
      more: true,
    },
    probs: { type: "number", value: "N", about: "show each token with its N best alternatives", more: true },
    ids: { type: "flag", about: "token ids instead of text", more: true },
    "prompt-ids": {
      type: "text",
      value: "IDS",
      about: "the prompt as token ids, taken as they are; with --ids no tokenizer is needed",
      more: true,
    },
    ...deviceFlags,
    json: { type: "flag", about: "one JSON object a sample", more: true },
  },
  async run([positional], flags) {
    if (positional !== undefined && flags.prompt !== undefined)
      throw new UserError("the prompt is given twice: as a word and with --prompt");
    const given = positional ?? flags.prompt ?? "";
    const n = flags.n ?? 1;
    const options = {
      ...{
        maxTokens: flags["max-tokens"] ?? 128,
        temperature: flags.temperature ?? 0.8,
        topK: flags["top-k"] ?? 50,
      },
      ...{
        topP: flags["top-p"] ?? 1,
        minP: flags["min-p"] ?? 0,
        repetitionPenalty: flags["repetition-penalty"] ?? 1,
      },
      ...{ seed: flags.seed ?? 1, n, top: flags.probs ?? 0 },
    };
    const { checkSampleOptions } = await import("../trainer/sample.ts");
    checkSampleOptions(options, flagOf);
    if (flags["prompt-ids"] !== undefined) return await sampleIds(flags["prompt-ids"], given, options, flags);
    const prompt = given === "-" ? readFileSync(0, "utf8") : given;
    const { model, tokenizer } = await locateModel(flags);
    const { openTalker } = await import("./talk.ts");
    const talker = await openTalker(model, tokenizer, deviceFlag(flags.device), flags.threads ?? null);
    const streaming = n === 1 && !flags.json && !flags.ids && !flags.probs;
    const samples = Array.from({ length: n }, () => ({
      text: "",
      ids: [] as number[],
      tokens: [] as object[],
    }));
    try {
      if (streaming) process.stdout.write(styled(prompt, "bold"));
      for await (const { sample: which, text, token } of talker.stream(prompt, {
        ...options,
        stopText: flags.stop,
      })) {
        const held = samples[which]!;
        held.text += text;
        if (token) {
          held.ids.push(token.token);
          if (flags.probs) held.tokens.push(described(talker.vocabulary.decoder, token));
        }
        if (streaming) process.stdout.write(process.stdout.isTTY ? harmless(text) : text);
      }
      if (streaming) process.stdout.write("\n");
      else for (const [i, held] of samples.entries()) show(i, prompt, held, flags);
    } finally {
      await talker.close();
    }
    say(styled(`${talker.reason.split(":")[0]}, ${talker.model.dir}`, "dim", process.stderr.isTTY === true));
  },
});

/** The flag that an option of the sampler is given by. */
function flagOf(name: string): string {
  if (name === "top") return "--probs";
  return name === "n" ? "-n" : `--${name.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)}`;
}

/** Ids in, ids out: no tokenizer is opened. */
async function sampleIds(
  given: string,
  prompt: string,
  options: Partial<SampleOptions> & { readonly n: number },
  flags: Place & {
    readonly ids: boolean;
    readonly json: boolean;
    readonly stop: readonly string[];
    readonly device: string | undefined;
    readonly threads: number | undefined;
  },
): Promise<void> {
  if (prompt !== "") throw new UserError("the prompt is given twice: as text and with --prompt-ids");
  if (!flags.ids && !flags.json)
    throw new UserError("--prompt-ids answers with ids", "Add --ids (or --json).");
  if (flags.stop.length > 0)
    throw new UserError("--stop is text, and --prompt-ids knows no text", "Leave one of the two out.");
  const ids =
    given.trim() === ""
      ? []
      : given
          .trim()
          .split(/[\s,]+/)
          .map(Number);
  const wrong = ids.findIndex(id => !Number.isInteger(id) || id < 0);
  if (wrong >= 0 || ids.length === 0)
    throw new UserError(
      `--prompt-ids: expected whole numbers with spaces between them, got ${JSON.stringify(given)}`,
      'For example  --prompt-ids "1 403 407"',
    );
  const { openDevice } = await import("../trainer/devices.ts");
  const { openModel } = await import("../trainer/checkpoint.ts");
  const { sample: run } = await import("../trainer/sample.ts");
  const kind = deviceFlag(flags.device);
  const { device } = await openDevice(kind, {
    threads: flags.threads ?? null,
    allowSoftware: kind === "webgpu",
  });
  try {
    const model = await openModel(await modelOf(flags), device);
    const made: number[][] = Array.from({ length: options.n }, () => []);
    const stop = [[model.file.eot]];
    for await (const { sample: which, token } of run(model, Uint32Array.from(ids), { ...options, stop }))
      made[which]!.push(token);
    for (const [i, tokens] of made.entries()) {
      if (flags.json) json({ sample: i, prompt: ids, ids: tokens });
      else out(tokens.join(" "));
    }
    model.free();
  } finally {
    await device.destroy();
  }
}

export function deviceFlag(name: string | undefined): DeviceKind {
  if (name === undefined) return "auto";
  if (name === "auto" || name === "cpu" || name === "webgpu") return name;
  throw new UserError(`--device: expected auto, cpu or webgpu, got ${JSON.stringify(name)}`);
}

type Described = {
  readonly token: number;
  readonly probability: number;
  readonly alternatives: readonly { readonly token: number; readonly probability: number }[];
};

function described(decoder: Decoder, { token, probability, alternatives }: Described): object {
  const text = (id: number) => (decoder.bytesOf(id) ? decoder.decode([id]) : "");
  const of = (id: number, p: number) => ({ id, text: text(id), probability: p });
  return {
    ...of(token, probability),
    alternatives: alternatives.map(other => of(other.token, other.probability)),
  };
}

function show(
  i: number,
  prompt: string,
  held: { readonly text: string; readonly ids: readonly number[]; readonly tokens: readonly object[] },
  flags: { readonly json: boolean; readonly ids: boolean; readonly probs: number | undefined },
): void {
  if (flags.json) return json({ sample: i, prompt, ...held });
  if (flags.ids) return out(held.ids.join(" "));
  if (i > 0) out(styled("─".repeat(40), "dim"));
  if (!flags.probs) return out(styled(prompt, "bold") + held.text);
  for (const token of held.tokens as {
    text: string;
    probability: number;
    alternatives: { text: string; probability: number }[];
  }[]) {
    const share = (p: number) => `${(p * 100).toFixed(1)} %`;
    out(
      `${JSON.stringify(token.text).padEnd(16)} ${share(token.probability).padStart(7)}   ${token.alternatives.map(a => `${JSON.stringify(a.text)} ${share(a.probability)}`).join("  ")}`,
    );
  }
}
