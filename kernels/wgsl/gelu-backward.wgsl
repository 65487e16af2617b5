// gelu backward: dinp (N) = dout · (s + x·s·(1 - s)·2u'), s = σ(2u), u' = √(2/π)·(1 + 3·0.044715·x²), x = inp (N).
// IN_PLACE: dinp is dout, and the binding dout is not read.
struct Params {
  N: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> dinp: array<vec4f>;
@group(0) @binding(2) var<storage, read> dout: array<vec4f>;
@group(0) @binding(3) var<storage, read> inp: array<vec4f>;

override WG: u32 = 256;
override IN_PLACE: bool = false;

fn slope(x: vec4f) -> vec4f {
  let u2 = 1.5957691216057308 * (x + 0.044715 * x * x * x);
  let s = 1.0 / (1.0 + exp(min(-u2, vec4f(80.0))));
  return s + x * s * (1.0 - s) * 1.5957691216057308 * (1.0 + 0.134145 * x * x);
}

@compute @workgroup_size(WG)
fn main(
  @builtin(workgroup_id) wid: vec3u,
  @builtin(num_workgroups) nwg: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (wid.y * nwg.x + wid.x) * WG + lane;
  if (4u * i >= p.N) {
    return;
  }
  var d: vec4f;
  if (IN_PLACE) {
    d = dinp[i];
  } else {
    d = dout[i];
  }
  let value = d * slope(inp[i]);
  if (4u * i + 4u <= p.N) {
    dinp[i] = value;
  } else {
    for (var c = 0u; c < p.N - 4u * i; c++) {
      dinp[i][c] = value[c];
    }
  }
}
