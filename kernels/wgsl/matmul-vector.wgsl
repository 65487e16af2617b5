// matmul with few rows, for sampling: out (M, N) (+)= a·bᵀ + bias, M ≤ 4, a (M, K), b (N, K), bias (N); K a whole
// number of vec4s. lda4, ldb4 are row lengths in vec4s, ldo in elements, out_column the first column.
// Bound by reading b once: a workgroup makes 4 columns, its lanes walk along K.
// epilogue 1: other (M, N) is added; 2: activated (M, N) = gelu(out); 3: out is times gelu's slope at other.
struct Params {
  M: u32,
  N: u32,
  K: u32,
  lda4: u32,
  ldb4: u32,
  ldo: u32,
  out_column: u32,
  has_bias: u32,
  accumulate: u32,
  epilogue: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<storage, read> a: array<vec4f>;
@group(0) @binding(3) var<storage, read> b: array<vec4f>;
@group(0) @binding(4) var<storage, read> bias: array<f32>;
@group(0) @binding(5) var<storage, read> other: array<f32>;
@group(0) @binding(6) var<storage, read_write> activated: array<f32>;

override WG: u32 = 64;
var<workgroup> parts: array<vec4f, 4 * WG>; // [lane][row], 4 columns

// as in gelu.wgsl: fn gelu
// as in gelu-backward.wgsl: fn slope

@compute @workgroup_size(WG)
fn main(
  @builtin(workgroup_id) wid: vec3u,
  @builtin(num_workgroups) nwg: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let n0 = (wid.y * nwg.x + wid.x) * 4u;
  if (n0 >= p.N) {
    return;
  }
  var sums: array<vec4f, 4>;
  let b0 = n0 * p.ldb4;
  let b1 = min(n0 + 1u, p.N - 1u) * p.ldb4;
  let b2 = min(n0 + 2u, p.N - 1u) * p.ldb4;
  let b3 = min(n0 + 3u, p.N - 1u) * p.ldb4;
  for (var k = lane; k < p.K / 4u; k += WG) {
    let y0 = b[b0 + k];
    let y1 = b[b1 + k];
    let y2 = b[b2 + k];
    let y3 = b[b3 + k];
    for (var m = 0u; m < p.M; m++) {
      let x = a[m * p.lda4 + k];
      sums[m] += vec4f(dot(x, y0), dot(x, y1), dot(x, y2), dot(x, y3));
    }
  }
  for (var m = 0u; m < p.M; m++) {
    parts[lane * 4u + m] = sums[m];
  }
  workgroupBarrier();
  for (var i = lane; i < 4u * p.M; i += WG) {
    let n = n0 + i % 4u;
    if (n < p.N) {
      var x = 0.0;
      for (var l = 0u; l < WG; l++) {
        x += parts[l * 4u + i / 4u][i % 4u];
      }
      let at = i / 4u * p.ldo + p.out_column + n;
      if (p.has_bias != 0u) {
        x += bias[p.out_column + n];
      }
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
}
