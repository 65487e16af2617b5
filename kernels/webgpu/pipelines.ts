/**
 * Compiled kernels and their bind-group layouts, each made once per device. A pipeline is a WGSL file, its constants,
 * and the set of its `read` bindings that must be `read_write` for this call.
 *
 * The last is WebGPU's usage-scope rule: one buffer may not be bound as `read` and as `read_write` in the same
 * dispatch, even in disjoint ranges; two `read_write` bindings of disjoint ranges may. Views of one tensor meet that
 * case, so such a pipeline is compiled when it is first needed and the honest one is used everywhere else.
 */
import { type KernelSource, kernelSource, specialise } from "./source.ts";

export type Constants = Readonly<Record<string, number>>;

export type Pipeline = {
  readonly source: KernelSource;
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
  /** Equal for pipelines whose bind groups may be exchanged. */
  readonly layoutKey: string;
};

export type Pipelines = {
  get(kernel: string, constants: Constants, shared: ReadonlySet<string>): Pipeline;
  readonly count: number;
};

const none: ReadonlySet<string> = new Set();

export function pipelineCache(device: GPUDevice): Pipelines {
  const pipelines = new Map<string, Pipeline>();
  const layouts = new Map<string, GPUBindGroupLayout>();

  const layoutOf = (source: KernelSource, shared: ReadonlySet<string>) => {
    const types = source.bindings.map(({ binding, name, access }) =>
      access === "read" && !shared.has(name) ? `${binding}r` : `${binding}w`,
    );
    const key = types.join(",");
    let layout = layouts.get(key);
    if (!layout) {
      layout = device.createBindGroupLayout({
        label: `bindings ${key}`,
        entries: [
          { binding: 0, visibility: 4, buffer: { type: "uniform", hasDynamicOffset: true } },
          ...types.map(type => ({
            binding: Number.parseInt(type, 10),
            visibility: 4,
            buffer: { type: type.endsWith("r") ? ("read-only-storage" as const) : ("storage" as const) },
          })),
        ],
      });
      layouts.set(key, layout);
    }
    return { key, layout };
  };

  const get = (kernel: string, constants: Constants, shared: ReadonlySet<string> = none): Pipeline => {
    let key = kernel;
    for (const name in constants) key += ` ${name}=${constants[name]}`;
    for (const name of shared) key += ` ${name}`;
    let pipeline = pipelines.get(key);
    if (!pipeline) {
      const source = kernelSource(kernel);
      const { key: layoutKey, layout } = layoutOf(source, shared);
      pipeline = {
        source,
        layout,
        layoutKey,
        pipeline: compile(device, source, constants, shared, layout, key),
      };
      pipelines.set(key, pipeline);
    }
    return pipeline;
  };

  return {
    get,
    get count() {
      return pipelines.size;
    },
  };
}

function compile(
  device: GPUDevice,
  source: KernelSource,
  constants: Constants,
  shared: ReadonlySet<string>,
  layout: GPUBindGroupLayout,
  label: string,
): GPUComputePipeline {
  const overrides: Record<string, number> = {};
  for (const name in constants) {
    if (source.overrides.includes(name)) overrides[name] = constants[name]!;
    else if (!source.templates.includes(name)) throw new Error(`${source.name}.wgsl has no constant ${name}`);
  }
  const module = device.createShaderModule({ label, code: specialise(source, constants, shared) });
  return device.createComputePipeline({
    label,
    layout: device.createPipelineLayout({ label, bindGroupLayouts: [layout] }),
    compute: { module, entryPoint: "main", constants: overrides },
  });
}
