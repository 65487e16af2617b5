/**
 * Breaks runs in every way that is known to happen, starts them again, and compares every byte with a run that nothing
 * disturbed. Prints a table: fault, times tried, recovered, documents lost, documents twice.
 * Run: node dist/bench/faults.js [--short] [--kills N] [--only PATTERN] [--files N] [--seed N]
 * --short is what CI does, within a minute. The moments are drawn by seed, but what they hit depends on the machine.
 */
import { cpus } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { changes } from "./faults/changes.ts";
import { damages } from "./faults/damage.ts";
import type { Fault, Setting } from "./faults/fault.ts";
import { locks } from "./faults/locks.ts";
import { machine } from "./faults/machine.ts";
import { createProject, finished, phasesOf, snapshot } from "./faults/project.ts";
import { stops } from "./faults/stops.ts";

const { values } = parseArgs({
  options: {
    short: { type: "boolean", default: false },
    kills: { type: "string" },
    only: { type: "string", default: "" },
    files: { type: "string" },
    seed: { type: "string", default: "1" },
  },
});

const faults: readonly Fault[] = [...stops, ...machine, ...damages, ...changes, ...locks].filter(({ name }) =>
  new RegExp(values.only).test(name),
);

const started = Date.now();
const project = createProject(Number(values.files ?? (values.short ? 1 : 3)));
const whole = join(project.dir, "whole");
await finished(project.dir, whole);
const setting: Setting = {
  project,
  whole,
  expected: snapshot(whole),
  phases: phasesOf(whole),
  seed: Number(values.seed),
  short: values.short,
  kills: Number(values.kills ?? (values.short ? 4 : 100)),
};
console.log(
  `Node ${process.version}, ${cpus()[0]?.model.trim()}, ${cpus().length} cores; ${setting.expected.size} files of ${setting.phases.length} phases compared, seed ${setting.seed}`,
);
console.log("| fault | tried | recovered | documents lost | documents twice |\n|---|---|---|---|---|");
let failed = 0;
for (const fault of faults) {
  let [tried, recovered, lost, doubled] = [0, 0, 0, 0];
  const skipped = await fault.run(setting, trial => {
    tried++;
    lost += trial.lost;
    doubled += trial.doubled;
    if (trial.recovered) recovered++;
    console.error(
      `${fault.name}: ${recovered} of ${tried} recovered${trial.recovered ? "" : `; ${trial.note}`}`,
    );
  });
  failed += tried - recovered;
  if (tried === 0 && skipped === null) continue;
  const row = skipped ? `skipped: ${skipped} | | |` : `${tried} | ${recovered} | ${lost} | ${doubled}`;
  console.log(`| ${fault.name} | ${row} |`);
}
console.log(`${Math.round((Date.now() - started) / 1000)} s`);
project.remove();
process.exitCode = failed > 0 ? 1 : 0;
