/** The studio over the default recipe's own run, where there is one; in CI there must be. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { packageRoot } from "../../lib/package-root.ts";
import type { StageStats } from "../../pipeline/stats.ts";
import { type Studio, serve } from "../../studio/server/app.ts";

export const workdir = process.env["CURATE_STUDIO_WORKDIR"] ?? join(packageRoot, "runs", "fixtures");

/** An open studio that closes with the test, or null after the test was marked as skipped. */
export async function openStudio(t: TestContext): Promise<Studio | null> {
  if (!existsSync(join(workdir, "model", "checkpoints"))) {
    assert.notEqual(process.env["CI"], "true", `no finished run in ${workdir}`);
    t.skip(`no finished run in ${workdir}: run  npx curate run stages.yaml  first`);
    return null;
  }
  const studio = await serve({ workdir, compare: [], port: 0, device: "cpu" });
  t.after(() => studio.close());
  return studio;
}

export const statsOf = (name: string): StageStats =>
  (JSON.parse(readFileSync(join(workdir, "stats.json"), "utf8")) as { stages: StageStats[] }).stages.find(
    stage => stage.name === name,
  )!;
