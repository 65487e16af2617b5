/**
 * Distributions of what a filter measured, and its decisions replayed at other thresholds, from `measures/<stage>`.
 * Exact: every document that reached the stage is counted. One stage's columns stay in memory, 8 bytes a number
 * (a million documents with nine measures: 80 MB), so that a dragged line answers at once.
 */
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { nearest, shown, UserError } from "../../lib/errors.ts";
import { defaults } from "../../lib/options.ts";
import { openTable, readTable } from "../../lib/parquet.ts";
import type { Rejection, Stage } from "../../pipeline/stage.ts";
import { documentStages } from "../../pipeline/stages.ts";
import type { Histogram, StageMeasures, Threshold, WhatIfAnswer } from "../api.ts";
import { markOf, partsOf, readPlan, stageYaml } from "./workdir.ts";

type Columns = {
  readonly mark: string;
  readonly documents: number;
  readonly kept: Uint8Array;
  readonly values: ReadonlyMap<string, Float64Array>;
};

const bars = 60;
/** Rows of a part looked at for one that passed. */
const mostTried = 500;

async function readColumns(workdir: string, stage: string, mark: string): Promise<Columns> {
  const values = new Map<string, number[]>();
  const kept: number[] = [];
  for (const path of partsOf(join(workdir, "measures", stage))) {
    for await (const { id: _, reason, ...measures } of readTable(path)) {
      for (const [name, value] of Object.entries(measures)) {
        const list = values.get(name) ?? [];
        values.set(name, list);
        list[kept.length] = typeof value === "number" ? value : Number.NaN;
      }
      kept.push(reason === "" || reason === null ? 1 : 0);
    }
    // Reading a part is one long breath: let other requests in between.
    await setImmediate();
  }
  return {
    mark,
    documents: kept.length,
    kept: Uint8Array.from(kept),
    values: new Map([...values].map(([name, list]) => [name, Float64Array.from(list)])),
  };
}

type Judged = { readonly stage: Stage; readonly options: Readonly<Record<string, unknown>> };

function judgedStage(workdir: string, name: string): Judged {
  const entry = readPlan(workdir).recipe.stages.find(stage => stage.name === name);
  const stage = documentStages.get(name) as Stage | undefined;
  if (!entry || !stage) {
    const names = readPlan(workdir).recipe.stages.map(one => one.name);
    const near = nearest(name, names);
    throw new UserError(`the run has no filter ${shown(name)}`, near ? `Did you mean ${near}?` : null);
  }
  // A run of an older version lacks the options that came since.
  return { stage, options: { ...defaults(stage.options), ...entry.options } };
}

type Reject = (measures: Readonly<Record<string, number>>, options: unknown) => Rejection | null;

/**
 * Which option draws a line through which measure: told by trying. A document that passes is given an extreme value;
 * the option whose value the rejection names, and follows when it is changed, is the one.
 */
export function thresholdsOf(
  reject: Reject,
  options: Readonly<Record<string, unknown>>,
  passing: Readonly<Record<string, number>>,
): ReadonlyMap<string, readonly Threshold[]> {
  const found = new Map<string, Threshold[]>();
  for (const measure of Object.keys(passing)) {
    for (const [drops, extreme] of [
      ["below", -1e12],
      ["above", 1e12],
    ] as const) {
      const row = { ...passing, [measure]: extreme };
      const rejection = attempt(reject, row, options);
      if (!rejection || typeof rejection.threshold !== "number") continue;
      const { threshold: at, reason } = rejection;
      const option = Object.keys(options).find(name => {
        if (options[name] !== at) return false;
        const moved = attempt(reject, row, { ...options, [name]: at === 0 ? 1e-3 : at * 1.001 });
        return moved?.reason !== reason || moved.threshold !== at;
      });
      if (option) found.set(measure, [...(found.get(measure) ?? []), { option, at, drops, reason }]);
    }
  }
  return found;
}

/** What was measured on the first document that passed: enough to tell where the limits are. */
async function firstPassing(paths: readonly string[]): Promise<Record<string, number> | null> {
  for (const path of paths) {
    const table = await openTable(path);
    try {
      for await (const { id: _, reason, ...measures } of table.read({ to: mostTried }))
        if (reason === "" || reason === null) return measures as Record<string, number>;
    } finally {
      table.close();
    }
  }
  return null;
}

function attempt(reject: Reject, row: Readonly<Record<string, number>>, options: unknown): Rejection | null {
  try {
    return reject(row, options);
  } catch {
    return null;
  }
}

