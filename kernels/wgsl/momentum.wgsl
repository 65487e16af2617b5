// Momentum with Nesterov's look-ahead, out, m, grad (N): g = grad·grad_scale·min(1, clip / (norm[0] + 1e-6)) (clip 0: no
// clipping); m = beta·m + g; out = g + beta·m. Where norm[0] is not finite m stays and out is 0.
struct Params {
  N: u32,
  beta: f32,
  clip: f32,
  grad_scale: f32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> m: array<vec4f>;
@group(0) @binding(3) var<storage, read> grad: array<vec4f>;
@group(0) @binding(4) var<storage, read> norm: array<f32>;

override WG: u32 = 256;

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
  var m1 = m[i];
  var ahead = vec4f(0.0);
  // Exponent bits all ones: infinite or NaN. Compilers may assume that a comparison never meets either.
  if ((bitcast<u32>(norm[0]) & 0x7f800000u) != 0x7f800000u) {
    var scale = p.grad_scale;
    if (p.clip > 0.0) {
      scale *= min(1.0, p.clip / (norm[0] + 1e-6));
    }
    let g = grad[i] * scale;
    m1 = p.beta * m1 + g;
    ahead = g + p.beta * m1;
  }
  if (4u * i + 4u <= p.N) {
    m[i] = m1;
    out[i] = ahead;
  } else {
    for (var c = 0u; c < p.N - 4u * i; c++) {
      m[i][c] = m1[c];
      out[i][c] = ahead[c];
    }
  }
}
