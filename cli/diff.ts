/** `curate diff`: what it is called and takes. What it does is loaded when it is called. */
import { command, type Flags } from "./command.ts";

export const diffFlags = {
  all: { type: "flag", about: "also stages and rules that did the same in both, and every change of fate" },
  json: { type: "flag", about: "one JSON object on stdout" },
} as const satisfies Flags;

export const diff = command({
  name: "diff",
  about:
    "Compares two runs: values of the recipe, what each rule dropped, and documents that fared differently.",
  usage: "<runA> <runB>",
  example: "curate diff runs/before runs/after",
  maxPositionals: 2,
  flags: diffFlags,
  run: async (positionals, flags) => (await import("./diff-runs.ts")).diffRuns(positionals, flags),
});
