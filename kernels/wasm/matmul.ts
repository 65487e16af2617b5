/**
 * Matrix products. B is packed in panels of 8 columns; a micro-kernel holds a tile of 4 x 8 in eight accumulators.
 * Two forms of it: A by rows (NT, NN) and A by columns (TN, packed in panels of 4 rows).
 * Why 4 x 8: V8 loads every broadcast of a step before the first multiplication, so 4 + 2 + 8 of 15 registers is the
 * largest tile that does not spill; 6 x 8 fell from 47 to 21 GFLOP/s. Why one step between two branches: within
 * one basic block V8 orders the multiplications by accumulator, which makes chains of dependent ones.
 */
import { int, pointer, scratch } from "./control";
import { at, fma } from "./simd";

/**
 * What becomes of the tile: out = tile, tile + bias, before + tile, before + tile + bias, where `before` is out itself or
 * a matrix of its shape.
 */
export const OVERWRITE: i32 = 0;
export const BIAS: i32 = 1;
export const ACCUMULATE: i32 = 2;

// @ts-ignore: decorator
@inline
function put(out: usize, before: usize, bias: usize, mode: i32, left: v128, right: v128): void {
  if (mode & BIAS) {
    left = f32x4.add(left, v128.load(bias));
    right = f32x4.add(right, v128.load(bias, 16));
  }
  if (mode & ACCUMULATE) {
    left = f32x4.add(left, v128.load(before));
    right = f32x4.add(right, v128.load(before, 16));
  }
  v128.store(out, left);
  v128.store(out, right, 16);
}

/**
 * Tile of 4 x 8. Row r of A at a + r·aRow, its elements side by side; rows of B of 8 floats, bStep bytes apart.
 * K at least 1; strides in bytes.
 */
export function tileByRows(
  a: usize,
  aRow: usize,
  b: usize,
  bStep: usize,
  K: i32,
  out: usize,
  outRow: usize,
  bias: usize,
  mode: i32,
): void {
  let a1 = a + aRow;
  let a2 = a1 + aRow;
  let a3 = a2 + aRow;
  let c00 = f32x4.splat(0);
  let c01 = c00;
  let c10 = c00;
  let c11 = c00;
  let c20 = c00;
  let c21 = c00;
  let c30 = c00;
  let c31 = c00;
  const end = a + ((<usize>K) << 2);
  while (true) {
    let b0 = v128.load(b);
    let b1 = v128.load(b, 16);
    let x = v128.load32_splat(a);
    c00 = fma(x, b0, c00);
    c01 = fma(x, b1, c01);
    x = v128.load32_splat(a1);
    c10 = fma(x, b0, c10);
    c11 = fma(x, b1, c11);
    x = v128.load32_splat(a2);
    c20 = fma(x, b0, c20);
    c21 = fma(x, b1, c21);
    x = v128.load32_splat(a3);
    c30 = fma(x, b0, c30);
    c31 = fma(x, b1, c31);
    b += bStep;
    a += 4;
    a1 += 4;
    a2 += 4;
    a3 += 4;
    if (a == end) break;
    b0 = v128.load(b);
    b1 = v128.load(b, 16);
    x = v128.load32_splat(a);
    c00 = fma(x, b0, c00);
    c01 = fma(x, b1, c01);
    x = v128.load32_splat(a1);
    c10 = fma(x, b0, c10);
    c11 = fma(x, b1, c11);
    x = v128.load32_splat(a2);
    c20 = fma(x, b0, c20);
    c21 = fma(x, b1, c21);
    x = v128.load32_splat(a3);
    c30 = fma(x, b0, c30);
    c31 = fma(x, b1, c31);
    b += bStep;
    a += 4;
    a1 += 4;
    a2 += 4;
    a3 += 4;
    if (a == end) break;
    b0 = v128.load(b);
    b1 = v128.load(b, 16);
    x = v128.load32_splat(a);
    c00 = fma(x, b0, c00);
    c01 = fma(x, b1, c01);
    x = v128.load32_splat(a1);
    c10 = fma(x, b0, c10);
    c11 = fma(x, b1, c11);
    x = v128.load32_splat(a2);
    c20 = fma(x, b0, c20);
    c21 = fma(x, b1, c21);
    x = v128.load32_splat(a3);
    c30 = fma(x, b0, c30);
    c31 = fma(x, b1, c31);
    b += bStep;
    a += 4;
    a1 += 4;
    a2 += 4;
    a3 += 4;
    if (a == end) break;
    b0 = v128.load(b);
    b1 = v128.load(b, 16);
    x = v128.load32_splat(a);
    c00 = fma(x, b0, c00);
    c01 = fma(x, b1, c01);
    x = v128.load32_splat(a1);
    c10 = fma(x, b0, c10);
    c11 = fma(x, b1, c11);
    x = v128.load32_splat(a2);
    c20 = fma(x, b0, c20);
    c21 = fma(x, b1, c21);
    x = v128.load32_splat(a3);
    c30 = fma(x, b0, c30);
    c31 = fma(x, b1, c31);
    b += bStep;
    a += 4;
    a1 += 4;
    a2 += 4;
    a3 += 4;
    if (a == end) break;
  }
  put(out, out, bias, mode, c00, c01);
  put(out + outRow, out + outRow, bias, mode, c10, c11);
  put(out + 2 * outRow, out + 2 * outRow, bias, mode, c20, c21);
  put(out + 3 * outRow, out + 3 * outRow, bias, mode, c30, c31);
}

