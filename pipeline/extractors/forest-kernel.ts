/**
 * Forests over 32 rows at a time, in WebAssembly: the same sums, bit for bit, as the walk down each tree in forest.ts.
 * Every threshold of a column is compared once for all trees that ask it, 32 rows by eight SIMD instructions; a tree is
 * then one choice of two numbers for each of its nodes, from the leaves up to the root, with no jump to mispredict. A
 * walk costs a misprediction at every other node: 3 to 4 µs a row with 170 trees of 24 leaves, this under 1.
 * Knows nothing of what the columns mean.
 */
import * as w from "../wasm-assembler.ts";
import { type Code, get, i32, int, set, v128, type WasmFunction } from "../wasm-assembler.ts";
import { DECIDED, type Forest, LOOK } from "./forest.ts";

/** Rows of a batch: two vectors of bytes. */
const ROWS = 32;
/** A leaf's number is a byte with sign. */
const MOST_LEAVES = 128;
const PAGE = 65536;
const NODE = 8;

/** Where things lie in the kernel's memory, in bytes. */
type Layout = {
  readonly width: number;
  readonly rows: number;
  readonly masks: number;
  readonly slots: number;
  readonly chosen: number;
  readonly sums: number;
  readonly columns: number;
  /** Leaves of the tree with most. */
  readonly leaves: number;
};

/** compare(columns, end): lays the comparison of all rows with every threshold of the columns into the masks. */
function compare({ width, masks }: Layout): WasmFunction {
  const [columns, end, mask, base, last] = [0, 1, 2, 3, 4] as const;
  const values = [5, 6, 7, 8, 9, 10, 11, 12] as const;
  const threshold = 13;
  const lanes = (v: number): Code =>
    [0, 1, 2, 3].reduce<Code>(
      (vector, lane) => w.loadLane32(get(base), vector, lane, (v * 4 + lane) * width * 4),
      w.constV(new Array<number>(16).fill(0)),
    );
  const atMost = (v: number): Code => w.atMostFloatV(get(values[v]!), get(threshold));
  return {
    name: "compare",
    parameters: [i32, i32],
    results: [],
    locals: [i32, i32, i32, ...new Array<w.ValueType>(9).fill(v128)],
    body: [
      set(mask, int(masks)),
      w.loop(
        set(base, w.load(get(columns))),
        set(last, w.add(get(columns), w.shl(w.load(get(columns), 4), int(2)))),
        ...values.map((local, v) => set(local, lanes(v))),
        w.loop(
          set(threshold, w.loadSplat32(get(columns), 8)),
          ...[0, 1].map(half =>
            w.storeV(
              get(mask),
              w.narrow8(
                w.narrow16(atMost(half * 4), atMost(half * 4 + 1)),
                w.narrow16(atMost(half * 4 + 2), atMost(half * 4 + 3)),
              ),
              half * 16,
            ),
          ),
          set(mask, w.add(get(mask), int(ROWS))),
          w.jumpIf(0, w.ltU(w.tee(columns, w.add(get(columns), int(4))), get(last))),
        ),
        w.jumpIf(0, w.ltU(w.tee(columns, w.add(get(columns), int(8))), get(end))),
      ),
    ],
  };
}

