/**
 * Finding a WebGPU adapter and opening it: npm `webgpu` (Dawn) is loaded only here and only on demand, because it
 * is an optional dependency. Knows names, features, limits and toggles; knows no kernels.
 *
 * Facts that shaped it: Dawn picks a software adapter without a word when there is no other, so it is recognised by
 * name and refused unless asked for. Default limits are small (128 MiB bindings, 16 KiB of workgroup memory), so the
 * adapter's own are requested. NVIDIA's f16 matrices stay hidden without the toggle `vulkan_enable_f16_on_nvidia`.
 * dawn.node crashes when the GPU object is collected while one of its devices lives, so each is kept for good; a
 * process still ends once its devices are destroyed.
 */
import type { Adapter } from "../device.ts";
import { freeGpuMemory } from "./gpu-memory.ts";

export type MatrixConfig = {
  readonly componentType: string;
  readonly resultComponentType: string;
  readonly M: number;
  readonly N: number;
  readonly K: number;
};

/** An opened WebGPU device with what is worth knowing about it. */
export type Connection = {
  readonly device: GPUDevice;
  readonly adapter: Adapter;
  readonly features: ReadonlySet<string>;
  readonly matrixConfigs: readonly MatrixConfig[];
  readonly subgroupSize: { readonly min: number; readonly max: number };
};

export type ConnectOptions = {
  /** Take Mesa's lavapipe or another adapter that runs on the CPU. Default false. */
  readonly allowSoftware?: boolean;
  /** Dawn's backend: vulkan, metal, d3d12, or null, which checks every call and computes nothing. Default: Dawn's choice. */
  readonly backend?: string;
};

const enabledToggles = [
  "allow_unsafe_apis",
  "vulkan_enable_f16_on_nvidia",
  "disable_robustness",
  "disable_workgroup_init",
  "disable_polyfills_on_integer_div_and_mod",
];
const disabledToggles = ["timestamp_quantization"];

const wantedFeatures = [
  "shader-f16",
  "subgroups",
  "subgroup-size-control",
  "timestamp-query",
  "chromium-experimental-subgroup-matrix",
];

const wantedLimits = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxComputeWorkgroupSizeY",
] as const;

const softwareNames = /llvmpipe|lavapipe|swiftshader|softpipe|basic render|warp/i;

/** Whether an adapter computes on the CPU: Dawn's own flag, or the name of a known software driver. */
export function isSoftware(info: {
  isFallbackAdapter?: boolean;
  device: string;
  description: string;
}): boolean {
  return info.isFallbackAdapter === true || softwareNames.test(info.device + " " + info.description);
}

export const softwareOnly = (name: string) =>
  `the only WebGPU adapter is a software one (${name}), slower than the cpu device`;

const instances = new Map<string, GPU>();

async function instance(backend: string | undefined): Promise<GPU> {
  const key = backend ?? "";
  const known = instances.get(key);
  if (known) return known;
  const module = await import("webgpu");
  Object.assign(globalThis, module.globals);
  const gpu = module.create([
    ...(backend ? [`backend=${backend}`] : []),
    `enable-dawn-features=${enabledToggles.join(",")}`,
    `disable-dawn-features=${disabledToggles.join(",")}`,
  ]);
  instances.set(key, gpu);
  return gpu;
}

/** Opens the best adapter, or says why there is none. Never throws for a missing package, driver or GPU. */
export async function connect(options: ConnectOptions = {}): Promise<Connection | { unavailable: string }> {
  const backend = options.backend;
  let gpu: GPU;
  try {
    gpu = await instance(backend);
  } catch (error) {
    const reason = firstLine(error);
    return {
      unavailable: /Cannot find (package|module)/.test(reason)
        ? "the optional package `webgpu` is not installed (npm install webgpu@0.6.2)"
        : `the package \`webgpu\` cannot be loaded here: ${reason}`,
    };
  }
  const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" }).catch(() => null);
  if (!adapter) {
    return {
      unavailable:
        `no WebGPU adapter${backend ? ` for the backend ${backend}` : ""}: no GPU driver (Vulkan, Metal or Direct3D 12) ` +
        "answered; if there is one, set XDG_RUNTIME_DIR to a writable folder and look at VK_DRIVER_FILES",
    };
  }
  const info = adapter.info as GPUAdapterInfo & { subgroupMatrixConfigs?: Iterable<MatrixConfig> };
  const software = isSoftware(info);
  const name = info.description || info.device || info.vendor || "unnamed adapter";
  if (software && !options.allowSoftware) {
    return { unavailable: softwareOnly(name) };
  }
  const features = wantedFeatures.filter(feature => adapter.features.has(feature as GPUFeatureName));
  const limits: Record<string, number> = {};
  for (const limit of wantedLimits) limits[limit] = adapter.limits[limit]!;
  let device: GPUDevice;
  try {
    device = await adapter.requestDevice({
      label: "curate",
      requiredFeatures: features as GPUFeatureName[],
      requiredLimits: limits,
    });
  } catch (error) {
    return { unavailable: `the WebGPU adapter ${name} could not be opened: ${firstLine(error)}` };
  }
  const matrixConfigs = [...(info.subgroupMatrixConfigs ?? [])].map(
    ({ componentType, resultComponentType, M, N, K }) => ({ componentType, resultComponentType, M, N, K }),
  );
  const memoryBytes =
    backend === "null" ? null : await freeGpuMemory(info.vendor, software ? "software" : "gpu");
  return {
    device,
    adapter: {
      name,
      kind: software ? "software" : "gpu",
      details: {
        vendor: info.vendor,
        architecture: info.architecture,
        device: info.device,
        backend: backend ?? "default",
        features: features.join(" "),
        subgroupSizes: `${info.subgroupMinSize}-${info.subgroupMaxSize}`,
        matrixConfigs: matrixConfigs.map(matrixName).join(" ") || "none",
        ...(memoryBytes !== null && { memoryBytes }),
        maxBufferSize: device.limits.maxBufferSize,
        maxStorageBufferBindingSize: device.limits.maxStorageBufferBindingSize,
        maxComputeWorkgroupStorageSize: device.limits.maxComputeWorkgroupStorageSize,
      },
    },
    features: new Set(features),
    matrixConfigs,
    subgroupSize: { min: info.subgroupMinSize ?? 0, max: info.subgroupMaxSize ?? 0 },
  };
}

/** For people: f16→f32 16×16×16. */
export function matrixName(config: MatrixConfig): string {
  return `${config.componentType}→${config.resultComponentType} ${config.M}×${config.N}×${config.K}`;
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split("\n")[0]!;
}