/** As tileByRows, but the four elements of A of one step lie side by side, steps aStep bytes apart. */
export function tileByColumns(
  a: usize,
  aStep: usize,
  b: usize,
  bStep: usize,
  K: i32,
  out: usize,
  outRow: usize,
  bias: usize,
  mode: i32,
): void {
  let c00 = f32x4.splat(0);
  let c01 = c00;
  let c10 = c00;
  let c11 = c00;
  let c20 = c00;
  let c21 = c00;
  let c30 = c00;
  let c31 = c00;
  let k = K;
  while (true) {
    let b0 = v128.load(b);
    let b1 = v128.load(b, 16);
    let x = v128.load32_splat(a);
    c00 = fma(x, b0, c00);
    c01 = fma(x, b1, c01);
    x = v128.load32_splat(a, 4);
    c10 = fma(x, b0, c10);
    c11 = fma(x, b1, c11);
    x = v128.load32_splat(a, 8);
    c20 = fma(x, b0, c20);
    c21 = fma(x, b1, c21);
    x = v128.load32_splat(a, 12);
    c30 = fma(x, b0, c30);
    c31 = fma(x, b1, c31);
    b += bStep;
    a += aStep;
    if (--k == 0) break;
    b0 = v128.load(b);
    b1 = v128.load(b, 16);
    x = v128.load32_splat(a);
    c00 = fma(x, b0, c00);
    c01 = fma(x, b1, c01);
    x = v128.load32_splat(a, 4);
    c10 = fma(x, b0, c10);
    c11 = fma(x, b1, c11);
    x = v128.load32_splat(a, 8);
    c20 = fma(x, b0, c20);
    c21 = fma(x, b1, c21);
    x = v128.load32_splat(a, 12);
    c30 = fma(x, b0, c30);
    c31 = fma(x, b1, c31);
    b += bStep;
    a += aStep;
    if (--k == 0) break;
    b0 = v128.load(b);
    b1 = v128.load(b, 16);
    x = v128.load32_splat(a);
    c00 = fma(x, b0, c00);
    c01 = fma(x, b1, c01);
    x = v128.load32_splat(a, 4);
    c10 = fma(x, b0, c10);
    c11 = fma(x, b1, c11);
    x = v128.load32_splat(a, 8);
    c20 = fma(x, b0, c20);
    c21 = fma(x, b1, c21);
    x = v128.load32_splat(a, 12);
    c30 = fma(x, b0, c30);
    c31 = fma(x, b1, c31);
    b += bStep;
    a += aStep;
    if (--k == 0) break;
    b0 = v128.load(b);
    b1 = v128.load(b, 16);
    x = v128.load32_splat(a);
    c00 = fma(x, b0, c00);
    c01 = fma(x, b1, c01);
    x = v128.load32_splat(a, 4);
    c10 = fma(x, b0, c10);
    c11 = fma(x, b1, c11);
    x = v128.load32_splat(a, 8);
    c20 = fma(x, b0, c20);
    c21 = fma(x, b1, c21);
    x = v128.load32_splat(a, 12);
    c30 = fma(x, b0, c30);
    c31 = fma(x, b1, c31);
    b += bStep;
    a += aStep;
    if (--k == 0) break;
  }
  put(out, out, bias, mode, c00, c01);
  put(out + outRow, out + outRow, bias, mode, c10, c11);
  put(out + 2 * outRow, out + 2 * outRow, bias, mode, c20, c21);
  put(out + 3 * outRow, out + 3 * outRow, bias, mode, c30, c31);
}

