/**
 * Earlier runs as something to deduplicate against: their collected keys and facts are read where they lie, as tasks
 * before this run's own. A document of this run that is like one of theirs is dropped, and which one is named; their
 * documents are never judged again. Both runs must have signed alike.
 */
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { DamagedFile, shown, UserError } from "../../lib/errors.ts";
import type { Outside } from "../corpus-stage.ts";
import { readTrailer } from "./checked-file.ts";
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

/**
 * The content of each earlier run as this run depends on it, from the lengths and checksums at the ends of its files. In
 * the run's words: `workdir` is this run's own, `stage` the name of its stage. Throws UserError.
 */
export function earlierContents(
  workdir: string,
  stage: string,
  against: readonly string[],
  signing: Readonly<Record<string, unknown>>,
  withShingles: boolean,
): Outside[] {
  const kinds = ["keys", "facts", ...(withShingles ? ["shingles"] : [])];
  return against.map(name => {
    const hash = createHash("sha256");
    const places = earlierTasks(resolve(workdir, name), name, stage, signing, withShingles);
    try {
      for (const place of places)
        for (const kind of kinds) {
          const path = collectedOf(place, kind);
          hash.update(JSON.stringify([kind, readTrailer(path), statSync(path).size]));
        }
    } catch (error) {
      if (!(error instanceof DamagedFile)) throw error;
      throw new UserError(
        `${stage}.against: ${name}: ${error.message}`,
        "Run its recipe again: a run makes anew what is damaged.",
      );
    }
    return { path: name, sha256: hash.digest("hex") };
  });
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
