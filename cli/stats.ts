/** `curate stats`: what it is called and takes. What it does is loaded when it is called. */
import { command, type Flags } from "./command.ts";

export const statsFlags = {
  "what-if": {
    type: "list",
    value: "a.b=c",
    about: "replay one threshold from recorded measures, without reading the corpus again",
  },
  json: { type: "flag", about: "one JSON object on stdout" },
} as const satisfies Flags;

export const stats = command({
  name: "stats",
  about:
    "Shows the funnel of a run: documents in and out of each stage, why they were dropped, and what it cost.",
  usage: "[workdir]",
  example: "curate stats runs/fixtures --what-if gopher-quality.minWords=80",
  maxPositionals: 1,
  flags: statsFlags,
  run: async (positionals, flags) => (await import("./show-stats.ts")).showStats(positionals, flags),
});
