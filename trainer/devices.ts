/**
 * Opens the device that computes. `auto` takes a hardware WebGPU adapter and else the cpu device; the reason says in
 * one line what was chosen, why, and how to get something faster. WebGPU is loaded only when it may be used.
 */

import { openCpu } from "../kernels/cpu/device.ts";
import type { Device } from "../kernels/device.ts";
import { openReference } from "../kernels/reference/device.ts";
import { shown, UserError } from "../lib/errors.ts";

export type DeviceKind = "auto" | "cpu" | "webgpu" | "reference";

export type DeviceOptions = {
  /** Threads of the cpu device; null: as many as the machine has. */
  readonly threads?: number | null;
  /** Let WebGPU run on a software adapter. */
  readonly allowSoftware?: boolean;
  /** Of the operands of products on webgpu; the other devices know float32 alone. */
  readonly precision?: Precision;
};

export type Precision = "f32" | "f16";

export type OpenedDevice = { readonly device: Device; readonly reason: string };

type OpenWebgpu = (options: {
  readonly allowSoftware: boolean;
  readonly precision: Precision;
  readonly log: (line: string) => void;
}) => Promise<Device | { readonly unavailable: string }>;

/** The webgpu device, or why there is none. What it cannot use, and why, goes to `log`. */
async function tryWebgpu(
  allowSoftware: boolean,
  precision: Precision,
  log: (line: string) => void,
): Promise<Device | { readonly unavailable: string }> {
  try {
    const module = (await import("../kernels/webgpu/device.ts")) as unknown as { openWebgpu: OpenWebgpu };
    return await module.openWebgpu({ allowSoftware, precision, log });
  } catch (error) {
    return { unavailable: error instanceof Error ? error.message : String(error) };
  }
}

const isDevice = (opened: Device | { readonly unavailable: string }): opened is Device => "kind" in opened;

export async function openDevice(kind: DeviceKind, options: DeviceOptions = {}): Promise<OpenedDevice> {
  const { threads = null, allowSoftware = false, precision = "f32" } = options;
  if (kind === "reference") return { device: openReference(), reason: "reference: as asked" };
  if (kind === "cpu") {
    const device = await openCpu({ threads });
    return { device, reason: `${device.about}: as asked` };
  }
  if (kind !== "auto" && kind !== "webgpu") {
    throw new UserError(`device: expected auto, cpu, webgpu or reference, got ${shown(kind)}`);
  }
  const notes: string[] = [];
  const log = (line: string) => void notes.push(line.replace(/^webgpu: /, ""));
  const webgpu = await tryWebgpu(kind === "webgpu" && allowSoftware, precision, log);
  if (isDevice(webgpu)) {
    return {
      device: webgpu,
      reason: [`${webgpu.about}: ${kind === "auto" ? "the fastest here" : "as asked"}`, ...notes].join("; "),
    };
  }
  if (kind === "webgpu") {
    throw new UserError(
      `no WebGPU device: ${webgpu.unavailable}`,
      "use --device cpu, or look at `curate doctor` for what is missing",
    );
  }
  const device = await openCpu({ threads });
  return {
    device,
    reason: `${device.about}: no GPU for WebGPU (${webgpu.unavailable}); a GPU with a Vulkan, Metal or D3D12 driver is faster`,
  };
}

/** What a device really multiplies in: it may have no half precision where that was asked for. */
export function precisionOf(device: Device): Precision {
  const { tuning } = device as Device & { readonly tuning?: { readonly precision?: Precision } };
  return tuning?.precision === "f16" ? "f16" : "f32";
}
