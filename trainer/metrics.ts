/**
 * metrics.jsonl and samples.jsonl: one JSON object a line, appended as the run goes. A resumed run first drops the
 * lines after its checkpoint (and a last line cut short by a kill), so the files read as if nothing had happened.
 */

import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import type { KernelTime } from "../kernels/device.ts";
import { writeAtomic } from "../lib/atomic.ts";
import { makeFolder } from "../lib/folder.ts";
import type { Outliers } from "./outliers.ts";

export type StepMetrics = {
  readonly step: number;
  /** Trained on so far. */
  readonly tokens: number;
  /** Mean over the batch, nats per token. */
  readonly loss: number;
  readonly lr: number;
  /** Before clipping. */
  readonly gradNorm: number;
  readonly tokensPerSecond: number;
  /** Of the device's own best matrix product; null where it was not measured. */
  readonly mfu: number | null;
  /** Of the step alone, without validation, samples and checkpoints. */
  readonly ms: number;
  /** Milliseconds of this step by kernel, longest first, where they were taken. */
  readonly kernels?: Readonly<Record<string, number>>;
  /** What stands out against the steps before, in standard deviations. */
  readonly outliers?: Outliers;
  readonly valLoss?: number;
  readonly valBitsPerByte?: number | null;
};

export type SampleRecord = { readonly step: number; readonly seed: number; readonly text: string };

/** Milliseconds by kernel, to the microsecond; products by kernel and layout, whatever their shape. */
export function timeByKernel(times: readonly KernelTime[]): Record<string, number> {
  const sums = new Map<string, number>();
  for (const { kernel, ms } of times) {
    const name = kernel.replace(/ \d+×\d+×\d+$/, "");
    sums.set(name, (sums.get(name) ?? 0) + ms);
  }
  const sorted = [...sums].sort(([, a], [, b]) => b - a);
  return Object.fromEntries(sorted.map(([name, ms]) => [name, Math.round(ms * 1000) / 1000]));
}

export function append(path: string, record: { readonly step: number }) {
  makeFolder(dirname(path));
  appendFileSync(path, JSON.stringify(record) + "\n");
}

/** Keeps the lines of steps up to `step`. */
export function truncateAfter(path: string, step: number) {
  if (!existsSync(path)) return;
  const kept = readFileSync(path, "utf8")
    .split("\n")
    .filter(line => (stepOfLine(line) ?? Number.POSITIVE_INFINITY) <= step);
  writeAtomic(path, kept.map(line => line + "\n").join(""));
}

/** The last steps of a metrics file, oldest first. */
export function lastMetrics(path: string, count: number): StepMetrics[] {
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, "utf8").trim().split("\n").slice(-count);
  return lines.filter(line => line !== "").map(line => JSON.parse(line) as StepMetrics);
}

function stepOfLine(line: string): number | null {
  try {
    const { step } = JSON.parse(line) as { step?: unknown };
    return typeof step === "number" ? step : null;
  } catch {
    return null;
  }
}
