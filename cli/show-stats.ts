/** `curate stats`: the funnel of a run, and what another threshold would have kept. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { shown, UserError } from "../lib/errors.ts";
import { openTable } from "../lib/parquet.ts";
import { addColumns, type Counts, changed, judgedStage, openReplay } from "../pipeline/report/replay.ts";
import { readPlan, readStats, standingOf, statsSoFar } from "../pipeline/report/workdir.ts";
import type { FlagValues } from "./command.ts";
import { funnelTable } from "./funnel.ts";
import { parseSets, workdirOf } from "./load.ts";
import { standingText } from "./standing.ts";
import type { statsFlags } from "./stats.ts";
import { colourful, json, number, out, percent, table } from "./terminal.ts";

export type WhatIf = Counts & {
  readonly stage: string;
  readonly option: string;
  readonly was: unknown;
  readonly now: unknown;
};

/** Replays one stage's decisions from its recorded measures with other options. Reads no text. */
export async function whatIf(workdir: string, set: string): Promise<WhatIf> {
  const [{ address, value }] = parseSets([set]) as [{ address: string; value: string }];
  const [name = "", option = ""] = address.split(".");
  const { parse } = await import("yaml");
  const judged = told(() => judgedStage(readPlan(workdir), name));
  const { was, now, options } = told(() => changed(judged, option, parse(value)));
  const replay = openReplay(judged.stage, options);
  const dir = join(workdir, "measures", name);
  for (const file of existsSync(dir) ? readdirSync(dir).sort() : []) {
    const table = await openTable(join(dir, file));
    try {
      const columns = table.columns.filter(column => column !== "id");
      for await (const group of table.readColumns({ columns })) {
        const { reason, ...measures } = Object.fromEntries(group.columns);
        const kept = (at: number) => !reason?.[at];
        addColumns(replay, new Map(Object.entries(measures)), group.rows, kept);
      }
    } finally {
      table.close();
    }
  }
  if (replay.counts.in === 0)
    throw new UserError(`${dir} holds no measures: the stage ${name} has not run in this workdir`);
  return { stage: name, option, was, now, ...replay.counts };
}

/** Says which flag a mistake was in. */
function told<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof UserError) throw new UserError(`--what-if: ${error.message}`, error.hint);
    throw error;
  }
}

export async function showStats([named]: readonly string[], flags: FlagValues<typeof statsFlags>) {
  const workdir = workdirOf(named);
  if (flags["what-if"].length > 0) {
    const results: WhatIf[] = [];
    for (const set of flags["what-if"]) results.push(await whatIf(workdir, set));
    if (flags.json) return json(results);
    for (const result of results) out(whatIfText(result));
    return;
  }
  const standing = standingOf(workdir);
  const { state, phase, error } = standing;
  if (flags.json) return json({ state, phase, error, stages: statsSoFar(workdir) });
  const words = standingText(standing);
  if (words !== null && statsSoFar(workdir).length === 0)
    throw new UserError(`no phase of the run in ${workdir} has ended yet`, words);
  out(funnelTable(readStats(workdir), colourful(process.stdout)));
  if (words !== null) out(`\n${words}`);
}

function whatIfText(result: WhatIf): string {
  const rows = [
    ["", "documents", "share"],
    ["reached the stage", number(result.in), ""],
    ["kept as run", number(result.keptBefore), percent(result.keptBefore / result.in)],
    ["kept with the change", number(result.keptNow), percent(result.keptNow / result.in)],
    ["newly kept", number(result.newlyKept), ""],
    ["newly dropped", number(result.newlyDropped), ""],
  ];
  const changed = `${result.stage}.${result.option}: ${shown(result.was)} → ${shown(result.now)}`;
  const later =
    result.newlyKept > 0 ? "\nNewly kept documents would still have to pass the stages after this one." : "";
  return `${changed}\n${table(rows, ["left", "right", "right"])}${later}`;
}
