/** `curate report [workdir]`: report.html and DATASET_CARD.md. */
import { join, relative } from "node:path";
import { writeAtomic } from "../lib/atomic.ts";
import { datasetCard } from "../pipeline/report/card.ts";
import { gatherReport } from "../pipeline/report/gather.ts";
import { reportHtml } from "../pipeline/report/html.ts";
import { readStats } from "../pipeline/report/workdir.ts";
import type { FlagValues } from "./command.ts";
import { workdirOf } from "./load.ts";
import type { reportFlags } from "./report.ts";
import { bytes, json, out } from "./terminal.ts";

export async function writeReport([named]: readonly string[], flags: FlagValues<typeof reportFlags>) {
  const workdir = workdirOf(named);
  readStats(workdir);
  const data = await gatherReport(workdir);
  if (flags.json) return json(data);
  for (const [name, text] of [
    ["report.html", reportHtml(data)],
    ["DATASET_CARD.md", datasetCard(data)],
  ] as const) {
    const file = writeAtomic(join(workdir, name), text);
    out(`${relative(process.cwd(), file.path) || file.path}  ${bytes(file.bytes)}`);
  }
}
