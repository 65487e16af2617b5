/** `curate explain`: what it is called and takes. What it does is loaded when it is called. */
import { command, type Flags } from "./command.ts";

export const explainFlags = {
  workdir: { type: "text", value: "DIR", about: "the run to look at; default: that of stages.yaml here" },
  json: { type: "flag", about: "JSON lines on stdout" },
} as const satisfies Flags;

export const explain = command({
  name: "explain",
  about: "Tells what became of one document: which stage decided, with which value against which threshold.",
  usage: "<document id or URL>",
  example: "curate explain https://harbourkitchen.example/articles/01",
  maxPositionals: 1,
  flags: explainFlags,
  run: async (positionals, flags) =>
    (await import("./explain-document.ts")).explainDocument(positionals, flags),
});
