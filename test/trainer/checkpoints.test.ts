/** Which checkpoints count as whole, and what becomes of damaged ones. */
import assert from "node:assert/strict";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { writeAtomic } from "../../lib/atomic.ts";
import {
  checkpointName,
  listCheckpoints,
  newestCheckpoint,
  removeOlderDamaged,
} from "../../trainer/checkpoint.ts";

/** A model folder with checkpoints that hold one file each. */
function folderWith(steps: readonly number[]): string {
  const out = mkdtempSync(join(tmpdir(), "curate-checkpoints-"));
  for (const step of steps) {
    const dir = join(out, "checkpoints", checkpointName(step));
    const { bytes, sha256 } = writeAtomic(join(dir, "model.safetensors"), `weights ${step}`);
    const files = [{ name: "model.safetensors", bytes, sha256 }];
    writeAtomic(join(dir, "state.json"), JSON.stringify({ format: "curate-training-1", step, files }));
  }
  return out;
}

const damage = (out: string, step: number, file = "model.safetensors") =>
  writeFileSync(join(out, "checkpoints", checkpointName(step), file), "weights !!");

test("a damaged checkpoint older than the one to go on from is removed; newer ones are written anew anyway", () => {
  const out = folderWith([5, 10, 15, 20]);
  assert.deepEqual(removeOlderDamaged(out), []);
  damage(out, 5, "state.json");
  damage(out, 10);
  damage(out, 20);
  assert.equal(newestCheckpoint(out).checkpoint!.state.step, 15);
  assert.deepEqual(
    removeOlderDamaged(out),
    [10, 5].map(step => join(out, "checkpoints", checkpointName(step))),
  );
  assert.deepEqual(listCheckpoints(out), [15, 20]);
});

test("where no checkpoint is whole none is removed", () => {
  const out = folderWith([5, 10]);
  damage(out, 5);
  damage(out, 10);
  assert.deepEqual(removeOlderDamaged(out), []);
  assert.deepEqual(listCheckpoints(out), [5, 10]);
});
