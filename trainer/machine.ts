/** What the machine has free: the container's limit counts where there is one. */
import { readFileSync } from "node:fs";
import { freemem, totalmem } from "node:os";

/** Bytes, within half of a percent; on Linux what the kernel calls available, caches that can be dropped included. */
export function availableMemory(): number {
  const constrained = process.constrainedMemory?.() ?? 0;
  const limit = constrained > 0 && constrained < totalmem() ? constrained : Number.POSITIVE_INFINITY;
  return Math.min(limit, availableNow());
}

function availableNow(): number {
  try {
    const line = /^MemAvailable:\s+(\d+) kB$/m.exec(readFileSync("/proc/meminfo", "utf8"));
    if (line) return Number(line[1]) * 1024;
  } catch {
    // No /proc: not Linux.
  }
  return freemem();
}
