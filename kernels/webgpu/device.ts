/**
 * The `webgpu` device: the Device interface over WGSL kernels. Joins adapter, memory, queue and launchers; every
 * operation's shape checks and workgroup counts stand in the launcher beside it.
 *
 * Work is queued and errors of WebGPU arrive later, by event: they are kept and thrown by the next call, with the
 * label that names the kernel or tensor. A lost device is reported the same way.
 */
import type { Device, Tensor } from "../device.ts";
import { type Connection, connect, matrixName, softwareOnly } from "./adapter.ts";
import { attention, attentionBackward, attentionCached, rope } from "./attention.ts";
import { deviceBuffers, own, type Slice, viewOf } from "./buffers.ts";
import { add, copy, fillWords, gelu, geluBackward, swiglu, swigluBackward } from "./elementwise.ts";
import { embed, embedBackward } from "./embed.ts";
import { crossEntropy } from "./loss.ts";
import { matmul } from "./matmul.ts";
import { biasBackward, layerNorm, layerNormBackward, rmsNorm, rmsNormBackward } from "./norm.ts";
import { adamw, combine, globalNorm, momentum } from "./optimizer.ts";
import { pipelineCache } from "./pipelines.ts";
import { probeChecked } from "./probe.ts";
import { commandQueue } from "./queue.ts";
import { matrixFault as findMatrixFault } from "./self-check.ts";
import { tuneProducts, withRemembered } from "./tune.ts";
import { type Precision, type ProductShape, type Tuning, tuningFor } from "./tuning.ts";

export type WebgpuOptions = {
  /** Accept an adapter that runs on the CPU, such as Mesa's lavapipe. Default false. */
  readonly allowSoftware?: boolean;
  /** Dawn's backend (vulkan, metal, d3d12, null). Default: Dawn's choice. */
  readonly backend?: string;
  /**
   * Of the operands of matrix products and of attention; everything else, and every sum, is f32. f16 uses the GPU's matrix
   * units where WGSL can name them, and halves the precision: for training, judge it by the loss curve. Default f32.
   */
  readonly precision?: Precision;
  /** Told, a line each, what was asked for and is not used, and why. */
  readonly log?: (line: string) => void;
};

export type WebgpuDevice = Device & {
  readonly kind: "webgpu";
  /** Kernel variants and tile shapes in use. */
  readonly tuning: Tuning;
  retune(tuning: Tuning): void;
  /**
   * Finds the fastest tiles for these products, where they are not known from before, and remembers them in the user's
   * cache. Nothing to choose on a software adapter or without timestamp queries. A line to `log` for each product.
   */
  tune(products: readonly ProductShape[], log?: (line: string) => void): Promise<void>;
};

/** Opens the webgpu device, or says in one line why there is none. */
export async function openWebgpu(
  options: WebgpuOptions = {},
): Promise<WebgpuDevice | { unavailable: string }> {
  const { precision = "f32", log = () => {} } = options;
  let known: { readonly matrixFault: string | null } | null = null;
  if (!options.allowSoftware && !options.backend) {
    const answer = await probeChecked(precision);
    if ("unavailable" in answer) return answer;
    if (answer.found.kind === "software") return { unavailable: softwareOnly(answer.found.name) };
    known = answer;
  }
  const connection = await connect(options);
  if ("unavailable" in connection) return connection;
  const { device, matrixFault } = await openChecked(connection, precision, known);
  if (matrixFault) log(`webgpu: matrix units are not used: ${matrixFault}`);
  if (precision === "f16" && device.tuning.precision !== "f16") {
    const software = connection.adapter.kind === "software";
    const why = software ? "a software adapter gains nothing by f16" : "this adapter has no shader-f16";
    log(`webgpu: products stay in f32, for ${why}`);
  }
  return device;
}

/**
 * A device with the tuning of its adapter; matrix units only where they compute what f32 does. `known`: what a check
 * in another process has said, so that it is not made again.
 */
export async function openChecked(
  connection: Connection,
  precision: Precision,
  known: { readonly matrixFault: string | null } | null = null,
): Promise<{ readonly device: WebgpuDevice; readonly matrixFault: string | null }> {
  const tuning = withRemembered(connection.adapter, tuningFor(connection, precision));
  const device = webgpuDevice(connection, tuning);
  if (!tuning.matrix) return { device, matrixFault: null };
  let fault = known?.matrixFault ?? null;
  if (!known) {
    const found = await findMatrixFault(device, connection.device);
    fault = found && `${matrixName(tuning.matrix.config)}: ${found}`;
  }
  if (fault) device.retune({ ...tuning, matrix: null });
  return { device, matrixFault: fault };
}

/**
 * A device over an open connection. `maxBindingBytes` lowers what one storage binding may hold, so that tests reach
 * the code that splits large tensors.
 */
