/** `curate eval`: what it is called and takes. What it does is loaded when it is called. */
import { command, type Flags } from "./command.ts";
import { deviceFlags, sampleFlags } from "./sample.ts";

export const evalFlags = {
  ...sampleFlags,
  task: { type: "text", value: "NAME", about: "val (default) or hellaswag" },
  data: {
    type: "text",
    value: "FILE",
    about: "HellaSwag's items as JSON lines; for val: another folder of shards",
  },
  tokens: {
    type: "number",
    value: "N",
    about: "validation tokens to use; default: all, at most 10,485,760",
  },
  limit: { type: "number", value: "N", about: "HellaSwag items to use; default: all" },
  ...deviceFlags,
  json: { type: "flag", about: "one JSON object", more: true },
} as const satisfies Flags;

export const evaluate = command({
  name: "eval",
  about: "Measures a model: validation loss and bits per byte, or HellaSwag.",
  usage: "",
  example: "curate eval --workdir runs/fixtures --task val",
  maxPositionals: 0,
  flags: evalFlags,
  run: async (positionals, flags) => (await import("./measure-model.ts")).measureModel(positionals, flags),
});
