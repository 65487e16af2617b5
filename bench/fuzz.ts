/**
 * Fuzzes every parser that is ours, for as long as one likes: reading and extraction (fuzz/reading-targets.ts), and index lines,
 * robots.txt, recipes, tokenizer files, weights, token shards and the engine's own files (fuzz/targets.ts).
 *
 *   node dist/bench/fuzz.js [--minutes 60] [--seed N] [--target NAME] [--case N]
 *
 * The targets take turns in a process of their own, which is ended when a case does not end. What is found is printed
 * with the flags that run that case alone. CI runs fixed cases of the same targets in the tests.
 */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { drawOf, targets as readingTargets } from "./fuzz/reading-targets.ts";
import { formatTargets } from "./fuzz/targets.ts";

const targets = [...formatTargets, ...readingTargets];
/** CPU milliseconds of one case that count as a finding. */
const slow = 5000;
/** Looks at a case that does not end before its process is ended, and milliseconds between: time in which all is stopped is none. */
const never = 240;
const lookMs = 500;

const { values: flags } = parseArgs({
  options: {
    minutes: { type: "string", default: "60" },
    seed: { type: "string", default: "1" },
    target: { type: "string" },
    case: { type: "string" },
    from: { type: "string" },
  },
});
const chosen = targets.filter(({ name }) => flags.target === undefined || name === flags.target);
if (chosen.length === 0) {
  console.error(`no such target; there are ${targets.map(({ name }) => name).join(", ")}`);
  process.exit(2);
}

async function work(from: number, only: boolean): Promise<void> {
  for (let index = from; ; index++) {
    for (const target of chosen) {
      process.send?.({ target: target.name, index });
      const start = process.cpuUsage();
      let what: string | null = null;
      try {
        await target.run(drawOf(Number(flags.seed), target.name, index));
        const { user, system } = process.cpuUsage(start);
        if ((user + system) / 1000 > slow) what = `slow: ${((user + system) / 1e6).toFixed(1)} CPU seconds`;
      } catch (error) {
        what = (error as Error).stack ?? String(error);
      }
      if (what !== null) console.log(`--seed ${flags.seed} --target ${target.name} --case ${index}: ${what}`);
      if (what !== null) process.send?.({ target: target.name, index, found: true });
    }
    if (only) return;
    await new Promise(resolve => setImmediate(resolve));
  }
}

type Said = { readonly target: string; readonly index: number; readonly found?: boolean };

async function supervise(): Promise<void> {
  const end = Date.now() + Number(flags.minutes) * 60_000;
  const cases = new Map<string, number>();
  let findings = 0;
  let last: Said = { target: chosen[0]!.name, index: -1 };
  while (Date.now() < end) {
    const args = [...process.argv.slice(2), "--from", String(last.index + 1)];
    const child = spawn(process.execPath, [fileURLToPath(import.meta.url), ...args], {
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    let looks = 0;
    child.on("message", (said: Said) => {
      if (said.found) findings++;
      else cases.set(said.target, (cases.get(said.target) ?? 0) + 1);
      last = said;
      looks = 0;
    });
    const code = await new Promise<number | null>(resolve => {
      const watch = setInterval(() => {
        if (Date.now() < end && ++looks < never) return;
        child.kill("SIGKILL");
      }, lookMs);
      child.on("exit", code => {
        clearInterval(watch);
        resolve(code);
      });
    });
    if (Date.now() < end) {
      findings++;
      const why =
        looks >= never ? `did not end within ${(never * lookMs) / 1000} s` : `the process ended, ${code}`;
      console.log(`--seed ${flags.seed} --target ${last.target} --case ${last.index}: ${why}`);
    }
  }
  for (const { name } of chosen) console.log(`${name.padEnd(14)} ${cases.get(name) ?? 0} cases`);
  console.log(`${findings} findings, seed ${flags.seed}, Node ${process.version}`);
  process.exit(findings > 0 ? 1 : 0);
}

if (flags.case !== undefined) await work(Number(flags.case), true);
else if (flags.from !== undefined) await work(Number(flags.from), false);
else await supervise();
