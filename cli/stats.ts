/** `curate stats`: the funnel of a run, and what another threshold would have kept. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { nearest, shown, UserError } from "../lib/errors.ts";
import { defaults } from "../lib/options.ts";
import { readTable } from "../lib/parquet.ts";
import { readRunState } from "../pipeline/execute/execute.ts";
import type { Plan } from "../pipeline/execute/plan.ts";
import { documentStages } from "../pipeline/stages.ts";
import type { StageStats } from "../pipeline/stats.ts";
import { command } from "./command.ts";
import { funnelTable } from "./funnel.ts";
import { parseSets, workdirOf } from "./load.ts";
import { colourful, json, number, out, percent, table } from "./terminal.ts";

export function readStats(workdir: string): StageStats[] {
  const path = join(workdir, "stats.json");
  if (!existsSync(path))
    throw new UserError(
      `${workdir} has no stats.json yet: no phase of the run has ended`,
      "Let the run go on, then ask again.",
    );
  return (JSON.parse(readFileSync(path, "utf8")) as { stages: StageStats[] }).stages;
}

export function readPlan(workdir: string): Plan {
  return JSON.parse(readFileSync(join(workdir, "work", "plan.json"), "utf8")) as Plan;
}

export type WhatIf = {
  readonly stage: string;
  readonly option: string;
  readonly was: unknown;
  readonly now: unknown;
  readonly in: number;
  readonly keptBefore: number;
  readonly keptNow: number;
  readonly newlyKept: number;
  readonly newlyDropped: number;
  readonly reasonsNow: Record<string, number>;
};

/** Replays one stage's decisions from its recorded measures with other options. Reads no text. */
export async function whatIf(workdir: string, set: string): Promise<WhatIf> {
  const plan = readPlan(workdir);
  const [{ address, value }] = parseSets([set]) as [{ address: string; value: string }];
  const [name = "", option = ""] = address.split(".");
  const entry = plan.recipe.stages.find(stage => stage.name === name);
  const stage = documentStages.get(name);
  const names = plan.recipe.stages.map(s => s.name);
  if (!entry || !stage)
    throw new UserError(`--what-if: the run has no filter ${shown(name)}.${near(name, names)}`);
  if (!stage.reject)
    throw new UserError(
      `--what-if: ${name} decides from the text itself, so its thresholds cannot be replayed`,
      "Run it again with --set instead.",
    );
  const declared = stage.options[option];
  if (!declared)
    throw new UserError(
      `--what-if: ${name} has no option ${shown(option)}.${near(option, Object.keys(stage.options))}`,
    );
  if (stage.measuring?.includes(option))
    throw new UserError(
      `--what-if: ${address} changes what ${name} measures or removes, so the recorded measures cannot tell`,
      `Run it again with --set, and compare the two runs with  curate diff. Replayed exactly: ${Object.keys(
        stage.options,
      )
        .filter(other => !stage.measuring?.includes(other))
        .join(", ")}`,
    );
  const { parse } = await import("yaml");
  const now = declared.parse(parse(value));
  if (now === undefined)
    throw new UserError(`--what-if ${set}: expected ${declared.expects}, got ${shown(parse(value))}`);
  // A run of an older version lacks the options that came since.
  const options = { ...defaults(stage.options), ...entry.options, [option]: now };
  const dir = join(workdir, "measures", name);
  const result = {
    in: 0,
    keptBefore: 0,
    keptNow: 0,
    newlyKept: 0,
    newlyDropped: 0,
    reasonsNow: {} as Record<string, number>,
  };
  for (const file of existsSync(dir) ? readdirSync(dir).sort() : []) {
    for await (const row of readTable(join(dir, file))) {
      const { id: _, reason, ...measures } = row;
      const rejection = stage.reject(measures as Record<string, number>, options);
      const kept = reason === "" || reason === null;
      result.in++;
      if (kept) result.keptBefore++;
      if (!rejection) result.keptNow++;
      if (!rejection && !kept) result.newlyKept++;
      if (rejection && kept) result.newlyDropped++;
      if (rejection) result.reasonsNow[rejection.reason] = (result.reasonsNow[rejection.reason] ?? 0) + 1;
    }
  }
  if (result.in === 0)
    throw new UserError(`${dir} holds no measures: the stage ${name} has not run in this workdir`);
  return { stage: name, option, was: entry.options[option], now, ...result };
}

const near = (name: string, known: readonly string[]) => {
  const found = nearest(name, known);
  return found ? ` Did you mean ${found}?` : ` Known: ${known.join(", ")}`;
};

export const stats = command({
  name: "stats",
  about:
    "Shows the funnel of a run: documents in and out of each stage, why they were dropped, and what it cost.",
  usage: "[workdir]",
  example: "curate stats runs/fixtures --what-if gopher-quality.minWords=80",
  maxPositionals: 1,
  flags: {
    "what-if": {
      type: "list",
      value: "a.b=c",
      about: "replay one threshold from recorded measures, without reading the corpus again",
    },
    json: { type: "flag", about: "one JSON object on stdout" },
  },
  async run([named], flags) {
    const workdir = workdirOf(named);
    if (flags["what-if"].length > 0) {
      const results: WhatIf[] = [];
      for (const set of flags["what-if"]) results.push(await whatIf(workdir, set));
      if (flags.json) return json(results);
      for (const result of results) out(whatIfText(result));
      return;
    }
    const stages = readStats(workdir);
    if (flags.json) return json({ state: readRunState(workdir)?.state ?? null, stages });
    out(funnelTable(stages, colourful(process.stdout)));
  },
});

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
