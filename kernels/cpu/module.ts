/**
 * The compiled kernels: with relaxed SIMD (fused multiply-add, 48 against 28 GFLOP/s on an EPYC 7003 core) where the
 * engine has it, else plain SIMD. Node 20 has it behind a flag that can be set at run time, newer Node by default.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
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

/** (module (func (result v128) f32x4.relaxed_madd of three zeros)): valid only where relaxed SIMD is. */
const probe = Uint8Array.of(
  ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 5, 1, 0x60, 0, 1, 0x7b, 3, 2, 1, 0, 10, 19, 1, 17, 0],
  ...[0x41, 0, 0xfd, 0x11, 0x41, 0, 0xfd, 0x11, 0x41, 0, 0xfd, 0x11, 0xfd, 0x85, 0x02, 0x0b],
);

/** Whether this engine compiles relaxed SIMD, the flag of older V8 set where it is needed. */
export function hasRelaxedSimd(): boolean {
  if (WebAssembly.validate(probe)) return true;
  setFlagsFromString("--experimental-wasm-relaxed-simd");
  return WebAssembly.validate(probe);
}

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
