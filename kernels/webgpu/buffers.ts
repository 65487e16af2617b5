/**
 * Memory of the webgpu device: one GPUBuffer for each allocated tensor, views into it, and scratch that grows and is
 * reused. Knows bytes and lifetimes, not operations.
 *
 * Buffers are padded to 256 bytes, so that a binding may be rounded up to whole vec4s without touching a neighbour:
 * views begin at multiples of 256 bytes. A freed buffer may still be named in commands that are not submitted, so it
 * is destroyed after the next submission. u32 tensors (token ids, targets) are mirrored on the host: no kernel writes
 * them, and the embedding's backward pass sorts positions by id there, which makes its sums deterministic.
 */
import type { Dtype, Tensor } from "../device.ts";
import { viewAlignment } from "../device.ts";

export type Storage = {
  readonly id: number;
  readonly label: string;
  readonly buffer: GPUBuffer;
  readonly bytes: number;
  readonly ints: Uint32Array | null;
  freed: boolean;
};

/** A range of elements (4 bytes each) in a buffer. */
export type Slice = { readonly storage: Storage; readonly offset: number; readonly length: number };

export type WebgpuTensor = Tensor & Slice & { readonly base: boolean };

export type Buffers = {
  alloc(label: string, length: number, dtype: Dtype): WebgpuTensor;
  free(tensor: WebgpuTensor): void;
  /** Contents last until the next use of the same name. */
  scratch(name: string, length: number): Slice;
  /** Bound where a kernel's optional input is absent. */
  readonly absent: Slice;
  /** The same for an optional output. */
  readonly absentOutput: Slice;
  /** Ids of buffers destroyed now: call it after a submission. */
  collect(): number[];
  memory(): { bytes: number; peak: number };
  destroy(): void;
};

const storageUsage = 0x80 | 0x04 | 0x08; // STORAGE | COPY_SRC | COPY_DST
const padding = 256;

export function deviceBuffers(device: GPUDevice): Buffers {
  const live = new Set<Storage>();
  const scratches = new Map<string, Storage>();
  let garbage: Storage[] = [];
  let nextId = 1;
  let bytes = 0;
  let peak = 0;

  const create = (label: string, length: number, ints: boolean): Storage => {
    const size = Math.max(1, Math.ceil((length * 4) / padding)) * padding;
    if (size > device.limits.maxBufferSize) {
      throw new Error(
        `tensor ${label} needs ${size} bytes, this adapter's largest buffer is ${device.limits.maxBufferSize}`,
      );
    }
    const buffer = device.createBuffer({ label, size, usage: storageUsage });
    const storage = {
      id: nextId++,
      label,
      buffer,
      bytes: size,
      ints: ints ? new Uint32Array(length) : null,
      freed: false,
    };
    live.add(storage);
    bytes += size;
    peak = Math.max(peak, bytes);
    return storage;
  };
  const release = (storage: Storage) => {
    if (storage.freed) return;
    storage.freed = true;
    live.delete(storage);
    garbage.push(storage);
    bytes -= storage.bytes;
  };

  return {
    alloc(label, length, dtype) {
      if (!Number.isInteger(length) || length < 0)
        throw new Error(`tensor ${label}: length ${length} is not a whole number`);
      return { label, dtype, offset: 0, length, base: true, storage: create(label, length, dtype === "u32") };
    },
    free(tensor) {
      if (!tensor.base) throw new Error(`tensor ${tensor.label} is a view; free its base`);
      release(tensor.storage);
    },
    scratch(name, length) {
      let storage = scratches.get(name);
      if (!storage || storage.bytes < length * 4) {
        if (storage) release(storage);
        scratches.set(name, (storage = create(`scratch ${name}`, length, false)));
      }
      return { storage, offset: 0, length };
    },
    absent: { storage: create("absent", 64, false), offset: 0, length: 64 },
    absentOutput: { storage: create("absent output", 64, false), offset: 0, length: 64 },
    collect() {
      const ids = garbage.map(storage => storage.id);
      for (const storage of garbage) storage.buffer.destroy();
      garbage = [];
      return ids;
    },
    memory: () => ({ bytes, peak }),
    destroy() {
      for (const storage of [...live, ...garbage]) storage.buffer.destroy();
      live.clear();
      garbage = [];
    },
  };
}

/** The tensor as this device made it; refuses tensors of other devices and freed ones. */
export function own(tensor: Tensor): WebgpuTensor {
  const storage = (tensor as Partial<WebgpuTensor>).storage;
  if (!storage) throw new Error(`tensor ${tensor.label} was not allocated by the webgpu device`);
  if (storage.freed) throw new Error(`tensor ${tensor.label} was freed`);
  return tensor as WebgpuTensor;
}

export function viewOf(base: WebgpuTensor, offset: number, length: number): WebgpuTensor {
  if (offset % viewAlignment !== 0 || offset < 0 || length < 0 || offset + length > base.length) {
    throw new Error(
      `view ${offset}+${length} of ${base.label} (${base.length} elements): the offset must be a multiple of ` +
        `${viewAlignment} and the range inside`,
    );
  }
  return { ...base, base: false, offset: base.offset + offset, length };
}

export function slice(of: Slice, offset: number, length: number): Slice {
  return { storage: of.storage, offset: of.offset + offset, length };
}
