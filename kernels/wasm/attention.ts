/**
 * Causal attention by blocks of query rows: scores of a block against every key so far (one tile of the matrix
 * kernel each), softmax, product with the values. Nothing of size T x T is kept; backward recomputes the
 * probabilities from lse. Query head h reads key/value head h·KV/H.
 */
import { float, int, pointer, scratch } from "./control";
import { ACCUMULATE, OVERWRITE, packPanel, putEdge, tileByColumns, tileByRows } from "./matmul";
import { at, exp4, fma, log, max4, splat, sum4 } from "./simd";

/** Query rows in a block. A multiple of 4. */
const BLOCK: i32 = 32;

/**
 * Scores (rows, known) of query rows a against packed keys, where query r sees keys up to first + r: tiles that lie
 * wholly in the future are left out.
 */
function scoreRows(
  a: usize,
  aRow: usize,
  keys: usize,
  first: i32,
  rows: i32,
  known: i32,
  D: i32,
  out: usize,
  outRow: usize,
  edge: usize,
): void {
  for (let n = 0; n < known; n += 8) {
    const columns = min(8, known - n);
    for (let m = max(0, n - first) & ~3; m < rows; m += 4) {
      product4(a + <usize>m * aRow, aRow, keys, 32, min(4, rows - m), columns, D, at(out + <usize>m * outRow, n), outRow, edge);
    }
    keys += <usize>D * 32;
  }
}

/** out (rows, D) = weights (rows, first + rows)·values, where the weights of query r end at key first + r, zeros up to its group of four. */
function mixRows(
  weights: usize,
  weightsRow: usize,
  values: usize,
  valuesRow: usize,
  first: i32,
  rows: i32,
  D: i32,
  out: usize,
  outRow: usize,
  edge: usize,
): void {
  for (let n = 0; n < D; n += 8) {
    const columns = min(8, D - n);
    for (let m = 0; m < rows; m += 4) {
      const count = min(4, rows - m);
      const to = at(out + <usize>m * outRow, n);
      const from = weights + <usize>m * weightsRow;
      product4(from, weightsRow, at(values, n), valuesRow, count, columns, first + m + count, to, outRow, edge);
    }
  }
}

/** A tile of up to 4 x 8, A by rows, overwritten. */
function product4(
  a: usize,
  aRow: usize,
  b: usize,
  bStep: usize,
  rows: i32,
  columns: i32,
  K: i32,
  out: usize,
  outRow: usize,
  edge: usize,
): void {
  if (rows == 4 && columns == 8) {
    tileByRows(a, aRow, b, bStep, K, out, outRow, 0, OVERWRITE);
  } else if (rows == 4) {
    tileByRows(a, aRow, b, bStep, K, edge, 32, 0, OVERWRITE);
    putEdge(edge, 4, columns, out, outRow, 0, OVERWRITE);
  } else {
    for (let r = 0; r < rows; r++) {
      tileByRows(a + <usize>r * aRow, 0, b, bStep, K, edge, 0, 0, OVERWRITE);
      putEdge(edge, 1, columns, out + <usize>r * outRow, outRow, 0, OVERWRITE);
    }
  }
}

/** out (known, D) += weightsᵀ·b, row r of weights and b being query first + r: key m is seen from query m on. */
function addTransposed(
  weights: usize,
  weightsRow: usize,
  b: usize,
  bRow: usize,
  first: i32,
  rows: i32,
  D: i32,
  out: usize,
  outRow: usize,
  edge: usize,
): void {
  const known = first + rows;
  for (let n = 0; n < D; n += 8) {
    const columns = min(8, D - n);
    for (let m = 0; m < known; m += 4) {
      const skipped = max(0, m - first);
      const count = min(4, known - m);
      const to = at(out + <usize>m * outRow, n);
      const from = at(weights + <usize>skipped * weightsRow, m);
      const with_ = at(b + <usize>skipped * bRow, n);
      if (count == 4 && columns == 8) {
        tileByColumns(from, weightsRow, with_, bRow, rows - skipped, to, outRow, 0, ACCUMULATE);
      } else {
        tileByColumns(from, weightsRow, with_, bRow, rows - skipped, edge, 32, 0, OVERWRITE);
        putEdge(edge, count, columns, to, outRow, 0, ACCUMULATE);
      }
    }
  }
}

