/** Fixed cases of what bench/fuzz.ts runs for hours: each target, each seed, a promise kept or a case number to rerun. */
import { test } from "node:test";
import { drawOf } from "../bench/fuzz/reading-targets.ts";
import { formatTargets } from "../bench/fuzz/targets.ts";

/** Cases of each that together take some ten seconds of CPU. */
const cases: Readonly<Record<string, number>> = {
  ...{ cdxj: 1500, surt: 1500, paths: 700, robots: 400, recipe: 100, tokenizer: 80, safetensors: 300 },
  ...{ models: 200, llama2c: 300, shards: 250, workdir: 200 },
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

/** What longer runs found: blocks beyond any file, vectors and layers by the billion, a list of nothing, a batch that is none. */
const found: readonly (readonly [target: string, seed: number, index: number])[] = [
  ["shards", 1, 37],
  ["shards", 20261124, 68],
  ["shards", 20261124, 166],
  ["shards", 20261124, 2502],
  ["shards", 20261124, 10188],
  ["models", 20261124, 396],
];

for (const [name, seed, index] of found) {
  test(`found by hand: ${name} ${seed} ${index}`, () =>
    formatTargets.find(target => target.name === name)!.run(drawOf(seed, name, index)));
}
