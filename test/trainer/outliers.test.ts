/** Losses and gradient norms that stand out are found, ordinary ones are not. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { random } from "../../lib/random.ts";
import { deviations, watchOutliers } from "../../trainer/outliers.ts";

const source = random(3);
const steps = Array.from({ length: 400 }, (_, i) => ({
  loss: 8 - 4 * (1 - 0.99 ** i) + 0.1 * source.normal(),
  gradNorm: 1 + 0.1 * source.normal(),
}));

test("an ordinary run has no outliers, and a spike of either number is flagged with its deviations", () => {
  const watch = watchOutliers();
  for (const step of steps) assert.equal(watch.next(step), null);
  const { loss, gradNorm } = steps.at(-1)!;
  assert.equal(watch.next({ loss: loss - 3, gradNorm: 0 }), null, "what is low is welcome");
  const found = watch.next({ loss: loss + 3, gradNorm });
  assert.deepEqual(Object.keys(found!), ["loss"]);
  assert.ok(found!.loss! > 5);
  assert.deepEqual(Object.keys(watch.next({ loss, gradNorm: 9 })!), ["gradNorm"]);
});

test("a watch that was handed the last steps goes on as one that saw them all", () => {
  const [whole, resumed] = [watchOutliers(), watchOutliers(steps.slice(0, 200))];
  const strange = { loss: 9, gradNorm: 3 };
  for (const step of steps.slice(0, 200)) whole.next(step);
  assert.deepEqual(resumed.next(strange), whole.next(strange));
});

test("deviations are those of the values before, and there are none for too few or for equal values", () => {
  const values: number[] = Array.from({ length: 64 }, (_, i) => (i % 2 === 0 ? 1 : 3));
  assert.equal(deviations(values, 5), 3);
  assert.equal(deviations(values, 1), -1);
  assert.equal(deviations(values.slice(0, 31), 5), null);
  assert.equal(deviations(values.fill(2), 5), null);
});
