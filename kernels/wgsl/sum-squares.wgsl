// Global norm, stage 1: partials[first + k] = Σ x² over the k-th span of `span` elements of inp (N).
struct Params {
  N: u32,
  span: u32,
  first: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> partials: array<f32>;
@group(0) @binding(2) var<storage, read> inp: array<f32>;

override WG: u32 = 256;
var<workgroup> sums: array<f32, WG>;

@compute @workgroup_size(WG)
fn main(
  @builtin(workgroup_id) wid: vec3u,
  @builtin(num_workgroups) nwg: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let k = wid.y * nwg.x + wid.x;
  let begin = k * p.span;
  if (begin >= p.N) {
    return;
  }
  let end = min(p.N, begin + p.span);
  var sum = 0.0;
  for (var i = begin + lane; i < end; i += WG) {
    let x = inp[i];
    sum += x * x;
  }
  sums[lane] = sum;
  workgroupBarrier();
  for (var step = WG / 2u; step > 0u; step /= 2u) {
    if (lane < step) {
      sums[lane] += sums[lane + step];
    }
    workgroupBarrier();
  }
  if (lane == 0u) {
    partials[p.first + k] = sums[0];
  }
}
