/**
 * Runs ops over the threads: writes the op's parameters to the control block, gives the op out, takes part, returns
 * when it is done. The layout of the block and the op numbers are those of kernels/wasm/control.ts and index.ts.
 * An op of one piece, or on a device of one thread, never leaves the calling thread.
 */
import { Worker } from "node:worker_threads";
import type { SharedMemory } from "./memory.ts";
import { type Exports, instantiate } from "./module.ts";

const kernelNames = [
  ...["packB", "product", "productOfFewRows", "biasBackward"],
  ...["attention", "attentionBackward", "appendCache", "attentionCached"],
  ...["layerNorm", "rmsNorm", "normBackward", "normReduce"],
  ...["add", "gelu", "geluBackward", "swiglu", "swigluBackward", "rope", "fill", "copy"],
  ...["embed", "embedBackward", "crossEntropy", "sumSquares", "normOfPartials", "adamw"],
  ...["momentum", "combine", "mirror"],
] as const;

export type KernelName =
  | ("packB" | "product" | "productOfFewRows" | "biasBackward")
  | ("attention" | "attentionBackward" | "appendCache" | "attentionCached")
  | ("layerNorm" | "rmsNorm" | "normBackward" | "normReduce" | "add" | "gelu" | "geluBackward")
  | ("swiglu" | "swigluBackward" | "rope" | "fill" | "copy" | "embed" | "embedBackward")
  | ("crossEntropy" | "sumSquares" | "normOfPartials" | "adamw" | "momentum" | "combine" | "mirror");

/** A parameter: a whole number or an address as it is, a float wrapped; a float64 takes two places, the first of them even. */
export type Parameter = number | { readonly float: number } | { readonly double: number };
export const float = (value: number): Parameter => ({ float: value });
export const double = (value: number): Parameter => ({ double: value });

const control = { epoch: 1088, stop: 1284, scratch: 1288, scratchBytes: 1292, parameters: 1344 };

/**
 * Polls before a thread sleeps, about half a millisecond: more than the longest piece of a step, for which a thread may have
 * to wait with none left for itself. Waking takes 50 µs and more; with a tenth of this two threads lost a fifth of a step.
 */
const patience = 400_000;

export type Threads = {
  readonly count: number;
  run(kernel: KernelName, pieces: number, parameters: readonly Parameter[]): void;
  /** Makes sure that every thread has this much scratch memory of its own. */
  needScratch(bytes: number): void;
  stop(): Promise<void>;
};

export async function startThreads(
  module: WebAssembly.Module,
  shared: SharedMemory,
  count: number,
): Promise<Threads> {
  const { memory } = shared;
  const numbers = new Map(kernelNames.map((name, number) => [name as KernelName, number]));
  const ints = new Int32Array(memory.buffer, 0, 16384);
  const floats = new Float32Array(memory.buffer, 0, 16384);
  const doubles = new Float64Array(memory.buffer, 0, 8192);
  const main: Exports = instantiate(module, memory);
  main.setThread(0);
  main.storeConstants();
  let scratch = 0;
  let scratchBytes = 0;

  function needScratch(bytes: number) {
    if (bytes <= scratchBytes) return;
    if (scratch) shared.free(scratch);
    scratchBytes = Math.ceil(bytes / 4096) * 4096 + 4096;
    scratch = shared.alloc(scratchBytes * count, "scratch memory of the threads");
    ints[control.scratch / 4] = scratch;
    ints[control.scratchBytes / 4] = scratchBytes;
  }
  needScratch(4096);

  const workers = Array.from({ length: count - 1 }, (_, i) => {
    const workerData = { module, memory, thread: i + 1, patience };
    const worker = new Worker(new URL("./thread.js", import.meta.url), { workerData });
    return worker;
  });
  await Promise.all(
    workers.map(
      worker => new Promise<void>((resolve, reject) => worker.once("online", resolve).once("error", reject)),
    ),
  );
  for (const worker of workers) worker.unref();

  function run(kernel: KernelName, pieces: number, parameters: readonly Parameter[]) {
    let place = control.parameters / 4;
    for (const parameter of parameters) {
      if (typeof parameter === "number") ints[place] = parameter;
      else if ("float" in parameter) floats[place] = parameter.float;
      else doubles[place++ / 2] = parameter.double;
      place++;
    }
    const number = numbers.get(kernel)!;
    if (count === 1 || pieces === 1) main.alone(number, pieces);
    else main.launch(number, pieces, patience);
  }

  async function stop() {
    Atomics.store(ints, control.stop / 4, 1);
    Atomics.add(ints, control.epoch / 4, 1);
    Atomics.notify(ints, control.epoch / 4);
    await Promise.all(workers.map(worker => worker.terminate()));
  }

  return { count, run, needScratch, stop };
}
