// embed backward, positions: dwpe[t, :] += Σ_b dout[b, t, :]. dout (B, T, C), dwpe (maxT, C).
struct Params {
  B: u32,
  T: u32,
  C: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> dwpe: array<f32>;
@group(0) @binding(2) var<storage, read> dout: array<f32>;

override WG: u32 = 256;

@compute @workgroup_size(WG)
fn main(
  @builtin(workgroup_id) wid: vec3u,
  @builtin(num_workgroups) nwg: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (wid.y * nwg.x + wid.x) * WG + lane;
  let stride = p.T * p.C;
  if (i >= stride) {
    return;
  }
  var sum = 0.0;
  for (var b = 0u; b < p.B; b++) {
    sum += dout[b * stride + i];
  }
  dwpe[i] += sum;
}
