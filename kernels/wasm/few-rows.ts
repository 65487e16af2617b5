/**
 * Products of few rows, as the sampler makes them: bound by reading B once, so nothing is packed. Sums in the same
 * order whatever the number of rows.
 */
import { int, pointer, scratch } from "./control";
import { ACCUMULATE, BIAS } from "./matmul";
import { at, fma, sum4 } from "./simd";

/**
 * Dot product of K floats in two sums of four. dots4 adds in the very same order, so that a row's product does not
 * depend on how many rows stand beside it: the first of eight samples is the first of one.
 */
function dot(a: usize, b: usize, K: i32): f32 {
  let s0 = f32x4.splat(0);
  let s1 = s0;
  let k = 0;
  for (; k + 8 <= K; k += 8) {
    s0 = fma(v128.load(a), v128.load(b), s0);
    s1 = fma(v128.load(a, 16), v128.load(b, 16), s1);
    a += 32;
    b += 32;
  }
  let sum = sum4(f32x4.add(s0, s1));
  for (; k < K; k++) {
    sum += load<f32>(a) * load<f32>(b);
    a += 4;
    b += 4;
  }
  return sum;
}

/** Four rows of A, aRow bytes apart, against b; the four products go to `to`. */
function dots4(a: usize, aRow: usize, b: usize, K: i32, to: usize): void {
  let a1 = a + aRow;
  let a2 = a1 + aRow;
  let a3 = a2 + aRow;
  let s00 = f32x4.splat(0);
  let s01 = s00;
  let s10 = s00;
  let s11 = s00;
  let s20 = s00;
  let s21 = s00;
  let s30 = s00;
  let s31 = s00;
  let k = 0;
  for (; k + 8 <= K; k += 8) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    s00 = fma(v128.load(a), b0, s00);
    s01 = fma(v128.load(a, 16), b1, s01);
    s10 = fma(v128.load(a1), b0, s10);
    s11 = fma(v128.load(a1, 16), b1, s11);
    s20 = fma(v128.load(a2), b0, s20);
    s21 = fma(v128.load(a2, 16), b1, s21);
    s30 = fma(v128.load(a3), b0, s30);
    s31 = fma(v128.load(a3, 16), b1, s31);
    a += 32;
    a1 += 32;
    a2 += 32;
    a3 += 32;
    b += 32;
  }
  let sum0 = sum4(f32x4.add(s00, s01));
  let sum1 = sum4(f32x4.add(s10, s11));
  let sum2 = sum4(f32x4.add(s20, s21));
  let sum3 = sum4(f32x4.add(s30, s31));
  for (; k < K; k++) {
    const x = load<f32>(b);
    sum0 += load<f32>(a) * x;
    sum1 += load<f32>(a1) * x;
    sum2 += load<f32>(a2) * x;
    sum3 += load<f32>(a3) * x;
    a += 4;
    a1 += 4;
    a2 += 4;
    a3 += 4;
    b += 4;
  }
  store<f32>(to, sum0);
  store<f32>(to, sum1, 4);
  store<f32>(to, sum2, 8);
  store<f32>(to, sum3, 12);
}

/**
 * NT with few rows, as in sampling: bound by reading B once, so B is not packed. Piece: a block of columns.
 * Parameters: 0 a, 1 b, 2 out, 3 bias, 4 mode, 5 M, 6 N, 7 K, 8 columns a block, 9 what is added to.
 */
export function productOfFewRows(piece: i32): void {
  const M = int(5);
  const N = int(6);
  const K = int(7);
  const aRow = (<usize>K) << 2;
  const first = piece * int(8);
  const last = min(N, first + int(8));
  const sums = scratch();
  for (let n = first; n < last; n++) {
    const b = pointer(1) + <usize>n * aRow;
    for (let m = 0; m < M; m += 4) {
      const a = pointer(0) + <usize>m * aRow;
      const rows = min(4, M - m);
      if (rows == 4) dots4(a, aRow, b, K, sums);
      else for (let r = 0; r < rows; r++) store<f32>(at(sums, r), dot(a + <usize>r * aRow, b, K));
      for (let r = 0; r < rows; r++) {
        const out = at(pointer(2), (m + r) * N + n);
        let x = load<f32>(at(sums, r));
        if (int(4) & BIAS) x += load<f32>(at(pointer(3), n));
        if (int(4) & ACCUMULATE) x += load<f32>(at(pointer(9), (m + r) * N + n));
        store<f32>(out, x);
      }
    }
  }
}
