// gelu: out (N) = x · σ(2u), u = √(2/π)·(x + 0.044715·x³), x = inp (N).
// GPT-2's tanh form, ½·x·(1 + tanh u), written with the sigmoid: nothing cancels, and exp is kept from overflowing.
struct Params {
  N: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(2) var<storage, read> inp: array<vec4f>;

override WG: u32 = 256;

fn gelu(x: vec4f) -> vec4f {
  let u2 = 1.5957691216057308 * (x + 0.044715 * x * x * x);
  return x / (1.0 + exp(min(-u2, vec4f(80.0))));
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
  let value = gelu(inp[i]);
  if (4u * i + 4u <= p.N) {
    out[i] = value;
  } else {
    for (var c = 0u; c < p.N - 4u * i; c++) {
      out[i][c] = value[c];
    }
  }
}
