/** Which executor a run uses: worker threads here, or a Slurm cluster. */
import { shown, UserError } from "../lib/errors.ts";
import { planPath } from "../pipeline/execute/execute.ts";
import type { Executor } from "../pipeline/execute/executor.ts";
import type { Phase } from "../pipeline/execute/phase.ts";
import type { Plan } from "../pipeline/execute/plan.ts";
import { jobsInQueue, openSlurm } from "../pipeline/execute/slurm.ts";
import { openWorkers } from "../pipeline/execute/workers.ts";
import { isStreamed } from "../pipeline/fetch/options.ts";
import { openStreamHost } from "../pipeline/fetch/stream-host.ts";

export type ExecutorChoice = { readonly name: "local" | "slurm"; readonly onStop: "leave" | "cancel" };

/** `--executor` and `--on-stop`, checked. Throws UserError. */
export function executorChoice(name = "local", onStop = "leave"): ExecutorChoice {
  if (name !== "local" && name !== "slurm")
    throw new UserError(`--executor: expected local or slurm, got ${shown(name)}`);
  if (onStop !== "leave" && onStop !== "cancel")
    throw new UserError(`--on-stop: expected leave or cancel, got ${shown(onStop)}`);
  return { name, onStop };
}

type Run = {
  readonly plan: Plan;
  readonly phases: readonly Phase[];
  readonly threads: number;
  readonly until: string | undefined;
  readonly say: (line: string) => void;
};

export function openExecutor({ name, onStop }: ExecutorChoice, run: Run): Executor {
  const { plan, phases, threads, until, say } = run;
  if (name === "slurm") {
    refuseStreamed(plan);
    const command = [process.execPath, ...process.execArgv, process.argv[1]!];
    return openSlurm({ plan, phases, until, command, onStop, say });
  }
  const jobs = jobsInQueue(plan.workdir);
  if (jobs.length > 0)
    throw new UserError(
      `Slurm's jobs ${jobs.join(", ")} are at work in ${plan.workdir}`,
      `Watch them with  --executor slurm, or end them with  scancel ${jobs.join(" ")}`,
    );
  const host = isStreamed(plan.recipe.source) ? openStreamHost({ plan, say }) : null;
  const entry = new URL("./worker.js", import.meta.url);
  const workers = openWorkers({
    ...{ entry, planPath: planPath(plan), threads, memory: plan.recipe.memory },
    ...(host ? { port: host.port } : {}),
  });
  return {
    ...workers,
    async stop() {
      await workers.stop();
      await host?.close();
    },
  };
}

/** Nodes of a cluster have no limiter in common, and many have no network. Throws UserError. */
export function refuseStreamed({ recipe }: Plan): void {
  if (!isStreamed(recipe.source)) return;
  throw new UserError(
    "source.cache: none reads files over one process's connections, which a cluster's tasks have not in common",
    "Name a folder that all nodes see in source.cache, or read the files from an object store: source: { warc: [s3://…] }.",
  );
}
