// add: out (N) = a (N) + b (N). A_IN_PLACE, B_IN_PLACE: out is a (b), and that binding is not read.
struct Params {
  N: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(2) var<storage, read> a: array<vec4f>;
@group(0) @binding(3) var<storage, read> b: array<vec4f>;

override WG: u32 = 256;
override A_IN_PLACE: bool = false;
override B_IN_PLACE: bool = false;

@compute @workgroup_size(WG)
fn main(
  @builtin(workgroup_id) wid: vec3u,
  @builtin(num_workgroups) nwg: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (wid.y * nwg.x + wid.x) * WG + lane;
  if (4u * i >= p.N) {
    return;
  }
  var x: vec4f;
  var y: vec4f;
  if (A_IN_PLACE) {
    x = out[i];
  } else {
    x = a[i];
  }
  if (B_IN_PLACE) {
    y = out[i];
  } else {
    y = b[i];
  }
  let value = x + y;
  if (4u * i + 4u <= p.N) {
    out[i] = value;
  } else {
    for (var c = 0u; c < p.N - 4u * i; c++) {
      out[i][c] = value[c];
    }
  }
}
