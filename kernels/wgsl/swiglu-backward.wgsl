// swiglu backward: dinp (N, 2F) from dout (N, F) and inp (N, 2F), s = σ(gate):
// dgate = dout · up · s·(1 + gate·(1 - s)),  dup = dout · gate · s.
struct Params {
  N: u32,
  F: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> dinp: array<f32>;
@group(0) @binding(2) var<storage, read> dout: array<f32>;
@group(0) @binding(3) var<storage, read> inp: array<f32>;

override WG: u32 = 256;

@compute @workgroup_size(WG)
fn main(
  @builtin(workgroup_id) wid: vec3u,
  @builtin(num_workgroups) nwg: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (wid.y * nwg.x + wid.x) * WG + lane;
  if (i >= p.N * p.F) {
    return;
  }
  let at = i / p.F * 2u * p.F + i % p.F;
  let gate = inp[at];
  let up = inp[at + p.F];
  let s = 1.0 / (1.0 + exp(min(-gate, 80.0)));
  let d = dout[i];
  dinp[at] = d * up * s * (1.0 + gate * (1.0 - s));
  dinp[at + p.F] = d * gate * s;
}
