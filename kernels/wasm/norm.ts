/**
 * LayerNorm and RMSNorm. Backward makes, for each block of rows, a partial sum of dweight (and dbias); a second
 * launch adds the partials in the order of the blocks, so the sum does not depend on threads.
 */
import { float, int, pointer } from "./control";
import { at, fma, splat, sum4 } from "./simd";

// @ts-ignore: decorator
@inline
function sumOf(x: usize, C: i32): f32 {
  let sums = splat(0);
  let c = 0;
  for (; c + 4 <= C; c += 4) sums = f32x4.add(sums, v128.load(at(x, c)));
  let sum = sum4(sums);
  for (; c < C; c++) sum += load<f32>(at(x, c));
  return sum;
}

// @ts-ignore: decorator
@inline
function squaresAround(x: usize, C: i32, mean: f32): f32 {
  const means = splat(mean);
  let sums = splat(0);
  let c = 0;
  for (; c + 4 <= C; c += 4) {
    const d = f32x4.sub(v128.load(at(x, c)), means);
    sums = fma(d, d, sums);
  }
  let sum = sum4(sums);
  for (; c < C; c++) {
    const d = load<f32>(at(x, c)) - mean;
    sum += d * d;
  }
  return sum;
}

/** Piece: a block of rows. 0 out, 1 mean, 2 rstd, 3 inp, 4 weight, 5 bias, 6 N, 7 C, 8 eps, 9 rows a block. */
export function layerNorm(piece: i32): void {
  const C = int(7);
  const weight = pointer(4);
  const bias = pointer(5);
  const first = piece * int(9);
  const last = min(int(6), first + int(9));
  for (let n = first; n < last; n++) {
    const x = at(pointer(3), n * C);
    const out = at(pointer(0), n * C);
    const mean = sumOf(x, C) / <f32>C;
    const rstd: f32 = 1 / sqrt<f32>(squaresAround(x, C, mean) / <f32>C + float(8));
    store<f32>(at(pointer(1), n), mean);
    store<f32>(at(pointer(2), n), rstd);
    const means = splat(mean);
    const rstds = splat(rstd);
    let c = 0;
    for (; c + 4 <= C; c += 4) {
      const normal = f32x4.mul(f32x4.sub(v128.load(at(x, c)), means), rstds);
      v128.store(at(out, c), fma(normal, v128.load(at(weight, c)), v128.load(at(bias, c))));
    }
    for (; c < C; c++) {
      const normal = (load<f32>(at(x, c)) - mean) * rstd;
      store<f32>(at(out, c), normal * load<f32>(at(weight, c)) + load<f32>(at(bias, c)));
    }
  }
}

/** Piece: a block of rows. 0 out, 1 rstd, 2 inp, 3 weight, 4 N, 5 C, 6 eps, 7 rows a block. */
export function rmsNorm(piece: i32): void {
  const C = int(5);
  const weight = pointer(3);
  const first = piece * int(7);
  const last = min(int(4), first + int(7));
  for (let n = first; n < last; n++) {
    const x = at(pointer(2), n * C);
    const out = at(pointer(0), n * C);
    const rstd: f32 = 1 / sqrt<f32>(squaresAround(x, C, 0) / <f32>C + float(6));
    store<f32>(at(pointer(1), n), rstd);
    const rstds = splat(rstd);
    let c = 0;
    for (; c + 4 <= C; c += 4) {
      v128.store(at(out, c), f32x4.mul(f32x4.mul(v128.load(at(x, c)), rstds), v128.load(at(weight, c))));
    }
    for (; c < C; c++) store<f32>(at(out, c), load<f32>(at(x, c)) * rstd * load<f32>(at(weight, c)));
  }
}

/**
 * Both norms; RMSNorm has no mean and no dbias (pointer 0).
 * Piece: a block of rows. 0 dinp, 1 partials (blocks, 2, C), 2 dout, 3 inp, 4 weight, 5 mean or 0, 6 rstd, 7 N, 8 C, 9 rows a block.
 */
export function normBackward(piece: i32): void {
  const C = int(8);
  const weight = pointer(4);
  const layer = pointer(5) != 0;
  const first = piece * int(9);
  const last = min(int(7), first + int(9));
  const dweight = at(pointer(1), piece * 2 * C);
  const dbias = at(dweight, C);
  memory.fill(dweight, 0, (<usize>C) << 3);
  for (let n = first; n < last; n++) {
    const x = at(pointer(3), n * C);
    const d = at(pointer(2), n * C);
    const dx = at(pointer(0), n * C);
    const mean: f32 = layer ? load<f32>(at(pointer(5), n)) : 0;
    const rstd = load<f32>(at(pointer(6), n));
    const means = splat(mean);
    const rstds = splat(rstd);
    let sums = splat(0);
    let products = splat(0);
    let c = 0;
    for (; c + 4 <= C; c += 4) {
      const dout = v128.load(at(d, c));
      const g = f32x4.mul(dout, v128.load(at(weight, c)));
      const normal = f32x4.mul(f32x4.sub(v128.load(at(x, c)), means), rstds);
      sums = f32x4.add(sums, g);
      products = fma(g, normal, products);
      v128.store(at(dweight, c), fma(dout, normal, v128.load(at(dweight, c))));
      v128.store(at(dbias, c), f32x4.add(dout, v128.load(at(dbias, c))));
    }
    let sum = sum4(sums);
    let product = sum4(products);
    for (; c < C; c++) {
      const dout = load<f32>(at(d, c));
      const g = dout * load<f32>(at(weight, c));
      const normal = (load<f32>(at(x, c)) - mean) * rstd;
      sum += g;
      product += g * normal;
      store<f32>(at(dweight, c), load<f32>(at(dweight, c)) + dout * normal);
      store<f32>(at(dbias, c), load<f32>(at(dbias, c)) + dout);
    }
    const meanG: f32 = layer ? sum / <f32>C : 0;
    const meanGx: f32 = product / <f32>C;
    const meansG = splat(meanG);
    const meansGx = splat(meanGx);
    for (c = 0; c + 4 <= C; c += 4) {
      const g = f32x4.mul(v128.load(at(d, c)), v128.load(at(weight, c)));
      const normal = f32x4.mul(f32x4.sub(v128.load(at(x, c)), means), rstds);
      const inner = f32x4.sub(f32x4.sub(g, meansG), f32x4.mul(normal, meansGx));
      v128.store(at(dx, c), fma(rstds, inner, v128.load(at(dx, c))));
    }
    for (; c < C; c++) {
      const g = load<f32>(at(d, c)) * load<f32>(at(weight, c));
      const normal = (load<f32>(at(x, c)) - mean) * rstd;
      store<f32>(at(dx, c), load<f32>(at(dx, c)) + rstd * (g - meanG - normal * meanGx));
    }
  }
}

/** Piece: a block of columns. 0 dweight, 1 dbias or 0, 2 partials (blocks, 2, C), 3 blocks, 4 C, 5 columns a block. */
export function normReduce(piece: i32): void {
  const C = int(4);
  const first = piece * int(5);
  const last = min(C, first + int(5));
  for (let c = first; c < last; c++) {
    let w: f32 = 0;
    let b: f32 = 0;
    let from = at(pointer(2), c);
    for (let block = 0; block < int(3); block++) {
      w += load<f32>(from);
      b += load<f32>(at(from, C));
      from += (<usize>C) << 3;
    }
    store<f32>(at(pointer(0), c), load<f32>(at(pointer(0), c)) + w);
    if (pointer(1)) store<f32>(at(pointer(1), c), load<f32>(at(pointer(1), c)) + b);
  }
}
