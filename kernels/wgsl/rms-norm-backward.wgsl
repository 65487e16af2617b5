// RMS norm backward, input: dinp[n, :] += rstd·(g - x̂·mean(g·x̂)), g = dout·weight, x̂ = inp·rstd.
// dout, inp, dinp (N, C), weight (C), rstd (N); one workgroup per row.
struct Params {
  N: u32,
  C: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> dinp: array<f32>;
@group(0) @binding(2) var<storage, read> dout: array<f32>;
@group(0) @binding(3) var<storage, read> inp: array<f32>;
@group(0) @binding(4) var<storage, read> weight: array<f32>;
@group(0) @binding(5) var<storage, read> rstd: array<f32>;

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
  let r = rstd[n];
  var sum = 0.0;
  for (var c = lane; c < p.C; c += WG) {
    sum += dout[row + c] * weight[c] * inp[row + c] * r;
  }
  sums[lane] = sum;
  workgroupBarrier();
  for (var step = WG / 2u; step > 0u; step /= 2u) {
    if (lane < step) {
      sums[lane] += sums[lane + step];
    }
    workgroupBarrier();
  }
  let average = sums[0] / f32(p.C);
  for (var c = lane; c < p.C; c += WG) {
    dinp[row + c] += r * (dout[row + c] * weight[c] - inp[row + c] * r * average);
  }
}
