/** Cross entropy of a row of logits and, in place, its gradient: three passes over a row that stays in the cache. */
import { float, int, pointer } from "./control";
import { at, exp1, exp4, log, max4, splat, sum4 } from "./simd";

/**
 * Piece: a block of rows. 0 losses, 1 logits, 2 targets, 3 weights or 0, 4 N, 5 V, 6 Vp, 7 scale, 8 gradient, 9 rows a block.
 */
export function crossEntropy(piece: i32): void {
  const first = piece * int(9);
  const last = min(int(4), first + int(9));
  for (let n = first; n < last; n++) row(n);
}

function row(n: i32): void {
  const V = int(5);
  const Vp = int(6);
  const logits = at(pointer(1), n * Vp);
  const target = load<i32>(at(pointer(2), n));
  const gradient = int(8);
  const loss = at(pointer(0), n);
  if (target == -1) {
    store<f32>(loss, 0);
    if (gradient) memory.fill(logits, 0, (<usize>Vp) << 2);
    return;
  }
  const weight: f32 = pointer(3) ? load<f32>(at(pointer(3), n)) : 1;
  let tops = splat(-3e38);
  let v = 0;
  for (; v + 4 <= V; v += 4) tops = f32x4.pmax(tops, v128.load(at(logits, v)));
  let top = max4(tops);
  for (; v < V; v++) top = max(top, load<f32>(at(logits, v)));
  const shift = splat(top);
  const correct = load<f32>(at(logits, target));
  let sums = splat(0);
  let others = splat(0);
  let sum: f32 = 0;
  // Two at a time, so that one exp waits while the other computes.
  for (v = 0; v + 8 <= V; v += 8) {
    const from = at(logits, v);
    const e = exp4(f32x4.sub(v128.load(from), shift));
    const f = exp4(f32x4.sub(v128.load(from, 16), shift));
    if (gradient) {
      v128.store(from, e);
      v128.store(from, f, 16);
    }
    sums = f32x4.add(sums, e);
    others = f32x4.add(others, f);
  }
  for (; v + 4 <= V; v += 4) {
    const e = exp4(f32x4.sub(v128.load(at(logits, v)), shift));
    if (gradient) v128.store(at(logits, v), e);
    sums = f32x4.add(sums, e);
  }
  for (; v < V; v++) {
    const e = exp1(load<f32>(at(logits, v)) - top);
    if (gradient) store<f32>(at(logits, v), e);
    sum += e;
  }
  sum += sum4(f32x4.add(sums, others));
  store<f32>(loss, (<f32>log(<f64>sum) + top - correct) * weight);
  if (!gradient) return;
  const upstream = weight * float(7);
  const factor = upstream / sum;
  const factors = splat(factor);
  for (v = 0; v + 4 <= V; v += 4) v128.store(at(logits, v), f32x4.mul(v128.load(at(logits, v)), factors));
  for (; v < V; v++) store<f32>(at(logits, v), load<f32>(at(logits, v)) * factor);
  const to = at(logits, target);
  store<f32>(to, load<f32>(to) - upstream);
  memory.fill(at(logits, V), 0, (<usize>(Vp - V)) << 2);
}
