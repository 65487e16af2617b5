// out (N) = inp (N), as 32-bit words.
struct Params {
  N: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> out: array<vec4u>;
@group(0) @binding(2) var<storage, read> inp: array<vec4u>;

override WG: u32 = 256;

@compute @workgroup_size(WG)
fn main(
  @builtin(workgroup_id) wid: vec3u,
  @builtin(num_workgroups) nwg: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (wid.y * nwg.x + wid.x) * WG + lane;
  if (4u * i + 4u <= p.N) {
    out[i] = inp[i];
  } else if (4u * i < p.N) {
    for (var c = 0u; c < p.N - 4u * i; c++) {
      out[i][c] = inp[i][c];
    }
  }
}
