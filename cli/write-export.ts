/** `curate export`: a model for other programs (Hugging Face, llama.cpp), or token shards for other trainers. */

import { createHash } from "node:crypto";
import { copyFileSync, existsSync, readFileSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { writeAtomic } from "../lib/atomic.ts";
import { nearest, shown, UserError } from "../lib/errors.ts";
import { makeFolder } from "../lib/folder.ts";
import { loadTokenizer, saveTokenizer, type Tokenizer } from "../tokenizer/files.ts";
import { writeTokenizerJson } from "../tokenizer/formats/tokenizer-json.ts";
import { openShards } from "../tokenizer/shards/read.ts";
import type { GgufType } from "../trainer/export/quantise.ts";
import type { Splits, Written } from "../trainer/export/shards/splits.ts";
import { readLlama2cTokenizer, type ScoredPiece } from "../trainer/import/llama2c-tokenizer.ts";
import { openWeights, type StoredWeights } from "../trainer/weights.ts";
import type { FlagValues } from "./command.ts";
import type { exportFlags } from "./export.ts";
import { llama2cFile } from "./model-vocabulary.ts";
import { locateModel } from "./sample.ts";
import { bytes, json, out } from "./terminal.ts";

const kinds = ["hf", "gguf", "shards"] as const;
const types = ["f32", "f16", "q8_0"] as const;
const targets = ["llm.c", "nanogpt", "megatron", "datasets"] as const;

export async function writeExport([kind]: readonly string[], flags: FlagValues<typeof exportFlags>) {
  const what = oneOf(kinds, kind, "curate export");
  if (flags.out === undefined)
    throw new UserError(`curate export ${what} needs --out`, "Say where to write:  --out PATH");
  const target = resolve(flags.out);
  const written =
    what === "shards" ? await exportShards(target, flags) : await exportModel(what, target, flags);
  if (flags.json) return json({ export: what, files: written });
  for (const { path, bytes: size } of written) out(`${path}  ${bytes(size)}`);
}

function oneOf<T extends string>(allowed: readonly T[], value: string | undefined, where: string): T {
  if (allowed.includes(value as T)) return value as T;
  const near = value === undefined ? undefined : nearest(value, allowed);
  throw new UserError(
    `${where}: expected ${allowed.join(", ").replace(/, ([^,]*)$/, " or $1")}, got ${value === undefined ? "nothing" : shown(value)}`,
    near ? `Did you mean ${near}?` : "See  curate export --help",
  );
}

type ModelFlags = {
  readonly model: string | undefined;
  readonly workdir: string | undefined;
  readonly tokenizer: string | undefined;
  readonly type: string | undefined;
  readonly name: string | undefined;
};

async function exportModel(
  kind: "hf" | "gguf",
  target: string,
  { type = "f16", name, ...flags }: ModelFlags,
): Promise<Written[]> {
  const gguf = kind === "gguf" ? oneOf(types, type, "--type") : null;
  const located = await locateModel(flags);
  const weights = openWeights(located.model);
  try {
    const { file, dir } = weights;
    const scored = join(located.tokenizer, llama2cFile);
    const own = existsSync(scored) ? llama2cTokenizer(scored, file.vocabulary) : null;
    if (own && gguf === null)
      throw new UserError(
        `${scored} is llama2.c's tokenizer, which has no form in a Hugging Face folder`,
        "Export it as gguf, or name a tokenizer.json with --tokenizer.",
      );
    const tokenizer = own ?? loadTokenizer(located.tokenizer);
    if (file.tokenizer && file.tokenizer !== tokenizer.hash)
      throw new UserError(
        `${dir} was trained with another tokenizer than ${located.tokenizer}`,
        "Name the right one with --tokenizer; its tokenizer.json has the sha256 that the model's config.json names.",
      );
    if (gguf === null) return await writeHuggingFace(target, weights, located.tokenizer);
    return await writeGguf(target, weights, tokenizer, gguf, name);
  } finally {
    weights.close();
  }
}

async function writeGguf(
  path: string,
  weights: StoredWeights,
  tokenizer: Tokenizer | { readonly pieces: readonly ScoredPiece[] },
  type: GgufType,
  name: string | undefined,
): Promise<Written[]> {
  if (existsSync(path) && statSync(path).isDirectory())
    throw new UserError(
      `--out: expected a file for the GGUF, got the folder ${path}`,
      "For example  --out model.gguf",
    );
  const { exportGguf, ggufTokenizer } = await import("../trainer/export/gguf.ts");
  const { eot, bos } = weights.file;
  if ("pieces" in tokenizer) return [await exportGguf(path, weights, { ...tokenizer, eot }, type, name)];
  const { vocabulary } = tokenizer;
  const merged = ggufTokenizer(JSON.parse(writeTokenizerJson(vocabulary)), vocabulary.pattern, eot);
  return [await exportGguf(path, weights, { ...merged, ...(bos !== undefined && { bos }) }, type, name)];
}

function llama2cTokenizer(path: string, size: number) {
  const file = readFileSync(path);
  const { pieces } = readLlama2cTokenizer(file, size, path);
  return { pieces, hash: createHash("sha256").update(file).digest("hex") };
}

async function writeHuggingFace(dir: string, weights: StoredWeights, tokenizer: string): Promise<Written[]> {
  refuseFile(dir);
  if (resolve(weights.dir) === dir || existsSync(join(dir, "state.json")))
    throw new UserError(
      `--out: ${dir} holds a model of ours, which would be overwritten`,
      "Name another folder.",
    );
  const { exportHuggingFace } = await import("../trainer/export/hugging-face.ts");
  makeFolder(dir);
  const { vocabulary } = loadTokenizer(tokenizer);
  const own = join(tokenizer, "tokenizer.json");
  // The very file, where there is one: its bytes are what the model's config.json knows it by.
  if (existsSync(own)) copyFileSync(own, join(dir, "tokenizer.json"));
  else saveTokenizer(vocabulary, dir);
  const { eot, bos = eot } = weights.file;
  const special = (wanted: number) => [...vocabulary.specials].find(([, id]) => id === wanted)?.[0];
  const lines = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;
  // What has no text is undefined here and left out by JSON.
  const tokens = { bos_token: special(bos), eos_token: special(eot) };
  const config = {
    ...tokens,
    tokenizer_class: "PreTrainedTokenizerFast",
    model_max_length: weights.config.context,
    clean_up_tokenization_spaces: false,
  };
  writeAtomic(join(dir, "tokenizer_config.json"), lines(config));
  writeAtomic(join(dir, "special_tokens_map.json"), lines(tokens));
  await exportHuggingFace(dir, weights, weights.file);
  return ["config.json", "generation_config.json", "model.safetensors"]
    .concat("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")
    .map(name => ({ path: join(dir, name), bytes: statSync(join(dir, name)).size }));
}

function refuseFile(dir: string): void {
  if (existsSync(dir) && !statSync(dir).isDirectory())
    throw new UserError(`--out: expected a folder, got the file ${dir}`);
}

async function exportShards(
  target: string,
  flags: {
    readonly to: string | undefined;
    readonly workdir: string | undefined;
    readonly shards: string | undefined;
  },
): Promise<Written[]> {
  const to = oneOf(targets, flags.to, "--to");
  refuseFile(target);
  const dir = flags.shards === undefined ? await shardsOfWorkdir(flags.workdir) : resolve(flags.shards);
  if (target === dir)
    throw new UserError(`--out: ${dir} holds the shards themselves`, "Name another folder.");
  const splits: Splits = { train: openShards(dir, "train"), val: validationOf(dir) };
  switch (to) {
    case "llm.c":
      return (await import("../trainer/export/shards/llmc.ts")).exportLlmc(target, splits);
    case "nanogpt":
      return (await import("../trainer/export/shards/nanogpt.ts")).exportNanogpt(target, splits);
    case "megatron":
      return (await import("../trainer/export/shards/megatron.ts")).exportMegatron(target, splits);
    case "datasets":
      return (await import("../trainer/export/shards/datasets.ts")).exportDatasets(target, splits);
  }
}

async function shardsOfWorkdir(workdir: string | undefined): Promise<string> {
  const { workdirOf } = await import("./load.ts");
  const { shardsDir } = await import("./corpus-phases.ts");
  return shardsDir(workdirOf(workdir));
}

/** Validation shards, where the run kept any documents for them. */
function validationOf(dir: string) {
  const manifest = join(dir, "manifest.json");
  const listed = existsSync(manifest) && /"split": *"val"/.test(readFileSync(manifest, "utf8"));
  return listed || existsSync(join(dir, "val-00000.arrow")) ? openShards(dir, "val") : null;
}
