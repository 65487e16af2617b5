/**
 * A worker thread of the local executor: rebuilds the phases from the plan on disk, then runs the jobs it is told.
 */
import { readFileSync } from "node:fs";
import { parentPort, workerData } from "node:worker_threads";
import { UserError } from "../lib/errors.ts";
import type { JobProgress } from "../pipeline/execute/phase.ts";
import type { Plan } from "../pipeline/execute/plan.ts";
import type { FromWorker, ToWorker } from "../pipeline/execute/workers.ts";
import { allPhases } from "./phases.ts";

const port = parentPort!;
const plan = JSON.parse(readFileSync((workerData as { planPath: string }).planPath, "utf8")) as Plan;
const phases = new Map(allPhases(plan).map(phase => [phase.name, phase]));
const send = (message: FromWorker) => port.postMessage(message);
const never = new AbortController().signal;

/** Progress is sent at most ten times a second, added up in between. */
function gather(): { add(step: JobProgress): void; flush(): void } {
  let documents = 0;
  let bytes = 0;
  let note: string | undefined;
  let sent = 0;
  const flush = () => {
    if (documents === 0 && bytes === 0 && note === undefined) return;
    send({ kind: "progress", progress: { documents, bytes, ...(note === undefined ? {} : { note }) } });
    documents = bytes = 0;
    note = undefined;
    sent = performance.now();
  };
  return {
    add(step) {
      documents += step.documents ?? 0;
      bytes += step.bytes ?? 0;
      note = step.note ?? note;
      if (performance.now() - sent > 100) flush();
    },
    flush,
  };
}

port.on("message", async ({ phase: name, job }: ToWorker) => {
  const progress = gather();
  try {
    const phase = phases.get(name);
    if (!phase) throw new Error(`the plan has no phase ${name}`);
    const report = await phase.run(job, {
      workdir: plan.workdir,
      memory: plan.recipe.memory,
      signal: never,
      progress: progress.add,
    });
    progress.flush();
    send({ kind: "done", report });
  } catch (error) {
    const { message, stack } = error as Error;
    const user = error instanceof UserError;
    send({ kind: "failed", message, hint: user ? error.hint : null, user, stack: stack ?? "" });
  }
});