/** Rows of `from` (T,D), rowBytes apart, transposed into panels of 8 rows: [panel][d][8]. */
function packTransposed(from: usize, rowBytes: usize, T: i32, D: i32, to: usize): void {
  for (let t = 0; t < T; t += 8) {
    packPanel(from + <usize>t * rowBytes, 4, rowBytes, D, min(8, T - t), to);
    to += <usize>D * 32;
  }
}

/** All ones in the lanes of a group of four that begins at `j` and lie before `n`. */
// @ts-ignore: decorator
@inline
function before(n: i32, j: i32): v128 {
  return i32x4.lt_s(i32x4(0, 1, 2, 3), i32x4.splat(n - j));
}

/**
 * Softmax of the first `n` scores of a row times `scale`; gives lse. The row becomes e^(s-max), zeros up to the next
 * multiple of four; its sum is stored.
 */
function softmaxRow(row: usize, n: i32, scale: f32, sumAt: usize): f32 {
  const least = splat(-3e38);
  let m = least;
  let j = 0;
  for (; j + 4 <= n; j += 4) m = f32x4.pmax(m, v128.load(at(row, j)));
  if (j < n) m = f32x4.pmax(m, v128.bitselect(v128.load(at(row, j)), least, before(n, j)));
  const top = max4(m);
  const shift = splat(-top * scale);
  const scales = splat(scale);
  let sums = splat(0);
  for (j = 0; j + 8 <= n; j += 8) {
    const from = at(row, j);
    const e = exp4(fma(v128.load(from), scales, shift));
    const f = exp4(fma(v128.load(from, 16), scales, shift));
    v128.store(from, e);
    v128.store(from, f, 16);
    sums = f32x4.add(sums, f32x4.add(e, f));
  }
  for (; j + 4 <= n; j += 4) {
    const e = exp4(fma(v128.load(at(row, j)), scales, shift));
    v128.store(at(row, j), e);
    sums = f32x4.add(sums, e);
  }
  if (j < n) {
    const e = v128.and(exp4(fma(v128.load(at(row, j)), scales, shift)), before(n, j));
    v128.store(at(row, j), e);
    sums = f32x4.add(sums, e);
  }
  const sum = sum4(sums);
  store<f32>(sumAt, sum);
  return top * scale + <f32>log(<f64>sum);
}

function scaleRow(row: usize, n: i32, factor: f32): void {
  const factors = splat(factor);
  let j = 0;
  for (; j + 4 <= n; j += 4) v128.store(at(row, j), f32x4.mul(v128.load(at(row, j)), factors));
  for (; j < n; j++) store<f32>(at(row, j), load<f32>(at(row, j)) * factor);
}

/** Rows of D floats, one after the other at `to`: neighbours in memory, where in qkv each row is on a page of its own. */
function gather(from: usize, rowBytes: usize, rows: i32, D: i32, to: usize): void {
  const bytes = (<usize>D) << 2;
  for (let r = 0; r < rows; r++) memory.copy(to + <usize>r * bytes, from + <usize>r * rowBytes, bytes);
}

function scatter(from: usize, rows: i32, D: i32, to: usize, rowBytes: usize): void {
  const bytes = (<usize>D) << 2;
  for (let r = 0; r < rows; r++) memory.copy(to + <usize>r * rowBytes, from + <usize>r * bytes, bytes);
}

// @ts-ignore: decorator
@inline
function roundUp8(n: i32): i32 {
  return (n + 7) & ~7;
}