/**
 * `groups` tiles of 4 x 8, one below the other: packed groups of rows of A against one packed panel of B. The loop is in
 * here because a call for each tile cost 5 % at K = 128. `before`: bytes from out to what is added to.
 */
function tilesOfPanel(
  a: usize,
  groups: i32,
  panel: usize,
  K: i32,
  out: usize,
  outRow: usize,
  before: usize,
  bias: usize,
  mode: i32,
): void {
  for (; groups > 0; groups--) {
    let c00 = f32x4.splat(0);
    let c01 = c00;
    let c10 = c00;
    let c11 = c00;
    let c20 = c00;
    let c21 = c00;
    let c30 = c00;
    let c31 = c00;
    let b = panel;
    let k = K;
    while (true) {
      let b0 = v128.load(b);
      let b1 = v128.load(b, 16);
      let x = v128.load32_splat(a);
      c00 = fma(x, b0, c00);
      c01 = fma(x, b1, c01);
      x = v128.load32_splat(a, 4);
      c10 = fma(x, b0, c10);
      c11 = fma(x, b1, c11);
      x = v128.load32_splat(a, 8);
      c20 = fma(x, b0, c20);
      c21 = fma(x, b1, c21);
      x = v128.load32_splat(a, 12);
      c30 = fma(x, b0, c30);
      c31 = fma(x, b1, c31);
      b += 32;
      a += 16;
      if (--k == 0) break;
      b0 = v128.load(b);
      b1 = v128.load(b, 16);
      x = v128.load32_splat(a);
      c00 = fma(x, b0, c00);
      c01 = fma(x, b1, c01);
      x = v128.load32_splat(a, 4);
      c10 = fma(x, b0, c10);
      c11 = fma(x, b1, c11);
      x = v128.load32_splat(a, 8);
      c20 = fma(x, b0, c20);
      c21 = fma(x, b1, c21);
      x = v128.load32_splat(a, 12);
      c30 = fma(x, b0, c30);
      c31 = fma(x, b1, c31);
      b += 32;
      a += 16;
      if (--k == 0) break;
      b0 = v128.load(b);
      b1 = v128.load(b, 16);
      x = v128.load32_splat(a);
      c00 = fma(x, b0, c00);
      c01 = fma(x, b1, c01);
      x = v128.load32_splat(a, 4);
      c10 = fma(x, b0, c10);
      c11 = fma(x, b1, c11);
      x = v128.load32_splat(a, 8);
      c20 = fma(x, b0, c20);
      c21 = fma(x, b1, c21);
      x = v128.load32_splat(a, 12);
      c30 = fma(x, b0, c30);
      c31 = fma(x, b1, c31);
      b += 32;
      a += 16;
      if (--k == 0) break;
      b0 = v128.load(b);
      b1 = v128.load(b, 16);
      x = v128.load32_splat(a);
      c00 = fma(x, b0, c00);
      c01 = fma(x, b1, c01);
      x = v128.load32_splat(a, 4);
      c10 = fma(x, b0, c10);
      c11 = fma(x, b1, c11);
      x = v128.load32_splat(a, 8);
      c20 = fma(x, b0, c20);
      c21 = fma(x, b1, c21);
      x = v128.load32_splat(a, 12);
      c30 = fma(x, b0, c30);
      c31 = fma(x, b1, c31);
      b += 32;
      a += 16;
      if (--k == 0) break;
    }
    put(out, out + before, bias, mode, c00, c01);
    put(out + outRow, out + outRow + before, bias, mode, c10, c11);
    put(out + 2 * outRow, out + 2 * outRow + before, bias, mode, c20, c21);
    put(out + 3 * outRow, out + 3 * outRow + before, bias, mode, c30, c31);
    out += 4 * outRow;
  }
}

