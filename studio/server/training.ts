/**
 * Training as it was written down: metrics and samples of one run or several. Long runs are thinned to 3,000 steps
 * for drawing; steps with a validation loss, and the last whose time by kernel was taken, always stay.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import type { StepMetrics, Training, TrainingRun } from "../api.ts";

const mostSteps = 3000;

/** Lines of a file that is being written: a last line without its end is left for later. */
export function readLines<T>(path: string): T[] {
  if (!existsSync(path)) return [];
  const text = readFileSync(path, "utf8");
  return text
    .slice(0, text.lastIndexOf("\n") + 1)
    .split("\n")
    .filter(line => line !== "")
    .map(line => JSON.parse(line) as T);
}

export function thinned(steps: readonly StepMetrics[], most = mostSteps): StepMetrics[] {
  const every = Math.ceil(steps.length / most);
  const timed = steps.findLast(step => step["kernels"] !== undefined);
  return steps.filter(
    (step, i) => i % every === 0 || i === steps.length - 1 || step.valLoss !== undefined || step === timed,
  );
}

function runOf(workdir: string): TrainingRun {
  const model = join(workdir, "model");
  const checkpoints = join(model, "checkpoints");
  const newest = existsSync(checkpoints)
    ? readdirSync(checkpoints)
        .filter(name => /^step-\d+$/.test(name))
        .sort()
        .at(-1)
    : undefined;
  const configPath = newest ? join(checkpoints, newest, "config.json") : "";
  const plan = join(workdir, "work", "plan.json");
  const recipe = existsSync(plan)
    ? (
        JSON.parse(readFileSync(plan, "utf8")) as {
          recipe: { name: string; stages: { name: string; options: Record<string, unknown> }[] };
        }
      ).recipe
    : null;
  const steps = recipe?.stages.find(stage => stage.name === "train")?.options["steps"];
  return {
    name: recipe?.name ?? basename(workdir),
    workdir,
    steps: thinned(readLines<StepMetrics>(join(model, "metrics.jsonl"))),
    samples: readLines<{ step: number; text: string }>(join(model, "samples.jsonl")).map(
      ({ step, text }) => ({
        step,
        text,
      }),
    ),
    totalSteps: typeof steps === "number" ? steps : null,
    config: configPath && existsSync(configPath) ? JSON.parse(readFileSync(configPath, "utf8")) : null,
  };
}

/** Runs of one recipe bear one name: their folders tell them apart. */
export function readTraining(workdirs: readonly string[]): Training {
  const runs = workdirs.map(runOf);
  const shared = (name: string) => runs.filter(run => run.name === name).length > 1;
  return {
    runs: runs.map(run => (shared(run.name) ? { ...run, name: basename(run.workdir) } : run)),
  };
}
