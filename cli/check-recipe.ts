/** `curate check [stages.yaml]`: validates a recipe and says what a run would do. Does no work. */
import { availableParallelism } from "node:os";
import type { checkFlags } from "./check.ts";
import type { FlagValues } from "./command.ts";
import { costs } from "./costs.gen.ts";
import { dollarsPerCoreHour, type Estimate, estimate } from "./estimate.ts";
import { loadPlan, recipeYaml } from "./load.ts";
import { allPhases } from "./phases.ts";
import { bytes, duration, json, number, out, percent, styled, table } from "./terminal.ts";

export async function checkRecipe(
  [recipePath = "stages.yaml"]: readonly string[],
  flags: FlagValues<typeof checkFlags>,
) {
  const plan = await loadPlan({ recipePath, sets: flags.set, workdir: flags.workdir, limit: flags.limit });
  const size = plan.inputs.reduce((sum, input) => sum + input.bytes, 0);
  const cores = plan.recipe.workers ?? availableParallelism();
  if (flags.print) return out(recipeYaml(plan.recipe));
  const phases = allPhases(plan);
  const expected = estimate(plan.recipe, plan.inputs.length, size);
  if (flags.json) {
    return json({
      recipe: plan.recipe,
      inputs: plan.inputs.length,
      bytes: size,
      phases: phases.map(({ name, about }) => ({ name, about })),
      estimate: { ...expected, cores, wallSeconds: expected.cpuSeconds / cores },
    });
  }
  out(
    `${styled(recipePath, "bold")} is right: ${plan.recipe.stages.length} stages, ${number(plan.inputs.length)} input files, ${bytes(size)}\n`,
  );
  const rows = phases.map(({ name, about, place }, i) => [
    `${i + 1}`,
    styled(name, "bold"),
    about,
    place === "main" ? "one process" : "workers",
  ]);
  out(`${table(rows, ["right", "left", "left", "left"])}\n`);
  out(`${estimateText(expected, cores, plan.recipe.memory)}\n`);
  out(
    styled(
      `From ${costs.corpus}, ${costs.machine}: right to a factor of two for pages like these. Training:  curate train --dry-run`,
      "dim",
    ),
  );
}

/** The estimate as `curate check` prints it. */
export function estimateText(expected: Estimate, cores: number, memory: number): string {
  return `${estimateTable(expected)}\n\n${summary(expected, cores, memory)}`;
}

function estimateTable({ stages, cpuSeconds }: Estimate): string {
  const head = ["stage", "documents", "CPU time", "share"].map(cell => styled(cell, "dim"));
  const rows = stages.map(stage => [
    styled(stage.name, "bold"),
    `about ${number(Number(stage.documents.toPrecision(2)))}`,
    stage.measured ? duration(stage.cpuSeconds) : "not measured",
    stage.measured ? percent(stage.cpuSeconds / cpuSeconds) : "",
  ]);
  return table([head, ...rows], ["left", "right", "right", "right"]);
}

function summary(
  { cpuSeconds, textBytes, tokens, disk, diskBytes, dollars }: Estimate,
  cores: number,
  memory: number,
): string {
  const folders = Object.entries(disk).map(([name, size]) => `${name} ${bytes(size)}`);
  return [
    `Time    ${duration(cpuSeconds)} of CPU time, ${duration(cpuSeconds / cores)} on ${cores} core${cores === 1 ? "" : "s"}`,
    `Disk    ${bytes(diskBytes)} at the end: ${folders.join(", ")}`,
    `Memory  up to ${bytes(memory)} a worker for what it holds, and about 200 MB for each process`,
    `Yield   ${bytes(textBytes)} of text${tokens > 0 ? `, ${number(Number(tokens.toPrecision(2)))} tokens` : ""}`,
    ...(dollars >= 1 ? [`Money   ${number(dollars)} dollars at ${dollarsPerCoreHour} a core hour`] : []),
  ].join("\n");
}
