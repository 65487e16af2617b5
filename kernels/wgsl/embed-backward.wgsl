// embed backward, tokens: dwte[id, :] += Σ dout[n, :] over the positions n with ids[n] = id.
// The host has sorted the positions by id: buckets (·, 3) = id, first place in order, length; order (B·T) = positions.
// One workgroup per bucket adds its rows in their order, four at a time so that their loads overlap: no atomics, and
// the same sums on every run. dwte holds rows first.. of (V, C).
struct Params {
  C: u32,
  first: u32,
  bucket: u32,
  buckets: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> dwte: array<f32>;
@group(0) @binding(2) var<storage, read> buckets: array<u32>;
@group(0) @binding(3) var<storage, read> order: array<u32>;
@group(0) @binding(4) var<storage, read> dout: array<f32>;

override WG: u32 = 256;

@compute @workgroup_size(WG)
fn main(
  @builtin(workgroup_id) wid: vec3u,
  @builtin(num_workgroups) nwg: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let which = wid.y * nwg.x + wid.x;
  if (which >= p.buckets) {
    return;
  }
  let at = 3u * (p.bucket + which);
  let row = (buckets[at] - p.first) * p.C;
  let begin = buckets[at + 1u];
  let end = begin + buckets[at + 2u];
  for (var c = lane; c < p.C; c += WG) {
    var sum = 0.0;
    var i = begin;
    for (; i + 4u <= end; i += 4u) {
      let d0 = dout[order[i] * p.C + c];
      let d1 = dout[order[i + 1u] * p.C + c];
      let d2 = dout[order[i + 2u] * p.C + c];
      let d3 = dout[order[i + 3u] * p.C + c];
      sum += (d0 + d1) + (d2 + d3);
    }
    for (; i < end; i++) {
      sum += dout[order[i] * p.C + c];
    }
    dwte[row + c] += sum;
  }
}
