/** `curate check [stages.yaml]`: validates a recipe and says what a run would do. Does no work. */
import { availableParallelism } from "node:os";
import { command } from "./command.ts";
import { loadPlan, recipeYaml } from "./load.ts";
import { allPhases } from "./phases.ts";
import { bytes, duration, json, number, out, styled, table } from "./terminal.ts";

/**
 * Measured on two AMD EPYC cores over 2,842 real pages (docs/benchmarks.md): CPU seconds for a compressed gigabyte of
 * WARC through the fineweb stages, and bytes of kept text for a byte of compressed WARC.
 */
export const measuredCost = { cpuSecondsPerGB: 420, textPerByte: 0.06 } as const;

export const check = command({
  name: "check",
  about: "Validates a recipe, prints the plan and a cost estimate. Does no work.",
  usage: "[stages.yaml]",
  example: "curate check stages.yaml --print",
  maxPositionals: 1,
  flags: {
    print: { type: "flag", about: "the recipe with every resolved value, as YAML" },
    set: { type: "list", value: "a.b=c", about: "override one value of the recipe; may be repeated" },
    workdir: { type: "text", value: "DIR", about: "where a run would write" },
    limit: { type: "number", value: "N", about: "only the first N input files" },
    json: { type: "flag", about: "one JSON object on stdout" },
  },
  async run([recipePath = "stages.yaml"], flags) {
    const plan = await loadPlan({ recipePath, sets: flags.set, workdir: flags.workdir, limit: flags.limit });
    const size = plan.inputs.reduce((sum, input) => sum + input.bytes, 0);
    const cores = plan.recipe.workers ?? availableParallelism();
    const cpu = (size / 1e9) * measuredCost.cpuSecondsPerGB;
    if (flags.print) return out(recipeYaml(plan.recipe));
    const phases = allPhases(plan);
    if (flags.json) {
      return json({
        recipe: plan.recipe,
        inputs: plan.inputs.length,
        bytes: size,
        phases: phases.map(({ name, about }) => ({ name, about })),
        estimate: { cpuSeconds: cpu, wallSeconds: cpu / cores, textBytes: size * measuredCost.textPerByte },
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
    out(
      `Documents stages: about ${duration(cpu)} of CPU time, ${duration(cpu / cores)} on ${cores} core${cores === 1 ? "" : "s"}; about ${bytes(size * measuredCost.textPerByte)} of kept text.`,
    );
    out(
      styled(
        "From costs measured on real pages (docs/benchmarks.md); training is estimated by  curate train --dry-run",
        "dim",
      ),
    );
  },
});
