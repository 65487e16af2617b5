/** `curate import`: a GPT-2 or Llama model of another program becomes one that sample, eval and train take. */

import { createHash } from "node:crypto";
import { copyFileSync, existsSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { nearest, shown, UserError } from "../lib/errors.ts";
import { makeFolder } from "../lib/folder.ts";
import { loadTokenizer, saveTokenizer } from "../tokenizer/files.ts";
import { vocabularySize } from "../tokenizer/vocabulary.ts";
import type { ModelConfig } from "../trainer/config.ts";
import { readHuggingFace } from "../trainer/import/hugging-face.ts";
import { type ImportedModel, saveImported } from "../trainer/import/imported.ts";
import { readLlama2c } from "../trainer/import/llama2c.ts";
import { readLlama2cTokenizer } from "../trainer/import/llama2c-tokenizer.ts";
import { countParameters } from "../trainer/parameters.ts";
import type { FlagValues } from "./command.ts";
import type { importFlags } from "./import.ts";
import { llama2cFile } from "./model-vocabulary.ts";
import { json, number, out, say } from "./terminal.ts";

const kinds = ["hf", "llama2c"] as const;

export async function importModel([kind, path]: readonly string[], flags: FlagValues<typeof importFlags>) {
  if (kind !== "hf" && kind !== "llama2c") {
    const near = kind === undefined ? undefined : nearest(kind, kinds);
    throw new UserError(
      `curate import: expected hf or llama2c, got ${kind === undefined ? "nothing" : shown(kind)}`,
      near ? `Did you mean ${near}?` : "See  curate import --help",
    );
  }
  if (path === undefined)
    throw new UserError(
      `curate import ${kind} needs the path of a model`,
      kind === "hf"
        ? "the folder with config.json and model.safetensors"
        : "the file, such as stories15M.bin",
    );
  if (flags.out === undefined)
    throw new UserError("curate import needs --out", "Say where to write:  --out DIR");
  const target = resolve(flags.out);
  refuseTarget(target, resolve(path));
  const from = kind === "hf" ? readHuggingFace(resolve(path)) : readLlama2c(resolve(path));
  try {
    const tokenizer = tokenizerFor(from, resolve(path), flags.tokenizer);
    makeFolder(target);
    tokenizer?.place(target);
    await saveImported(target, { ...from, tokenizer: tokenizer?.hash ?? null });
    const { config } = from;
    if (flags.json) return json({ out: target, config, tokenizer: tokenizer?.from ?? null });
    out(
      `${target}: ${config.family}, ${number(countParameters(config))} parameters, ${config.layers} layers of ${config.width}, ` +
        `context ${config.context}, vocabulary ${number(config.vocabulary)}`,
    );
  } finally {
    from.close();
  }
}

function refuseTarget(target: string, path: string): void {
  if (existsSync(target) && !statSync(target).isDirectory())
    throw new UserError(`--out: expected a folder, got the file ${target}`);
  if (target === path || existsSync(join(target, "state.json")))
    throw new UserError(
      `--out: ${target} holds a model already, which would be overwritten`,
      "Name another folder.",
    );
}

type Placed = { readonly from: string; readonly hash: string; place(target: string): void };

/**
 * The tokenizer that lies beside the model, where it is one that we know; a model without is sampled by ids. One that
 * was asked for must load.
 */
function tokenizerFor({ config }: ImportedModel, path: string, asked: string | undefined): Placed | null {
  const beside = statSync(path).isDirectory() ? path : dirname(path);
  const scored = asked ?? join(beside, llama2cFile);
  if (scored.endsWith(".bin") && (asked !== undefined || existsSync(scored)))
    return scoredTokenizer(scored, config);
  const from = asked ?? beside;
  try {
    const { vocabulary, hash } = loadTokenizer(from);
    const size = vocabularySize(vocabulary);
    if (size > config.vocabulary)
      throw new UserError(
        `${from} has ${size} tokens, the model only ${config.vocabulary}`,
        "it is the tokenizer of another model",
      );
    return { from, hash, place: target => placeTokenizer(from, target) };
  } catch (error) {
    if (asked !== undefined || !(error instanceof UserError)) throw error;
    say(`without a tokenizer: ${error.message}`);
    say('sample it by ids:  curate sample --model DIR --prompt-ids "1 2 3" --ids');
    return null;
  }
}

/** llama2.c's own. */
function scoredTokenizer(from: string, { vocabulary }: ModelConfig): Placed {
  let file: Buffer;
  try {
    file = readFileSync(from);
  } catch {
    throw new UserError(`expected a llama2.c tokenizer at ${from}, found none that can be read`);
  }
  readLlama2cTokenizer(file, vocabulary, from);
  const hash = createHash("sha256").update(file).digest("hex");
  return { from, hash, place: target => copyFileSync(from, join(target, llama2cFile)) };
}

function placeTokenizer(from: string, target: string): void {
  const file = existsSync(from) && statSync(from).isDirectory() ? join(from, "tokenizer.json") : from;
  if (basename(file) === "tokenizer.json" && existsSync(file))
    copyFileSync(file, join(target, "tokenizer.json"));
  else saveTokenizer(loadTokenizer(from).vocabulary, target);
}
