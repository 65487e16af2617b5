/** `curate run [stages.yaml]`: runs or resumes a recipe, from its source to its last stage. */
import { rmSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join, relative } from "node:path";
import { writeAtomic } from "../lib/atomic.ts";
import { nearest, UserError } from "../lib/errors.ts";
import { execute, type RunEvents, readRunState, writePlan } from "../pipeline/execute/execute.ts";
import type { Executor } from "../pipeline/execute/executor.ts";
import { acquireLock } from "../pipeline/execute/lock.ts";
import type { Phase } from "../pipeline/execute/phase.ts";
import type { Plan } from "../pipeline/execute/plan.ts";
import { keepHeapsSmall } from "../pipeline/execute/workers.ts";
import type { StageStats } from "../pipeline/stats.ts";
import type { FlagValues } from "./command.ts";
import { type ExecutorChoice, executorChoice, openExecutor } from "./executors.ts";
import { emptyStages, funnelTable } from "./funnel.ts";
import { loadPlan, prepareWorkdir, recipeYaml } from "./load.ts";
import { allPhases, phaseOfStage } from "./phases.ts";
import { type Meter, openProgress, type Progress } from "./progress.ts";
import { openRemote } from "./remote.ts";
import type { runFlags } from "./run.ts";
import { bytes, colourful, duration, json, number, out, say, styled } from "./terminal.ts";
import { trainingSummary } from "./training-summary.ts";

export async function runRecipe(
  [recipePath = "stages.yaml"]: readonly string[],
  flags: FlagValues<typeof runFlags>,
) {
  const choice = executorChoice(flags.executor, flags["on-stop"]);
  const plan = await loadPlan({ recipePath, sets: flags.set, workdir: flags.workdir, limit: flags.limit });
  const threads = workerCount(flags.workers, plan.recipe.workers);
  const phases = allPhases(plan);
  const until = stageFlag("until", flags.until ?? flags.only, plan, phases);
  const from = stageFlag("from", flags.from ?? flags.only, plan, phases);
  const { fresh, verify, json: asJson } = flags;
  return runPlan({ plan, phases, threads, choice, until, from, fresh, verify, asJson });
}

export function workerCount(flag: string | undefined, fromRecipe: number | null): number {
  if (flag === undefined) return fromRecipe ?? availableParallelism();
  if (flag === "auto") return availableParallelism();
  const n = Number(flag);
  if (!Number.isInteger(n) || n < 1 || n > 1024)
    throw new UserError(
      `--workers: expected a whole number from 1 to 1024, or auto, got ${JSON.stringify(flag)}`,
    );
  return n;
}

function stageFlag(
  flag: string,
  stage: string | undefined,
  plan: Plan,
  phases: readonly Phase[],
): { first: string; last: string } | undefined {
  if (stage === undefined) return undefined;
  const known = plan.recipe.stages.map(s => s.name);
  const found = phaseOfStage(phases, stage);
  if (found) return found;
  const near = nearest(stage, known);
  throw new UserError(
    `--${flag}: the recipe has no stage ${JSON.stringify(stage)}.${near ? ` Did you mean ${near}?` : ""} Known: ${known.join(", ")}`,
  );
}

type RunPlan = {
  readonly plan: Plan;
  readonly phases: readonly Phase[];
  readonly threads: number;
  readonly choice: ExecutorChoice;
  readonly until: { readonly last: string } | undefined;
  readonly from: { readonly first: string } | undefined;
  readonly fresh: boolean;
  readonly verify: boolean;
  readonly asJson: boolean;
};