/** The part of a tile (rows of 8 floats at `tile`) that lies inside the matrix. */
export function putEdge(
  tile: usize,
  rows: i32,
  columns: i32,
  out: usize,
  outRow: usize,
  bias: usize,
  mode: i32,
  before: usize = 0,
): void {
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) {
      const to = at(out + <usize>r * outRow, c);
      let x = load<f32>(at(tile, r * 8 + c));
      if (mode & BIAS) x += load<f32>(at(bias, c));
      if (mode & ACCUMULATE) x += load<f32>(to + before);
      store<f32>(to, x);
    }
  }
}

/** Copies a block of K x N of B into panels: [panel][k][8]. Columns past N are left as they were: nothing reads them. */
export function packPanel(
  b: usize,
  kStride: usize,
  nStride: usize,
  K: i32,
  columns: i32,
  panel: usize,
): void {
  if (columns == 8 && nStride == 4) {
    for (let k = 0; k < K; k++) {
      v128.store(panel, v128.load(b));
      v128.store(panel, v128.load(b, 16), 16);
      panel += 32;
      b += kStride;
    }
  } else if (columns == 8 && kStride == 4) {
    packTransposed(b, nStride, K, panel, 32);
    packTransposed(b + 4 * nStride, nStride, K, panel + 16, 32);
  } else {
    for (let k = 0; k < K; k++) {
      for (let n = 0; n < columns; n++) {
        store<f32>(at(panel, k * 8 + n), load<f32>(b + <usize>k * kStride + <usize>n * nStride));
      }
    }
  }
}

/** Four lines of K contiguous floats, `stride` bytes apart, to K groups of four side by side, `step` bytes apart. */
function packTransposed(from: usize, stride: usize, K: i32, to: usize, step: usize): void {
  let from1 = from + stride;
  let from2 = from1 + stride;
  let from3 = from2 + stride;
  let k = 0;
  for (; k + 4 <= K; k += 4) {
    const r0 = v128.load(from);
    const r1 = v128.load(from1);
    const r2 = v128.load(from2);
    const r3 = v128.load(from3);
    const t0 = i32x4.shuffle(r0, r1, 0, 4, 1, 5);
    const t1 = i32x4.shuffle(r2, r3, 0, 4, 1, 5);
    const t2 = i32x4.shuffle(r0, r1, 2, 6, 3, 7);
    const t3 = i32x4.shuffle(r2, r3, 2, 6, 3, 7);
    v128.store(to, i32x4.shuffle(t0, t1, 0, 1, 4, 5));
    v128.store(to + step, i32x4.shuffle(t0, t1, 2, 3, 6, 7));
    v128.store(to + 2 * step, i32x4.shuffle(t2, t3, 0, 1, 4, 5));
    v128.store(to + 3 * step, i32x4.shuffle(t2, t3, 2, 3, 6, 7));
    to += 4 * step;
    from += 16;
    from1 += 16;
    from2 += 16;
    from3 += 16;
  }
  for (; k < K; k++) {
    store<f32>(to, load<f32>(from));
    store<f32>(to, load<f32>(from1), 4);
    store<f32>(to, load<f32>(from2), 8);
    store<f32>(to, load<f32>(from3), 12);
    to += step;
    from += 4;
    from1 += 4;
    from2 += 4;
    from3 += 4;
  }
}

/** Piece: a run of panels. Parameters: 0 b, 1 k stride, 2 n stride, 3 K, 4 N, 5 packed, 6 panels a piece. */
export function packB(piece: i32): void {
  const K = int(3);
  const N = int(4);
  const first = piece * int(6);
  const last = min(first + int(6), (N + 7) / 8);
  for (let panel = first; panel < last; panel++) {
    packPanel(
      pointer(0) + <usize>(panel * 8) * pointer(2),
      pointer(1),
      pointer(2),
      K,
      min(8, N - panel * 8),
      pointer(5) + <usize>panel * <usize>K * 32,
    );
  }
}

/** Copies `rows` x K of A to groups of four rows: [group][k][4]. Rows past the last repeat it: their products are not kept. */
function packA(a: usize, rowStride: usize, kStride: usize, rows: i32, K: i32, to: usize): void {
  for (let row = 0; row < rows; row += 4) {
    const from = a + <usize>row * rowStride;
    if (rowStride == 4) {
      let line = from;
      for (let k = 0; k < K; k++) {
        v128.store(to, v128.load(line));
        to += 16;
        line += kStride;
      }
    } else if (row + 4 <= rows) {
      packTransposed(from, rowStride, K, to, 16);
      to += <usize>K * 16;
    } else {
      for (let k = 0; k < K; k++) {
        for (let r = 0; r < 4; r++) {
          const line = from + <usize>min(r, rows - row - 1) * rowStride;
          store<f32>(at(to, r), load<f32>(at(line, k)));
        }
        to += 16;
      }
    }
  }
}

