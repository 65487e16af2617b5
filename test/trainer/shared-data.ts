/** Files of the shared data folder beside the package; tests that need one are skipped where it is absent, but not in CI. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import type { TestContext } from "node:test";
import { packageRoot } from "../../lib/package-root.ts";

/** The path, or null after the test was marked as skipped. */
export function sharedData(t: TestContext, ...parts: string[]): string | null {
  const path = resolve(packageRoot, "..", "shared", "data", ...parts);
  if (existsSync(path)) return path;
  if (process.env["CI"] === "true") throw new Error(`no data at ${path}`);
  t.skip(`no data at ${path}`);
  return null;
}
