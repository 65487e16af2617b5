/**
 * Records kernel launches into one compute pass and submits them in batches; reads results back when asked.
 * Knows launches (a kernel's name, its bindings and numbers by the names in its WGSL file), not what they compute.
 *
 * Measured with dawn.node 0.6.2: a dispatch with a ready bind group costs 2-4 µs to encode, creating the bind group
 * 9 µs more, a pass each 2 µs more, a submission each 6-10 µs more. So bind groups are cached, a batch is one encoder
 * with one pass, and the numbers of all its launches travel in one uniform buffer, one 256-byte slot each, selected by
 * dynamic offset: a bind group then depends only on memory, not on the step.
 *
 * While a promise of dawn.node is pending it polls through setImmediate and keeps a core busy, which a software adapter
 * needs for its work: so between polls the thread sleeps, a twentieth of the time waited so far, 2 ms at most.
 */
import type { KernelTime, Profiler } from "../device.ts";
import type { Buffers, Slice } from "./buffers.ts";
import type { Constants, Pipelines } from "./pipelines.ts";
import { type KernelSource, kernelSource } from "./source.ts";

export type Launch = {
  readonly kernel: string;
  /** By the names in the WGSL file. null: the kernel is told by a number that this input is absent. */
  readonly bindings: Readonly<Record<string, Slice | null>>;
  readonly params: Readonly<Record<string, number>>;
  readonly constants?: Constants;
  /** Told apart in a profile: the shape of a product. */
  readonly note?: string;
  readonly groups: readonly [x: number, y: number, z: number];
};

export type Queue = {
  run(launch: Launch): void;
  write(target: Slice, data: Float32Array | Uint32Array): void;
  read(from: Slice): Promise<ArrayBuffer>;
  /** Submits what is recorded. */
  flush(): void;
  finish(): Promise<void>;
  /** GPU time by timestamp queries, every launch in a pass of its own. Needs the feature timestamp-query. */
  readonly profiler: Profiler;
  destroy(): void;
};

/** Launches in one submission: enough to hide its cost, few enough that a slow adapter answers in between. */
const batchSize = 128;
const slotBytes = 256;
/** Nobody wakes it: Atomics.wait on it is sleep. */
const bed = new Int32Array(new SharedArrayBuffer(4));

