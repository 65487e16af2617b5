/**
 * Distributions of what a filter measured, and its decisions replayed at other thresholds, from `measures/<stage>`.
 * Exact: every document that reached the stage is counted. One stage's columns stay in memory, 8 bytes a number
 * (a million documents with nine measures: 80 MB), so that a dragged line answers at once.
 */
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { openTable } from "../../lib/parquet.ts";
import {
  addColumns,
  changed,
  type Judged,
  judgedStage,
  linesOf,
  openReplay,
} from "../../pipeline/report/replay.ts";
import { readPlan } from "../../pipeline/report/workdir.ts";
import type { Histogram, StageMeasures, Threshold, WhatIfAnswer } from "../api.ts";
import { markOf, partsOf, stageYaml } from "./workdir.ts";

type Columns = {
  readonly mark: string;
  readonly documents: number;
  readonly kept: Uint8Array;
  readonly values: ReadonlyMap<string, Float64Array>;
};

const bars = 60;

async function readColumns(workdir: string, stage: string, mark: string): Promise<Columns> {
  const chunks = new Map<string, { readonly at: number; readonly cells: Float64Array }[]>();
  const kept: Uint8Array[] = [];
  let documents = 0;
  for (const path of partsOf(join(workdir, "measures", stage))) {
    const table = await openTable(path);
    try {
      const columns = table.columns.filter(column => column !== "id");
      for await (const group of table.readColumns({ columns })) {
        for (const [name, cells] of group.columns) {
          if (name === "reason") {
            kept.push(Uint8Array.from(cells, reason => (reason ? 0 : 1)));
            continue;
          }
          const list = chunks.get(name) ?? [];
          chunks.set(name, list);
          const numbers = Float64Array.from(cells, cell => (typeof cell === "number" ? cell : Number.NaN));
          list.push({ at: documents, cells: numbers });
        }
        documents += group.rows;
      }
    } finally {
      table.close();
    }
    // Reading a part is one long breath: let other requests in between.
    await setImmediate();
  }
  const values = new Map<string, Float64Array>();
  for (const [name, list] of chunks) {
    // A part may lack a measure that others have.
    const whole = new Float64Array(documents).fill(Number.NaN);
    for (const { at, cells } of list.splice(0)) whole.set(cells, at);
    values.set(name, whole);
  }
  return { mark, documents, kept: Buffer.concat(kept), values };
}

/** The lines of a filter's rules by measure. */
function limitsOf({ stage, options }: Judged): ReadonlyMap<string, readonly Threshold[]> {
  const found = new Map<string, Threshold[]>();
  for (const { measure, ...line } of linesOf(stage, options))
    found.set(measure, [...(found.get(measure) ?? []), line]);
  return found;
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
  limits(stage: string): ReadonlyMap<string, readonly Threshold[]>;
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
    // What failed once, because a part was just being replaced, is read anew the next time.
    fresh.catch(() => held.delete(stage));
    return fresh;
  };
  const judgedOf = (name: string) => judgedStage(readPlan(workdir), name);
  return {
    limits: name => limitsOf(judgedOf(name)),
    async histograms(name) {
      const limits = limitsOf(judgedOf(name));
      const columns = await columnsOf(name);
      return {
        stage: name,
        histograms: [...columns.values].map(([measure, values]) =>
          histogramOf(measure, values, columns.kept, limits.get(measure) ?? []),
        ),
      };
    },
    async whatIf(name, option, value) {
      const judged = judgedOf(name);
      const { was, now, options } = changed(judged, option, value);
      const columns = await columnsOf(name);
      const replay = openReplay(judged.stage, options);
      addColumns(replay, columns.values, columns.documents, at => columns.kept[at] === 1);
      const { reasonsNow: _, ...counts } = replay.counts;
      return {
        ...{ stage: name, option, was, now, ...counts },
        yaml: stageYaml({ name, options: { [option]: now } }),
      };
    },
  };
}