function histogramOf(
  measure: string,
  values: Float64Array,
  kept: Uint8Array,
  thresholds: readonly Threshold[],
): Histogram {
  const sorted = values.filter(value => Number.isFinite(value)).sort();
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
  const lines = thresholds.map(threshold => threshold.at);
  let low = Math.min(at(0.005), ...lines);
  let high = Math.max(at(0.98), ...lines.filter(line => line <= 4 * Math.max(1e-9, at(0.98))));
  if (low === high) [low, high] = [low - 0.5, high + 0.5];
  const counts = { kept: new Array<number>(bars).fill(0), dropped: new Array<number>(bars).fill(0) };
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (!Number.isFinite(value)) continue;
    const bar = Math.max(0, Math.min(bars - 1, Math.floor(((value - low) / (high - low)) * bars)));
    counts[kept[i] ? "kept" : "dropped"][bar]!++;
  }
  const [min, max] = [sorted[0] ?? 0, sorted.at(-1) ?? 0];
  return { measure, documents: sorted.length, min, max, low, high, ...counts, thresholds };
}

export type MeasureRoom = {
  histograms(stage: string): Promise<StageMeasures>;
  /** `value` as YAML would read it: a number, or off. UserError where the option does not take it. */
  whatIf(stage: string, option: string, value: unknown): Promise<WhatIfAnswer>;
  /** For one document: which limits each measure had. */
  limits(stage: string): Promise<ReadonlyMap<string, readonly Threshold[]>>;
};

export function openMeasures(workdir: string): MeasureRoom {
  const held = new Map<string, Promise<Columns>>();
  const columnsOf = async (stage: string): Promise<Columns> => {
    const mark = markOf(partsOf(join(workdir, "measures", stage)));
    const before = await held.get(stage);
    if (before?.mark === mark) return before;
    held.clear();
    const fresh = readColumns(workdir, stage, mark);
    held.set(stage, fresh);
    return fresh;
  };
  const limitsIn = ({ stage, options }: Judged, columns: Columns) => {
    const passing = columns.kept.indexOf(1);
    if (!stage.reject || passing < 0) return new Map<string, readonly Threshold[]>();
    const row = Object.fromEntries([...columns.values].map(([name, list]) => [name, list[passing]!]));
    return thresholdsOf(stage.reject as Reject, options, row);
  };
  return {
    async limits(name) {
      const { stage, options } = judgedStage(workdir, name);
      if (!stage.reject) return new Map();
      const row = await firstPassing(partsOf(join(workdir, "measures", name)));
      return row ? thresholdsOf(stage.reject as Reject, options, row) : new Map();
    },
    async histograms(name) {
      const judged = judgedStage(workdir, name);
      const columns = await columnsOf(name);
      const limits = limitsIn(judged, columns);
      return {
        stage: name,
        histograms: [...columns.values].map(([measure, values]) =>
          histogramOf(measure, values, columns.kept, limits.get(measure) ?? []),
        ),
      };
    },
    async whatIf(name, option, value) {
      const { stage, options } = judgedStage(workdir, name);
      if (!stage.reject)
        throw new UserError(`${name} decides from the text itself`, "Run it again with --set instead.");
      const declared = stage.options[option];
      if (!declared) throw new UserError(`${name} has no option ${shown(option)}`);
      const now = declared.parse(value);
      if (now === undefined)
        throw new UserError(`${name}.${option}: expected ${declared.expects}, got ${shown(value)}`);
      const columns = await columnsOf(name);
      const names = [...columns.values.keys()];
      const lists = [...columns.values.values()];
      const changed = { ...options, [option]: now };
      const row: Record<string, number> = {};
      let [keptBefore, keptNow, newlyKept, newlyDropped] = [0, 0, 0, 0];
      for (let i = 0; i < columns.documents; i++) {
        for (let k = 0; k < names.length; k++) row[names[k]!] = lists[k]![i]!;
        const passes = stage.reject(row, changed as never) === null;
        const passed = columns.kept[i] === 1;
        if (passed) keptBefore++;
        if (passes) keptNow++;
        if (passes && !passed) newlyKept++;
        if (passed && !passes) newlyDropped++;
      }
      return {
        ...{ stage: name, option, was: options[option], now, in: columns.documents },
        ...{ keptBefore, keptNow, newlyKept, newlyDropped },
        yaml: stageYaml({ name, options: { [option]: now } }),
      };
    },
  };
}
