/**
 * A run as its workdir tells it: plan, state, statistics. Reads small JSON files only, each time anew, because a run
 * may be going on. A file that is being replaced is read as it was or as it is, never half.
 */
import { existsSync, readdirSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { stringify } from "yaml";
import { readRunState } from "../../pipeline/execute/execute.ts";
import type { CatalogueEntry, RecipeStage } from "../../pipeline/recipe.ts";
import { readPlan, standingOf } from "../../pipeline/report/workdir.ts";
import { corpusStages, documentStages } from "../../pipeline/stages.ts";
import { emptyStats, type StageStats } from "../../pipeline/stats.ts";
import type { PhaseState, RunOverview, StageNumbers } from "../api.ts";
import { endedJobs, liveStats } from "./live.ts";

/** Paths of the files of a folder in order, without those that are being written; none where it does not exist. */
export function partsOf(dir: string): string[] {
  return existsSync(dir)
    ? readdirSync(dir)
        .filter(name => !name.endsWith(".tmp"))
        .sort()
        .map(name => join(dir, name))
    : [];
}

/** Changes when a file of the folder does. */
export function markOf(paths: readonly string[]): string {
  return paths
    .map(path => {
      const stat = statSync(path, { throwIfNoEntry: false });
      return stat ? `${stat.size}.${stat.mtimeMs}` : "-";
    })
    .join(" ");
}

export function stageYaml({ name, options }: Pick<RecipeStage, "name" | "options">): string {
  const own = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== null));
  return stringify([{ [name]: own }], { flowCollectionPadding: true, lineWidth: 100 }).trimEnd();
}

const entryOf = (name: string): CatalogueEntry | undefined =>
  (documentStages.get(name) ?? corpusStages.get(name)) as CatalogueEntry | undefined;

const spoken: Readonly<Record<string, string>> = {
  read: "takes pages out of the input files and undoes chunking, compression and mislabelling",
  tokenizer: "trains a byte-level BPE vocabulary on the documents kept so far",
  shards: "writes the documents as token ids, some of them held out for validation",
  train: "trains a GPT on the shards",
  sample: "continues the prompts with the trained model",
};

function numbersOf(stats: StageStats, recipe: readonly RecipeStage[]): StageNumbers {
  const stage = recipe.find(({ name }) => name === stats.name);
  return {
    name: stats.name,
    about: entryOf(stats.name)?.about ?? spoken[stats.name] ?? "",
    ...{ in: stats.in, out: stats.out, dropped: stats.dropped, failed: stats.failed },
    ...{ bytesIn: stats.bytesIn, bytesOut: stats.bytesOut, tokensOut: stats.tokensOut ?? null },
    cpuSeconds: stats.cpuSeconds,
    yaml: stage ? stageYaml(stage) : "",
    replayable: documentStages.get(stats.name)?.reject !== undefined,
  };
}

/** The stages of the recipe in order, with zeros for those that have not run yet. */
export function overview(workdir: string): RunOverview {
  if (!existsSync(join(workdir, "work", "plan.json"))) return nothingYet(workdir);
  const plan = readPlan(workdir);
  const run = readRunState(workdir);
  const stats = liveStats(workdir, run);
  const { state: standing, error } = standingOf(workdir);
  const names = ["read", ...plan.recipe.stages.map(({ name }) => name)];
  const phases: PhaseState[] = Object.entries(run?.phases ?? {}).map(([name, phase]) => {
    const { state, jobs, started, finished } = phase as {
      state: PhaseState["state"];
      jobs?: number;
      started?: string;
      finished?: string;
    };
    const seconds =
      started && finished && state === "done" ? (Date.parse(finished) - Date.parse(started)) / 1000 : null;
    const ended = state === "done" || state === "waiting" ? 0 : endedJobs(workdir, name);
    return { name, state, jobs: jobs ?? 0, ended, seconds };
  });
  const times = Object.values(run?.phases ?? {}) as { started?: string; finished?: string }[];
  return {
    name: plan.recipe.name,
    workdir,
    state: standing,
    error,
    version: plan.version,
    started:
      times
        .map(({ started }) => started ?? "")
        .filter(Boolean)
        .sort()[0] ?? null,
    finished:
      times
        .map(({ finished }) => finished ?? "")
        .sort()
        .at(-1) || null,
    stages: names.map(name =>
      numbersOf(stats.find(one => one.name === name) ?? emptyStats(name), plan.recipe.stages),
    ),
    phases,
    marks: {
      corpus: [
        markOf(["run.json", "stats.json"].map(name => join(workdir, name))),
        ...(standing === "cut off" ? ["cut off"] : []),
        ...phases.filter(({ ended }) => ended > 0).map(({ name, ended }) => `${name} ${ended}`),
      ].join(" "),
      curves: markOf([join(workdir, "model", "metrics.jsonl")]),
      samples: markOf([join(workdir, "model", "samples.jsonl")]),
    },
    has: {
      documents: existsSync(join(workdir, "documents")),
      tokenizer: existsSync(join(workdir, "tokenizer", "tokenizer.json")),
      model: existsSync(join(workdir, "model", "checkpoints")),
    },
  };
}

/** Before a run has begun: the page waits for it. */
function nothingYet(workdir: string): RunOverview {
  return {
    ...{ name: basename(workdir), workdir, state: "nothing", error: null, version: "", started: null },
    ...{ finished: null, stages: [], phases: [], marks: { corpus: "nothing", curves: "-", samples: "-" } },
    has: { documents: false, tokenizer: false, model: false },
  };
}
