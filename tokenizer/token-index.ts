/**
 * From the bytes of a token to its id: open addressing over one arena of bytes, for any token length. Knows no
 * merges. Answers whole pieces before they are merged, and special tokens and files when they are read.
 */

export type TokenIndex = {
  /** Id of the token with exactly these bytes, or -1. */
  find(bytes: Uint8Array, start: number, end: number): number;
};

export function createTokenIndex(tokens: Iterable<readonly [id: number, bytes: Uint8Array]>): TokenIndex {
  const list = [...tokens];
  let mask = 1023;
  while (mask < 2 * list.length) mask = 2 * mask + 1;
  const slots = new Int32Array(mask + 1).fill(-1);
  const ids = Int32Array.from(list, ([id]) => id);
  const starts = new Int32Array(list.length + 1);
  list.forEach(([, bytes], i) => {
    starts[i + 1] = starts[i]! + bytes.length;
  });
  const arena = new Uint8Array(starts[list.length]!);
  const same = (entry: number, bytes: Uint8Array, start: number, end: number): boolean => {
    const from = starts[entry]!;
    if (starts[entry + 1]! - from !== end - start) return false;
    for (let i = start; i < end; i++) if (arena[from + i - start] !== bytes[i]) return false;
    return true;
  };
  const place = (bytes: Uint8Array, start: number, end: number): number => {
    let at = hashOf(bytes, start, end) & mask;
    while (slots[at] !== -1 && !same(slots[at]!, bytes, start, end)) at = (at + 1) & mask;
    return at;
  };
  list.forEach(([, bytes], i) => {
    arena.set(bytes, starts[i]);
    const at = place(bytes, 0, bytes.length);
    if (slots[at] === -1) slots[at] = i;
  });
  return {
    find(bytes, start, end) {
      const entry = slots[place(bytes, start, end)]!;
      return entry === -1 ? -1 : ids[entry]!;
    },
  };
}

function hashOf(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0x811c9dc5;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
  return hash ^ (hash >>> 15);
}
