/** `curate report [workdir]`: report.html and DATASET_CARD.md. */
import { join, relative } from "node:path";
import { writeAtomic } from "../lib/atomic.ts";
import { datasetCard } from "../pipeline/report/card.ts";
import { gatherReport } from "../pipeline/report/gather.ts";
import { reportHtml } from "../pipeline/report/html.ts";
import { readStats } from "../pipeline/report/workdir.ts";
import { command } from "./command.ts";
import { workdirOf } from "./load.ts";
import { bytes, json, out } from "./terminal.ts";

export const report = command({
  name: "report",
  about: "Writes one self-contained report.html and DATASET_CARD.md into the workdir.",
  usage: "[workdir]",
  example: "curate report runs/fixtures",
  maxPositionals: 1,
  flags: { json: { type: "flag", about: "the report's data as one JSON object on stdout; writes nothing" } },
  async run([named], flags) {
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
  },
});
