// Attention backward, queries, one query to a lane: dq[t] = scale·Σ_{j ≤ t} ds·k[j],
// ds = p·(dout[t]·v[j] - delta[t]), p = exp(q[t]·k[j]·scale - lse[t]).
// qkv, dqkv (B, T, (H + 2KV)·D); dout (B, T, H·D); lse, delta (B, H, T). Writes the q heads of dqkv.
// wid.x counts query blocks, wid.y heads, wid.z sequences.
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
var<workgroup> q: array<vec4f, SPACE * WG>;
var<workgroup> d: array<vec4f, SPACE * WG>;
var<workgroup> dq: array<vec4f, SPACE * WG>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let h = wid.y;
  let t = wid.x * WG + lane;
  let row = min(t, p.T - 1u);
  let width = (p.H + 2u * p.KV) * p.D4;
  let sequence = wid.z * p.T * width;
  let keys = sequence + (p.H + h / (p.H / p.KV)) * p.D4;
  let values = keys + p.KV * p.D4;
  let mine = sequence + row * width + h * p.D4;
  let above = ((wid.z * p.T + row) * p.H + h) * p.D4;
  let l = lse[(wid.z * p.H + h) * p.T + row];
  let dl = delta[(wid.z * p.H + h) * p.T + row];

  for (var i = 0u; i < p.D4; i++) {
    q[i * WG + lane] = qkv[mine + i] * p.scale;
    d[i * WG + lane] = dout[above + i];
    dq[i * WG + lane] = vec4f(0.0);
  }
  let end = min(p.T, wid.x * WG + WG);
  for (var j = 0u; j < end; j++) {
    let k = keys + j * width;
    let v = values + j * width;
    var s4 = vec4f(0.0);
    var g4 = vec4f(0.0);
    for (var i = 0u; i < p.D4; i++) {
      s4 += q[i * WG + lane] * qkv[k + i];
      g4 += d[i * WG + lane] * qkv[v + i];
    }
    let s = s4.x + s4.y + s4.z + s4.w;
    let g = g4.x + g4.y + g4.z + g4.w;
    let ds = select(0.0, exp(min(s - l, 0.0)) * (g - dl) * p.scale, j <= t);
    for (var i = 0u; i < p.D4; i++) {
      dq[i * WG + lane] += ds * qkv[k + i];
    }
  }
  if (t < p.T) {
    for (var i = 0u; i < p.D4; i++) {
      dqkv[mine + i] = dq[i * WG + lane];
    }
  }
}
