// Stage 2 of sums over rows: out (C) (+)= bias + Σ_k partials[first + k, :] over `count` rows, in their order.
// accumulate adds to out. `width` is the period of bias (0: none). epilogue, with other and activated (C): that of matmul.
struct Params {
  C: u32,
  first: u32,
  count: u32,
  width: u32,
  accumulate: u32,
  epilogue: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<storage, read> partials: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> other: array<f32>;
@group(0) @binding(5) var<storage, read_write> activated: array<f32>;

override WG: u32 = 64;

// as in gelu.wgsl: fn gelu
// as in gelu-backward.wgsl: fn slope

@compute @workgroup_size(WG)
fn main(
  @builtin(workgroup_id) wid: vec3u,
  @builtin(num_workgroups) nwg: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let c = (wid.y * nwg.x + wid.x) * WG + lane;
  if (c >= p.C) {
    return;
  }
  var x = 0.0;
  for (var k = 0u; k < p.count; k++) {
    x += partials[(p.first + k) * p.C + c];
  }
  if (p.width != 0u) {
    x += bias[c % p.width];
  }
  if (p.accumulate != 0u) {
    x += out[c];
  }
  if (p.epilogue == 1u) {
    x += other[c];
  } else if (p.epilogue == 3u) {
    x *= slope(vec4f(other[c])).x;
  }
  out[c] = x;
  if (p.epilogue == 2u) {
    activated[c] = gelu(vec4f(x)).x;
  }
}
