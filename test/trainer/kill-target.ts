/** A training run for the test that kills it: prints a line after each step. Arguments: shards folder, out folder. */
import { openCpu } from "../../kernels/cpu/device.ts";
import { train } from "../../trainer/train.ts";
import { tinyOptions, vocabulary } from "./toy-model.ts";

const [shards, out] = process.argv.slice(2) as [string, string];
const device = await openCpu({ threads: 1 });
const options = tinyOptions({ steps: 40 });
await train({
  shards,
  out,
  options,
  device,
  vocabulary,
  on: { step: ({ step }) => process.stdout.write(`${step}\n`) },
});
await device.destroy();
