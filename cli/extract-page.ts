/** `curate extract page.html`: the main text of one page, for trying things out. */
import { readFileSync } from "node:fs";
import { UserError } from "../lib/errors.ts";
import { defaults } from "../lib/options.ts";
import { extract as extractStage } from "../pipeline/extractors/extract.ts";
import type { FlagValues } from "./command.ts";
import type { extractFlags } from "./extract.ts";
import { json, out, say } from "./terminal.ts";

export async function extractPage([path]: readonly string[], flags: FlagValues<typeof extractFlags>) {
  if (path === undefined) throw new UserError("extract which page?", "Give a file, or - for standard input.");
  const body = readPage(path);
  const { options } = extractStage;
  const engine = flags.engine === undefined ? options.engine.default : options.engine.parse(flags.engine);
  if (engine === undefined)
    throw new UserError(`--engine: expected ${options.engine.expects}, got ${JSON.stringify(flags.engine)}`);
  const judge = await extractStage.build(
    { ...defaults(options), engine },
    { load: () => Promise.reject(new Error("extract loads nothing")), seed: 0 },
  );
  const type = flags.charset ? `text/html; charset=${flags.charset}` : "text/html";
  const verdict = judge({
    id: path,
    url: flags.url ?? null,
    date: "",
    text: "",
    page: { status: 200, headers: new Map([["content-type", type]]), mime: "text/html", body },
    meta: {},
    at: { file: path, offset: 0, length: body.length },
  });
  if ("drop" in verdict) {
    if (flags.json) json({ text: null, dropped: verdict.drop, value: verdict.value ?? null });
    else say(`no text: ${verdict.drop}`);
    return 1;
  }
  if (flags.json) json({ url: flags.url ?? null, ...verdict.keep.meta, text: verdict.keep.text });
  else out(verdict.keep.text);
  return 0;
}

function readPage(path: string): Uint8Array {
  try {
    return readFileSync(path === "-" ? 0 : path);
  } catch (error) {
    throw new UserError(`cannot read ${path}: ${(error as Error).message}`);
  }
}
