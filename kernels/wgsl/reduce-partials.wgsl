// Stage 2 of sums over rows: out (C) (+)= bias + Σ_k partials[first + k, :] over `count` rows, in their order.
// accumulate adds to out. `width` is the period of bias (0: none).
struct Params {
  C: u32,
  first: u32,
  count: u32,
  width: u32,
  accumulate: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<storage, read> partials: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;

override WG: u32 = 64;

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
  var sum = 0.0;
  for (var k = 0u; k < p.count; k++) {
    sum += partials[(p.first + k) * p.C + c];
  }
  if (p.width != 0u) {
    sum += bias[c % p.width];
  }
  if (p.accumulate != 0u) {
    sum += out[c];
  }
  out[c] = sum;
}
