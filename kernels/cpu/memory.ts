/**
 * Allocation inside one shared WebAssembly.Memory: first fit over free blocks in address order, neighbours joined
 * on free, the memory grown when nothing fits. Blocks are whole multiples of 256 bytes. Knows no tensors.
 * A 32-bit WebAssembly memory ends at 4 GiB; that is the device's limit.
 */
import { UserError } from "../../lib/errors.ts";

const page = 65536;
const granule = 256;
/** Below lie the control block and what the compiled module keeps at fixed addresses. */
const firstAddress = page;
/** Vector loads may read up to 15 bytes beyond a tensor; the last block must not end where the memory ends. */
const margin = 64;

export type SharedMemory = {
  readonly memory: WebAssembly.Memory;
  /** Address of `bytes` bytes, not zeroed. */
  alloc(bytes: number, label: string): number;
  free(address: number): void;
  usage(): { readonly bytes: number; readonly peak: number };
};

/** The largest maximum this process may reserve: address space can be limited (ulimit -v, containers). */
function reserve(): { memory: WebAssembly.Memory; maximum: number } {
  for (let maximum = 65536; ; maximum /= 2) {
    try {
      const memory = new WebAssembly.Memory({ initial: 2, maximum, shared: true });
      return { memory, maximum: maximum * page };
    } catch (error) {
      if (maximum <= 1024) throw error;
    }
  }
}

export function openMemory(): SharedMemory {
  const { memory, maximum } = reserve();
  const used = new Map<number, number>();
  let holes: { start: number; size: number }[] = [{ start: firstAddress, size: 2 * page - firstAddress }];
  let end = 2 * page;
  let bytes = 0;
  let peak = 0;

  function refuse(wanted: number, label: string): never {
    throw new UserError(
      `the cpu device has no memory for ${label}: ${mib(wanted)} wanted, ${mib(bytes)} in use, limit ${mib(maximum)}`,
      "use a smaller model or a smaller microBatch",
    );
  }

  function grow(by: number, label: string) {
    const last = holes.at(-1);
    const open = last && last.start + last.size === end ? last : null;
    const missing = by - (open?.size ?? 0);
    // Growing in steps of an eighth keeps the number of calls low; each maps memory in every thread.
    const wanted = Math.min(Math.max(missing, Math.min(end / 8, 64 * 1024 * 1024)), maximum - end);
    const pages = Math.ceil(Math.max(missing, wanted) / page);
    if (end + pages * page > maximum) refuse(by, label);
    try {
      memory.grow(pages);
    } catch {
      refuse(by, label);
    }
    if (open) open.size += pages * page;
    else holes.push({ start: end, size: pages * page });
    end += pages * page;
  }

  function alloc(wanted: number, label: string): number {
    const size = Math.max(granule, Math.ceil((wanted + margin) / granule) * granule);
    let at = holes.findIndex(hole => hole.size >= size);
    if (at < 0) {
      grow(size, label);
      at = holes.length - 1;
    }
    const hole = holes[at]!;
    const address = hole.start;
    hole.start += size;
    hole.size -= size;
    if (hole.size === 0) holes.splice(at, 1);
    used.set(address, size);
    bytes += size;
    peak = Math.max(peak, bytes);
    return address;
  }

  function free(address: number) {
    const size = used.get(address);
    if (size === undefined) return;
    used.delete(address);
    bytes -= size;
    const all = [...holes, { start: address, size }].sort((a, b) => a.start - b.start);
    holes = [];
    for (const hole of all) {
      const last = holes.at(-1);
      if (last && last.start + last.size === hole.start) last.size += hole.size;
      else holes.push({ ...hole });
    }
  }

  return { memory, alloc, free, usage: () => ({ bytes, peak }) };
}

const mib = (bytes: number) => `${Math.ceil(bytes / 1048576)} MiB`;
