/**
 * Times the operations of a device whose work is done when they return, by the clock around each: 0.2 µs where no one
 * looks, a microsecond where someone does, of operations that take 20 µs and more.
 */
import type { Device, KernelTime, Profiler } from "../device.ts";

const operations = [
  ...(["fill", "copy", "embed", "embedBackward", "layerNorm", "layerNormBackward", "rmsNorm"] as const),
  ...([
    "rmsNormBackward",
    "matmul",
    "biasBackward",
    "gelu",
    "geluBackward",
    "swiglu",
    "swigluBackward",
  ] as const),
  ...(["add", "rope", "attention", "attentionBackward", "attentionCached", "crossEntropy"] as const),
  ...(["globalNorm", "adamw", "momentum", "combine"] as const),
] satisfies readonly (keyof Device)[];

type Product = { readonly layout: string; readonly M: number; readonly N: number; readonly K: number };

const kebab = (name: string) => name.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`);

/** The same device with a profiler. */
export function withProfiler(device: Omit<Device, "profiler">): Device {
  let times: Map<string, { launches: number; ms: number }> | null = null;
  const timed = (name: (typeof operations)[number]) => {
    const run = device[name] as (...all: unknown[]) => void;
    const kernel = kebab(name);
    return (...all: unknown[]) => {
      if (!times) return run(...all);
      const began = performance.now();
      run(...all);
      const ms = performance.now() - began;
      const { layout, M, N, K } = all[0] as Product;
      const key = name === "matmul" ? `matmul ${layout} ${M}×${N}×${K}` : kernel;
      const time = times.get(key) ?? { launches: 0, ms: 0 };
      time.launches++;
      time.ms += ms;
      times.set(key, time);
    };
  };
  const profiler: Profiler = {
    begin() {
      times = new Map();
    },
    async end() {
      const list: KernelTime[] = [...(times ?? [])].map(([kernel, time]) => ({ kernel, ...time }));
      times = null;
      return list.sort((a, b) => b.ms - a.ms);
    },
  };
  const wrapped = Object.fromEntries(operations.map(name => [name, timed(name)]));
  return { ...device, ...wrapped, profiler } as Device;
}
