// matmul for GPUs without matrix units: out (M, N) (+)= op(a)·op(b) + bias, every row a whole number of vec4s.
// a (M, K), or (K, M) with A_T; b (K, N), or (N, K) with B_T; bias (N). lda4, ldb4, ldo4 are row lengths in vec4s,
// a_column4 and out_column4 the first columns used, in vec4s.
// A workgroup makes a BM × BN tile of out, or with several z of the partial sum over k in z·depth .. (z + 1)·depth, to
// be added by reduce-partials. It stages BK deep slices of a and b in workgroup memory, k-major. An invocation keeps
// 8 × 8 of the tile in registers, as four 4 × 4 blocks half a tile apart, so that neighbours read neighbouring vec4s
// and no bank is asked twice. With Scalar f16 the slices are kept in half the memory. Sums are f32 always.
// EPILOGUE 1: other (M, N) is added; 2: activated (M, N) = gelu(out); 3: out is times gelu's slope at other.
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

alias Scalar = f32; // template: 16 or 32
override BM: u32 = 64;
override BN: u32 = 64;
override BK: u32 = 16;
override A_T: bool = false;
override B_T: bool = true;
override HAS_BIAS: bool = false;
override ACCUMULATE: bool = false;
override EPILOGUE: u32 = 0;

override THREADS: u32 = BM * BN / 64;
override STRIDE_A: u32 = BM / 4 + 1; // one vec4 of padding: transposed stores would meet in one bank
override STRIDE_B: u32 = BN / 4 + 1;
var<workgroup> tile_a: array<vec4<Scalar>, BK * STRIDE_A>;
var<workgroup> tile_b: array<vec4<Scalar>, BK * STRIDE_B>;

fn load_a(m0: u32, k0: u32, k_end: u32, lane: u32) {
  if (A_T) {
    for (var i = lane; i < BK * BM / 4u; i += THREADS) {
      let k = i / (BM / 4u);
      let m4 = i % (BM / 4u);
      var x = vec4f(0.0);
      if (k0 + k < k_end && m0 + m4 * 4u < p.M) {
        x = a[(k0 + k) * p.lda4 + p.a_column4 + m0 / 4u + m4];
      }
      tile_a[k * STRIDE_A + m4] = vec4<Scalar>(x);
    }
  } else {
    for (var i = lane; i < BM * BK / 16u; i += THREADS) {
      let m4 = i / (BK / 4u);
      let k = i % (BK / 4u) * 4u;
      var x = mat4x4f();
      for (var j = 0u; j < 4u; j++) {
        if (m0 + m4 * 4u + j < p.M && k0 + k < k_end) {
          x[j] = a[(m0 + m4 * 4u + j) * p.lda4 + p.a_column4 + (k0 + k) / 4u];
        }
      }
      x = transpose(x);
      for (var j = 0u; j < 4u; j++) {
        tile_a[(k + j) * STRIDE_A + m4] = vec4<Scalar>(x[j]);
      }
    }
  }
}

fn load_b(n0: u32, k0: u32, k_end: u32, lane: u32) {
  if (B_T) {
    for (var i = lane; i < BN * BK / 16u; i += THREADS) {
      let n4 = i / (BK / 4u);
      let k = i % (BK / 4u) * 4u;
      var x = mat4x4f();
      if (n0 + n4 * 4u < p.N && k0 + k < k_end) {
        let at = (n0 + n4 * 4u) * p.ldb4 + (k0 + k) / 4u;
        x = transpose(mat4x4f(b[at], b[at + p.ldb4], b[at + 2u * p.ldb4], b[at + 3u * p.ldb4]));
      }
      for (var j = 0u; j < 4u; j++) {
        tile_b[(k + j) * STRIDE_B + n4] = vec4<Scalar>(x[j]);
      }
    }
  } else {
    for (var i = lane; i < BK * BN / 4u; i += THREADS) {
      let k = i / (BN / 4u);
      let n4 = i % (BN / 4u);
      var x = vec4f(0.0);
      if (k0 + k < k_end && n0 + n4 * 4u < p.N) {
        x = b[(k0 + k) * p.ldb4 + n0 / 4u + n4];
      }
      tile_b[k * STRIDE_B + n4] = vec4<Scalar>(x);
    }
  }
}

// as in gelu.wgsl: fn gelu
// as in gelu-backward.wgsl: fn slope

fn store(m: u32, n4: u32, z: u32, value: vec4f) {
  if (m < p.M && n4 * 4u < p.N) {
    var x = value;
    let at = z * p.plane4 + m * p.ldo4 + p.out_column4 + n4;
    if (HAS_BIAS) {
      x += bias[p.out_column4 + n4];
    }
    if (ACCUMULATE) {
      x += out[at];
    }
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

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let m0 = wid.y * BM;
  let n0 = wid.x * BN;
  let tm = lane / (BN / 8u);
  let tn = lane % (BN / 8u);
  var c0: array<vec4f, 8>; // rows tm·4.. and BM/2 + tm·4.., columns tn·4..
  var c1: array<vec4f, 8>; // the same rows, columns BN/2 + tn·4..
  let k_begin = wid.z * p.depth;
  let k_end = min(p.K, k_begin + p.depth);
  for (var k0 = k_begin; k0 < k_end; k0 += BK) {
    load_a(m0, k0, k_end, lane);
    load_b(n0, k0, k_end, lane);
    workgroupBarrier();
    for (var k = 0u; k < BK; k++) {
      let x0 = vec4f(tile_a[k * STRIDE_A + tm]);
      let x1 = vec4f(tile_a[k * STRIDE_A + BM / 8u + tm]);
      let y0 = vec4f(tile_b[k * STRIDE_B + tn]);
      let y1 = vec4f(tile_b[k * STRIDE_B + BN / 8u + tn]);
      for (var i = 0u; i < 4u; i++) {
        c0[i] = fma(vec4f(x0[i]), y0, c0[i]);
        c1[i] = fma(vec4f(x0[i]), y1, c1[i]);
        c0[i + 4u] = fma(vec4f(x1[i]), y0, c0[i + 4u]);
        c1[i + 4u] = fma(vec4f(x1[i]), y1, c1[i + 4u]);
      }
    }
    workgroupBarrier();
  }
  for (var i = 0u; i < 4u; i++) {
    let m = m0 + tm * 4u + i;
    let n4 = n0 / 4u + tn;
    store(m, n4, wid.z, c0[i]);
    store(m, n4 + BN / 8u, wid.z, c1[i]);
    store(m + BM / 2u, n4, wid.z, c0[i + 4u]);
    store(m + BM / 2u, n4 + BN / 8u, wid.z, c1[i + 4u]);
  }
}
