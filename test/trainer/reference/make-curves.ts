/**
 * Makes curves.json: for each face of the model, starting weights and batches are handed to PyTorch (gpt.py), and what
 * it says of losses and gradient norms is kept. Run: node dist/test/trainer/reference/make-curves.js [python3]
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { packageRoot } from "../../../lib/package-root.ts";
import { exportHuggingFace } from "../../../trainer/export/hugging-face.ts";
import { parametersOf, startingValues } from "../../../trainer/parameters.ts";
import { batchesOf, curveCases, learningRates, settings } from "./curve-cases.ts";

const folder = join(packageRoot, "test", "trainer", "reference");
const python = process.argv[2] ?? "python3";
const dir = mkdtempSync(join(tmpdir(), "curate-curves-"));
const curves: Record<string, unknown> = {};
for (const [name, { config, rows, seed }] of Object.entries(curveCases)) {
  const parameters = new Map(parametersOf(config).map(parameter => [parameter.name, parameter]));
  const tensor = (of: string) => startingValues(parameters.get(of)!, config, seed);
  await exportHuggingFace(join(dir, name), { config, tensor }, { eot: 0 });
  const batches = batchesOf(name as keyof typeof curveCases);
  const plan = {
    ...{ ...settings, rows, lr: learningRates },
    inputs: batches.map(({ inputs }) => [...inputs]),
    targets: batches.map(({ targets }) => [...targets]),
  };
  const path = join(dir, `${name}.json`);
  writeFileSync(path, JSON.stringify(plan));
  const printed = execFileSync(python, [join(folder, "gpt.py"), "curve", join(dir, name), path], {
    encoding: "utf8",
    maxBuffer: 1 << 26,
  });
  curves[name] = JSON.parse(printed);
}
const rounded = (_: string, value: unknown) =>
  typeof value === "number" ? Number(value.toPrecision(8)) : value;
writeFileSync(join(folder, "curves.json"), `${JSON.stringify(curves, rounded, 1)}\n`);
rmSync(dir, { recursive: true });
