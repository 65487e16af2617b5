/** Worker threads of the local executor when a run is stopped: they end by themselves, or are ended. */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import type { Phase } from "../../../pipeline/execute/phase.ts";
import { openWorkers } from "../../../pipeline/execute/workers.ts";

for (const [what, onTask, onStop, byItself] of [
  ["a thread at work hears of a stop and ends by itself", "", "process.exit();", true],
  ["a thread that hears nothing is ended", "for (;;) {}", "", false],
] as const)
  test(what, async t => {
    const dir = mkdtempSync(join(tmpdir(), "curate-workers-"));
    t.after(() => rmSync(dir, { recursive: true }));
    const [entry, mark] = [join(dir, "worker.mjs"), join(dir, "ended-by-itself")];
    writeFileSync(
      entry,
      `import { writeFileSync } from "node:fs";
      import { parentPort, workerData } from "node:worker_threads";
      process.on("exit", () => writeFileSync(workerData.planPath, ""));
      parentPort.on("message", message => {
        if (message === "stop") { ${onStop} return; }
        parentPort.postMessage({ kind: "progress", progress: {} });
        ${onTask}
      });
      parentPort.postMessage({ kind: "ready" });`,
    );
    const workers = openWorkers({ entry: pathToFileURL(entry), planPath: mark, threads: 2, memory: 64e6 });
    let begun = () => {};
    const both = new Promise<void>(resolve => {
      let threads = 0;
      begun = () => ++threads === 2 && resolve();
    });
    const run = workers.run({ name: "p" } as Phase, [0, 1, 2], { progress: begun, done: () => {} });
    run.catch(() => {});
    await both;
    await workers.stop();
    await assert.rejects(run, /stopped/);
    assert.equal(existsSync(mark), byItself);
  });
