/**
 * Part "torch": the same on PyTorch, on the same card in the same run, where python3 has torch with CUDA: matrix
 * products in f32, TF32, f16 and bf16, and GPT-2 124M steps, eager and compiled. bench/gpu/torch.py does the work and
 * prints a JSON object a line.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../../lib/package-root.ts";
import { digits, type Part, printTable } from "./part.ts";

type Line =
  | { readonly kind: "about"; readonly torch: string; readonly cuda: string; readonly device: string }
  | { readonly kind: "matmul"; readonly dtype: string; readonly size: number; readonly teraflops: number }
  | {
      readonly kind: "step";
      readonly mode: string;
      readonly rows: number;
      readonly ms: number;
      readonly tokensPerSecond: number;
      readonly teraflops: number;
    }
  | { readonly kind: "skipped"; readonly what: string; readonly reason: string };

export const torchPart: Part = async ({ batch, quick }) => {
  const script = join(packageRoot, "bench", "gpu", "torch.py");
  if (!existsSync(script)) return skip(`${script} is not here: name it when the build is bundled`);
  const found = pythonWithCuda();
  if ("reason" in found) return skip(found.reason);
  const arguments_ = [script, "--rows", String(batch), ...(quick ? ["--quick"] : [])];
  const run = spawnSync(found.python, arguments_, { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
  const lines = run.stdout
    .split("\n")
    .filter(line => line.startsWith("{"))
    .map(line => JSON.parse(line) as Line);
  print(lines);
  if (run.status !== 0) console.log(`  the script ended with ${run.status ?? run.signal}`);
  return lines;
};

/** The first Python whose torch sees the card. */
function pythonWithCuda(): { readonly python: string } | { readonly reason: string } {
  const reasons: string[] = [];
  for (const python of ["python3", "/usr/bin/python3"]) {
    const code = "import torch; print(torch.__version__, torch.cuda.is_available())";
    const probe = spawnSync(python, ["-c", code], { encoding: "utf8" });
    if (probe.error) reasons.push(`${python}: ${probe.error.message}`);
    else if (probe.status !== 0) reasons.push(`${python}: ${probe.stderr.trim().split("\n").at(-1)}`);
    else if (probe.stdout.trim().endsWith("True")) return { python };
    else reasons.push(`${python}: torch ${probe.stdout.split(" ")[0]} sees no CUDA device`);
  }
  return { reason: reasons.join("; ") };
}

function skip(reason: string) {
  console.log(`skipped: ${reason}`);
  return { skipped: reason };
}

function print(lines: readonly Line[]) {
  const products = new Map<string, string[]>();
  for (const line of lines) {
    if (line.kind === "about") console.log(`  PyTorch ${line.torch}, CUDA ${line.cuda}, ${line.device}`);
    if (line.kind === "skipped") console.log(`  skipped: ${line.what}: ${line.reason}`);
    if (line.kind === "matmul")
      products.set(line.dtype, [
        ...(products.get(line.dtype) ?? [line.dtype]),
        `${line.size}³ ${digits(line.teraflops)}`,
      ]);
  }
  if (products.size > 0) printTable(["product, TFLOP/s"], [...products.values()]);
  const steps = lines.filter(line => line.kind === "step");
  if (steps.length > 0) {
    printTable(
      ["GPT-2 124M step", "sequences", "ms", "tokens/s", "TFLOP/s"],
      steps.map(s => [s.mode, s.rows, digits(s.ms), Math.round(s.tokensPerSecond), digits(s.teraflops)]),
    );
  }
}
