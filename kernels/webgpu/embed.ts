/**
 * Launchers of the embedding and its backward pass. A vocabulary larger than a binding is passed in pieces of rows.
 * The backward pass sorts positions by token on the host, from the mirror that every u32 tensor has.
 */
import type { Device } from "../device.ts";
import type { Slice } from "./buffers.ts";
import { floats, type Gpu, grid, ints, rowChunks, rowsOf } from "./launch.ts";

type Of<Op extends keyof Device> = Device[Op] extends (p: infer P) => void ? P : never;

export function embed(gpu: Gpu, p: Of<"embed">): void {
  const { B, T, C, position } = p;
  const V = Math.floor(p.wte.length / C);
  const out = floats("embed", "out", p.out, B * T * C);
  const ids = ints("embed", "ids", p.ids, B * T);
  const wte = floats("embed", "wte", p.wte, V * C);
  const wpe = p.wpe && floats("embed", "wpe", p.wpe, (position + T) * C);
  // Pieces of positions are whole sequences where wpe is used, so that t stays n mod T.
  const unit = wpe ? T : 1;
  for (const piece of rowChunks(gpu, "embed", V, [C])) {
    for (const { row, count } of rowChunks(gpu, "embed", (B * T) / unit, [unit * C, unit])) {
      gpu.run({
        kernel: "embed",
        bindings: {
          out: rowsOf(out, row, count, unit * C),
          ids: rowsOf(ids, row, count, unit),
          wte: rowsOf(wte, piece.row, piece.count, C),
          wpe,
        },
        params: {
          N: count * unit,
          T,
          C,
          position,
          has_wpe: Number(wpe !== null),
          first: piece.row,
          rows: piece.count,
        },
        constants: { WG: gpu.tuning.rowLanes },
        groups: grid(count * unit),
      });
    }
  }
}

export function embedBackward(
  gpu: Gpu & { upload(to: Slice, words: Uint32Array): void },
  p: Of<"embedBackward">,
): void {
  const { B, T, C, V } = p;
  const ids = ints("embedBackward", "ids", p.ids, B * T);
  const dwte = floats("embedBackward", "dwte", p.dwte, V * C);
  const dout = floats("embedBackward", "dout", p.dout, B * T * C);
  const tokens = ids.storage.ints!.subarray(ids.offset, ids.offset + B * T);

  for (const { row, count } of rowChunks(gpu, "embedBackward", B * T, [C])) {
    const { order, buckets } = sortByToken(tokens.subarray(row, row + count), V);
    const placed = gpu.scratch("embed order", order.length);
    const listed = gpu.scratch("embed buckets", buckets.length);
    gpu.upload(placed, order);
    gpu.upload(listed, buckets);
    let bucket = 0;
    for (const piece of rowChunks(gpu, "embedBackward", V, [C])) {
      let end = bucket;
      while (end * 3 < buckets.length && buckets[end * 3]! < piece.row + piece.count) end++;
      gpu.run({
        kernel: "embed-backward",
        bindings: {
          dwte: rowsOf(dwte, piece.row, piece.count, C),
          buckets: listed,
          order: placed,
          dout: rowsOf(dout, row, count, C),
        },
        params: { C, first: piece.row, bucket, buckets: end - bucket },
        constants: { WG: gpu.tuning.rowLanes },
        groups: grid(end - bucket),
      });
      bucket = end;
    }
  }

  if (p.dwpe) {
    const dwpe = floats("embedBackward", "dwpe", p.dwpe, T * C);
    for (const { row, count } of rowChunks(gpu, "embedBackward", B, [T * C])) {
      gpu.run({
        kernel: "embed-position-backward",
        bindings: { dwpe, dout: rowsOf(dout, row, count, T * C) },
        params: { B: count, T, C },
        constants: { WG: gpu.tuning.elementLanes },
        groups: grid(Math.ceil((T * C) / gpu.tuning.elementLanes)),
      });
    }
  }
}

/**
 * Positions sorted by token (stable), and for each token that occurs (id, first place, count), ids ascending.
 * Ids of V or more are left out.
 */
export function sortByToken(tokens: Uint32Array, V: number): { order: Uint32Array; buckets: Uint32Array } {
  const counts = new Map<number, number>();
  for (const id of tokens) if (id < V) counts.set(id, (counts.get(id) ?? 0) + 1);
  const ids = [...counts.keys()].sort((a, b) => a - b);
  const buckets = new Uint32Array(ids.length * 3);
  const next = new Map<number, number>();
  let place = 0;
  ids.forEach((id, i) => {
    const count = counts.get(id)!;
    buckets.set([id, place, count], i * 3);
    next.set(id, place);
    place += count;
  });
  const order = new Uint32Array(place);
  tokens.forEach((id, position) => {
    const at = next.get(id);
    if (at === undefined) return;
    order[at] = position;
    next.set(id, at + 1);
  });
  return { order, buckets };
}
