/**
 * The compiled kernels: with relaxed SIMD (fused multiply-add, 48 against 28 GFLOP/s on an EPYC 7003 core) where the
 * engine has it, else plain SIMD. Node 20 has it behind a flag that can be set at run time, newer Node by default.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../../lib/errors.ts";
import { builtRoot } from "../../lib/package-root.ts";

export type Build = "relaxed" | "simd";

export type Exports = {
  setThread(thread: number): void;
  /** Once for the memory, before any op. */
  storeConstants(): void;
  alone(op: number, pieces: number): void;
  launch(op: number, pieces: number, patience: number): void;
  serve(thread: number, patience: number): void;
};

export { hasRelaxedSimd } from "../../lib/relaxed-simd.ts";

export function loadModule(build: Build): WebAssembly.Module {
  const path = join(builtRoot, "kernels", "wasm", `${build}.wasm`);
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    bytes = new Uint8Array(readFileSync(path));
  } catch {
    throw new UserError(
      `the cpu device's kernels are not built: ${path} is missing`,
      "run `npm run build` in the package's folder",
    );
  }
  return new WebAssembly.Module(bytes);
}

export function instantiate(module: WebAssembly.Module, memory: WebAssembly.Memory): Exports {
  const abort = () => {
    throw new Error("a kernel of the cpu device stopped itself");
  };
  return new WebAssembly.Instance(module, { env: { memory, abort } }).exports as unknown as Exports;
}
