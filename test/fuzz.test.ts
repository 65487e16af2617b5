/** Fixed cases of what bench/fuzz.ts runs for hours: each target, each seed, a promise kept or a case number to rerun. */
import { test } from "node:test";
import { formatTargets } from "../bench/fuzz/targets.ts";
import { drawOf } from "../bench/fuzz-reading/targets.ts";

/** Cases that take about a second of CPU. */
const cases: Readonly<Record<string, number>> = {
  ...{ cdxj: 4000, surt: 3000, paths: 2000, robots: 400, recipe: 150, tokenizer: 150, safetensors: 800 },
  ...{ models: 500, llama2c: 1000, shards: 400, workdir: 300 },
};

for (const target of formatTargets) {
  test(`fuzzing ${target.name}: wrong data gives words or a result within bounds`, async () => {
    for (let index = 0; index < cases[target.name]!; index++) {
      try {
        await target.run(drawOf(1, target.name, index));
      } catch (error) {
        throw new Error(`case ${index}: node dist/bench/fuzz.js --target ${target.name} --case ${index}`, {
          cause: error,
        });
      }
    }
  });
}
