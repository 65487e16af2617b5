/**
 * What this machine's GPU does with our kernels, in one command, beside PyTorch on the same card where it is installed.
 *
 *   node dist/bench/gpu/main.js [--only adapter,peak,matmul,kernels,step,torch] [--out DIR] [--batch N] [--quick]
 *     [--limit SECONDS] [--backend NAME]
 *
 * Every part runs in a process of its own with a time limit, so that a driver that crashes or hangs costs one part and
 * not the run; results so far are in DIR (gpu-results) as JSON. What is skipped is said, with the reason. On a software
 * adapter (lavapipe) the same code runs at small sizes: that shows that it works, and says nothing about a GPU.
 * For a bare machine: bundle a build that holds bench/gpu/torch.py beside dist/, and run this there.
 */
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, release } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { adapterPart } from "./adapter.ts";
import { kernelsPart } from "./kernels.ts";
import { matmulPart } from "./matmul.ts";
import { noAdapter, type Part, type Setting, useBackend } from "./part.ts";
import { peakPart } from "./peak.ts";
import { stepPart } from "./step.ts";
import { torchPart } from "./torch.ts";

process.env["XDG_RUNTIME_DIR"] ??= "/tmp"; // Mesa's drivers want one

const parts: Readonly<Record<string, Part>> = {
  adapter: adapterPart,
  peak: peakPart,
  matmul: matmulPart,
  kernels: kernelsPart,
  step: stepPart,
  torch: torchPart,
};

const { values } = parseArgs({
  options: {
    only: { type: "string", default: Object.keys(parts).join() },
    out: { type: "string", default: "gpu-results" },
    /** Sequences of the GPT-2 step. */
    batch: { type: "string", default: "16" },
    quick: { type: "boolean", default: false },
    /** Seconds that one part may take. */
    limit: { type: "string", default: "280" },
    /** vulkan, metal, d3d12, or null: that checks that all is wired and compiles, and computes nothing. */
    backend: { type: "string" },
    part: { type: "string" },
  },
});

const out = resolve(values.out);
useBackend(values.backend);

/** Runs one part here: what the process that was started for it does. */
async function perform(name: string) {
  const save = (result: unknown) =>
    writeFileSync(join(out, `${name}.json`), `${JSON.stringify(result, null, 2)}\n`);
  const setting: Setting = { batch: Number(values.batch), quick: values.quick, out, save };
  save(await parts[name]!(setting));
  process.exit(0); // a driver may keep threads of its own
}

function start(name: string): Promise<string | null> {
  const own = fileURLToPath(import.meta.url);
  const child = spawn(process.execPath, [own, ...process.argv.slice(2), "--part", name], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  return new Promise(done => {
    const limit = setTimeout(() => child.kill("SIGKILL"), Number(values.limit) * 1000);
    child.on("exit", (code, signal) => {
      clearTimeout(limit);
      if (code === 0 || code === noAdapter) return done(null);
      const late = signal === "SIGKILL" ? `, after ${values.limit} s (--limit)` : "";
      done(signal ? `the process was ended by ${signal}${late}` : `the process ended with ${code}`);
    });
    child.on("error", error => done(error.message));
  });
}

async function all() {
  mkdirSync(out, { recursive: true });
  const names = values.only.split(",");
  const unknown = names.filter(name => !(name in parts));
  if (unknown.length > 0) {
    console.error(`--only: expected some of ${Object.keys(parts).join()}, got ${unknown.join()}`);
    process.exit(2);
  }
  console.log(`Node.js ${process.version}, ${cpus().length} × ${cpus()[0]?.model.trim()}, ${release()}`);
  const failed: Record<string, string> = {};
  for (const name of names) {
    console.log(`\n## ${name}`);
    const began = performance.now();
    rmSync(join(out, `${name}.json`), { force: true });
    const fault = await start(name);
    if (fault) console.log(`FAILED: ${(failed[name] = fault)}`);
    console.log(`(${((performance.now() - began) / 1000).toFixed(1)} s)`);
  }
  const read = (name: string) => {
    const path = join(out, `${name}.json`);
    return existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as unknown) : null;
  };
  const results = Object.fromEntries(names.map(name => [name, read(name)]));
  writeFileSync(join(out, "results.json"), `${JSON.stringify({ ...results, failed }, null, 2)}\n`);
  console.log(
    `\n${Object.keys(failed).length} of ${names.length} parts failed; ${join(out, "results.json")}`,
  );
  process.exitCode = Object.keys(failed).length > 0 ? 1 : 0;
}

await (values.part ? perform(values.part) : all());
