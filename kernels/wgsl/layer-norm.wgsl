// layer norm: out[n, :] = (x - mean)·rstd·weight + bias, x = inp[n, :] of C elements; mean, rstd (N) are saved.
// Variance is biased, eps inside the root; it is summed from centred values, so large means do no harm.
// One workgroup per row.
struct Params {
  N: u32,
  C: u32,
  eps: f32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<storage, read_write> mean: array<f32>;
@group(0) @binding(3) var<storage, read_write> rstd: array<f32>;
@group(0) @binding(4) var<storage, read> inp: array<f32>;
@group(0) @binding(5) var<storage, read> weight: array<f32>;
@group(0) @binding(6) var<storage, read> bias: array<f32>;

override WG: u32 = 256;
var<workgroup> sums: array<f32, WG>;

fn row_sum(x: f32, lane: u32) -> f32 {
  sums[lane] = x;
  workgroupBarrier();
  for (var step = WG / 2u; step > 0u; step /= 2u) {
    if (lane < step) {
      sums[lane] += sums[lane + step];
    }
    workgroupBarrier();
  }
  let total = sums[0];
  workgroupBarrier();
  return total;
}

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
  var sum = 0.0;
  for (var c = lane; c < p.C; c += WG) {
    sum += inp[row + c];
  }
  let m = row_sum(sum, lane) / f32(p.C);
  var squares = 0.0;
  for (var c = lane; c < p.C; c += WG) {
    let x = inp[row + c] - m;
    squares += x * x;
  }
  let r = inverseSqrt(row_sum(squares, lane) / f32(p.C) + p.eps);
  for (var c = lane; c < p.C; c += WG) {
    out[row + c] = (inp[row + c] - m) * r * weight[c] + bias[c];
  }
  if (lane == 0u) {
    mean[n] = m;
    rstd[n] = r;
  }
}
