// bias backward, stage 1: partials[k, c] = Σ dout[n, c] over a block of `block` rows of dout (N, C).
// A lane owns a column; wid.x counts column groups, wid.y row blocks. Stage 2 is reduce-partials.
struct Params {
  N: u32,
  C: u32,
  block: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> partials: array<f32>;
@group(0) @binding(2) var<storage, read> dout: array<f32>;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let c = wid.x * WG + lane;
  if (c >= p.C) {
    return;
  }
  let end = min(p.N, (wid.y + 1u) * p.block);
  var sum = 0.0;
  for (var n = wid.y * p.block; n < end; n++) {
    sum += dout[n * p.C + c];
  }
  partials[wid.y * p.C + c] = sum;
}
