// combine: out (N) = (alpha·a + beta·b) / (divisor[0] + 1e-7), a, b (N); DIVIDE false: without the division. With GUARD a
// norm[0] that is not finite leaves out as it is. A_IN_PLACE, B_IN_PLACE: out is a (b), and that binding is not read.
struct Params {
  N: u32,
  alpha: f32,
  beta: f32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(2) var<storage, read> a: array<vec4f>;
@group(0) @binding(3) var<storage, read> b: array<vec4f>;
@group(0) @binding(4) var<storage, read> divisor: array<f32>;
@group(0) @binding(5) var<storage, read> norm: array<f32>;

override WG: u32 = 256;
override DIVIDE: bool = false;
override GUARD: bool = false;
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
  if (GUARD) {
    // Exponent bits all ones: infinite or NaN. Compilers may assume that a comparison never meets either.
    if ((bitcast<u32>(norm[0]) & 0x7f800000u) == 0x7f800000u) {
      return;
    }
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
  var value = p.alpha * x + p.beta * y;
  if (DIVIDE) {
    value /= divisor[0] + 1e-7;
  }
  if (4u * i + 4u <= p.N) {
    out[i] = value;
  } else {
    for (var c = 0u; c < p.N - 4u * i; c++) {
      out[i][c] = value[c];
    }
  }
}
