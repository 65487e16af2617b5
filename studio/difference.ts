/** Words in which two texts differ: Myers' greedy algorithm on words, given up where they share too little. */

export type Change = { readonly kind: "same" | "added" | "removed"; readonly text: string };

const mostEdits = 600;

/** How `from` becomes `to`; null where it takes more than 600 words of change. */
export function difference(from: string, to: string): Change[] | null {
  const [a, b] = [from.split(/(\s+)/), to.split(/(\s+)/)];
  const trail: Map<number, number>[] = [];
  let reach = new Map<number, number>([[1, 0]]);
  for (let edits = 0; edits <= Math.min(mostEdits, a.length + b.length); edits++) {
    trail.push(new Map(reach));
    for (let k = -edits; k <= edits; k += 2) {
      const down = k === -edits || (k !== edits && (reach.get(k - 1) ?? -1) < (reach.get(k + 1) ?? -1));
      let x = down ? reach.get(k + 1)! : reach.get(k - 1)! + 1;
      while (x < a.length && x - k < b.length && a[x] === b[x - k]) x++;
      reach.set(k, x);
      if (x >= a.length && x - k >= b.length) return walkBack(trail, a, b);
    }
    reach = new Map(reach);
  }
  return null;
}

function walkBack(
  trail: readonly Map<number, number>[],
  a: readonly string[],
  b: readonly string[],
): Change[] {
  const changes: Change[] = [];
  let [x, y] = [a.length, b.length];
  for (let edits = trail.length - 1; edits >= 0; edits--) {
    const reach = trail[edits]!;
    const k = x - y;
    const down = k === -edits || (k !== edits && (reach.get(k - 1) ?? -1) < (reach.get(k + 1) ?? -1));
    const before = down ? k + 1 : k - 1;
    const startX = edits === 0 ? 0 : reach.get(before)!;
    const startY = startX - before;
    while (
      x > Math.max(0, startX + (down ? 0 : 1)) &&
      y > Math.max(0, edits === 0 ? 0 : startY + (down ? 1 : 0))
    ) {
      changes.push({ kind: "same", text: a[--x]! });
      y--;
    }
    if (edits === 0) break;
    if (down) changes.push({ kind: "added", text: b[--y]! });
    else changes.push({ kind: "removed", text: a[--x]! });
  }
  const joined: Change[] = [];
  for (const change of changes.reverse()) {
    const last = joined.at(-1);
    if (last?.kind === change.kind)
      joined[joined.length - 1] = { kind: last.kind, text: last.text + change.text };
    else joined.push(change);
  }
  return joined;
}
