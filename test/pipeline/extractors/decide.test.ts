/** The choice of blocks by expected F1, against trying every set. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { expectedBest } from "../../../pipeline/extractors/decide.ts";

test("no set of blocks has a higher expected F1 than the chosen one", () => {
  const block = fc.record({ p: fc.integer({ min: 1, max: 99 }), w: fc.integer({ min: 1, max: 50 }) });
  fc.assert(
    fc.property(fc.array(block, { minLength: 1, maxLength: 8 }), blocks => {
      const p = Float32Array.from(blocks, one => one.p / 100);
      const w = Float32Array.from(blocks, one => one.w);
      const wanted = p.reduce((sum, x, i) => sum + x * w[i], 0);
      let best = 0;
      for (let set = 1; set < 1 << blocks.length; set++) {
        let kept = 0;
        let right = 0;
        for (let i = 0; i < blocks.length; i++) {
          if (!(set & (1 << i))) continue;
          kept += w[i];
          right += p[i] * w[i];
        }
        best = Math.max(best, (2 * right) / (kept + wanted));
      }
      const { f, threshold } = expectedBest(p, w);
      assert.ok(Math.abs(f - best) < 1e-6);
      assert.ok(threshold >= f / 2 - 1e-6, "no block under half the F1 is kept");
    }),
    { seed: 4, numRuns: 200 },
  );
});

test("a page without blocks keeps nothing", () => {
  assert.deepEqual(expectedBest(new Float32Array(0), new Float32Array(0)), { threshold: 1, f: 0 });
});
