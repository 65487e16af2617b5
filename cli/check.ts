/** `curate check`: what it is called and takes. What it does is loaded when it is called. */
import { command, type Flags } from "./command.ts";

export const checkFlags = {
  print: { type: "flag", about: "the recipe with every resolved value, as YAML" },
  set: { type: "list", value: "a.b=c", about: "override one value of the recipe; may be repeated" },
  workdir: { type: "text", value: "DIR", about: "where a run would write" },
  limit: { type: "number", value: "N", about: "only the first N input files" },
  json: { type: "flag", about: "one JSON object on stdout" },
} as const satisfies Flags;

export const check = command({
  name: "check",
  about: "Validates a recipe, prints the plan and a cost estimate. Does no work.",
  usage: "[stages.yaml]",
  example: "curate check stages.yaml --print",
  maxPositionals: 1,
  flags: checkFlags,
  run: async (positionals, flags) => (await import("./check-recipe.ts")).checkRecipe(positionals, flags),
});
