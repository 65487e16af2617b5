/** `curate doctor`: what this machine offers, what will be used, and how to get better. */
import { existsSync, readFileSync, statfsSync } from "node:fs";
import { arch, availableParallelism, cpus, freemem, platform, release, totalmem } from "node:os";
import type { Answer, Check, Found } from "../kernels/webgpu/probe.ts";
import { command } from "./command.ts";
import { bytes, json, out, styled, table } from "./terminal.ts";
import { version } from "./version.ts";

export type Finding = { readonly what: string; readonly value: string; readonly advice: string | null };

async function findings(): Promise<Finding[]> {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  const old = major < 20 || (major === 20 && minor < 19);
  const disk = statfsSync(".");
  const list: Finding[] = [
    { what: "curate", value: version, advice: null },
    {
      what: "Node.js",
      value: process.versions.node,
      advice: old ? "curate needs Node.js 20.19 or newer" : null,
    },
    { what: "system", value: `${platform()} ${arch()}, ${release()}`, advice: null },
    {
      what: "processor",
      value: `${availableParallelism()} × ${cpus()[0]?.model.trim() ?? "unknown"}`,
      advice: null,
    },
    {
      what: "memory",
      value: `${bytes(totalmem())}, ${bytes(freemem())} free`,
      advice: freemem() < 1e9 ? "under 1 GB free: set  memory:  in the recipe lower" : null,
    },
    {
      what: "disk here",
      value: `${bytes(disk.bavail * disk.bsize)} free`,
      advice: disk.bavail * disk.bsize < 2e9 ? "under 2 GB free" : null,
    },
  ];
  const limit = openFiles();
  if (limit !== null)
    list.push({
      what: "open files",
      value: String(limit),
      advice: limit < 1024 ? "raise it with  ulimit -n 4096" : null,
    });
  list.push(...(await devices()));
  return list;
}

function openFiles(): number | null {
  try {
    const line = readFileSync("/proc/self/limits", "utf8")
      .split("\n")
      .find(row => row.startsWith("Max open files"));
    return Number(line?.split(/\s{2,}/)[1]) || null;
  } catch {
    return null;
  }
}

async function devices(): Promise<Finding[]> {
  const { probe } = await import("../kernels/webgpu/probe.ts");
  const { openCpu } = await import("../kernels/cpu/device.ts");
  const { measurePeak } = await import("../trainer/peak.ts");
  let found = await probe(["f32", "f16"]);
  // A driver that does not survive the check of its matrix units may still have an adapter.
  if ("unavailable" in found) found = await probe([]);
  const nodes = ["/dev/nvidia0", "/dev/dri/renderD128", "/dev/dxg"].filter(path => existsSync(path));
  const list = gpuFindings(found, nodes, platform());
  const hardware = !("unavailable" in found) && found.kind === "gpu";
  const cpu = await openCpu({});
  const rate = `${(((await measurePeak(cpu)) / 1e9) | 0).toString()} GFLOP/s in large products now`;
  list.push({
    what: "cpu",
    value: `${cpu.about.replace(/^cpu: /, "").replace(/ \(.*$/, "")}, ${rate}`,
    advice: cpu.about.includes("fused")
      ? null
      : "a Node.js with relaxed SIMD (20 and newer on x86-64 and arm64) is about 1.7 times as fast",
  });
  await cpu.destroy();
  list.push({
    what: "training on",
    value: hardware ? "the GPU" : "the cpu device",
    advice: hardware
      ? null
      : "models of a few million parameters train well on it; for larger ones take a machine with a GPU",
  });
  return list;
}

/** What the probe found, in lines; `nodes` are the device files of GPUs that the system shows. */
export function gpuFindings(found: Answer, nodes: readonly string[], system: string): Finding[] {
  const driver = driverAdvice(nodes, system);
  if ("unavailable" in found) {
    const missing = found.unavailable.includes("is not installed");
    return [{ what: "gpu", value: `none: ${found.unavailable}`, advice: missing ? null : driver }];
  }
  if (found.kind === "software") {
    return [
      {
        what: "gpu",
        value: `none; ${found.name} computes WebGPU on the processor`,
        advice: `slower than the cpu device: for tests, with  --device webgpu;  ${driver}`,
      },
    ];
  }
  const plain = (check: Check | undefined) =>
    check
      ? check.about.replace(/^webgpu: .*?, (?=matrix units|products of)/, "")
      : "not known: the driver crashed when its matrix units were checked; they are not used";
  const list: Finding[] = [
    {
      what: "gpu",
      value: found.memoryBytes === null ? found.name : `${found.name}, ${bytes(found.memoryBytes)} free`,
      advice: null,
    },
    { what: "gpu, f32", value: plain(found.checks.f32), advice: null },
  ];
  const half = found.features.includes("shader-f16");
  const matrices = found.checks.f16?.about.includes("matrix units") ?? false;
  list.push({
    what: "gpu, f16",
    value: half
      ? `${plain(found.checks.f16)}, with  train.precision: f16`
      : "not offered by the driver (shader-f16)",
    advice: matrices ? null : matrixAdvice(found),
  });
  for (const { matrixFault } of Object.values(found.checks)) {
    if (!matrixFault) continue;
    const value = `matrix units are not used: ${matrixFault}`;
    list.push({ what: "gpu, check", value, advice: "a newer driver may mend it" });
  }
  return list;
}

function matrixAdvice({ matrices }: Found): string {
  return matrices.length > 0
    ? `its matrix units (${matrices.join(", ")}) have no use here: sums in f32 are needed`
    : "no matrix units by way of WebGPU: a newer driver may offer them (Vulkan's cooperative matrices), several times as fast";
}

function driverAdvice(nodes: readonly string[], system: string): string {
  if (system !== "linux") return "a GPU needs its maker's current driver";
  if (nodes.includes("/dev/nvidia0")) {
    return (
      "there is an NVIDIA GPU (/dev/nvidia0) but no Vulkan driver: install libvulkan1 and the driver's Vulkan part " +
      "(in a container: NVIDIA_DRIVER_CAPABILITIES=all), or set VK_DRIVER_FILES to its nvidia_icd.json"
    );
  }
  if (nodes.length > 0)
    return `there is a GPU (${nodes[0]}) but no Vulkan driver: install mesa-vulkan-drivers, and see that this user may open it`;
  return "this system shows no GPU";
}

export const doctor = command({
  name: "doctor",
  about: "Shows what this machine offers, what will be used, and how to get better.",
  usage: "",
  example: "curate doctor",
  maxPositionals: 0,
  flags: { json: { type: "flag", about: "one JSON object on stdout" } },
  async run(_, flags) {
    const list = await findings();
    if (flags.json)
      return json(Object.fromEntries(list.map(({ what, value, advice }) => [what, { value, advice }])));
    out(
      table(
        list.map(({ what, value, advice }) => [
          styled(what, "bold"),
          advice ? `${value}\n${" ".repeat(14)}${styled(advice, "yellow")}` : value,
        ]),
        ["left", "left"],
      ),
    );
  },
});
