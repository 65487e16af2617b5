/**
 * The funnel as a table: what went into every stage and what became of it. Used by `curate run` and `curate stats`.
 */
import type { StageStats } from "../pipeline/stats.ts";
import { bytes, number, percent, styled, table } from "./terminal.ts";

export function funnelTable(stages: readonly StageStats[], colour: boolean): string {
  const head = ["stage", "in", "out", "kept", "text out", "docs/s", "CPU s", "dropped because"].map(cell =>
    styled(cell, "dim", colour),
  );
  const rows = stages.map(stage => [
    styled(stage.name, "bold", colour),
    stage.in > 0 ? number(stage.in) : "",
    stage.tokensOut !== undefined
      ? `${number(stage.tokensOut)} tokens`
      : stage.in > 0
        ? number(stage.out)
        : "",
    stage.in > 0 ? percent(stage.out / stage.in) : "",
    stage.bytesOut > 0 ? bytes(stage.bytesOut) : "",
    stage.in > 0 && stage.cpuSeconds > 0.001 ? number(stage.in / stage.cpuSeconds) : "",
    stage.cpuSeconds >= 0.05 ? stage.cpuSeconds.toFixed(1) : "",
    reasons(stage, colour),
  ]);
  return table([head, ...rows], ["left", "right", "right", "right", "right", "right", "right", "left"]);
}

function reasons(stage: StageStats, colour: boolean): string {
  const sorted = Object.entries(stage.dropped).sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1));
  const words = sorted.slice(0, 4).map(([reason, n]) => `${reason} ${number(n)}`);
  if (sorted.length > 4) words.push(`${sorted.length - 4} more`);
  for (const [reason, n] of Object.entries(stage.tagged ?? {})) words.push(`tagged ${reason} ${number(n)}`);
  if (stage.failed > 0) words.push(styled(`failed ${number(stage.failed)}`, "red", colour));
  return words.join(", ");
}

/** Stages that let nothing through, said loudly. */
export function emptyStages(stages: readonly StageStats[]): string[] {
  if (stages.some(({ name, in: records }) => name === "read" && records === 0))
    return ["the input files hold no record: there is nothing to work on"];
  return stages
    .filter(stage => stage.in > 0 && stage.out === 0)
    .map(stage => {
      const [top] = Object.entries(stage.dropped).sort(([, n], [, m]) => m - n);
      const why = top ? ` (mostly ${top[0]}: ${number(top[1])})` : stage.failed > 0 ? " (all failed)" : "";
      return `stage ${stage.name} dropped all ${number(stage.in)} documents${why}`;
    });
}
