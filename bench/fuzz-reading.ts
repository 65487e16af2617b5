/**
 * Fuzzes reading and extraction for as long as one likes.
 *
 *   node dist/bench/fuzz-reading.js [--minutes 60] [--seed N] [--target NAME] [--case N]
 *
 * The targets take turns; each case runs in a worker thread, so that one that never ends can be told and ended. What
 * is found is printed with the flags that run that case alone. CI runs the same targets over fixed cases in the tests.
 */
import { parseArgs } from "node:util";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { drawOf, targets } from "./fuzz-reading/targets.ts";

/** CPU milliseconds of one case that count as a finding, and wall milliseconds after which it is given up. */
const SLOW = 5000;
const NEVER = 120_000;

type Message =
  | { readonly kind: "begin"; readonly target: string; readonly index: number }
  | { readonly kind: "found"; readonly target: string; readonly index: number; readonly what: string };

async function work(seed: number, names: readonly string[], from: number, only: boolean): Promise<void> {
  const chosen = targets.filter(({ name }) => names.includes(name));
  for (let index = from; ; index++) {
    for (const target of chosen) {
      parentPort!.postMessage({ kind: "begin", target: target.name, index } satisfies Message);
      const found = (what: string): void =>
        parentPort!.postMessage({ kind: "found", target: target.name, index, what } satisfies Message);
      const start = process.cpuUsage();
      try {
        await target.run(drawOf(seed, target.name, index));
        const { user, system } = process.cpuUsage(start);
        if ((user + system) / 1000 > SLOW) found(`slow: ${((user + system) / 1e6).toFixed(1)} CPU seconds`);
      } catch (error) {
        found((error as Error).stack ?? String(error));
      }
    }
    if (only) return;
    // Lets messages out.
    await new Promise(resolve => setImmediate(resolve));
  }
}

async function supervise(): Promise<void> {
  const { values: flags } = parseArgs({
    options: {
      minutes: { type: "string", default: "60" },
      seed: { type: "string", default: "1" },
      target: { type: "string" },
      case: { type: "string" },
    },
  });
  const names = flags.target === undefined ? targets.map(({ name }) => name) : [flags.target];
  if (!names.every(name => targets.some(target => target.name === name))) {
    console.error(`no such target; there are ${targets.map(({ name }) => name).join(", ")}`);
    process.exit(2);
  }
  const end = Date.now() + Number(flags.minutes) * 60_000;
  const cases = new Map(names.map(name => [name, 0]));
  let findings = 0;
  let next = Number(flags.case ?? 0);
  while (Date.now() < end) {
    let now: Message | null = null;
    let since = Date.now();
    const worker = new Worker(new URL(import.meta.url), {
      workerData: { seed: Number(flags.seed), names, from: next, only: flags.case !== undefined },
    });
    const report = (target: string, index: number, what: string): void => {
      findings++;
      console.log(`--seed ${flags.seed} --target ${target} --case ${index}: ${what}`);
    };
    worker.on("message", (message: Message) => {
      if (message.kind === "found") return report(message.target, message.index, message.what);
      now = message;
      since = Date.now();
      next = message.index;
      cases.set(message.target, cases.get(message.target)! + 1);
    });
    const ended = new Promise<string>(resolve => {
      worker.once("error", error => resolve(`the thread died: ${error.stack ?? error}`));
      worker.once("exit", () => resolve(""));
      const watch = setInterval(() => {
        const late = Date.now() - since > NEVER;
        if (!late && Date.now() < end) return;
        clearInterval(watch);
        resolve(late ? `did not end within ${NEVER / 1000} s` : "");
      }, 500);
    });
    const why = await ended;
    await worker.terminate();
    const last = now as Message | null;
    if (why !== "" && last !== null) report(last.target, last.index, why);
    if (flags.case !== undefined) break;
    next++;
  }
  for (const [name, count] of cases) console.log(`${name.padEnd(14)} ${count} cases`);
  console.log(`${findings} findings, seed ${flags.seed}, Node ${process.version}`);
  process.exit(findings > 0 ? 1 : 0);
}

if (isMainThread) await supervise();
else {
  const { seed, names, from, only } = workerData as {
    seed: number;
    names: readonly string[];
    from: number;
    only: boolean;
  };
  await work(seed, names, from, only);
}
