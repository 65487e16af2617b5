// layer norm backward, parameters, stage 1: sums over a block of `block` rows,
// partials[0, k, c] = Σ dout·x̂ (for dweight), partials[1, k, c] = Σ dout (for dbias); partials (2, blocks, C).
// A lane owns a column; wid.x counts column groups, wid.y row blocks. Stage 2 is reduce-partials.
struct Params {
  N: u32,
  C: u32,
  block: u32,
  blocks: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> partials: array<f32>;
@group(0) @binding(2) var<storage, read> dout: array<f32>;
@group(0) @binding(3) var<storage, read> inp: array<f32>;
@group(0) @binding(4) var<storage, read> mean: array<f32>;
@group(0) @binding(5) var<storage, read> rstd: array<f32>;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let c = wid.x * WG + lane;
  if (c >= p.C) {
    return;
  }
  let end = min(p.N, (wid.y + 1u) * p.block);
  var dweight = 0.0;
  var dbias = 0.0;
  for (var n = wid.y * p.block; n < end; n++) {
    let d = dout[n * p.C + c];
    dweight += d * (inp[n * p.C + c] - mean[n]) * rstd[n];
    dbias += d;
  }
  partials[wid.y * p.C + c] = dweight;
  partials[(p.blocks + wid.y) * p.C + c] = dbias;
}
