// Appends keys and values to the sampler's cache: kcache[b, position + t, :] = k of qkv[b, t], vcache likewise.
// qkv (B, T, before + 2·width), caches (B, maxT, width), width = KV·D; N = B·T·width, one element an invocation.
struct Params {
  N: u32,
  T: u32,
  before: u32,
  width: u32,
  position: u32,
  maxT: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> kcache: array<f32>;
@group(0) @binding(2) var<storage, read_write> vcache: array<f32>;
@group(0) @binding(3) var<storage, read> qkv: array<f32>;

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
  let c = i % p.width;
  let row = i / p.width;
  let source = row * (p.before + 2u * p.width) + p.before + c;
  let place = (row / p.T * p.maxT + p.position + row % p.T) * p.width + c;
  kcache[place] = qkv[source];
  vcache[place] = qkv[source + p.width];
}
