// Rows of one width into rows of another: out (rows, out_width), inp (rows, inp_width);
// out[r, c] = inp[r, c] where both exist, 0 in columns that inp lacks. Pads head sizes to whole vec4s and back.
struct Params {
  rows: u32,
  out_width: u32,
  inp_width: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<storage, read> inp: array<f32>;

override WG: u32 = 256;

@compute @workgroup_size(WG)
fn main(
  @builtin(workgroup_id) wid: vec3u,
  @builtin(num_workgroups) nwg: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (wid.y * nwg.x + wid.x) * WG + lane;
  if (i >= p.rows * p.out_width) {
    return;
  }
  let row = i / p.out_width;
  let column = i % p.out_width;
  var value = 0.0;
  if (column < p.inp_width) {
    value = inp[row * p.inp_width + column];
  }
  out[i] = value;
}