/**
 * Piece: a block of rows times a block of columns of out.
 * Parameters: 0 a, 1 row stride, 2 step stride, 3 packed B, 4 out, 5 out stride, 6 bias, 7 mode, 8 M, 9 N, 10 K,
 * 11 rows a block, 12 columns a block, 13 blocks of columns, 14 what is added to, 15 whether only what lies on the
 * diagonal's blocks and right of them is wanted (rows a block then are a multiple of 8).
 */
export function product(piece: i32): void {
  const outRow = pointer(5);
  const before = pointer(14) - pointer(4);
  const mode = int(7);
  const K = int(10);
  const row0 = (piece / int(13)) * int(11);
  const column0 = max((piece % int(13)) * int(12), int(15) ? row0 : 0);
  const row1 = min(int(8), row0 + int(11));
  const column1 = min(int(9), column0 + int(12));
  const edge = scratch();
  const packed = edge + 128;
  packA(pointer(0) + <usize>row0 * pointer(1), pointer(1), pointer(2), row1 - row0, K, packed);
  for (let n = column0; n < column1; n += 8) {
    const b = pointer(3) + <usize>(n >> 3) * <usize>K * 32;
    const bias = at(pointer(6), n);
    const columns = min(8, column1 - n);
    let out = at(pointer(4) + <usize>row0 * outRow, n);
    const whole = columns == 8 ? (row1 - row0) >> 2 : 0;
    tilesOfPanel(packed, whole, b, K, out, outRow, before, bias, mode);
    let a = packed + <usize>(whole * K) * 16;
    out += <usize>(4 * whole) * outRow;
    for (let m = row0 + 4 * whole; m < row1; m += 4) {
      tileByColumns(a, 16, b, 32, K, edge, 32, 0, OVERWRITE);
      putEdge(edge, min(4, row1 - m), columns, out, outRow, bias, mode, before);
      a += <usize>K * 16;
      out += 4 * outRow;
    }
  }
}

/**
 * Left of the diagonal's blocks out becomes what it is right of them. Piece: a block of rows. 0 out, 1 rows and columns,
 * 2 rows a block, a multiple of 4.
 */
export function mirror(piece: i32): void {
  const N = int(1);
  const outRow = (<usize>N) << 2;
  const row0 = piece * int(2);
  const rows = min(N, row0 + int(2)) - row0;
  for (let column = 0; column < row0; column += 4) {
    const from = at(pointer(0), column * N + row0);
    packTransposed(from, outRow, rows, at(pointer(0), row0 * N + column), outRow);
  }
}

/** dbias += column sums of dout (N, C). Piece: a block of columns. 0 dbias, 1 dout, 2 N, 3 C, 4 columns a block. */
export function biasBackward(piece: i32): void {
  const N = int(2);
  const C = int(3);
  const first = piece * int(4);
  const last = min(C, first + int(4));
  let c = first;
  const row = (<usize>C) << 2;
  for (; c + 16 <= last; c += 16) {
    let s0 = f32x4.splat(0);
    let s1 = s0;
    let s2 = s0;
    let s3 = s0;
    let from = at(pointer(1), c);
    for (let n = 0; n < N; n++) {
      s0 = f32x4.add(s0, v128.load(from));
      s1 = f32x4.add(s1, v128.load(from, 16));
      s2 = f32x4.add(s2, v128.load(from, 32));
      s3 = f32x4.add(s3, v128.load(from, 48));
      from += row;
    }
    const to = at(pointer(0), c);
    v128.store(to, f32x4.add(v128.load(to), s0));
    v128.store(to, f32x4.add(v128.load(to, 16), s1), 16);
    v128.store(to, f32x4.add(v128.load(to, 32), s2), 32);
    v128.store(to, f32x4.add(v128.load(to, 48), s3), 48);
  }
  for (; c < last; c++) {
    let sum: f32 = 0;
    for (let n = 0; n < N; n++) sum += load<f32>(at(pointer(1), n * C + c));
    const to = at(pointer(0), c);
    store<f32>(to, load<f32>(to) + sum);
  }
}
