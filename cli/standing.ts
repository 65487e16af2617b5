/** How a run stands, in words: for the commands that show what it has done so far. Nothing of a run that is done. */
import type { Standing } from "../pipeline/report/workdir.ts";

export function standingText({ state, phase, after, error }: Standing): string | null {
  const where = phase === null ? "" : ` in phase ${phase}`;
  const on = "The same curate run goes on from there.";
  if (state === "running") return `The run is going on${where}.`;
  if (state === "failed") return `The run failed${where}${error === null ? "." : `: ${error}`}\n${on}`;
  if (state === "cut off") return `The run was cut off${where}. ${on}`;
  if (state === "stopped" && phase === null && after !== null)
    return `The run stopped after phase ${after}. curate run without --until goes on from there.`;
  if (state === "stopped") return `The run was stopped${where}. ${on}`;
  return null;
}
