/** A worker thread of the cpu device: instantiates the kernels on the shared memory and serves until told to stop. */
import { workerData } from "node:worker_threads";
import { instantiate } from "./module.ts";

export type ThreadData = {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly thread: number;
  readonly patience: number;
};

const { module, memory, thread, patience } = workerData as ThreadData;
instantiate(module, memory).serve(thread, patience);