/** Piece: one query head of one sequence. 0 out, 1 lse, 2 qkv, 3 B, 4 T, 5 H, 6 KV, 7 D, 8 1/√D. */
export function attention(piece: i32): void {
  const T = int(4);
  const H = int(5);
  const KV = int(6);
  const D = int(7);
  const scale = float(8);
  const b = piece / H;
  const h = piece % H;
  const shared = (h * KV) / H;
  const rowBytes = <usize>((H + 2 * KV) * D) << 2;
  const outRow = <usize>(H * D) << 2;
  const q = at(pointer(2) + <usize>(b * T) * rowBytes, h * D);
  const k = at(pointer(2) + <usize>(b * T) * rowBytes, (H + shared) * D);
  const v = at(k, KV * D);
  const out = at(pointer(0) + <usize>(b * T) * outRow, h * D);
  const lse = at(pointer(1), (b * H + h) * T);
  const edge = scratch();
  const sums = edge + 128;
  const keys = sums + 4 * BLOCK;
  const values = keys + <usize>(roundUp8(T) * D) * 4;
  const scores = values + <usize>(roundUp8(T) * D) * 4;
  const scoresRow = <usize>roundUp8(T) << 2;
  packTransposed(k, rowBytes, T, D, keys);
  gather(v, rowBytes, T, D, values);
  for (let i = 0; i < T; i += BLOCK) {
    const rows = min(BLOCK, T - i);
    const known = i + rows;
    const from = q + <usize>i * rowBytes;
    scoreRows(from, rowBytes, keys, i, rows, known, D, scores, scoresRow, edge);
    for (let r = 0; r < rows; r++) {
      const row = scores + <usize>r * scoresRow;
      store<f32>(at(lse, i + r), softmaxRow(row, i + r + 1, scale, at(sums, r)));
    }
    const to = out + <usize>i * outRow;
    mixRows(scores, scoresRow, values, <usize>D << 2, i, rows, D, to, outRow, edge);
    for (let r = 0; r < rows; r++) scaleRow(to + <usize>r * outRow, D, 1 / load<f32>(at(sums, r)));
  }
}

/** P and dP of a row become P and dS: p = e^(s·scale - lse), ds = p·(dp - delta)·scale; zeros up to the next multiple of four. */
function gradientRow(p: usize, dp: usize, n: i32, scale: f32, lse: f32, delta: f32): void {
  const scales = splat(scale);
  const shift = splat(-lse);
  const deltas = splat(delta);
  let j = 0;
  for (; j + 8 <= n; j += 8) {
    const from = at(p, j);
    const to = at(dp, j);
    const e = exp4(fma(v128.load(from), scales, shift));
    const f = exp4(fma(v128.load(from, 16), scales, shift));
    const d = f32x4.sub(v128.load(to), deltas);
    const g = f32x4.sub(v128.load(to, 16), deltas);
    v128.store(from, e);
    v128.store(from, f, 16);
    v128.store(to, f32x4.mul(f32x4.mul(e, d), scales));
    v128.store(to, f32x4.mul(f32x4.mul(f, g), scales), 16);
  }
  for (; j + 4 <= n; j += 4) {
    const e = exp4(fma(v128.load(at(p, j)), scales, shift));
    v128.store(at(p, j), e);
    v128.store(at(dp, j), f32x4.mul(f32x4.mul(e, f32x4.sub(v128.load(at(dp, j)), deltas)), scales));
  }
  if (j == n) return;
  const seen = before(n, j);
  const e = v128.and(exp4(fma(v128.load(at(p, j)), scales, shift)), seen);
  v128.store(at(p, j), e);
  const d = v128.and(f32x4.sub(v128.load(at(dp, j)), deltas), seen);
  v128.store(at(dp, j), f32x4.mul(f32x4.mul(e, d), scales));
}

function dotRows(a: usize, b: usize, n: i32): f32 {
  let sums = splat(0);
  let j = 0;
  for (; j + 4 <= n; j += 4) sums = fma(v128.load(at(a, j)), v128.load(at(b, j)), sums);
  let sum = sum4(sums);
  for (; j < n; j++) sum += load<f32>(at(a, j)) * load<f32>(at(b, j));
  return sum;
}

