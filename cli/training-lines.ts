/**
 * How a training run is told to people: a table that grows by a row a step, and the plan of `--dry-run`. Knows no device
 * and prints nothing. Rows stay within 80 columns, also of a run of 100,000 steps.
 */
import type { StepMetrics } from "../trainer/metrics.ts";
import { duration, number } from "./terminal.ts";

const columns = [
  ["loss", 7],
  ["norm", 6],
  ["lr", 7],
  ["ms", 6],
  ["tokens/s", 8],
  ["MFU", 6],
] as const;

const row = (steps: number, first: string, cells: readonly string[], last: string) =>
  [first.padStart(2 * String(steps).length + 1), ...cells.map((cell, i) => cell.padStart(columns[i]![1]))]
    .concat(last)
    .join("  ");

/** Above the rows, once more after whatever came between them. */
export const stepHeader = (steps: number): string =>
  row(
    steps,
    "step",
    columns.map(([name]) => name),
    "time left",
  );

/** The row of a step, and under it what else there is to say of it. `left` in seconds. */
export function stepLines(metrics: StepMetrics, steps: number, left: number): string[] {
  const { step, loss, gradNorm, lr, ms, tokensPerSecond, mfu, valLoss, valBitsPerByte, outliers } = metrics;
  const cells = [
    ...[loss.toFixed(4), gradNorm < 100 ? gradNorm.toFixed(3) : gradNorm.toExponential(1)],
    ...[lr.toExponential(2), ms.toFixed(0), number(tokensPerSecond)],
    mfu === null ? "–" : `${(100 * mfu).toFixed(1)} %`,
  ];
  const names = { loss: "loss", gradNorm: "gradient norm" };
  return [
    row(steps, `${step}/${steps}`, cells, duration(left)),
    ...Object.entries(outliers ?? {}).map(
      ([name, z]) => `  unusual ${names[name as keyof typeof names]}: ${z} deviations above the steps before`,
    ),
    ...(valLoss === undefined
      ? []
      : [
          `  validation loss ${valLoss.toFixed(4)}${valBitsPerByte == null ? "" : `, ${valBitsPerByte.toFixed(3)} bits a byte`}`,
        ]),
  ];
}

/** 1,234,000,000 as 1.23 G: floating-point operations. */
export function scaled(n: number): string {
  const units = ["", "k", "M", "G", "T", "P", "E", "Z"];
  const unit = Math.max(0, Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, n)) / 3)));
  return `${Number((n / 1000 ** unit).toPrecision(3))} ${units[unit]}`.trim();
}