export function commandQueue(
  device: GPUDevice,
  buffers: Buffers,
  pipelines: Pipelines,
  check: () => void,
): Queue {
  const uniforms = device.createBuffer({ label: "params", size: batchSize * slotBytes, usage: 0x40 | 0x08 });
  const words = new ArrayBuffer(batchSize * slotBytes);
  const asInt = new Int32Array(words);
  const asUint = new Uint32Array(words);
  const asFloat = new Float32Array(words);

  const groups = new Map<string, GPUBindGroup>();
  const groupsOfBuffer = new Map<number, string[]>();
  let staging: GPUBuffer[] = [];

  let encoder: GPUCommandEncoder | null = null;
  let pass: GPUComputePassEncoder | null = null;
  let launches = 0;
  let profile: Profile | null = null;

  const run = (launch: Launch) => {
    check();
    const {
      kernel,
      bindings,
      groups: [x, y, z],
    } = launch;
    if (x === 0 || y === 0 || z === 0) return;
    const { source, pipeline, layout, layoutKey } = pipelines.get(
      kernel,
      launch.constants ?? none,
      sharedBindings(kernelSource(kernel), bindings),
    );
    const group = groupOf(source, layout, layoutKey, bindings);
    packParams(source, launch.params, launches * (slotBytes / 4), asUint, asInt, asFloat);
    encoder ??= device.createCommandEncoder({ label: kernel });
    if (profile) {
      const name = launch.note ? `${kernel} ${launch.note}` : kernel;
      pass = encoder.beginComputePass({ label: kernel, timestampWrites: profile.next(name) });
    }
    pass ??= encoder.beginComputePass({ label: "batch" });
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group, [launches * slotBytes]);
    pass.dispatchWorkgroups(x, y, z);
    if (profile) {
      pass.end();
      pass = null;
    }
    if (++launches === batchSize) flush();
  };

  const groupOf = (
    source: KernelSource,
    layout: GPUBindGroupLayout,
    layoutKey: string,
    bindings: Launch["bindings"],
  ): GPUBindGroup => {
    let key = layoutKey;
    const sliceOf = ({ name, access }: KernelSource["bindings"][number]) =>
      bindings[name] ?? (access === "read" ? buffers.absent : buffers.absentOutput);
    for (const binding of source.bindings) {
      if (bindings[binding.name] === undefined)
        throw new Error(`${source.name}: binding ${binding.name} is missing`);
      const { storage, offset, length } = sliceOf(binding);
      key += `|${storage.id}:${offset}+${length}`;
    }
    let group = groups.get(key);
    if (group) return group;
    const entries: GPUBindGroupEntry[] = [{ binding: 0, resource: { buffer: uniforms, size: slotBytes } }];
    for (const each of source.bindings) {
      const { name, binding } = each;
      const { storage, offset, length } = sliceOf(each);
      // Whole vec4s: the padding of a buffer and the alignment of views make room for it.
      const size = Math.max(16, Math.ceil(length / 4) * 16);
      if (size > device.limits.maxStorageBufferBindingSize) {
        throw new Error(
          `${source.name}: ${name} needs a binding of ${size} bytes, this adapter allows ` +
            `${device.limits.maxStorageBufferBindingSize}`,
        );
      }
      entries.push({ binding, resource: { buffer: storage.buffer, offset: offset * 4, size } });
      const keys = groupsOfBuffer.get(storage.id);
      if (keys) keys.push(key);
      else groupsOfBuffer.set(storage.id, [key]);
    }
    group = device.createBindGroup({ label: source.name, layout, entries });
    groups.set(key, group);
    return group;
  };

  const flush = () => {
    if (encoder) {
      pass?.end();
      const recorded = profile?.resolve(encoder);
      device.queue.writeBuffer(uniforms, 0, words, 0, launches * slotBytes);
      device.queue.submit([encoder.finish()]);
      recorded?.();
      encoder = null;
      pass = null;
      launches = 0;
    }
    for (const id of buffers.collect()) {
      for (const key of groupsOfBuffer.get(id) ?? []) groups.delete(key);
      groupsOfBuffer.delete(id);
    }
  };

  const wait = async (done: Promise<unknown>) => {
    const began = performance.now();
    let pending = true;
    const nap = () => {
      if (!pending) return;
      const waited = performance.now() - began;
      if (waited > 1) Atomics.wait(bed, 0, 0, Math.min(2, waited / 20));
      setImmediate(nap);
    };
    setImmediate(nap);
    try {
      await done;
    } catch (error) {
      check();
      throw error;
    } finally {
      pending = false;
    }
    check();
  };

  const finish = async () => {
    check();
    flush();
    await wait(device.queue.onSubmittedWorkDone());
  };

  return {
    run,
    flush,
    finish,
    write(target, data) {
      check();
      flush();
      device.queue.writeBuffer(target.storage.buffer, target.offset * 4, data as Float32Array<ArrayBuffer>);
    },
    async read(from) {
      check();
      const size = Math.max(4, from.length * 4);
      let spare = staging.find(buffer => buffer.size >= size);
      if (spare) staging = staging.filter(buffer => buffer !== spare);
      else
        spare = device.createBuffer({
          label: "readback",
          size: Math.ceil(size / 65536) * 65536,
          usage: 0x01 | 0x08,
        });
      pass?.end();
      pass = null;
      encoder ??= device.createCommandEncoder({ label: "readback" });
      encoder.copyBufferToBuffer(from.storage.buffer, from.offset * 4, spare, 0, size);
      flush();
      await wait(spare.mapAsync(1, 0, size));
      const copy = spare.getMappedRange(0, size).slice(0);
      spare.unmap();
      if (staging.length < 4) staging.push(spare);
      else spare.destroy();
      return copy;
    },
    profiler: {
      begin() {
        flush();
        profile = startProfile(device);
      },
      async end() {
        flush();
        const done = profile!.times();
        profile = null;
        let times: KernelTime[] = [];
        await wait(done.then(all => (times = all)));
        return times;
      },
    },
    destroy() {
      uniforms.destroy();
      for (const buffer of staging) buffer.destroy();
      groups.clear();
    },
  };
}