/**
 * Piece: one key/value head of one sequence, with all its query heads in order.
 * 0 dqkv, 1 dout, 2 out, 3 lse, 4 qkv, 5 B, 6 T, 7 H, 8 KV, 9 D, 10 1/√D.
 */
export function attentionBackward(piece: i32): void {
  const T = int(6);
  const H = int(7);
  const KV = int(8);
  const D = int(9);
  const scale = float(10);
  const b = piece / KV;
  const shared = piece % KV;
  const rowBytes = <usize>((H + 2 * KV) * D) << 2;
  const outRow = <usize>(H * D) << 2;
  const line = <usize>(b * T) * rowBytes;
  const kColumn = (H + shared) * D;
  const k = at(pointer(4) + line, kColumn);
  const v = at(k, KV * D);
  const dk = at(pointer(0) + line, kColumn);
  const dv = at(dk, KV * D);
  const edge = scratch();
  const keys = edge + 128;
  const values = keys + <usize>(roundUp8(T) * D) * 4;
  const size = <usize>(roundUp8(T) * D) * 4;
  const keyRows = values + size;
  const dkRows = keyRows + size;
  const dvRows = dkRows + size;
  const qBlock = dvRows + size;
  const dBlock = qBlock + <usize>(BLOCK * D) * 4;
  const p = dBlock + <usize>(BLOCK * D) * 4;
  const scoresRow = <usize>roundUp8(T) << 2;
  const dp = p + <usize>BLOCK * scoresRow;
  const line4 = <usize>D << 2;
  packTransposed(k, rowBytes, T, D, keys);
  packTransposed(v, rowBytes, T, D, values);
  gather(k, rowBytes, T, D, keyRows);
  memory.fill(dkRows, 0, 2 * size);
  const h0 = (shared * H + KV - 1) / KV;
  const h1 = ((shared + 1) * H + KV - 1) / KV;
  for (let h = h0; h < h1; h++) {
    const q = at(pointer(4) + line, h * D);
    const dq = at(pointer(0) + line, h * D);
    const out = at(pointer(2) + <usize>(b * T) * outRow, h * D);
    const dout = at(pointer(1) + <usize>(b * T) * outRow, h * D);
    const lse = at(pointer(3), (b * H + h) * T);
    for (let i = 0; i < T; i += BLOCK) {
      const rows = min(BLOCK, T - i);
      const known = i + rows;
      gather(q + <usize>i * rowBytes, rowBytes, rows, D, qBlock);
      gather(dout + <usize>i * outRow, outRow, rows, D, dBlock);
      scoreRows(qBlock, line4, keys, i, rows, known, D, p, scoresRow, edge);
      scoreRows(dBlock, line4, values, i, rows, known, D, dp, scoresRow, edge);
      for (let r = 0; r < rows; r++) {
        const delta = dotRows(dBlock + <usize>r * line4, out + <usize>(i + r) * outRow, D);
        const offset = <usize>r * scoresRow;
        gradientRow(p + offset, dp + offset, i + r + 1, scale, load<f32>(at(lse, i + r)), delta);
      }
      mixRows(dp, scoresRow, keyRows, line4, i, rows, D, dq + <usize>i * rowBytes, rowBytes, edge);
      addTransposed(dp, scoresRow, qBlock, line4, i, rows, D, dkRows, line4, edge);
      addTransposed(p, scoresRow, dBlock, line4, i, rows, D, dvRows, line4, edge);
    }
  }
  scatter(dkRows, T, D, dk, rowBytes);
  scatter(dvRows, T, D, dv, rowBytes);
}

/** Piece: one sequence. Copies the new keys and values to the cache. Parameters as attentionCached. */
export function appendCache(b: i32): void {
  const T = int(5);
  const width = <usize>(int(7) * int(8)) << 2;
  const rowBytes = <usize>((int(6) + 2 * int(7)) * int(8)) << 2;
  for (let t = 0; t < T; t++) {
    const from = at(pointer(1) + <usize>(b * T + t) * rowBytes, int(6) * int(8));
    const to = <usize>(b * int(10) + int(9) + t) * width;
    memory.copy(pointer(2) + to, from, width);
    memory.copy(pointer(3) + to, from + width, width);
  }
}

