/**
 * From the words on the command line to a checked plan: finds the recipe, applies `--set`, resolves the inputs.
 * Writes nothing; everything the user can have got wrong is found here.
 */

import { accessSync, constants, existsSync, readFileSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { stringify } from "yaml";
import { UserError } from "../lib/errors.ts";
import { makeFolder } from "../lib/folder.ts";
import { tryStages } from "../pipeline/execute/build.ts";
import { planPath } from "../pipeline/execute/execute.ts";
import type { Plan } from "../pipeline/execute/plan.ts";
import { readPlanFile } from "../pipeline/execute/task.ts";
import { crawlOf, isStreamed } from "../pipeline/fetch/options.ts";
import { storeOf } from "../pipeline/fetch/store.ts";
import { type Input, resolveInputs } from "../pipeline/inputs.ts";
import { sourceOptions } from "../pipeline/readers/settings.ts";
import { parseRecipe, type Recipe } from "../pipeline/recipe.ts";
import { isS3, scratchOf } from "../pipeline/store/s3.ts";
import { catalogue } from "./catalogue.ts";
import { duration, say } from "./terminal.ts";
import { version } from "./version.ts";
import { vocabularyFiles } from "./vocabulary-files.ts";

/** `a.b=c` as given to --set. */
export function parseSets(sets: readonly string[]): { address: string; value: string }[] {
  return sets.map(set => {
    const at = set.indexOf("=");
    if (at <= 0)
      throw new UserError(
        `--set: expected address=value, got ${JSON.stringify(set)}`,
        "For example  --set gopher-quality.minWords=80",
      );
    return { address: set.slice(0, at), value: set.slice(at + 1) };
  });
}

export type PlanOptions = {
  readonly recipePath: string;
  readonly sets: readonly string[];
  readonly workdir: string | undefined;
  /** Use only the first N inputs. */
  readonly limit?: number | undefined;
};

export function loadRecipe(path: string, sets: readonly string[]): Recipe {
  if (!existsSync(path)) {
    throw new UserError(
      `there is no recipe ${path}`,
      "Name one: curate run my-stages.yaml. The default is stages.yaml in this folder.",
    );
  }
  if (statSync(path).isDirectory())
    throw new UserError(`${path} is a folder, expected a recipe such as stages.yaml`);
  return parseRecipe(
    { text: readFileSync(path, "utf8"), path, set: parseSets(sets) },
    catalogue,
    sourceOptions,
  );
}

/** The plan for a recipe, with its inputs found and its stages tried. Throws UserError. */
export async function loadPlan(options: PlanOptions): Promise<Plan> {
  const path = resolve(options.recipePath);
  const base = dirname(path);
  const recipe = loadRecipe(options.recipePath, options.sets);
  const { workdir, remote } = workdirAt(options.workdir, recipe.workdir, base);
  checkLimit(options.limit);
  const files = [...(await tryStages({ base, recipe, workdir })), ...vocabularyFiles(recipe, base)];
  const plan = {
    version,
    recipe,
    base,
    workdir,
    inputs: [] as Input[],
    files,
    ...(remote ? { remote } : {}),
  };
  if (crawlOf(recipe.source)) return crawlPlan(plan, options.limit);
  return { ...plan, inputs: (await inputsOf(recipe, base, options.recipePath)).slice(0, options.limit) };
}

/** The local folder of a workdir, and the object store's address it is kept at, if any. */
function workdirAt(named: string | undefined, ofRecipe: string, base: string) {
  const given = named ?? ofRecipe;
  if (isS3(given)) return { workdir: scratchOf(given), remote: given.replace(/\/+$/, "") };
  return { workdir: named !== undefined ? resolve(named) : resolve(base, ofRecipe), remote: null };
}

/** A plan with the inputs its crawl's host lists, and with the address they come from. */
async function crawlPlan(plan: Plan, limit: number | undefined): Promise<Plan> {
  const { baseOf, listCrawl } = await import("../pipeline/fetch/commoncrawl.ts");
  const given = crawlOf(plan.recipe.source)!;
  const source = { ...given, base: baseOf(given, process.env["CURATE_CC_BASE"]) };
  const listed = { ...plan, recipe: { ...plan.recipe, source } };
  const known = isStreamed(source) ? listedBefore(listed, limit) : null;
  if (known) return { ...listed, inputs: known };
  const inputs = await listCrawl({
    source,
    seed: plan.recipe.seed,
    store: storeOf(plan),
    version: plan.version,
    limit,
    onWait: waiting => {
      if (waiting) say(`${waiting.why}: waiting ${duration(waiting.milliseconds / 1000)}`);
    },
  });
  return { ...listed, inputs };
}

/**
 * The inputs as an earlier run of the same crawl in this workdir listed them: asking the host for length and version of
 * each again costs a request a file, and a run that reads files as they come has no copies to tell them by.
 */
function listedBefore(plan: Plan, limit: number | undefined): readonly Input[] | null {
  const chosen = ({ recipe }: Plan) => {
    const { commoncrawl, files, base, missing } = recipe.source;
    return JSON.stringify([recipe.seed, commoncrawl, files, base, missing]);
  };
  try {
    const earlier = readPlanFile(planPath(plan));
    const wanted = Math.min(limit ?? Number.POSITIVE_INFINITY, plan.recipe.source["files"] as number);
    return chosen(earlier) === chosen(plan) && earlier.inputs.length === wanted ? earlier.inputs : null;
  } catch {
    return null;
  }
}

async function inputsOf(recipe: Recipe, base: string, where: string): Promise<Input[]> {
  for (const key of ["warc", "wet", "jsonl", "parquet"]) {
    const patterns = recipe.source[key] as readonly string[];
    if (patterns.length === 0) continue;
    const at = `${where}: source.${key}`;
    const found = new Map<string, Input>();
    for (const pattern of patterns) {
      const inputs = isS3(pattern)
        ? await (await import("../pipeline/store/inputs.ts")).expandStored(pattern, at)
        : resolveInputs([pattern], base, at);
      for (const input of inputs) if (!found.has(input.name)) found.set(input.name, input);
    }
    return [...found.values()];
  }
  throw new UserError(`${where}: source: the list of inputs is empty`, "Name at least one file or pattern.");
}

function checkLimit(limit: number | undefined): void {
  if (limit !== undefined && (!Number.isInteger(limit) || limit < 1))
    throw new UserError(`--limit: expected a whole number of input files of at least 1, got ${limit}`);
}

/** Makes the workdir, or says why it cannot be written. */
export function prepareWorkdir(workdir: string): void {
  try {
    makeFolder(workdir);
    accessSync(workdir, constants.W_OK);
  } catch (error) {
    throw new UserError(
      `cannot write the workdir ${workdir}: ${(error as NodeJS.ErrnoException).code ?? (error as Error).message}`,
      "Choose another with --workdir, or change its permissions.",
    );
  }
}

/** A recipe with every default written out, as YAML that can be run again. */
export function recipeYaml(recipe: Recipe): string {
  const { version: schema, stages, ...top } = recipe;
  const listed = stages.map(({ name, mode, preset, options }) => ({
    [name]: { ...(preset === null ? {} : { preset }), ...(mode === "drop" ? {} : { mode }), ...options },
  }));
  const source = Object.fromEntries(
    Object.entries(top.source).filter(([, value]) => !(Array.isArray(value) && value.length === 0)),
  );
  return stringify({ version: schema, ...top, workers: top.workers ?? "auto", source, stages: listed });
}

/** The workdir a command means: the one named, else that of stages.yaml here. */
export function workdirOf(named: string | undefined): string {
  if (named !== undefined) {
    const path = resolve(named);
    if (!existsSync(join(path, "run.json")))
      throw new UserError(
        `${path} is not a workdir: it has no run.json`,
        "Run  curate run stages.yaml --workdir DIR  first.",
      );
    return path;
  }
  const recipe = loadRecipe("stages.yaml", []);
  const path = resolve(recipe.workdir);
  if (!existsSync(join(path, "run.json")))
    throw new UserError(
      `nothing has been run yet: ${path} has no run.json`,
      "Run  curate run  first, or name a workdir.",
    );
  return path;
}
