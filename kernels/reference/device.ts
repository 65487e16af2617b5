/**
 * The `reference` device: every op as plain float64 loops, the oracle that the other devices are held against.
 * Slow on purpose (about 1 GFLOP/s) and readable: one file an op, forward and backward side by side.
 */
import type { Device, Tensor } from "../device.ts";
import { adamw, combine, globalNorm, momentum } from "./adamw.ts";
import { add } from "./add.ts";
import type { Op, OpName } from "./arrays.ts";
import { attention, attentionBackward } from "./attention.ts";
import { attentionCached } from "./attention-cached.ts";
import { crossEntropy } from "./cross-entropy.ts";
import { embed, embedBackward } from "./embed.ts";
import { gelu, geluBackward } from "./gelu.ts";
import { layerNorm, layerNormBackward } from "./layer-norm.ts";
import { biasBackward, matmul } from "./matmul.ts";
import { rmsNorm, rmsNormBackward } from "./rms-norm.ts";
import { rope } from "./rope.ts";
import { swiglu, swigluBackward } from "./swiglu.ts";

const ops: { [Name in OpName]: Op<Name> } = {
  ...{ embed, embedBackward, layerNorm, layerNormBackward, rmsNorm, rmsNormBackward, matmul, biasBackward },
  ...{ gelu, geluBackward, swiglu, swigluBackward, add, rope, attention, attentionBackward },
  ...{ attentionCached, crossEntropy, globalNorm, adamw, momentum, combine },
};

type ReferenceTensor = Tensor & { readonly data: Float64Array | Uint32Array };

export type ReferenceDevice = Device & {
  /** The float64 values themselves, not a copy. */
  values(tensor: Tensor): Float64Array;
};

const dataOf = (tensor: Tensor) => (tensor as ReferenceTensor).data;

/** The parameters of an op with every tensor replaced by its array. */
function arrays(p: object): object {
  const plain = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(plain);
    return value !== null && typeof value === "object" ? dataOf(value as Tensor) : value;
  };
  return Object.fromEntries(Object.entries(p).map(([name, value]) => [name, plain(value)]));
}

export function openReference(): ReferenceDevice {
  const allocated = new Map<Tensor, number>();
  let bytes = 0;
  let peak = 0;
  const alloc = (label: string, length: number, dtype: "f32" | "u32" = "f32"): Tensor => {
    const data = dtype === "f32" ? new Float64Array(length) : new Uint32Array(length);
    const tensor: ReferenceTensor = { label, dtype, offset: 0, length, data };
    allocated.set(tensor, data.byteLength);
    bytes += data.byteLength;
    peak = Math.max(peak, bytes);
    return tensor;
  };
  const view = (base: Tensor, offset: number, length: number): Tensor => {
    const data = dataOf(base).subarray(offset, offset + length);
    const tensor: ReferenceTensor = { ...base, offset: base.offset + offset, length, data };
    return tensor;
  };
  const free = (tensor: Tensor) => {
    bytes -= allocated.get(tensor) ?? 0;
    allocated.delete(tensor);
  };
  const run = Object.fromEntries(
    Object.entries(ops).map(([name, op]) => [name, (p: object) => (op as (p: object) => void)(arrays(p))]),
  ) as unknown as Pick<Device, OpName>;
  return {
    kind: "reference",
    about: "reference: float64 loops in JavaScript, one thread; an oracle for tests, not for training",
    adapter: { name: "JavaScript", kind: "cpu", details: {} },
    profiler: null,
    alloc,
    view,
    free,
    write: (tensor, data) => dataOf(tensor).set(data),
    read: async tensor => Float32Array.from(dataOf(tensor)),
    readInts: async tensor => Uint32Array.from(dataOf(tensor)),
    fill: (tensor, value) => void dataOf(tensor).fill(value),
    copy: (out, inp) => dataOf(out).set(dataOf(inp)),
    finish: async () => {},
    memory: () => ({ bytes, peak }),
    destroy: async () => {
      allocated.clear();
      bytes = 0;
    },
    values: tensor => dataOf(tensor) as Float64Array,
    ...run,
  };
}
