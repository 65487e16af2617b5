/** `curate studio [workdir…]`: the local page on 127.0.0.1, until Ctrl-C. */
import { UserError } from "../lib/errors.ts";
import { command } from "./command.ts";
import { workdirOf } from "./load.ts";
import { deviceFlag } from "./sample.ts";
import { out, say } from "./terminal.ts";

export const studio = command({
  name: "studio",
  about:
    "Opens a page on this machine that shows a run: documents, tokens, training, the model; also while it runs.",
  usage: "[workdir] [more workdirs to compare]",
  example: "curate studio runs/fixtures",
  maxPositionals: 12,
  flags: {
    port: { type: "number", value: "N", about: "port on 127.0.0.1; default 4270, 0 for any free one" },
    device: { type: "text", value: "NAME", about: "what the model runs on: auto (default), cpu or webgpu" },
  },
  async run([first, ...others], flags) {
    const port = flags.port ?? 4270;
    if (!Number.isInteger(port) || port < 0 || port > 65535)
      throw new UserError(`--port: expected a whole number from 0 to 65535, got ${port}`);
    const { serve } = await import("../studio/server/app.ts");
    const opened = await serve({
      workdir: workdirOf(first),
      compare: others.map(workdirOf),
      port,
      device: deviceFlag(flags.device),
    });
    out(opened.address);
    say("Open this address in a browser. Ctrl-C ends it.");
    await new Promise<void>(resolve => {
      process.once("SIGINT", resolve);
      process.once("SIGTERM", resolve);
    });
    await opened.close();
  },
});
