/** Inputs: globs, their order, what is missing, and statistics that conserve. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { UserError } from "../../lib/errors.ts";
import { expand, resolveInputs } from "../../pipeline/inputs.ts";
import {
  addStats,
  checkConservation,
  emptyStats,
  mergeStats,
  type StageStats,
} from "../../pipeline/stats.ts";

function tree(): string {
  const dir = mkdtempSync(join(tmpdir(), "curate-inputs-"));
  for (const name of [
    "b.warc.gz",
    "a.warc.gz",
    "deep/c.warc.gz",
    "deep/er/d.warc.gz",
    ".hidden.warc.gz",
    "note.txt",
  ]) {
    mkdirSync(join(dir, name, ".."), { recursive: true });
    writeFileSync(join(dir, name), name);
  }
  return dir;
}

test("globs are expanded in sorted order and leave hidden files alone", () => {
  const dir = tree();
  assert.deepEqual(expand("*.warc.gz", dir), ["a.warc.gz", "b.warc.gz"]);
  assert.deepEqual(expand("**/*.warc.gz", dir), [
    "a.warc.gz",
    "b.warc.gz",
    "deep/c.warc.gz",
    "deep/er/d.warc.gz",
  ]);
  assert.deepEqual(expand("deep/*/?.warc.gz", dir), ["deep/er/d.warc.gz"]);
  assert.deepEqual(expand(join(dir, "*.txt"), "/"), [join(dir, "note.txt")]);
  assert.deepEqual(expand("plain.name", dir), ["plain.name"]);
});

test("a file named twice is read once, and its fingerprint follows its bytes", () => {
  const dir = tree();
  const inputs = resolveInputs(["b.warc.gz", "*.warc.gz"], dir, "r.yaml");
  assert.deepEqual(
    inputs.map(({ name }) => name),
    ["b.warc.gz", "a.warc.gz"],
  );
  writeFileSync(join(dir, "b.warc.gz"), "B.warc.gz");
  assert.notEqual(resolveInputs(["b.warc.gz"], dir, "r.yaml")[0]!.fingerprint, inputs[0]!.fingerprint);
});

test("missing files, empty patterns and folders are the user's mistakes", () => {
  const dir = tree();
  const message = (patterns: string[]) => {
    try {
      resolveInputs(patterns, dir, "r.yaml: source.warc");
    } catch (error) {
      assert.ok(error instanceof UserError);
      return error.message;
    }
    assert.fail("expected an error");
  };
  assert.equal(message(["x*.gz"]), `r.yaml: source.warc: no file matches "x*.gz" (looked below ${dir})`);
  assert.equal(message(["x.gz"]), `r.yaml: source.warc: there is no file ${dir}/x.gz`);
  assert.equal(message(["deep"]), `r.yaml: source.warc: ${dir}/deep is a folder, expected a file`);
  assert.equal(message([]), "r.yaml: source.warc: the list of inputs is empty");
});

const anyStats = fc
  .record({
    out: fc.nat(1000),
    failed: fc.nat(50),
    dropped: fc.dictionary(fc.constantFrom("a", "b", "c"), fc.nat(100)),
    bytesIn: fc.nat(),
    bytesOut: fc.nat(),
  })
  .map(({ out, failed, dropped, bytesIn, bytesOut }): StageStats => {
    const lost = Object.values(dropped).reduce((a, b) => a + b, 0);
    return { ...emptyStats("s"), in: out + failed + lost, out, failed, dropped, bytesIn, bytesOut };
  });

test("statistics merge in any order and grouping, and go on conserving", () => {
  fc.assert(
    fc.property(anyStats, anyStats, anyStats, (a, b, c) => {
      assert.deepEqual(addStats(a, b), addStats(b, a));
      assert.deepEqual(addStats(addStats(a, b), c), addStats(a, addStats(b, c)));
      checkConservation(mergeStats([[a], [b], [c]]));
    }),
    { seed: 7, numRuns: 200 },
  );
});

test("a document that vanished is a bug that is said", () => {
  assert.throws(
    () => checkConservation([{ ...emptyStats("s"), in: 3, out: 1, dropped: { x: 1 } }]),
    /stage s does not conserve documents: 3 in, but 1 out \+ 1 dropped \+ 0 failed = 2/,
  );
});
