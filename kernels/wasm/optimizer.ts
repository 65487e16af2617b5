/**
 * Global gradient norm (float64 partial sums in a fixed order), AdamW, and what Muon is made of. Muon's two compute in
 * float64 and round once, when they store: twice the arithmetic, which memory hides.
 */
import { double, float, int, pointer } from "./control";
import { at, splat } from "./simd";

/** Piece: a run of elements. 0 partials (f64), 1 x, 2 N, 3 elements a piece. */
export function sumSquares(piece: i32): void {
  const first = piece * int(3);
  const last = min(int(2), first + int(3));
  let s0 = f64x2.splat(0);
  let s1 = s0;
  let i = first;
  for (; i + 4 <= last; i += 4) {
    const x = v128.load(at(pointer(1), i));
    const low = f64x2.promote_low_f32x4(x);
    const high = f64x2.promote_low_f32x4(i32x4.shuffle(x, x, 2, 3, 2, 3));
    s0 = f64x2.add(s0, f64x2.mul(low, low));
    s1 = f64x2.add(s1, f64x2.mul(high, high));
  }
  const s = f64x2.add(s0, s1);
  let sum = f64x2.extract_lane(s, 0) + f64x2.extract_lane(s, 1);
  for (; i < last; i++) {
    const x = <f64>load<f32>(at(pointer(1), i));
    sum += x * x;
  }
  store<f64>(pointer(0) + ((<usize>piece) << 3), sum);
}

/** One piece. 0 norm, 1 partials (f64), 2 count. */
export function normOfPartials(piece: i32): void {
  let sum: f64 = 0;
  for (let i = 0; i < int(2); i++) sum += load<f64>(pointer(1) + ((<usize>i) << 3));
  store<f32>(pointer(0), <f32>sqrt<f64>(sum));
}

/**
 * Piece: a run of elements. 0 param, 1 grad, 2 m, 3 v, 4 N, 5 lr, 6 beta1, 7 beta2, 8 eps, 9 weight decay,
 * 10 1/(1-beta1^step), 11 1/(1-beta2^step), 12 norm, 13 clip, 14 elements a piece, 15 1-beta1, 16 1-beta2,
 * 17 scale of the gradient.
 */
export function adamw(piece: i32): void {
  const norm = load<f32>(pointer(12));
  if (!isFinite<f32>(norm)) return;
  const clip = float(13);
  const scale: f32 = float(17) * (clip > 0 ? min<f32>(1, clip / (norm + 1e-6)) : 1);
  const first = piece * int(14);
  const last = min(int(4), first + int(14));
  const beta1 = float(6);
  const beta2 = float(7);
  const rest1 = float(15);
  const rest2 = float(16);
  const lr = float(5);
  const keep: f32 = 1 - lr * float(9);
  const unbias1 = float(10);
  const unbias2 = float(11);
  const eps = float(8);
  let p = at(pointer(0), first);
  let grad = at(pointer(1), first);
  let mean = at(pointer(2), first);
  let variance = at(pointer(3), first);
  let n = last - first;
  for (; n >= 4; n -= 4) {
    const g = f32x4.mul(v128.load(grad), splat(scale));
    const m = f32x4.add(f32x4.mul(splat(beta1), v128.load(mean)), f32x4.mul(splat(rest1), g));
    const squares = f32x4.mul(splat(rest2), f32x4.mul(g, g));
    const v = f32x4.add(f32x4.mul(splat(beta2), v128.load(variance)), squares);
    v128.store(mean, m);
    v128.store(variance, v);
    const root = f32x4.add(f32x4.sqrt(f32x4.mul(v, splat(unbias2))), splat(eps));
    const move = f32x4.div(f32x4.mul(m, splat(unbias1)), root);
    v128.store(p, f32x4.sub(f32x4.mul(v128.load(p), splat(keep)), f32x4.mul(splat(lr), move)));
    p += 16;
    grad += 16;
    mean += 16;
    variance += 16;
  }
  for (; n > 0; n--) {
    const g = load<f32>(grad) * scale;
    const m = beta1 * load<f32>(mean) + rest1 * g;
    const v = beta2 * load<f32>(variance) + rest2 * (g * g);
    store<f32>(mean, m);
    store<f32>(variance, v);
    const move = (m * unbias1) / (sqrt<f32>(v * unbias2) + eps);
    store<f32>(p, load<f32>(p) * keep - lr * move);
    p += 4;
    grad += 4;
    mean += 4;
    variance += 4;
  }
}

