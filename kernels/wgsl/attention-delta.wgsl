// Attention backward, preparation: delta[b, h, t] = Σ_d dout·out over one head of dout, out (B, T, H·D); N = B·T·H.
// One invocation per (b, t, h).
struct Params {
  N: u32,
  T: u32,
  H: u32,
  D4: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> delta: array<f32>;
@group(0) @binding(2) var<storage, read> dout: array<vec4f>;
@group(0) @binding(3) var<storage, read> out: array<vec4f>;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(
  @builtin(workgroup_id) wid: vec3u,
  @builtin(num_workgroups) nwg: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (wid.y * nwg.x + wid.x) * WG + lane;
  if (i >= p.N) {
    return;
  }
  var sum = vec4f(0.0);
  for (var d = 0u; d < p.D4; d++) {
    sum += dout[i * p.D4 + d] * out[i * p.D4 + d];
  }
  let h = i % p.H;
  let t = i / p.H % p.T;
  let b = i / p.H / p.T;
  delta[(b * p.H + h) * p.T + t] = sum.x + sum.y + sum.z + sum.w;
}
