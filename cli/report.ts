/** `curate report`: what it is called and takes. What it does is loaded when it is called. */
import { command, type Flags } from "./command.ts";

export const reportFlags = {
  json: { type: "flag", about: "the report's data as one JSON object on stdout; writes nothing" },
} as const satisfies Flags;

export const report = command({
  name: "report",
  about: "Writes one self-contained report.html and DATASET_CARD.md into the workdir.",
  usage: "[workdir]",
  example: "curate report runs/fixtures",
  maxPositionals: 1,
  flags: reportFlags,
  run: async (positionals, flags) => (await import("./write-report.ts")).writeReport(positionals, flags),
});
