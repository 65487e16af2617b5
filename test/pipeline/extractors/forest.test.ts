/** Forests survive being stored, and a model that no longer fits the features says so. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type GrownTree,
  probabilities,
  readForest,
  storeForest,
} from "../../../pipeline/extractors/forest.ts";

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
