/** `curate import`: what it is called and takes. What it does is loaded when it is called. */
import { command, type Flags } from "./command.ts";

export const importFlags = {
  out: { type: "text", value: "DIR", about: "the folder to write" },
  tokenizer: {
    type: "text",
    value: "PATH",
    about: "the tokenizer (folder, file, gpt2, or llama2.c's .bin), where it does not lie beside the model",
  },
  json: { type: "flag", about: "one JSON object", more: true },
} as const satisfies Flags;

export const importCommand = command({
  name: "import",
  about: "Reads a GPT-2 or Llama model of another program into a folder that sample, eval and train take.",
  usage: "hf|llama2c PATH",
  example: "curate import hf ./gpt2 --out models/gpt2",
  maxPositionals: 2,
  flags: importFlags,
  run: async (positionals, flags) => (await import("./import-model.ts")).importModel(positionals, flags),
});
