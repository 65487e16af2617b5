/**
 * Turns the recipe's entries into running stages: finds the files they ask for and builds them once. The only place
 * where a stage's wish for a file meets the disk.
 */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { UserError } from "../../lib/errors.ts";
import type { RecipeStage } from "../recipe.ts";
import type { RunningStage } from "../run.ts";
import type { Load } from "../stage.ts";
import { corpusStages, documentStages } from "../stages.ts";
import type { Plan, StageFile } from "./plan.ts";

/** Reads a file for a stage: relative to `base`, or "package:name/path" from an installed package. Throws UserError. */
export function loadFrom(base: string): Load {
  return async path => {
    const found = path.startsWith("package:")
      ? packageFile(path.slice("package:".length))
      : resolve(base, path);
    try {
      return await readFile(found);
    } catch (error) {
      throw new UserError(
        `cannot read ${found}: ${(error as Error).message}`,
        "Check the path in the recipe; relative paths start at the recipe's folder.",
      );
    }
  };
}

function packageFile(path: string): string {
  const name = path
    .split("/")
    .slice(0, path.startsWith("@") ? 2 : 1)
    .join("/");
  const folders = createRequire(import.meta.url).resolve.paths(name) ?? [];
  const found = folders.map(folder => join(folder, path)).find(candidate => existsSync(candidate));
  if (!found)
    throw new UserError(
      `the package ${name} is not installed, or has no file ${path.slice(name.length + 1)}`,
      "Run npm ci in curate's folder.",
    );
  return found;
}

export async function buildStages(
  plan: Pick<Plan, "base" | "recipe">,
  stages: readonly RecipeStage[],
  read: (file: StageFile) => void = () => {},
): Promise<RunningStage[]> {
  const open = loadFrom(plan.base);
  const running: RunningStage[] = [];
  for (const { name, mode, options } of stages) {
    const stage = documentStages.get(name)!;
    const load: Load = async path => {
      const bytes = await open(path);
      read({ stage: name, path, sha256: createHash("sha256").update(bytes).digest("hex") });
      return bytes;
    };
    running.push({
      name,
      kind: stage.kind,
      tag: mode === "tag",
      judge: await stage.build(options, { load, seed: plan.recipe.seed }),
    });
  }
  return running;
}

/**
 * Builds every document stage of a plan once, so that a missing list or a wrong code is found before any work. Gives
 * the files they read, and what stages of the whole corpus depend on outside this run.
 */
export async function tryStages(plan: Pick<Plan, "base" | "recipe" | "workdir">): Promise<StageFile[]> {
  const files: StageFile[] = [];
  const stages = plan.recipe.stages.filter(stage => documentStages.has(stage.name));
  await buildStages(plan, stages, file => files.push(file));
  for (const { name, options } of plan.recipe.stages) {
    const outside = corpusStages.get(name)?.outside?.(options, plan.workdir) ?? [];
    files.push(...outside.map(file => ({ stage: name, ...file })));
  }
  return files;
}
