// Attention backward, keys and values, one key to a lane:
// dv[j] = Σ_{t ≥ j} p·dout[t],  dk[j] = scale·Σ_{t ≥ j} ds·q[t],
// p = exp(q[t]·k[j]·scale - lse[t]), ds = p·(dout[t]·v[j] - delta[t]); summed over the H / KV query heads that share a
// key/value head. qkv, dqkv (B, T, (H + 2KV)·D); dout (B, T, H·D); lse, delta (B, H, T).
// Writes the k and v heads of dqkv. wid.x counts key blocks, wid.y key/value heads, wid.z sequences.
struct Params {
  T: u32,
  H: u32,
  KV: u32,
  D4: u32, // vec4s in a head; a number, not a constant, so that compilers keep the loops rolled
  scale: f32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> dqkv: array<vec4f>;
@group(0) @binding(2) var<storage, read> qkv: array<vec4f>;
@group(0) @binding(3) var<storage, read> dout: array<vec4f>;
@group(0) @binding(4) var<storage, read> lse: array<f32>;
@group(0) @binding(5) var<storage, read> delta: array<f32>;

override WG: u32 = 8;
override SPACE: u32 = 32; // vec4s of workgroup memory for a head, D4 or more
var<workgroup> k: array<vec4f, SPACE * WG>;
var<workgroup> v: array<vec4f, SPACE * WG>;
var<workgroup> dk: array<vec4f, SPACE * WG>;
var<workgroup> dv: array<vec4f, SPACE * WG>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let j = wid.x * WG + lane;
  let row = min(j, p.T - 1u);
  let group = p.H / p.KV;
  let width = (p.H + 2u * p.KV) * p.D4;
  let sequence = wid.z * p.T * width;
  let key = sequence + row * width + (p.H + wid.y) * p.D4;
  let value = key + p.KV * p.D4;

  for (var i = 0u; i < p.D4; i++) {
    k[i * WG + lane] = qkv[key + i] * p.scale;
    v[i * WG + lane] = qkv[value + i];
    dk[i * WG + lane] = vec4f(0.0);
    dv[i * WG + lane] = vec4f(0.0);
  }
  for (var h = wid.y * group; h < (wid.y + 1u) * group; h++) {
    let stats = (wid.z * p.H + h) * p.T;
    for (var t = wid.x * WG; t < p.T; t++) {
      let q = sequence + t * width + h * p.D4;
      let d = ((wid.z * p.T + t) * p.H + h) * p.D4;
      var s4 = vec4f(0.0);
      var g4 = vec4f(0.0);
      for (var i = 0u; i < p.D4; i++) {
        s4 += k[i * WG + lane] * qkv[q + i];
        g4 += v[i * WG + lane] * dout[d + i];
      }
      let s = s4.x + s4.y + s4.z + s4.w;
      let g = g4.x + g4.y + g4.z + g4.w;
      let weight = select(0.0, exp(min(s - lse[stats + t], 0.0)), j <= t);
      let ds = weight * (g - delta[stats + t]) * p.scale;
      for (var i = 0u; i < p.D4; i++) {
        dv[i * WG + lane] += weight * dout[d + i];
        dk[i * WG + lane] += ds * qkv[q + i];
      }
    }
  }
  if (j < p.T) {
    for (var i = 0u; i < p.D4; i++) {
      dqkv[key + i] = dk[i * WG + lane];
      dqkv[value + i] = dv[i * WG + lane];
    }
  }
}