/** Many new positions at once, as when a prompt is read: the blocks of `attention`, with keys and values of the cache. */
function attendMany(q: usize, rowBytes: usize, k: usize, v: usize, cacheRow: usize, out: usize, outRow: usize): void {
  const T = int(5);
  const D = int(8);
  const position = int(9);
  const wide = roundUp8(position + T);
  const edge = scratch();
  const sums = edge + 128;
  const keys = sums + 4 * BLOCK;
  const values = keys + <usize>(wide * D) * 4;
  const scores = values + <usize>(wide * D) * 4;
  const scoresRow = <usize>wide << 2;
  packTransposed(k, cacheRow, position + T, D, keys);
  gather(v, cacheRow, position + T, D, values);
  for (let i = 0; i < T; i += BLOCK) {
    const rows = min(BLOCK, T - i);
    const first = position + i;
    scoreRows(q + <usize>i * rowBytes, rowBytes, keys, first, rows, first + rows, D, scores, scoresRow, edge);
    for (let r = 0; r < rows; r++) {
      const row = scores + <usize>r * scoresRow;
      const n = first + r + 1;
      softmaxRow(row, n, float(11), at(sums, r));
      for (let j = (n + 3) & ~3; j < first + (r & ~3) + 4; j++) store<f32>(at(row, j), 0);
    }
    const to = out + <usize>i * outRow;
    mixRows(scores, scoresRow, values, <usize>D << 2, first, rows, D, to, outRow, edge);
    for (let r = 0; r < rows; r++) scaleRow(to + <usize>r * outRow, D, 1 / load<f32>(at(sums, r)));
  }
}

/**
 * Piece: one query head of one sequence.
 * 0 out, 1 qkv, 2 kcache, 3 vcache, 4 B, 5 T, 6 H, 7 KV, 8 D, 9 position, 10 maxT, 11 1/√D.
 */
export function attentionCached(piece: i32): void {
  const T = int(5);
  const H = int(6);
  const KV = int(7);
  const D = int(8);
  const position = int(9);
  const b = piece / H;
  const h = piece % H;
  const shared = (h * KV) / H;
  const rowBytes = <usize>((H + 2 * KV) * D) << 2;
  const cacheRow = <usize>(KV * D) << 2;
  const cache = at(<usize>(b * int(10)) * cacheRow, shared * D);
  if (T >= 8) {
    const q = at(pointer(1) + <usize>(b * T) * rowBytes, h * D);
    const to = at(pointer(0), (b * T * H + h) * D);
    attendMany(q, rowBytes, pointer(2) + cache, pointer(3) + cache, cacheRow, to, <usize>(H * D) << 2);
    return;
  }
  const weights = scratch() + 128;
  for (let t = 0; t < T; t++) {
    const q = at(pointer(1) + <usize>(b * T + t) * rowBytes, h * D);
    const known = position + t + 1;
    let k = pointer(2) + cache;
    for (let j = 0; j < known; j++) {
      store<f32>(at(weights, j), dotRows(q, k, D));
      k += cacheRow;
    }
    softmaxRow(weights, known, float(11), scratch());
    const factor: f32 = <f32>1 / load<f32>(scratch());
    const out = at(pointer(0), (b * T + t) * H * D + h * D);
    let d = 0;
    for (; d + 4 <= D; d += 4) {
      let sum = splat(0);
      let v = at(pointer(3) + cache, d);
      for (let j = 0; j < known; j++) {
        sum = fma(v128.load32_splat(at(weights, j)), v128.load(v), sum);
        v += cacheRow;
      }
      v128.store(at(out, d), f32x4.mul(sum, splat(factor)));
    }
    for (; d < D; d++) {
      let sum: f32 = 0;
      let v = at(pointer(3) + cache, d);
      for (let j = 0; j < known; j++) {
        sum += load<f32>(at(weights, j)) * load<f32>(v);
        v += cacheRow;
      }
      store<f32>(at(out, d), sum * factor);
    }
  }
}
