/** `curate train`: what it is called and takes. What it does is loaded when it is called. */
import { command, type Flags } from "./command.ts";

export const trainFlags = {
  workdir: {
    type: "text",
    value: "DIR",
    about: "the run whose shards are used; default: that of stages.yaml here",
  },
  device: { type: "text", value: "NAME", about: "auto (default), cpu or webgpu" },
  set: {
    type: "list",
    value: "train.a=b",
    about: "an option of training; curate check --print lists them",
  },
  "dry-run": { type: "flag", about: "parameters, memory, FLOPs, tokens, time and cost; trains nothing" },
  "price-per-hour": {
    type: "number",
    value: "N",
    about: "what the machine costs, for --dry-run",
    more: true,
  },
  init: {
    type: "text",
    value: "DIR",
    about: "begin from this model (a checkpoint, or what curate import wrote) and its shape",
  },
  out: { type: "text", value: "DIR", about: "another folder for checkpoints and metrics", more: true },
  json: { type: "flag", about: "one JSON object a step, and the result", more: true },
} as const satisfies Flags;

export const train = command({
  name: "train",
  about: "Trains the model of a workdir on its token shards, or goes on where it stopped.",
  usage: "",
  example: "curate train --workdir runs/fixtures --set train.steps=800",
  maxPositionals: 0,
  flags: trainFlags,
  run: async (positionals, flags) => (await import("./train-model.ts")).trainModel(positionals, flags),
});