/** group(tree, leaves): adds the leaves that each row reaches in the next LOOK trees to its sum; gives the next tree. */
function group({ slots, chosen, sums, leaves: most }: Layout): WasmFunction {
  const [tree, leaves, k, end, slot, yes, no, mask] = [0, 1, 2, 3, 4, 5, 6, 7] as const;
  return {
    name: "group",
    parameters: [i32, i32],
    results: [i32],
    locals: new Array<w.ValueType>(6).fill(i32),
    body: [
      set(k, int(chosen)),
      w.loop(
        // The head of a tree: the end of its nodes, and where its root's number will lie.
        set(end, w.load(get(tree))),
        set(mask, w.load(get(tree), 4)),
        set(tree, w.add(get(tree), int(NODE))),
        set(slot, int(slots + most * ROWS)),
        w.block(
          w.jumpIf(0, w.eq(get(tree), get(end))),
          w.loop(
            set(yes, w.load16(get(tree), 4)),
            set(no, w.load16(get(tree), 6)),
            set(mask, w.load(get(tree))),
            ...[0, 16].map(half =>
              w.storeV(
                get(slot),
                w.pickV(
                  w.loadV(get(yes), slots + half),
                  w.loadV(get(no), slots + half),
                  w.loadV(get(mask), half),
                ),
                half,
              ),
            ),
            set(slot, w.add(get(slot), int(ROWS))),
            w.jumpIf(0, w.ne(w.tee(tree, w.add(get(tree), int(NODE))), get(end))),
          ),
          set(mask, w.sub(get(slot), int(ROWS))),
        ),
        ...[0, 16].map(half => w.storeV(get(k), w.loadV(get(mask), half), half)),
        w.jumpIf(0, w.ltU(w.tee(k, w.add(get(k), int(ROWS))), int(chosen + LOOK * ROWS))),
      ),
      set(k, int(0)),
      w.loop(
        w.storeDouble(
          w.shl(get(k), int(3)),
          Array.from({ length: LOOK }, (_, i) => i).reduce<Code>(
            (sum, i) =>
              w.addDouble(
                sum,
                w.loadFloat(
                  w.add(get(leaves), w.shl(w.load8(get(k), chosen + i * ROWS), int(2))),
                  i * most * 4,
                ),
              ),
            w.loadDouble(w.shl(get(k), int(3)), sums),
          ),
          sums,
        ),
        w.jumpIf(0, w.ltU(w.tee(k, w.add(get(k), int(1))), int(ROWS))),
      ),
      get(tree),
    ],
  };
}

type Exports = {
  readonly memory: WebAssembly.Memory;
  compare(columns: number, end: number): void;
  group(tree: number, leaves: number): number;
};

type Node = { readonly mask: number; readonly yes: number; readonly no: number };
type Tree = { readonly leaves: readonly number[]; readonly nodes: readonly Node[] };

/** The number of each threshold of each column: masks lie in this order. */
type Thresholds = ReadonlyMap<number, ReadonlyMap<number, number>>;

function thresholdsOf({ links, value }: Forest): Thresholds {
  const columns = new Map<number, Set<number>>();
  for (let node = 0; node < links.length; node += 2) {
    if (links[node]! < 0) continue;
    const column = links[node]! >> 16;
    const all = columns.get(column);
    if (all) all.add(value[node + 1]!);
    else columns.set(column, new Set([value[node + 1]!]));
  }
  let count = 0;
  return new Map(
    Array.from(columns, ([column, all]) => [
      column,
      new Map(Array.from(all, one => [one, count++] as const)),
    ]),
  );
}

/** Leaves from left to right, and nodes with children before parents. Slots: leaves first, then `most` on nodes. */
function treeOf({ links, value }: Forest, root: number, most: number, thresholds: Thresholds): Tree {
  const leaves: number[] = [];
  const nodes: Node[] = [];
  const add = (node: number): number => {
    const link = links[node]!;
    if (link < 0) return leaves.push(value[node + 1]!) - 1;
    const yes = add(node + 2);
    const no = add(node + (link & 0xffff));
    const mask = thresholds.get(link >> 16)!.get(value[node + 1]!)!;
    return most + nodes.push({ mask, yes, no }) - 1;
  };
  add(root);
  return { leaves, nodes };
}

/** `probabilities` of forest.ts for one forest and rows of `width` numbers. */
export type Kernel = (rows: Float32Array, before?: Float32Array | null, floor?: number) => Float32Array;

