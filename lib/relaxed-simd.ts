/**
 * Whether this engine compiles relaxed SIMD: newer V8 does by itself, that of Node 20 behind a flag that can be set at
 * run time. Says nothing of what relaxed instructions are used for.
 */
import { setFlagsFromString } from "node:v8";

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
