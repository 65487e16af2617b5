/**
 * Earlier runs as something to deduplicate against: their collected keys and facts are read where they lie, as tasks
 * before this run's own. A document of this run that is like one of theirs is dropped, and which one is named; their
 * documents are never judged again. Both runs must have signed alike.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { shown, UserError } from "../../lib/errors.ts";
import { collectedPath } from "./paths.ts";

/** Where the keys and facts of one task lie, and which of the tasks there it is. */
export type TaskPlace = { readonly dir: string; readonly task: number };

/** The tasks that a deduplication looks at, earlier runs' first. */
export type Tasks = {
  readonly places: readonly TaskPlace[];
  /** How many of them belong to earlier runs. */
  readonly earlier: number;
};

export const collectedOf = ({ dir, task }: TaskPlace, what: string): string => collectedPath(dir, task, what);

/**
 * `dir` is this stage's folder, `<workdir>/work/<stage>`; `against` are workdirs, relative to this run's own. `signing`
 * are the options that must be equal; `withShingles` where copies are verified. Throws UserError.
 */
export function tasksOf(
  dir: string,
  own: number,
  against: readonly string[],
  signing: Readonly<Record<string, unknown>>,
  withShingles: boolean,
): Tasks {
  const workdir = resolve(dir, "..", "..");
  const stage = dir.slice(resolve(dir, "..").length + 1);
  const earlier = against.flatMap(name =>
    earlierTasks(resolve(workdir, name), name, stage, signing, withShingles),
  );
  const mine = Array.from({ length: own }, (_, task) => ({ dir, task }));
  return { places: [...earlier, ...mine], earlier: earlier.length };
}

function earlierTasks(
  workdir: string,
  name: string,
  stage: string,
  signing: Readonly<Record<string, unknown>>,
  withShingles: boolean,
): TaskPlace[] {
  const dir = join(workdir, "work", stage);
  const collected = join(dir, "collected");
  const fail = (what: string): never => {
    throw new UserError(
      `${stage}.against: ${name}: ${what} (${workdir})`,
      `Name the workdir of a run that has been through ${stage}; a relative one starts at this run's workdir.`,
    );
  };
  if (!existsSync(collected)) fail(`expected a workdir with keys in work/${stage}/collected, found none`);
  const plan = JSON.parse(readFileSync(join(workdir, "work", "plan.json"), "utf8")) as {
    readonly recipe: {
      readonly stages: readonly { readonly name: string; readonly options: Record<string, unknown> }[];
    };
  };
  const options = plan.recipe.stages.find(other => other.name === stage)?.options ?? {};
  for (const [option, value] of Object.entries(signing))
    if (JSON.stringify(options[option]) !== JSON.stringify(value))
      fail(`it signed with ${option} ${shown(options[option])}, this run with ${shown(value)}`);
  if (withShingles && (options["verify"] ?? null) === null)
    fail("it kept no shingles to verify with, because its own verify is null");
  const tasks = readdirSync(collected).filter(file => file.endsWith(".keys")).length;
  return Array.from({ length: tasks }, (_, task) => ({ dir, task }));
}
