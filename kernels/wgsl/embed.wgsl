// embed: out[n, :] = wte[ids[n], :] (+ wpe[position + n mod T, :]).
// ids (B·T), wte rows first..first+rows of (V, C), wpe (maxT, C), out (B·T, C); one workgroup per position.
// A vocabulary larger than a binding is passed in pieces: positions whose id is not in this piece are left alone.
struct Params {
  N: u32,
  T: u32,
  C: u32,
  position: u32,
  has_wpe: u32,
  first: u32,
  rows: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<storage, read> ids: array<u32>;
@group(0) @binding(3) var<storage, read> wte: array<f32>;
@group(0) @binding(4) var<storage, read> wpe: array<f32>;

override WG: u32 = 256;

@compute @workgroup_size(WG)
fn main(
  @builtin(workgroup_id) wid: vec3u,
  @builtin(num_workgroups) nwg: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let n = wid.y * nwg.x + wid.x;
  if (n >= p.N) {
    return;
  }
  let id = ids[n];
  if (id < p.first || id >= p.first + p.rows) {
    return;
  }
  for (var c = lane; c < p.C; c += WG) {
    var value = wte[(id - p.first) * p.C + c];
    if (p.has_wpe != 0u) {
      value += wpe[(p.position + n % p.T) * p.C + c];
    }
    out[n * p.C + c] = value;
  }
}