export function createKernel(forest: Forest, width: number): Kernel {
  const thresholds = thresholdsOf(forest);
  const masks = [...thresholds.values()].reduce((sum, { size }) => sum + size, 0);
  const leavesOf = (root: number, stop: number): number => ((stop - root) / 2 + 1) / 2;
  const ends = [...forest.roots.slice(1), forest.links.length];
  const most = Math.max(1, ...Array.from(forest.roots, (root, t) => leavesOf(root, ends[t]!)));
  if (most > MOST_LEAVES) throw new Error(`a tree has ${most} leaves; the kernel takes ${MOST_LEAVES}`);
  const trees = Array.from(forest.roots, root => treeOf(forest, root, most, thresholds));
  // Trees that add nothing, up to a full group.
  while (trees.length % LOOK > 0) trees.push({ leaves: [0], nodes: [] });

  let end = 0;
  const place = (bytes: number): number => {
    const from = end;
    end += (bytes + 31) & ~31;
    return from;
  };
  const layout: Layout = {
    width,
    rows: place(ROWS * width * 4),
    masks: place(masks * ROWS),
    slots: place(2 * most * ROWS),
    chosen: place(LOOK * ROWS),
    sums: place(ROWS * 8),
    columns: place(8 * thresholds.size + 4 * masks),
    leaves: most,
  };
  const treesAt = place(trees.reduce((sum, { nodes }) => sum + NODE * (nodes.length + 1), 0));
  const leavesAt = place(trees.length * most * 4);
  const module = new WebAssembly.Module(w.assemble([compare(layout), group(layout)], Math.ceil(end / PAGE)));
  const kernel = new WebAssembly.Instance(module).exports as unknown as Exports;
  const { buffer } = kernel.memory;
  const view = new DataView(buffer);
  for (let leaf = 0; leaf < most; leaf++)
    new Uint8Array(buffer).fill(leaf, layout.slots + leaf * ROWS, layout.slots + (leaf + 1) * ROWS);
  let columnsEnd = layout.columns;
  for (const [column, all] of thresholds) {
    view.setUint32(columnsEnd, layout.rows + column * 4, true);
    view.setUint32(columnsEnd + 4, all.size, true);
    columnsEnd += 8;
    for (const one of all.keys()) {
      view.setFloat32(columnsEnd, one, true);
      columnsEnd += 4;
    }
  }
  let treeEnd = treesAt;
  for (const [t, { leaves, nodes }] of trees.entries()) {
    view.setUint32(treeEnd, treeEnd + NODE * (nodes.length + 1), true);
    view.setUint32(treeEnd + 4, layout.slots, true);
    for (const { mask, yes, no } of nodes) {
      treeEnd += NODE;
      view.setUint32(treeEnd, layout.masks + mask * ROWS, true);
      view.setUint16(treeEnd + 4, yes * ROWS, true);
      view.setUint16(treeEnd + 6, no * ROWS, true);
    }
    treeEnd += NODE;
    for (const [leaf, one] of leaves.entries()) view.setFloat32(leavesAt + (t * most + leaf) * 4, one, true);
  }

  const input = new Float32Array(buffer, layout.rows, ROWS * width);
  const sums = new Float64Array(buffer, layout.sums, ROWS);
  const groups = trees.length / LOOK;
  const fullGroups = Math.floor(forest.roots.length / LOOK);
  const row = new Int32Array(ROWS);
  const done = new Uint8Array(ROWS);

  const run = (count: number, result: Float32Array): void => {
    if (columnsEnd > layout.columns) kernel.compare(layout.columns, columnsEnd);
    sums.fill(forest.base);
    done.fill(0);
    let left = count;
    let tree = treesAt;
    for (let g = 0; g < groups && left > 0; g++) {
      tree = kernel.group(tree, leavesAt + g * LOOK * most * 4);
      if (g >= fullGroups) continue;
      for (let k = 0; k < count; k++) {
        const sum = sums[k]!;
        if (done[k] || (sum >= -DECIDED && sum <= DECIDED)) continue;
        done[k] = 1;
        left--;
        result[row[k]!] = 1 / (1 + Math.exp(-sum));
      }
    }
    for (let k = 0; k < count && left > 0; k++) {
      if (!done[k]) result[row[k]!] = 1 / (1 + Math.exp(-sums[k]!));
    }
  };

  return (rows, before = null, floor = 0) => {
    const count = width > 0 ? rows.length / width : 0;
    const result = new Float32Array(count);
    let held = 0;
    for (let next = 0; next < count; ) {
      if (before !== null && before[next]! < floor) {
        result[next] = before[next]!;
        next++;
        continue;
      }
      const from = next;
      const stop = Math.min(count, from + ROWS - held);
      while (next < stop && !(before !== null && before[next]! < floor)) next++;
      input.set(rows.subarray(from * width, next * width), held * width);
      for (let i = from; i < next; i++) row[held++] = i;
      if (held < ROWS) continue;
      run(ROWS, result);
      held = 0;
    }
    if (held > 0) run(held, result);
    return result;
  };
}
