// Attention of new positions over a cache, for sampling: out[b, t, h] = softmax(q·kᵀ·scale)·v over the cached keys
// 0 ..= position + t. qkv (B, T, (H + 2KV)·D), kcache, vcache (B, maxT, KV·D), out (B, T, H·D).
// One workgroup per (t, h, b). It takes the keys WG at a time: every lane scores one key, then the lanes share the
// columns of the head for the sum over these keys; the running maximum and sum are kept by all.
struct Params {
  T: u32,
  H: u32,
  KV: u32,
  position: u32,
  maxT: u32,
  D: u32,
  scale: f32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<storage, read> qkv: array<f32>;
@group(0) @binding(3) var<storage, read> kcache: array<f32>;
@group(0) @binding(4) var<storage, read> vcache: array<f32>;

override WG: u32 = 64;
override SPACE: u32 = 256; // elements of workgroup memory for a head, D or more
var<workgroup> q: array<f32, SPACE>;
var<workgroup> o: array<f32, SPACE>;
var<workgroup> weights: array<f32, WG>;
var<workgroup> fold: array<f32, WG>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let t = wid.x;
  let h = wid.y;
  let b = wid.z;
  let kv = h / (p.H / p.KV);
  let count = p.position + t + 1u;
  let mine = (b * p.T + t) * (p.H + 2u * p.KV) * p.D + h * p.D;
  for (var d = lane; d < p.D; d += WG) {
    q[d] = qkv[mine + d] * p.scale;
    o[d] = 0.0;
  }
  workgroupBarrier();
  var top = -3.0e38;
  var sum = 0.0;
  for (var first = 0u; first < count; first += WG) {
    let j = first + lane;
    var s = -3.0e38;
    if (j < count) {
      let key = ((b * p.maxT + j) * p.KV + kv) * p.D;
      s = 0.0;
      for (var d = 0u; d < p.D; d++) {
        s += q[d] * kcache[key + d];
      }
    }
    fold[lane] = s;
    workgroupBarrier();
    for (var step = WG / 2u; step > 0u; step /= 2u) {
      if (lane < step) {
        fold[lane] = max(fold[lane], fold[lane + step]);
      }
      workgroupBarrier();
    }
    let new_top = max(top, fold[0]);
    workgroupBarrier();
    let weight = select(0.0, exp(s - new_top), j < count);
    weights[lane] = weight;
    fold[lane] = weight;
    workgroupBarrier();
    for (var step = WG / 2u; step > 0u; step /= 2u) {
      if (lane < step) {
        fold[lane] += fold[lane + step];
      }
      workgroupBarrier();
    }
    let shrink = exp(top - new_top);
    sum = sum * shrink + fold[0];
    top = new_top;
    let keys = min(WG, count - first);
    for (var d = lane; d < p.D; d += WG) {
      var value = o[d] * shrink;
      for (var i = 0u; i < keys; i++) {
        value += weights[i] * vcache[((b * p.maxT + first + i) * p.KV + kv) * p.D + d];
      }
      o[d] = value;
    }
    workgroupBarrier();
  }
  for (var d = lane; d < p.D; d += WG) {
    out[((b * p.T + t) * p.H + h) * p.D + d] = o[d] / sum;
  }
}
