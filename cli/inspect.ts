/** `curate inspect`: what it is called and takes. What it does is loaded when it is called. */
import { command, type Flags } from "./command.ts";

export const inspectFlags = {
  workdir: { type: "text", value: "DIR", about: "the run to look at; default: that of stages.yaml here" },
  rejected: { type: "flag", about: "documents the stage dropped (the default)" },
  reason: { type: "text", value: "REASON", about: "only those dropped for this reason" },
  kept: { type: "flag", about: "documents that passed it and every later stage" },
  sample: { type: "number", value: "N", about: "how many; default 5" },
  seed: { type: "number", value: "N", about: "another sample; default 1" },
  full: { type: "flag", about: "whole texts instead of their beginnings" },
  json: { type: "flag", about: "JSON lines on stdout" },
} as const satisfies Flags;

export const inspect = command({
  name: "inspect",
  about: "Reads real documents that a stage kept or dropped, with the measured value and the threshold.",
  usage: "<stage>",
  example: "curate inspect gopher-quality --rejected --sample 3",
  maxPositionals: 1,
  flags: inspectFlags,
  run: async (positionals, flags) =>
    (await import("./inspect-documents.ts")).inspectDocuments(positionals, flags),
});
