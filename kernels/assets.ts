/**
 * Build step: puts what tsc does not handle beside the compiled code. Copies kernels/wgsl/*.wgsl to
 * dist/kernels/wgsl/, compiles kernels/wasm/index.ts (AssemblyScript) to two modules, with and without relaxed SIMD, and
 * tokenizer/wasm/index.ts to one, and makes the command executable.
 */
import { chmodSync, cpSync, existsSync, mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { main as compile } from "assemblyscript/asc";
import { builtRoot, packageRoot } from "../lib/package-root.ts";

const wgsl = join(packageRoot, "kernels", "wgsl");
if (existsSync(wgsl)) cpSync(wgsl, join(builtRoot, "kernels", "wgsl"), { recursive: true });

const wasm = join(builtRoot, "kernels", "wasm");
mkdirSync(wasm, { recursive: true });
for (const relaxed of [false, true]) {
  const arguments_ = [
    join(packageRoot, "kernels", "wasm", "index.ts"),
    ...["--outFile", join(wasm, relaxed ? "relaxed.wasm" : "simd.wasm")],
    ...["-O3", "--noAssert", "--runtime", "stub"],
    ...["--enable", "simd", "--enable", "threads", ...(relaxed ? ["--enable", "relaxed-simd"] : [])],
    ...["--importMemory", "--sharedMemory", "--initialMemory", "1", "--maximumMemory", "65536"],
  ];
  const { error, stderr } = await compile(arguments_);
  if (error) throw new Error(`kernels/wasm did not compile: ${error.message}\n${stderr}`);
}

const encoding = join(builtRoot, "tokenizer", "wasm", "encode.wasm");
mkdirSync(dirname(encoding), { recursive: true });
const { error, stderr } = await compile([
  join(packageRoot, "tokenizer", "wasm", "index.ts"),
  ...["--outFile", encoding, "-O3", "--noAssert", "--runtime", "stub", "--enable", "simd"],
  ...["--initialMemory", "16"],
]);
if (error) throw new Error(`tokenizer/wasm did not compile: ${error.message}\n${stderr}`);

const main = join(builtRoot, "cli", "main.js");
if (existsSync(main)) chmodSync(main, 0o755);
