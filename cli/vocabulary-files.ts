/**
 * Where a recipe's ready-made vocabulary lies, and what is in its files: their content is part of what the shards
 * depend on. Knows nothing of the formats.
 */
import { existsSync, readdirSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { sha256File } from "../lib/atomic.ts";
import type { StageFile } from "../pipeline/execute/plan.ts";
import type { Recipe } from "../pipeline/recipe.ts";

/** A folder or file, relative to the recipe's folder, if there is one; else the name of a published vocabulary. */
export function vocabularySource(base: string, use: string): string {
  const path = resolve(base, use);
  return existsSync(path) ? path : use;
}

export function vocabularyFiles(recipe: Recipe, base: string): StageFile[] {
  const use = recipe.stages.find(stage => stage.name === "tokenizer")?.options["use"];
  if (typeof use !== "string") return [];
  const path = vocabularySource(base, use);
  if (path === use) return [];
  if (!statSync(path).isDirectory()) return [{ stage: "tokenizer", path: use, sha256: sha256File(path) }];
  return readdirSync(path, { withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(({ name }) => name)
    .sort()
    .map(name => ({ stage: "tokenizer", path: join(use, name), sha256: sha256File(join(path, name)) }));
}
