/** `curate studio`: serves the page of a run on 127.0.0.1 until Ctrl-C. */
import { existsSync, readdirSync, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { nearest, UserError } from "../lib/errors.ts";
import { isS3, scratchOf } from "../pipeline/store/s3.ts";
import { serve } from "../studio/server/app.ts";
import type { FlagValues } from "./command.ts";
import { loadRecipe } from "./load.ts";
import { deviceFlag } from "./sample.ts";
import type { studioFlags } from "./studio.ts";
import { out, say } from "./terminal.ts";

/**
 * The folder to show: the one named, which must be there but may be empty, or that of stages.yaml here, which may be
 * made by a run that begins later.
 */
export function folderOf(named: string | undefined): string {
  if (named === undefined) {
    const { workdir } = loadRecipe("stages.yaml", []);
    return isS3(workdir) ? scratchOf(workdir) : resolve(workdir);
  }
  const path = resolve(named);
  if (!existsSync(path)) {
    const siblings = existsSync(dirname(path)) ? readdirSync(dirname(path)) : [];
    const near = nearest(basename(path), siblings);
    throw new UserError(
      `there is no folder ${path}${near ? `. Did you mean ${join(dirname(path), near)}?` : ""}`,
      `Begin with  curate run stages.yaml --workdir ${named}  or name the workdir of a run.`,
    );
  }
  if (!statSync(path).isDirectory()) throw new UserError(`${path} is a file, expected the workdir of a run`);
  return path;
}

export async function serveStudio(
  [first, ...others]: readonly string[],
  flags: FlagValues<typeof studioFlags>,
): Promise<void> {
  const port = flags.port ?? 4270;
  if (!Number.isInteger(port) || port < 0 || port > 65535)
    throw new UserError(`--port: expected a whole number from 0 to 65535, got ${port}`);
  const workdir = folderOf(first);
  const opened = await serve({
    workdir,
    compare: others.map(folderOf),
    port,
    device: deviceFlag(flags.device),
  });
  out(opened.address);
  say("Open this address in a browser. Ctrl-C ends it.");
  if (!existsSync(join(workdir, "run.json")))
    say(`Nothing has been run in ${workdir} yet: the page follows when  curate run  begins there.`);
  await new Promise<void>(resolve => {
    process.once("SIGINT", resolve);
    process.once("SIGTERM", resolve);
  });
  await opened.close();
}
