/**
 * The block of shared memory through which the main thread gives out work, and the parameters of the op at hand.
 * Layout in bytes; the writer on the JavaScript side is kernels/cpu/threads.ts, which must agree.
 *   1024  i64 state: generation (16 bits) | pieces (24 bits) | next piece (24 bits); one atomic add takes a piece
 *   1088  i32 epoch: raised with every launch; sleeping threads wait on it
 *   1152  i32 finished pieces; the main thread waits on it
 *   1216  i32 sleeping threads
 *   1280  i32 op   1284 i32 stop   1288 i32 scratch base   1292 i32 scratch bytes per thread
 *   1344  64 parameters of 4 bytes; a float64 takes two, the first of them even
 *   2048  constants of kernels/wasm/simd.ts
 */
export const STATE: usize = 1024;
export const EPOCH: usize = 1088;
export const FINISHED: usize = 1152;
export const SLEEPING: usize = 1216;
export const OP: usize = 1280;
export const STOP: usize = 1284;
export const SCRATCH: usize = 1288;
export const SCRATCH_BYTES: usize = 1292;
const PARAMETERS: usize = 1344;

/** Each thread is one instance of the module, so a global is a thread's own. */
let thread: i32 = 0;

export function setThread(index: i32): void {
  thread = index;
}

/** This thread's own scratch memory. */
// @ts-ignore: decorator
@inline
export function scratch(): usize {
  return <usize>load<u32>(SCRATCH) + <usize>thread * <usize>load<u32>(SCRATCH_BYTES);
}

// @ts-ignore: decorator
@inline
export function int(slot: i32): i32 {
  return load<i32>(PARAMETERS + (<usize>slot << 2));
}

// @ts-ignore: decorator
@inline
export function pointer(slot: i32): usize {
  return <usize>load<u32>(PARAMETERS + (<usize>slot << 2));
}

// @ts-ignore: decorator
@inline
export function float(slot: i32): f32 {
  return load<f32>(PARAMETERS + (<usize>slot << 2));
}

/** `slot` is even. */
// @ts-ignore: decorator
@inline
export function double(slot: i32): f64 {
  return load<f64>(PARAMETERS + (<usize>slot << 2));
}
