// AdamW with decoupled decay, param, grad, m, v (N); norm[0] is the global gradient norm, read here so that it never
// leaves the device: g = grad·grad_scale·min(1, clip / (norm + 1e-6)) (clip 0: g = grad·grad_scale), and a norm that is not finite changes
// nothing. m = β1·m + (1 - β1)·g;  v = β2·v + (1 - β2)·g²;
// param -= lr·(m·correction1 / (√(v·correction2) + eps) + decay·param), corrections 1 / (1 - βᵗ) from the host.
struct Params {
  N: u32,
  lr: f32,
  beta1: f32,
  beta2: f32,
  correction1: f32,
  correction2: f32,
  eps: f32,
  decay: f32,
  clip: f32,
  grad_scale: f32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> param: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> m: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> v: array<vec4f>;
@group(0) @binding(4) var<storage, read> grad: array<vec4f>;
@group(0) @binding(5) var<storage, read> norm: array<f32>;

override WG: u32 = 256;

@compute @workgroup_size(WG)
fn main(
  @builtin(workgroup_id) wid: vec3u,
  @builtin(num_workgroups) nwg: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (wid.y * nwg.x + wid.x) * WG + lane;
  // Exponent bits all ones: infinite or NaN. Compilers may assume that a comparison never meets either.
  if (4u * i >= p.N || (bitcast<u32>(norm[0]) & 0x7f800000u) == 0x7f800000u) {
    return;
  }
  var scale = p.grad_scale;
  if (p.clip > 0.0) {
    scale *= min(1.0, p.clip / (norm[0] + 1e-6));
  }
  let g = grad[i] * scale;
  let m1 = p.beta1 * m[i] + (1.0 - p.beta1) * g;
  let v1 = p.beta2 * v[i] + (1.0 - p.beta2) * g * g;
  let x = param[i];
  let x1 = x - p.lr * (m1 * p.correction1 / (sqrt(v1 * p.correction2) + p.eps) + p.decay * x);
  if (4u * i + 4u <= p.N) {
    m[i] = m1;
    v[i] = v1;
    param[i] = x1;
  } else {
    for (var c = 0u; c < p.N - 4u * i; c++) {
      m[i][c] = m1[c];
      v[i][c] = v1[c];
      param[i][c] = x1[c];
    }
  }
}