const none: Constants = {};
const empty: ReadonlySet<string> = new Set();

/** The `read` bindings that lie in a buffer which this launch also writes. Overlapping ranges are a mistake of ours. */
function sharedBindings(source: KernelSource, bindings: Launch["bindings"]): ReadonlySet<string> {
  let shared: Set<string> | null = null;
  for (const { name, access } of source.bindings) {
    const written = access === "read_write" && bindings[name];
    if (!written) continue;
    for (const other of source.bindings) {
      const bound = bindings[other.name];
      if (other.name === name || !bound || bound.storage !== written.storage) continue;
      if (bound.offset < written.offset + written.length && written.offset < bound.offset + bound.length) {
        throw new Error(`${source.name}: ${name} and ${other.name} overlap in ${written.storage.label}`);
      }
      if (other.access === "read") (shared ??= new Set()).add(other.name);
    }
  }
  return shared ?? empty;
}

function packParams(
  source: KernelSource,
  params: Launch["params"],
  at: number,
  asUint: Uint32Array,
  asInt: Int32Array,
  asFloat: Float32Array,
): void {
  for (const { name, type } of source.params) {
    const value = params[name];
    if (value === undefined) throw new Error(`${source.name}: parameter ${name} is missing`);
    if (type === "f32") asFloat[at++] = value;
    else if (type === "u32") asUint[at++] = value;
    else asInt[at++] = value;
  }
}

type Profile = {
  next(kernel: string): GPUComputePassTimestampWrites;
  resolve(encoder: GPUCommandEncoder): () => void;
  times(): Promise<KernelTime[]>;
};

function startProfile(device: GPUDevice): Profile {
  const queries = device.createQuerySet({ type: "timestamp", count: batchSize * 2 });
  const resolved = device.createBuffer({ label: "timestamps", size: batchSize * 16, usage: 0x200 | 0x04 });
  const totals = new Map<string, { launches: number; ms: number }>();
  let kernels: string[] = [];
  const pending: Promise<void>[] = [];
  return {
    next(kernel) {
      const index = kernels.push(kernel) - 1;
      return { querySet: queries, beginningOfPassWriteIndex: index * 2, endOfPassWriteIndex: index * 2 + 1 };
    },
    resolve(encoder) {
      const names = kernels;
      kernels = [];
      if (names.length === 0) return () => {};
      const readable = device.createBuffer({ label: "timestamps", size: batchSize * 16, usage: 0x01 | 0x08 });
      encoder.resolveQuerySet(queries, 0, names.length * 2, resolved, 0);
      encoder.copyBufferToBuffer(resolved, 0, readable, 0, names.length * 16);
      return () => {
        pending.push(
          readable.mapAsync(1).then(() => {
            const stamps = new BigUint64Array(readable.getMappedRange());
            names.forEach((name, i) => {
              const total = totals.get(name) ?? { launches: 0, ms: 0 };
              total.launches++;
              total.ms += Math.max(0, Number(stamps[2 * i + 1]! - stamps[2 * i]!)) / 1e6;
              totals.set(name, total);
            });
            readable.destroy();
          }),
        );
      };
    },
    async times() {
      await Promise.all(pending);
      queries.destroy();
      resolved.destroy();
      return [...totals].map(([kernel, total]) => ({ kernel, ...total })).sort((a, b) => b.ms - a.ms);
    },
  };
}
