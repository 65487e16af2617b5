/** `curate doctor`: what this machine offers, what will be used, and how to get better. */
import { readFileSync, statfsSync } from "node:fs";
import { arch, availableParallelism, cpus, freemem, platform, release, totalmem } from "node:os";
import { command } from "./command.ts";
import { version } from "./load.ts";
import { bytes, json, out, styled, table } from "./terminal.ts";

type Finding = { readonly what: string; readonly value: string; readonly advice: string | null };

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
  const { openDevice } = await import("../trainer/devices.ts");
  const list: Finding[] = [];
  const { openWebgpu } = await import("../kernels/webgpu/device.ts");
  const webgpu = await openWebgpu({ allowSoftware: true });
  if ("unavailable" in webgpu) {
    list.push({
      what: "webgpu",
      value: `none: ${webgpu.unavailable}`,
      advice:
        "a GPU needs its Vulkan driver (on Linux: libvulkan1 and the maker's driver); training works without",
    });
  } else {
    const software = webgpu.adapter.kind === "software";
    list.push({
      what: "webgpu",
      value: webgpu.about,
      advice: software
        ? "a software adapter, slower than the cpu device: used only when asked for (--device webgpu)"
        : null,
    });
    await webgpu.destroy();
  }
  const { device, reason } = await openDevice("auto", {});
  list.push({ what: "training on", value: reason, advice: null });
  await device.destroy();
  return list;
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
