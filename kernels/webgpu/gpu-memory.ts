/**
 * How many bytes of a GPU's memory are free: WebGPU does not say, so the system is asked, where it knows. NVIDIA's
 * driver through nvidia-smi (0.1 s), AMD's through sysfs; Apple's GPUs share the machine's memory, of which Metal lets a
 * process have three quarters; a software adapter has what the process has. null: nobody knows.
 */
import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { totalmem } from "node:os";
import { promisify } from "node:util";

export async function freeGpuMemory(
  vendor: string,
  kind: "gpu" | "software" | "cpu",
): Promise<number | null> {
  if (kind === "software") return process.availableMemory();
  if (vendor === "nvidia") return await nvidia();
  if (vendor === "amd") return amd("/sys/class/drm");
  if (vendor === "apple") return Math.floor(totalmem() * 0.75);
  return null;
}

async function nvidia(): Promise<number | null> {
  const query = ["--query-gpu=memory.free", "--format=csv,noheader,nounits"];
  try {
    const { stdout } = await promisify(execFile)("nvidia-smi", query, { timeout: 10_000 });
    return leastOfNvidia(stdout);
  } catch {
    return null; // not in the path, or it does not answer
  }
}

/** Of several GPUs the fullest: WebGPU does not say which of them it opened. */
export function leastOfNvidia(stdout: string): number | null {
  const free = stdout
    .split("\n")
    .map(line => Number.parseInt(line, 10) * 2 ** 20)
    .filter(Number.isFinite);
  return free.length > 0 ? Math.min(...free) : null;
}

/** Of several GPUs the one with the most memory, which is the discrete one. */
export function amd(folder: string): number | null {
  const number = (path: string) => Number(readFileSync(path, "utf8"));
  let best: { readonly total: number; readonly free: number } | null = null;
  try {
    for (const card of readdirSync(folder).filter(name => /^card\d+$/.test(name))) {
      try {
        const total = number(`${folder}/${card}/device/mem_info_vram_total`);
        const free = total - number(`${folder}/${card}/device/mem_info_vram_used`);
        if (!best || total > best.total) best = { total, free };
      } catch {
        // Another maker's card.
      }
    }
  } catch {
    return null;
  }
  return best?.free ?? null;
}
