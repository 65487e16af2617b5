// swiglu: out (N, F) = silu(gate) · up, inp (N, 2F): gate in columns 0..F, up in F..2F; silu(x) = x / (1 + exp(-x)).
struct Params {
  N: u32,
  F: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<storage, read> inp: array<f32>;

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
  out[i] = gate / (1.0 + exp(min(-gate, 80.0))) * inp[at + p.F];
}
