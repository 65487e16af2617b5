/** `curate run`: what it is called and takes. What it does is loaded when it is called. */
import { command, type Flags } from "./command.ts";

export const runFlags = {
  workdir: { type: "text", value: "DIR", about: "where everything is written; default: the recipe's" },
  workers: { type: "text", value: "N|auto", about: "worker threads; changes the speed, never the output" },
  set: { type: "list", value: "a.b=c", about: "override one value of the recipe; may be repeated" },
  until: { type: "text", value: "STAGE", about: "stop after this stage" },
  limit: { type: "number", value: "N", about: "only the first N input files" },
  fresh: { type: "flag", about: "start over: delete what an earlier run left in the workdir" },
  json: { type: "flag", about: "the result as one JSON object on stdout, no progress" },
  verify: {
    type: "flag",
    about: "first compare every file with its checksum, and redo what is damaged",
    more: true,
  },
  from: { type: "text", value: "STAGE", about: "redo this stage and everything after it", more: true },
  only: { type: "text", value: "STAGE", about: "redo this stage, and stop after it", more: true },
  executor: { type: "text", value: "local|slurm", about: "where jobs run", more: true },
  "on-stop": {
    type: "text",
    value: "leave|cancel",
    about: "what Ctrl-C does with jobs on the cluster; default: leave",
    more: true,
  },
} as const satisfies Flags;

export const run = command({
  name: "run",
  about: "Runs a recipe from its source to its last stage, or goes on where it stopped.",
  usage: "[stages.yaml]",
  example: "curate run stages.yaml --workers 2 --set gopher-quality.minWords=80",
  maxPositionals: 1,
  flags: runFlags,
  run: async (positionals, flags) => (await import("./run-recipe.ts")).runRecipe(positionals, flags),
});