async function runPlan(run: RunPlan): Promise<number> {
  const { plan, phases, threads, choice, until, from, fresh, verify, asJson } = run;
  keepHeapsSmall(plan.recipe.memory);
  prepareWorkdir(plan.workdir);
  const lock = acquireLock(plan.workdir);
  const progress = openProgress(process.stderr, asJson);
  const stop = new AbortController();
  let executor: Executor | null = null;
  const onSignal = () => {
    if (stop.signal.aborted) process.exit(130);
    progress.say("stopping; the same command goes on from here");
    stop.abort(new Error("stopped"));
    void executor?.stop();
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  const started = Date.now();
  try {
    const mirror =
      plan.remote === undefined ? null : await openRemote(plan.remote, plan.workdir, progress.say);
    if (fresh) removeEarlier(plan, phases, progress);
    if (from) forgetFrom(plan, phases, from.first);
    writePlan(plan);
    writeAtomic(join(plan.workdir, "recipe.yaml"), recipeYaml(plan.recipe));
    const size = plan.inputs.reduce((sum, input) => sum + input.bytes, 0);
    progress.say(
      `${plan.recipe.name}: ${number(plan.inputs.length)} input file${plan.inputs.length === 1 ? "" : "s"}, ${bytes(size)} → ${relative(process.cwd(), plan.workdir) || "."}, ${choice.name === "slurm" ? "Slurm" : `${threads} worker${threads === 1 ? "" : "s"}`}`,
    );
    const events = showing(progress);
    const follower = mirror?.following(events) ?? null;
    executor = openExecutor(choice, { plan, phases, threads, until: until?.last, say: progress.say });
    const stats = await execute({
      plan,
      phases,
      executor,
      signal: stop.signal,
      verify,
      on: follower?.on ?? events,
      ...(until ? { until: until.last } : {}),
    });
    await follower?.finish();
    const seconds = (Date.now() - started) / 1000;
    if (asJson)
      json({ state: readRunState(plan.workdir)?.state, workdir: plan.workdir, seconds, stages: stats });
    else report(plan, stats, seconds);
    return 0;
  } catch (error) {
    if (stop.signal.aborted) {
      say(`stopped after ${duration((Date.now() - started) / 1000)}. Run the same command to go on.`);
      return 130;
    }
    throw error;
  } finally {
    process.off("SIGINT", onSignal);
    process.off("SIGTERM", onSignal);
    await executor?.stop();
    lock.release();
  }
}

function removeEarlier(plan: Plan, phases: readonly Phase[], progress: Progress): void {
  if (!readRunState(plan.workdir)) return;
  progress.say("starting over: removing what the earlier run left");
  for (const phase of phases)
    for (const output of phase.outputs) rmSync(join(plan.workdir, output), { recursive: true, force: true });
  for (const name of ["work", "run.json", "stats.json", "recipe.yaml"])
    rmSync(join(plan.workdir, name), { recursive: true, force: true });
}

/** Makes a phase look unstarted, so that it and, where its output changes, everything after it is redone. */
function forgetFrom(plan: Plan, phases: readonly Phase[], first: string): void {
  const start = phases.findIndex(phase => phase.name === first);
  for (const phase of phases.slice(start)) {
    rmSync(join(plan.workdir, "work", phase.name, "begun.json"), { force: true });
  }
}

function showing(progress: Progress): RunEvents {
  let meter: Meter | null = null;
  let began = 0;
  return {
    phase(phase, jobs, done) {
      began = Date.now();
      const { bytes = 0, documents = 0, units = 0 } = phase.total ?? {};
      const totals = bytes + documents + units > 0 ? { bytes, documents, units } : { jobs };
      meter = done < jobs ? progress.start(`${phase.name}: ${phase.about}`, totals) : null;
    },
    progress(_, step) {
      if (step.line) progress.say(step.line);
      meter?.add(step);
    },
    job: () => meter?.add({ jobs: 1 }),
    end(phase, stats, ran) {
      const warn = () => {
        for (const line of emptyStages(stats))
          progress.say(styled(`warning: ${line}`, "yellow", colourful(process.stderr)));
      };
      if (!ran) {
        progress.say(`✓ ${phase.name}: already done`);
        return warn();
      }
      const busy = stats.filter(stage => stage.in > 0);
      const counts =
        busy.length > 0 ? `${number(busy[0]!.in)} in, ${number(busy[busy.length - 1]!.out)} out, ` : "";
      meter?.end(`✓ ${phase.name}: ${counts}${duration((Date.now() - began) / 1000)}`);
      warn();
    },
    say: line => progress.say(line),
  };
}

function report(plan: Plan, stats: readonly StageStats[], seconds: number): void {
  const colour = colourful(process.stdout);
  out(`\n${funnelTable(stats, colour)}\n`);
  const training = trainingSummary(plan, colour);
  if (training) out(training);
  const where = relative(process.cwd(), plan.workdir) || ".";
  out(`Done in ${duration(seconds)}. Everything is in ${where}.`);
  const more = [`curate stats ${where}`];
  const strictest = [...stats]
    .sort((a, b) => b.in - b.out - (a.in - a.out))
    .find(({ name, dropped }) => name !== "read" && Object.keys(dropped).length > 0);
  if (strictest) more.push(`curate inspect ${strictest.name} --workdir ${where}`);
  if (training) more.push(`curate sample --workdir ${where} --prompt "The"`);
  out(styled(`Look further:  ${more.join("  ·  ")}`, "dim", colour));
}
