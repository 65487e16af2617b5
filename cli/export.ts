/** `curate export`: what it is called and takes. What it does is loaded when it is called. */
import { command, type Flags } from "./command.ts";

export const exportFlags = {
  model: {
    type: "text",
    value: "DIR",
    about: "a checkpoint or model folder; default: the model of the workdir",
  },
  out: { type: "text", value: "PATH", about: "the folder to write, for gguf the file" },
  type: { type: "text", value: "NAME", about: "gguf: f32, f16 (default) or q8_0" },
  to: { type: "text", value: "NAME", about: "shards: llm.c, nanogpt, megatron or datasets" },
  workdir: {
    type: "text",
    value: "DIR",
    about: "the run to export from; default: that of stages.yaml here",
  },
  shards: {
    type: "text",
    value: "DIR",
    about: "another folder of token shards than the workdir's",
    more: true,
  },
  tokenizer: {
    type: "text",
    value: "DIR",
    about: "the tokenizer's folder, where it does not lie beside the model",
    more: true,
  },
  name: { type: "text", value: "TEXT", about: "gguf: the model's name; default curate", more: true },
  json: { type: "flag", about: "one JSON object", more: true },
} as const satisfies Flags;

export const exportCommand = command({
  name: "export",
  about: "Writes a model as a Hugging Face folder or a GGUF file, or token shards for other trainers.",
  usage: "hf|gguf|shards",
  example: "curate export gguf --model runs/fixtures/model --out model.gguf --type q8_0",
  maxPositionals: 1,
  flags: exportFlags,
  run: async (positionals, flags) => (await import("./write-export.ts")).writeExport(positionals, flags),
});