// @ts-ignore: decorator
@inline
function low(x: v128): v128 {
  return f64x2.promote_low_f32x4(x);
}

// @ts-ignore: decorator
@inline
function high(x: v128): v128 {
  return f64x2.promote_low_f32x4(i32x4.shuffle(x, x, 2, 3, 2, 3));
}

/** Four floats of two pairs of float64. */
// @ts-ignore: decorator
@inline
function rounded(low: v128, high: v128): v128 {
  return i32x4.shuffle(f32x4.demote_f64x2_zero(low), f32x4.demote_f64x2_zero(high), 0, 1, 4, 5);
}

/** Piece: a run of elements. 0 beta (f64), 2 scale of the gradient (f64), 4 out, 5 m, 6 grad, 7 N, 8 elements a piece. */
export function momentum(piece: i32): void {
  const beta = double(0);
  const scale = double(2);
  const first = piece * int(8);
  const last = min(int(7), first + int(8));
  let out = at(pointer(4), first);
  let mean = at(pointer(5), first);
  let grad = at(pointer(6), first);
  let n = last - first;
  const beta2 = f64x2.splat(beta);
  const scale2 = f64x2.splat(scale);
  for (; n >= 4; n -= 4) {
    const g = v128.load(grad);
    const before = v128.load(mean);
    const g0 = f64x2.mul(low(g), scale2);
    const g1 = f64x2.mul(high(g), scale2);
    const m0 = f64x2.add(f64x2.mul(beta2, low(before)), g0);
    const m1 = f64x2.add(f64x2.mul(beta2, high(before)), g1);
    const m = rounded(m0, m1);
    v128.store(mean, m);
    const ahead0 = f64x2.add(g0, f64x2.mul(beta2, low(m)));
    const ahead1 = f64x2.add(g1, f64x2.mul(beta2, high(m)));
    v128.store(out, rounded(ahead0, ahead1));
    out += 16;
    mean += 16;
    grad += 16;
  }
  for (; n > 0; n--) {
    const g = <f64>load<f32>(grad) * scale;
    const m = <f32>(beta * <f64>load<f32>(mean) + g);
    store<f32>(mean, m);
    store<f32>(out, <f32>(g + beta * <f64>m));
    out += 4;
    mean += 4;
    grad += 4;
  }
}

/** Piece: a run of elements. 0 alpha, 2 beta, 4 divisor (f64 all), 6 out, 7 a, 8 b, 9 N, 10 elements a piece. */
export function combine(piece: i32): void {
  const alpha = double(0);
  const beta = double(2);
  const divisor = double(4);
  const first = piece * int(10);
  const last = min(int(9), first + int(10));
  let out = at(pointer(6), first);
  let a = at(pointer(7), first);
  let b = at(pointer(8), first);
  let n = last - first;
  const alpha2 = f64x2.splat(alpha);
  const beta2 = f64x2.splat(beta);
  const divisor2 = f64x2.splat(divisor);
  for (; n >= 4; n -= 4) {
    const x = v128.load(a);
    const y = v128.load(b);
    let s0 = f64x2.add(f64x2.mul(alpha2, low(x)), f64x2.mul(beta2, low(y)));
    let s1 = f64x2.add(f64x2.mul(alpha2, high(x)), f64x2.mul(beta2, high(y)));
    if (divisor != 1) {
      s0 = f64x2.div(s0, divisor2);
      s1 = f64x2.div(s1, divisor2);
    }
    v128.store(out, rounded(s0, s1));
    out += 16;
    a += 16;
    b += 16;
  }
  for (; n > 0; n--) {
    store<f32>(out, <f32>((alpha * <f64>load<f32>(a) + beta * <f64>load<f32>(b)) / divisor));
    out += 4;
    a += 4;
    b += 4;
  }
}
