// matmul on matrix units (subgroup matrices): out (M, N) (+)= op(a)·op(b) + bias, sums in f32, every row a whole number
// of vec4s. a (M, K), or (K, M) with A_T; b (K, N), or (N, K) with B_T; bias (N); all f32 in memory. lda4, ldb4, ldo4
// are row lengths in vec4s, a_column4 and out_column4 the first columns used, in vec4s.
// Operands are rounded to Scalar (f16, or f32 where the adapter multiplies that) on their way into workgroup memory.
// A workgroup makes a BM × BN tile (its z: the partial sum over k in z·depth .. (z + 1)·depth), WM × WN subgroups each
// TM × TN matrices of MATRIX_M × MATRIX_N. The next slice of BK is read into registers while this one is multiplied.
// A matrix has no elements to touch: bias, the old out and the edges of out pass through `stage`, MATRIX_M rows at once.
// EPILOGUE 1: other (M, N) is added; 2: activated (M, N) = gelu(out); 3: out is times gelu's slope at other.
diagnostic(off, chromium.subgroup_matrix_uniformity);
enable f16;
enable subgroups;
enable subgroup_size_control; // if SIZED
enable chromium_experimental_subgroup_matrix;

struct Params {
  M: u32,
  N: u32,
  K: u32,
  lda4: u32,
  ldb4: u32,
  ldo4: u32,
  a_column4: u32,
  out_column4: u32,
  depth: u32, // K of one z, a multiple of BK
  plane4: u32, // vec4s from one z's partial sum to the next
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(2) var<storage, read> a: array<vec4f>;
@group(0) @binding(3) var<storage, read> b: array<vec4f>;
@group(0) @binding(4) var<storage, read> bias: array<vec4f>;
@group(0) @binding(5) var<storage, read> other: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> activated: array<vec4f>;

override A_T: bool = false;
override B_T: bool = true;
override HAS_BIAS: bool = false;
override ACCUMULATE: bool = false;
override EPILOGUE: u32 = 0;

alias Scalar = f16; // template: 16 or 32
const MATRIX_M = 16u; // template
const MATRIX_N = 16u; // template
const MATRIX_K = 16u; // template
const LANES = 32u; // template: of a subgroup
const WM = 2u; // template
const WN = 2u; // template
const TM = 2u; // template
const TN = 2u; // template
const BK = 32u; // template

const BM = WM * TM * MATRIX_M;
const BN = WN * TN * MATRIX_N;
const THREADS = WM * WN * LANES;
const LOADS_A = (BM * BK / 4u + THREADS - 1u) / THREADS;
const LOADS_B = (BN * BK / 4u + THREADS - 1u) / THREADS;
// Rows in workgroup memory are padded by two vec4s against bank conflicts.
const BK4 = BK / 4u;
const BM4 = BM / 4u;
const BN4 = BN / 4u;
const STRIDE_K = BK4 + 2u; // a and b^T as they lie with K along the row
const STRIDE_M = BM4 + 2u; // a^T
const STRIDE_N = BN4 + 2u; // b
const SPACE_A = max(BM * STRIDE_K, BK * STRIDE_M);
const SPACE_B = max(BN * STRIDE_K, BK * STRIDE_N);

alias Left = subgroup_matrix_left<Scalar, MATRIX_K, MATRIX_M>;
alias Right = subgroup_matrix_right<Scalar, MATRIX_N, MATRIX_K>;
alias Result = subgroup_matrix_result<f32, MATRIX_N, MATRIX_M>;

var<workgroup> tile_a: array<vec4<Scalar>, SPACE_A>;
var<workgroup> tile_b: array<vec4<Scalar>, SPACE_B>;
var<workgroup> stage: array<f32, MATRIX_M * BN>;

struct Slice {
  a: array<vec4f, LOADS_A>,
  b: array<vec4f, LOADS_B>,
}

fn fetch(m0: u32, n0: u32, k0: u32, k_end: u32, lane: u32) -> Slice {
  var slice = Slice();
  for (var l = 0u; l < LOADS_A; l++) {
    let i = lane + l * THREADS;
    if (A_T) {
      let k = k0 + i / BM4;
      let m = m0 + i % BM4 * 4u;
      if (k < k_end && m < p.M && i < BK * BM4) {
        slice.a[l] = a[k * p.lda4 + p.a_column4 + m / 4u];
      }
    } else {
      let m = m0 + i / BK4;
      let k = k0 + i % BK4 * 4u;
      if (m < p.M && k < k_end && i < BM * BK4) {
        slice.a[l] = a[m * p.lda4 + p.a_column4 + k / 4u];
      }
    }
  }
  for (var l = 0u; l < LOADS_B; l++) {
    let i = lane + l * THREADS;
    if (B_T) {
      let n = n0 + i / BK4;
      let k = k0 + i % BK4 * 4u;
      if (n < p.N && k < k_end && i < BN * BK4) {
        slice.b[l] = b[n * p.ldb4 + k / 4u];
      }
    } else {
      let k = k0 + i / BN4;
      let n = n0 + i % BN4 * 4u;
      if (k < k_end && n < p.N && i < BK * BN4) {
        slice.b[l] = b[k * p.ldb4 + n / 4u];
      }
    }
  }
  return slice;
}

fn keep(slice: Slice, lane: u32) {
  for (var l = 0u; l < LOADS_A; l++) {
    let i = lane + l * THREADS;
    if (A_T) {
      if (i < BK * BM4) {
        tile_a[i / BM4 * STRIDE_M + i % BM4] = vec4<Scalar>(slice.a[l]);
      }
    } else if (i < BM * BK4) {
      tile_a[i / BK4 * STRIDE_K + i % BK4] = vec4<Scalar>(slice.a[l]);
    }
  }
  for (var l = 0u; l < LOADS_B; l++) {
    let i = lane + l * THREADS;
    if (B_T) {
      if (i < BN * BK4) {
        tile_b[i / BK4 * STRIDE_K + i % BK4] = vec4<Scalar>(slice.b[l]);
      }
    } else if (i < BK * BN4) {
      tile_b[i / BN4 * STRIDE_N + i % BN4] = vec4<Scalar>(slice.b[l]);
    }
  }
}

// as in gelu.wgsl: fn gelu
// as in gelu-backward.wgsl: fn slope

@subgroup_size(LANES) // if SIZED
@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) wid: vec3u,
  @builtin(local_invocation_index) lane: u32,
  @builtin(subgroup_id) subgroup: u32,
) {
  let m0 = wid.y * BM;
  let n0 = wid.x * BN;
  let sm = subgroup / WN;
  let sn = subgroup % WN;
  let plane = wid.z * p.plane4 + p.out_column4 + n0 / 4u;
  let k_begin = wid.z * p.depth;
  let k_end = min(p.K, k_begin + p.depth);
  var sums: array<array<Result, TN>, TM>;
  var left: array<Left, TM>;

  var next = fetch(m0, n0, k_begin, k_end, lane);
  if (HAS_BIAS || ACCUMULATE) {
    for (var block = 0u; block < WM * TM; block++) {
      for (var i = lane; i < MATRIX_M * BN4; i += THREADS) {
        let m = m0 + block * MATRIX_M + i / BN4;
        let n4 = i % BN4;
        var x = vec4f(0.0);
        if (m < p.M && n0 + n4 * 4u < p.N) {
          if (HAS_BIAS) {
            x += bias[p.out_column4 + n0 / 4u + n4];
          }
          if (ACCUMULATE) {
            x += out[plane + m * p.ldo4 + n4];
          }
        }
        for (var j = 0u; j < 4u; j++) {
          stage[i * 4u + j] = x[j];
        }
      }
      workgroupBarrier();
      if (sm == block / TM) {
        for (var m = 0u; m < TM; m++) {
          if (m == block % TM) {
            for (var n = 0u; n < TN; n++) {
              sums[m][n] = subgroupMatrixLoad<Result, row_major>(&stage, (sn * TN + n) * MATRIX_N, BN);
            }
          }
        }
      }
      workgroupBarrier();
    }
  }

  for (var k0 = k_begin; k0 < k_end; k0 += BK) {
    keep(next, lane);
    workgroupBarrier();
    if (k0 + BK < k_end) {
      next = fetch(m0, n0, k0 + BK, k_end, lane);
    }
    for (var k = 0u; k < BK; k += MATRIX_K) {
      for (var m = 0u; m < TM; m++) {
        let row = (sm * TM + m) * MATRIX_M;
        if (A_T) {
          left[m] = subgroupMatrixLoad<Left, col_major>(&tile_a, k * STRIDE_M + row / 4u, STRIDE_M);
        } else {
          left[m] = subgroupMatrixLoad<Left, row_major>(&tile_a, row * STRIDE_K + k / 4u, STRIDE_K);
        }
      }
      for (var n = 0u; n < TN; n++) {
        let column = (sn * TN + n) * MATRIX_N;
        var right: Right;
        if (B_T) {
          right = subgroupMatrixLoad<Right, col_major>(&tile_b, column * STRIDE_K + k / 4u, STRIDE_K);
        } else {
          right = subgroupMatrixLoad<Right, row_major>(&tile_b, k * STRIDE_N + column / 4u, STRIDE_N);
        }
        for (var m = 0u; m < TM; m++) {
          sums[m][n] = subgroupMatrixMultiplyAccumulate(left[m], right, sums[m][n]);
        }
      }
    }
    workgroupBarrier();
  }

  for (var block = 0u; block < WM * TM; block++) {
    if (sm == block / TM) {
      for (var m = 0u; m < TM; m++) {
        if (m == block % TM) {
          for (var n = 0u; n < TN; n++) {
            subgroupMatrixStore<row_major>(&stage, (sn * TN + n) * MATRIX_N, sums[m][n], BN);
          }
        }
      }
    }
    workgroupBarrier();
    for (var i = lane; i < MATRIX_M * BN4; i += THREADS) {
      let m = m0 + block * MATRIX_M + i / BN4;
      let n4 = i % BN4;
      if (m < p.M && n0 + n4 * 4u < p.N) {
        let at = plane + m * p.ldo4 + n4;
        var x = vec4f(stage[i * 4u], stage[i * 4u + 1u], stage[i * 4u + 2u], stage[i * 4u + 3u]);
        if (EPILOGUE == 1u) {
          x += other[at];
        } else if (EPILOGUE == 3u) {
          x *= slope(other[at]);
        }
        out[at] = x;
        if (EPILOGUE == 2u) {
          activated[at] = gelu(x);
        }
      }
    }
    workgroupBarrier();
  }
}
