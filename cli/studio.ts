/** `curate studio`: what it is called and takes. What it does is loaded when it is called. */
import { command, type Flags } from "./command.ts";

export const studioFlags = {
  port: { type: "number", value: "N", about: "port on 127.0.0.1; default 4270, 0 for any free one" },
  device: { type: "text", value: "NAME", about: "what the model runs on: auto (default), cpu or webgpu" },
} as const satisfies Flags;

export const studio = command({
  name: "studio",
  about:
    "Opens a page on this machine that shows a run: documents, tokens, training, the model; also while it runs.",
  usage: "[workdir] [more workdirs to compare]",
  example: "curate studio runs/fixtures",
  maxPositionals: 12,
  flags: studioFlags,
  run: async (positionals, flags) => (await import("./serve-studio.ts")).serveStudio(positionals, flags),
});
