/** The line of stages: a stage that throws costs one document, counted with its place, and never the run. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Document } from "../../pipeline/document.ts";
import { openLine } from "../../pipeline/run.ts";
import type { Account } from "../../pipeline/writers/account.ts";

const document = (id: string): Document => ({
  ...{ id, url: null, date: "", text: `text of ${id}`, page: null, meta: {} },
  at: { file: "f", offset: 7, length: 3 },
});

test("a stage that throws costs the one document it threw at, counted with its place", () => {
  const failures: unknown[][] = [];
  const account = {
    ...{ measured() {}, dropped() {}, kept() {}, member() {} },
    failed: (...said: unknown[]) => failures.push(said),
  } as unknown as Account;
  const judge = (given: Document) => {
    if (given.id === "b") throw new TypeError("cannot read that");
    return { keep: given };
  };
  const line = openLine([{ name: "odd", kind: "filter", tag: false, judge }], account, () => 0);
  const left = ["a", "b", "c"].map(id => line.push(document(id))?.id ?? null);
  assert.deepEqual(left, ["a", null, "c"]);
  const { in: seen, out, failed } = line.stats[0]!;
  assert.deepEqual([seen, out, failed], [3, 2, 1]);
  assert.deepEqual(failures, [
    ["odd", "b", null, { file: "f", offset: 7, length: 3 }, "exception", "cannot read that"],
  ]);
});
