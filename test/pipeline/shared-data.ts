/** Files of the shared data folder beside the package; tests that need one are skipped where it is absent, but not in CI. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { gunzipSync } from "node:zlib";
import { packageRoot } from "../../lib/package-root.ts";

/** Objects of a gzipped file with one JSON value a line, or null after the test was marked as skipped. */
export function sharedLines<T>(t: TestContext, path: string): T[] | null {
  const file = sharedPath(t, path);
  if (file === null) return null;
  const text = gunzipSync(readFileSync(file)).toString("utf8");
  return text
    .split("\n")
    .filter(line => line !== "")
    .map(line => JSON.parse(line) as T);
}

/** The path, or null after the test was marked as skipped. */
export function sharedPath(t: TestContext, path: string): string | null {
  const file = join(packageRoot, "..", "shared", "data", path);
  if (existsSync(file)) return file;
  assert.notEqual(process.env["CI"], "true", `no data at ${path}`);
  t.skip(`no data at ${path}`);
  return null;
}
