// RoPE, forward and backward (sign -1): rotates q and k inside qkv (B, T, (H + 2KV)·D) in place,
// (x, y) → (x·cos - y·sin, x·sin + y·cos) for the pairs (i, i + D/2), angle = sign·(position + t)·frequencies[i].
// One invocation turns pair i of every head of one position, so that each angle is worked out once.
// WGSL promises sin and cos only between -π and π: the angle is reduced here with a 2π in three parts, from a product
// of two parts: the error stays below 2e-6 at position 4,096 and 2e-5 at 65,536.
struct Params {
  N: u32,
  T: u32,
  heads: u32,
  D: u32,
  width: u32,
  position: u32,
  sign: f32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> qkv: array<f32>;
@group(0) @binding(2) var<storage, read> frequencies: array<f32>;

override WG: u32 = 64;

fn reduced(t: f32, frequency: f32) -> f32 {
  let high = bitcast<f32>(bitcast<u32>(frequency) & 0xffff0000u); // 8 bits, times 16 of t: exact
  let low = frequency - high;
  let turns = round(t * frequency * 0.15915494309189535);
  var angle = t * high - turns * 6.28125;
  angle -= turns * 0.0019340515136718750;
  angle += t * low;
  return angle - turns * 1.2556659146e-6;
}

@compute @workgroup_size(WG)
fn main(
  @builtin(workgroup_id) wid: vec3u,
  @builtin(num_workgroups) nwg: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = (wid.y * nwg.x + wid.x) * WG + lane;
  let half = p.D / 2u;
  if (index >= p.N * half) {
    return;
  }
  let n = index / half;
  let i = index % half;
  let angle = reduced(f32(p.position + n % p.T), frequencies[i]);
  let c = cos(angle);
  let s = sin(angle) * p.sign;
  var at = n * p.width + i;
  for (var head = 0u; head < p.heads; head++) {
    let x = qkv[at];
    let y = qkv[at + half];
    qkv[at] = x * c - y * s;
    qkv[at + half] = x * s + y * c;
    at += p.D;
  }
}
