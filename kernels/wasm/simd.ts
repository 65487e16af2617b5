/**
 * Four floats at a time: fused multiply-add where the build has relaxed SIMD (one rounding), multiply then add
 * where it has not; exp to 2 ulp; sums across lanes in one fixed order.
 * exp: r = x - n·ln 2 in two parts, a polynomial of degree 6 (Cephes expf's coefficients), then 2^n by the exponent bits.
 */

// @ts-ignore: decorator
@inline
export function fma(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(a, b, c);
  return f32x4.add(f32x4.mul(a, b), c);
}

// @ts-ignore: decorator
@inline
export function splat(x: f32): v128 {
  return f32x4.splat(x);
}

/**
 * Constants as vectors in memory, at 2048: V8 11.3 builds a constant vector anew at every use (three instructions),
 * inside loops too, which made half of exp4; a load is one.
 */
const CONSTANTS: usize = 2048;

export function storeConstants(): void {
  v128.store(CONSTANTS, splat(-87.3));
  v128.store(CONSTANTS, splat(88.3), 16);
  v128.store(CONSTANTS, splat(1.44269504), 32);
  v128.store(CONSTANTS, splat(12582912), 48);
  v128.store(CONSTANTS, splat(-0.693359375), 64);
  v128.store(CONSTANTS, splat(2.12194440e-4), 80);
  v128.store(CONSTANTS, splat(1.9875691500e-4), 96);
  v128.store(CONSTANTS, splat(1.3981999507e-3), 112);
  v128.store(CONSTANTS, splat(8.3334519073e-3), 128);
  v128.store(CONSTANTS, splat(4.1665795894e-2), 144);
  v128.store(CONSTANTS, splat(1.6666665459e-1), 160);
  v128.store(CONSTANTS, splat(5.0000001201e-1), 176);
  v128.store(CONSTANTS, splat(1), 192);
  v128.store(CONSTANTS, splat(0.044715), 208);
  v128.store(CONSTANTS, splat(1.5957691216), 224);
  v128.store(CONSTANTS, splat(0.134145), 240);
}

// @ts-ignore: decorator
@inline
export function one4(): v128 {
  return v128.load(CONSTANTS, 192);
}

/** √(2/π)·2, 0.044715 and three times that: GELU's. */
// @ts-ignore: decorator
@inline
export function geluCube(): v128 {
  return v128.load(CONSTANTS, 208);
}

// @ts-ignore: decorator
@inline
export function geluScale(): v128 {
  return v128.load(CONSTANTS, 224);
}

// @ts-ignore: decorator
@inline
export function geluSquare(): v128 {
  return v128.load(CONSTANTS, 240);
}

/**
 * e^x; below -87.3 the smallest normal number, above 88.3 about 2.2e38. Adding 1.5·2^23 rounds x/ln 2 to the nearest
 * whole number n and leaves n in the low bits, ready to become the exponent.
 */
// @ts-ignore: decorator
@inline
export function exp4(x: v128): v128 {
  x = f32x4.pmin(f32x4.pmax(x, v128.load(CONSTANTS)), v128.load(CONSTANTS, 16));
  const rounded = fma(x, v128.load(CONSTANTS, 32), v128.load(CONSTANTS, 48));
  const n = f32x4.sub(rounded, v128.load(CONSTANTS, 48));
  let r = fma(n, v128.load(CONSTANTS, 64), x);
  r = fma(n, v128.load(CONSTANTS, 80), r);
  // In pairs: what limits an exp is how many steps depend on each other.
  const square = f32x4.mul(r, r);
  const high = fma(v128.load(CONSTANTS, 96), r, v128.load(CONSTANTS, 112));
  const middle = fma(v128.load(CONSTANTS, 128), r, v128.load(CONSTANTS, 144));
  const low = fma(v128.load(CONSTANTS, 160), r, v128.load(CONSTANTS, 176));
  let p = fma(fma(high, square, middle), square, low);
  p = f32x4.add(fma(p, square, r), v128.load(CONSTANTS, 192));
  return i32x4.add(p, i32x4.shl(rounded, 23));
}

// @ts-ignore: decorator
@inline
export function sum4(x: v128): f32 {
  return (
    f32x4.extract_lane(x, 0) + f32x4.extract_lane(x, 1) + (f32x4.extract_lane(x, 2) + f32x4.extract_lane(x, 3))
  );
}

// @ts-ignore: decorator
@inline
export function max4(x: v128): f32 {
  return max(
    max(f32x4.extract_lane(x, 0), f32x4.extract_lane(x, 1)),
    max(f32x4.extract_lane(x, 2), f32x4.extract_lane(x, 3)),
  );
}

// @ts-ignore: decorator
@inline
export function exp1(x: f32): f32 {
  return f32x4.extract_lane(exp4(splat(x)), 0);
}

// @ts-ignore: decorator
@inline
export function at(base: usize, index: i32): usize {
  return base + ((<usize>index) << 2);
}

/** ln of a positive normal number: exponent bits and 2·artanh((m-1)/(m+1)), |argument| < 0.172; error below 1e-14. */
export function log(x: f64): f64 {
  const bits = reinterpret<i64>(x);
  let exponent = <i32>(bits >> 52) - 1023;
  let m = reinterpret<f64>((bits & 0x000fffffffffffff) | 0x3ff0000000000000);
  if (m > 1.4142135623730951) {
    m *= 0.5;
    exponent += 1;
  }
  const s = (m - 1) / (m + 1);
  const z = s * s;
  let series: f64 = 1.0 / 17;
  series = series * z + 1.0 / 15;
  series = series * z + 1.0 / 13;
  series = series * z + 1.0 / 11;
  series = series * z + 1.0 / 9;
  series = series * z + 1.0 / 7;
  series = series * z + 1.0 / 5;
  series = series * z + 1.0 / 3;
  series = series * z + 1;
  return 2 * s * series + <f64>exponent * 0.6931471805599453;
}
