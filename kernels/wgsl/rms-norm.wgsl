// RMS norm: out[n, :] = x·rstd·weight, rstd[n] = 1/√(mean(x²) + eps), x = inp[n, :] of C elements.
// One workgroup per row.
struct Params {
  N: u32,
  C: u32,
  eps: f32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<storage, read_write> rstd: array<f32>;
@group(0) @binding(3) var<storage, read> inp: array<f32>;
@group(0) @binding(4) var<storage, read> weight: array<f32>;

override WG: u32 = 256;
var<workgroup> sums: array<f32, WG>;

@compute @workgroup_size(WG)
fn main(
  @builtin(workgroup_id) wid: vec3u,
  @builtin(num_workgroups) nwg: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let n = wid.y * nwg.x + wid.x;
  if (n >= p.N) {
    return;
  }
  let row = n * p.C;
  var squares = 0.0;
  for (var c = lane; c < p.C; c += WG) {
    let x = inp[row + c];
    squares += x * x;
  }
  sums[lane] = squares;
  workgroupBarrier();
  for (var step = WG / 2u; step > 0u; step /= 2u) {
    if (lane < step) {
      sums[lane] += sums[lane + step];
    }
    workgroupBarrier();
  }
  let r = inverseSqrt(sums[0] / f32(p.C) + p.eps);
  for (var c = lane; c < p.C; c += WG) {
    out[row + c] = inp[row + c] * r * weight[c];
  }
  if (lane == 0u) {
    rstd[n] = r;
  }
}
