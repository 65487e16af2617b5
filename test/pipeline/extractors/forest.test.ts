/** Forests survive being stored, and a model that no longer fits the features says so. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { random } from "../../../lib/random.ts";
import {
  type GrownTree,
  probabilities,
  readForest,
  storeForest,
} from "../../../pipeline/extractors/forest.ts";
import { createKernel } from "../../../pipeline/extractors/forest-kernel.ts";

const tree: GrownTree = {
  column: 1,
  threshold: 0.5,
  left: { column: 0, threshold: 2, left: { leaf: -1 }, right: { leaf: 0.25 } },
  right: { leaf: 3 },
};

test("a stored forest answers as the trees it was made of, whatever the order of the columns", () => {
  const stored = storeForest([tree, { leaf: 0.5 }], -0.5, ["a", "b"]);
  const forest = readForest(stored, ["b", "unused", "a"]);
  const rows = Float32Array.from([0.5, 9, 2, 0.5, 9, 2.5, 0.75, 9, 0]);
  const expected = [-1, 0.25, 3].map(leaf => 1 / (1 + Math.exp(-leaf)));
  probabilities(forest, rows, 3).forEach((p, i) => {
    assert.ok(Math.abs(p - expected[i]) < 1e-6);
  });
});

test("a column that the features lack is named", () => {
  assert.throws(() => readForest(storeForest([tree], 0, ["a", "b"]), ["a"]), /column "b"/);
});

/** A tree of `leaves` leaves over few columns and few thresholds, so that trees share them. */
function grown(leaves: number, draw: ReturnType<typeof random>, width: number, size: number): GrownTree {
  if (leaves === 1) return { leaf: (draw.uniform() - 0.5) * size };
  const left = 1 + Math.floor(draw.uniform() * (leaves - 1));
  return {
    column: Math.floor(draw.uniform() * width),
    threshold: Math.floor(draw.uniform() * 7) / 4 - 0.5,
    left: grown(left, draw, width, size),
    right: grown(leaves - left, draw, width, size),
  };
}

test("the kernel gives the same bits as the walk down the trees", () => {
  const draw = random(3);
  const width = 9;
  const names = Array.from({ length: width }, (_, i) => `c${i}`);
  for (const [trees, size] of [
    [1, 1],
    [16, 2],
    [37, 0.5],
    [50, 4],
    [170, 0.4],
  ] as const) {
    const forest = readForest(
      storeForest(
        Array.from({ length: trees }, (_, t) => grown(1 + ((t * 7) % 40), draw, width, size)),
        draw.uniform() - 0.5,
        names,
      ),
      names,
    );
    const kernel = createKernel(forest, width);
    for (const count of [0, 1, 31, 32, 33, 100]) {
      const rows = Float32Array.from({ length: count * width }, () => {
        const value = Math.floor(draw.uniform() * 20) / 8 - 0.75;
        return value > 1.6 ? [Number.NaN, -0, Infinity, -Infinity][Math.floor(draw.uniform() * 4)]! : value;
      });
      const before = Float32Array.from({ length: count }, () => draw.uniform());
      assert.deepEqual(kernel(rows), probabilities(forest, rows, width));
      assert.deepEqual(kernel(rows, before, 0.5), probabilities(forest, rows, width, before, 0.5));
    }
  }
});

test("a tree of more leaves than a byte can number is refused", () => {
  const names = ["a", "b"];
  const forest = readForest(storeForest([grown(129, random(1), 2, 1)], 0, names), names);
  assert.throws(() => createKernel(forest, 2), /129 leaves/);
});