export function webgpuDevice(
  connection: Connection,
  tuning: Tuning,
  maxBindingBytes = Infinity,
): WebgpuDevice {
  const gpu = connection.device;
  let failure: string | null = null;
  let destroyed = false;
  const check = () => {
    if (destroyed) throw new Error("the webgpu device was destroyed");
    if (failure) throw new Error(failure);
  };
  gpu.addEventListener("uncapturederror", event => {
    const { error } = event as GPUUncapturedErrorEvent;
    event.preventDefault?.();
    failure ??= `WebGPU: ${error.message.trim()}`;
  });
  const lost = gpu.lost.then(({ reason, message }) => {
    if (!destroyed)
      failure = `the webgpu device (${connection.adapter.name}) was lost: ${message.trim() || reason}`;
  });

  const buffers = deviceBuffers(gpu);
  const queue = commandQueue(gpu, buffers, pipelineCache(gpu), check);
  const bindingBytes = Math.min(gpu.limits.maxStorageBufferBindingSize, maxBindingBytes);
  const context = {
    tuning,
    bindingLength: Math.floor(bindingBytes / 256) * 64,
    run: queue.run,
    scratch: buffers.scratch,
    upload: (to: Slice, words: Uint32Array) => queue.write(to, words),
  };

  return {
    kind: "webgpu",
    get about() {
      return `webgpu: ${connection.adapter.name}, ${aboutProducts(connection, context.tuning)}`;
    },
    get tuning() {
      return context.tuning;
    },
    retune(tuning) {
      context.tuning = tuning;
    },
    async tune(products, log = () => {}) {
      if (!context.tuning.tile || !connection.features.has("timestamp-query")) return;
      await tuneProducts(this, gpu, products, log);
    },
    adapter: connection.adapter,
    profiler: connection.features.has("timestamp-query") ? queue.profiler : null,

    alloc(label, length, dtype = "f32") {
      check();
      return buffers.alloc(label, length, dtype);
    },
    view: (base, offset, length) => viewOf(own(base), offset, length),
    free: tensor => buffers.free(own(tensor)),
    write(tensor, data) {
      const to = own(tensor);
      if (data.length !== tensor.length) {
        throw new Error(`write: ${tensor.label} has ${tensor.length} elements, the data ${data.length}`);
      }
      if (tensor.dtype === "u32") {
        const words = data instanceof Uint32Array ? data : Uint32Array.from(data);
        to.storage.ints!.set(words, to.offset);
        queue.write(to, words);
      } else {
        queue.write(to, data instanceof Float32Array ? data : Float32Array.from(data));
      }
    },
    read: async tensor => {
      const words = await queue.read(own(tensor));
      if (tensor.dtype === "u32") return Float32Array.from(new Uint32Array(words, 0, tensor.length));
      return new Float32Array(words, 0, tensor.length);
    },
    readInts: async tensor => {
      const words = await queue.read(own(tensor));
      if (tensor.dtype === "f32") return Uint32Array.from(new Float32Array(words, 0, tensor.length));
      return new Uint32Array(words, 0, tensor.length);
    },
    fill(tensor, value) {
      const out = own(tensor);
      if (tensor.dtype === "u32") out.storage.ints!.fill(value, out.offset, out.offset + out.length);
      fillWords(context, out, tensor.dtype === "u32" ? value : floatBits(value));
    },
    copy(out, inp) {
      if (out.dtype !== inp.dtype)
        throw new Error(`copy: ${out.label} is ${out.dtype}, ${inp.label} ${inp.dtype}`);
      copy(context, out, inp);
      mirrorCopy(out, inp);
    },
    finish: queue.finish,
    memory: buffers.memory,
    async destroy() {
      if (destroyed) return;
      destroyed = true;
      queue.destroy();
      buffers.destroy();
      gpu.destroy();
      await lost;
    },

    embed: p => embed(context, p),
    embedBackward: p => embedBackward(context, p),
    layerNorm: p => layerNorm(context, p),
    layerNormBackward: p => layerNormBackward(context, p),
    rmsNorm: p => rmsNorm(context, p),
    rmsNormBackward: p => rmsNormBackward(context, p),
    matmul: p => matmul(context, p),
    biasBackward: p => biasBackward(context, p),
    gelu: p => gelu(context, p),
    geluBackward: p => geluBackward(context, p),
    swiglu: p => swiglu(context, p),
    swigluBackward: p => swigluBackward(context, p),
    add: p => add(context, p),
    rope: p => rope(context, p),
    attention: p => attention(context, p),
    attentionBackward: p => attentionBackward(context, p),
    attentionCached: p => attentionCached(context, p),
    crossEntropy: p => crossEntropy(context, p),
    globalNorm: p => globalNorm(context, p),
    adamw: p => adamw(context, p),
    momentum: p => momentum(context, p),
    combine: p => combine(context, p),
  };
}

function aboutProducts({ adapter }: Connection, { matrix, precision }: Tuning): string {
  if (adapter.kind === "software") return "a software adapter, slow";
  return matrix ? `matrix units ${matrixName(matrix.config)}` : `products of ${precision} in tiles`;
}

const word = new DataView(new ArrayBuffer(4));

function floatBits(value: number): number {
  word.setFloat32(0, value);
  return word.getUint32(0);
}

function mirrorCopy(out: Tensor, inp: Tensor): void {
  const to = own(out);
  const from = own(inp);
  to.storage.ints?.set(from.storage.ints!.subarray(from.offset, from.offset + from.length), to.offset);
}
