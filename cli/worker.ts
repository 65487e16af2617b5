/**
 * A worker thread of the local executor: rebuilds the phases from the plan on disk, then runs the jobs it is told,
 * until it is told to stop.
 */
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import type { JobProgress } from "../pipeline/execute/phase.ts";
import { readPlanFile, taskRunner } from "../pipeline/execute/task.ts";
import { type FromWorker, failureOf, type ToWorker } from "../pipeline/execute/workers.ts";
import { streamReader } from "../pipeline/fetch/stream-reader.ts";
import { allPhases } from "./phases.ts";

const port = parentPort!;
const given = workerData as { planPath: string; port?: MessagePort };
const plan = readPlanFile(given.planPath);
const openStreamed = given.port ? streamReader(given.port) : undefined;
const runTask = taskRunner(plan, allPhases(plan));
const send = (message: FromWorker) => port.postMessage(message);
const stop = new AbortController();
let atWork = false;

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

port.on("message", async (task: ToWorker) => {
  if (task === "stop") {
    stop.abort(new Error("stopped"));
    if (!atWork) process.exit();
    return;
  }
  atWork = true;
  const progress = gather();
  try {
    const report = await runTask(task, { signal: stop.signal, progress: progress.add, openStreamed });
    progress.flush();
    send({ kind: "done", report });
  } catch (error) {
    send(failureOf(error));
  }
  atWork = false;
  if (stop.signal.aborted) process.exit();
});
send({ kind: "ready" });
