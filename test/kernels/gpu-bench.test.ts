/**
 * The GPU benchmark runs: every part on the null backend, which takes it through the code that a GPU with matrix units
 * gets, and the parts that a software adapter finishes in seconds on that. Its numbers mean nothing here.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { connect } from "../../kernels/webgpu/adapter.ts";

const main = fileURLToPath(new URL("../../bench/gpu/main.js", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "curate-gpu-bench-"));
after(() => rmSync(folder, { recursive: true }));

async function run(name: string, ...flags: string[]) {
  const out = join(folder, name);
  const env = {
    ...process.env,
    XDG_CACHE_HOME: join(folder, "cache"),
    GALLIVM_PERF: "nopt",
    XDG_RUNTIME_DIR: "/tmp",
  };
  const { stdout } = await promisify(execFile)(process.execPath, [main, "--out", out, "--quick", ...flags], {
    env,
  });
  return {
    stdout,
    results: JSON.parse(readFileSync(join(out, "results.json"), "utf8")) as Record<string, unknown>,
  };
}

test("every part runs on the null backend, matrix units, autotuner and profile included", async t => {
  const connection = await connect({ backend: "null" });
  if ("unavailable" in connection) return t.skip(connection.unavailable);
  connection.device.destroy();
  const { stdout, results } = await run("null", "--backend", "null");
  assert.match(stdout, /0 of 6 parts failed/);
  for (const part of ["adapter", "peak", "matmul", "kernels", "step", "torch"])
    assert.ok(results[part], part);
  assert.match(stdout, /matrix units f16→f32 16×16×16, GFLOP\/s/);
  assert.match(stdout, /matmul-matrix NT 128×192×64/);
  assert.match(stdout, /matrices, 64×64×32, 2×2 subgroups/);
  assert.equal((results["step"] as unknown[]).length, 2);
});

test("a software adapter runs it at reduced sizes and says what is skipped", async t => {
  const connection = await connect({ allowSoftware: true });
  if ("unavailable" in connection) {
    assert.ok(process.env["CURATE_REQUIRE_WEBGPU"] !== "1", connection.unavailable);
    return t.skip(connection.unavailable);
  }
  connection.device.destroy();
  if (connection.adapter.kind !== "software") return t.skip("this machine has a GPU");
  const { stdout, results } = await run("software", "--only", "adapter,step");
  assert.match(stdout, /0 of 2 parts failed/);
  assert.match(stdout, /software adapter: reduced sizes/);
  assert.match(stdout, /skipped: f16/);
  const [step] = results["step"] as { losses: number[]; kernels: { kernel: string; ms: number }[] }[];
  assert.ok(step!.losses[0]! > 6 && step!.losses.at(-1)! < step!.losses[0]!);
  assert.ok(step!.kernels.some(({ kernel, ms }) => kernel === "matmul-register NT 128×192×64" && ms > 0));
});

test("a part that is not there is named with those that are", async () => {
  await assert.rejects(
    run("none", "--only", "memory"),
    /--only: expected some of adapter,peak,.*, got memory/s,
  );
});
