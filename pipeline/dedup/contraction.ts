/**
 * Connected components of more pairs than memory holds: edges are rewritten until every component is a star around its
 * smallest member, each rewriting one sort of the edges on disk. In turn every node points its larger neighbours,
 * then its smaller ones, at the smallest it knows; a chain of n nodes takes about log n turns.
 * Source: Kiveris et al. 2014, "Connected Components in MapReduce and Beyond" (large-star, small-star).
 */
import { createSorter } from "./external-sort.ts";

/** Receives edges as (task, document, task, document). */
type EmitEdge = (aTask: number, a: number, bTask: number, b: number) => void;

/** Whether (aTask, a) comes before (bTask, b). */
const isBefore = (aTask: number, a: number, bTask: number, b: number): boolean =>
  aTask < bTask || (aTask === bTask && a < b);

export type Contraction = {
  /** Every node that is not the smallest of its component with that smallest one, ascending by node. */
  stars(visit: (task: number, document: number, rootTask: number, root: number) => void): void;
};

export function contract(
  edges: (emit: EmitEdge) => void,
  memory: number,
  temporary: (n: number) => string,
): Contraction {
  let named = 0;
  const sorter = () => {
    const base = named;
    named += 1_000_000;
    return createSorter(4, Math.floor(memory / 3), n => temporary(base + n));
  };
  let current = sorter();
  edges((aTask, a, bTask, b) => {
    if (aTask === bTask && a === b) return;
    current.add(aTask, a, bTask, b);
    current.add(bTask, b, aTask, a);
  });
  for (let change = true; change; ) {
    change = false;
    // Large: `current` holds every edge both ways. A node's first neighbour is its smallest.
    const larger = sorter();
    let [nodeTask, node, leastTask, least] = [-1, -1, -1, -1];
    current.drain(record => {
      const [uTask, u, vTask, v] = record as unknown as [number, number, number, number];
      if (uTask !== nodeTask || u !== node) {
        [nodeTask, node] = [uTask, u];
        [leastTask, least] = isBefore(vTask, v, uTask, u) ? [vTask, v] : [uTask, u];
      }
      if (isBefore(uTask, u, vTask, v)) {
        larger.add(vTask, v, leastTask, least);
        if (leastTask !== uTask || least !== u) change = true;
      }
    });
    // Small: each edge once, from the larger node to the smaller. All smaller neighbours go to the smallest.
    const both = sorter();
    [nodeTask, node] = [-1, -1];
    larger.drain(record => {
      const [uTask, u, vTask, v] = record as unknown as [number, number, number, number];
      if (uTask !== nodeTask || u !== node) {
        [nodeTask, node, leastTask, least] = [uTask, u, vTask, v];
        both.add(uTask, u, vTask, v);
        both.add(vTask, v, uTask, u);
      } else {
        change = true;
        both.add(vTask, v, leastTask, least);
        both.add(leastTask, least, vTask, v);
      }
    });
    current = both;
  }
  return {
    stars(visit) {
      current.drain(record => {
        const [uTask, u, vTask, v] = record as unknown as [number, number, number, number];
        if (isBefore(vTask, v, uTask, u)) visit(uTask, u, vTask, v);
      });
    },
  };
}
