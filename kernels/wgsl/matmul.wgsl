// matmul of any shape, the fallback where a row is no whole number of vec4s:
// out (M, N) (+)= op(a)·op(b) + bias. a (M, K), or (K, M) with A_T; b (K, N), or (N, K) with B_T; bias (N).
// lda, ldb, ldo are row lengths; a_column and out_column the first column used, for operands passed in pieces.
// One invocation makes ROWS rows of one column; a workgroup WG columns.
// epilogue 1: other (M, N) is added; 2: activated (M, N) = gelu(out); 3: out is times gelu's slope at other.
struct Params {
  M: u32,
  N: u32,
  K: u32,
  lda: u32,
  ldb: u32,
  ldo: u32,
  a_column: u32,
  out_column: u32,
  has_bias: u32,
  accumulate: u32,
  epilogue: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<storage, read> a: array<f32>;
@group(0) @binding(3) var<storage, read> b: array<f32>;
@group(0) @binding(4) var<storage, read> bias: array<f32>;
@group(0) @binding(5) var<storage, read> other: array<f32>;
@group(0) @binding(6) var<storage, read_write> activated: array<f32>;

override WG: u32 = 64;
override A_T: bool = false;
override B_T: bool = true;
const ROWS = 4u;

fn a_at(m: u32, k: u32) -> f32 {
  if (A_T) {
    return a[k * p.lda + p.a_column + m];
  }
  return a[m * p.lda + p.a_column + k];
}

// as in gelu.wgsl: fn gelu
// as in gelu-backward.wgsl: fn slope

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let n = wid.x * WG + lane;
  if (n >= p.N) {
    return;
  }
  let m0 = wid.y * ROWS;
  let last = p.M - 1u;
  var sums: array<f32, ROWS>;
  for (var k = 0u; k < p.K; k++) {
    var y: f32;
    if (B_T) {
      y = b[n * p.ldb + k];
    } else {
      y = b[k * p.ldb + n];
    }
    for (var i = 0u; i < ROWS; i++) {
      sums[i] += a_at(min(m0 + i, last), k) * y;
    }
  }
  var extra = 0.0;
  if (p.has_bias != 0u) {
    extra = bias[p.out_column + n];
  }
  for (var i = 0u; i < ROWS && m0 + i < p.M; i++) {
    let at = (m0 + i) * p.ldo + p.out_column + n;
    var x = sums[i] + extra;
    if (p.accumulate != 0u) {
      x += out[at];
    }
    if (p.epilogue == 1u) {
      x += other[at];
    } else if (p.epilogue == 3u) {
      x *= slope(vec4f(other[at])).x;
    }
    out[at] = x;
    if (p.epilogue == 2u) {
      activated[at] = gelu(vec4f(x)).x;
    }
  }
}
