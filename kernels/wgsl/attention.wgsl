// Causal attention, forward, one query to a lane: out = softmax(q·kᵀ·scale)·v with an online softmax.
// qkv (B, T, (H + 2KV)·D): q heads, k heads, v heads; out (B, T, H·D); lse (B, H, T) = log Σ exp(q·k·scale).
// Query head h reads key/value head h / (H / KV). A workgroup is WG neighbouring queries of one head, so that all its
// lanes read the same key: a broadcast. wid.x counts query blocks, wid.y heads, wid.z sequences.
// For adapters that run on the CPU and head sizes that attention-tile does not take.
struct Params {
  T: u32,
  H: u32,
  KV: u32,
  D4: u32, // vec4s in a head; a number, not a constant, so that compilers keep the loops rolled
  scale: f32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> lse: array<f32>;
@group(0) @binding(3) var<storage, read> qkv: array<vec4f>;

override WG: u32 = 8;
override SPACE: u32 = 32; // vec4s of workgroup memory for a head, D4 or more
var<workgroup> q: array<vec4f, SPACE * WG>;
var<workgroup> o: array<vec4f, SPACE * WG>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let h = wid.y;
  let t = wid.x * WG + lane;
  let width = (p.H + 2u * p.KV) * p.D4;
  let sequence = wid.z * p.T * width;
  let keys = sequence + (p.H + h / (p.H / p.KV)) * p.D4;
  let values = keys + p.KV * p.D4;
  let mine = sequence + min(t, p.T - 1u) * width + h * p.D4;

  for (var i = 0u; i < p.D4; i++) {
    q[i * WG + lane] = qkv[mine + i] * p.scale;
    o[i * WG + lane] = vec4f(0.0);
  }
  var top = -3.0e38;
  var sum = 0.0;
  let end = min(p.T, wid.x * WG + WG);
  for (var j = 0u; j < end; j++) {
    let k = keys + j * width;
    var s4 = vec4f(0.0);
    for (var i = 0u; i < p.D4; i++) {
      s4 += q[i * WG + lane] * qkv[k + i];
    }
    let s = select(-3.0e38, s4.x + s4.y + s4.z + s4.w, j <= t);
    let new_top = max(top, s);
    let shrink = exp(top - new_top);
    let weight = exp(s - new_top);
    sum = sum * shrink + weight;
    top = new_top;
    let v = values + j * width;
    for (var i = 0u; i < p.D4; i++) {
      o[i * WG + lane] = o[i * WG + lane] * shrink + weight * qkv[v + i];
    }
  }
  if (t < p.T) {
    let at = ((wid.z * p.T + t) * p.H + h) * p.D4;
    for (var i = 0u; i < p.D4; i++) {
      out[at + i] = o[i * WG + lane] / sum;
    }
    lse[(wid.z * p.H + h) * p.T + t] = top + log(sum);
  }
}
