// Cross-entropy, forward and backward in one reading of the logits:
// losses[n] = (log Σ_v exp(logits[n, v]) - logits[n, target])·weight, over the columns v < V of logits (N, Vp);
// GRADIENT overwrites logits with (softmax - onehot)·weight·scale, and with 0 in the columns V..Vp.
// A target outside 0..V is ignored: loss 0, gradient 0. weights (N) may be absent (has_weights 0): 1.
// One workgroup per row; every lane keeps a running maximum and sum of its columns.
struct Params {
  N: u32,
  V: u32,
  Vp: u32,
  has_weights: u32,
  scale: f32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> losses: array<f32>;
@group(0) @binding(2) var<storage, read_write> logits: array<f32>;
@group(0) @binding(3) var<storage, read> targets: array<u32>;
@group(0) @binding(4) var<storage, read> weights: array<f32>;

override WG: u32 = 256;
override GRADIENT: bool = true;
var<workgroup> parts: array<vec2f, WG>; // maximum, Σ exp(x - maximum)

fn merge(a: vec2f, b: vec2f) -> vec2f {
  let top = max(a.x, b.x);
  return vec2f(top, a.y * exp(a.x - top) + b.y * exp(b.x - top));
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
  let row = n * p.Vp;
  let wanted = targets[n];
  let used = wanted < p.V;
  var own = vec2f(-3.0e38, 0.0);
  for (var c = lane; c < p.V; c += WG) {
    let x = logits[row + c];
    if (x <= own.x) {
      own.y += exp(x - own.x);
    } else {
      own = vec2f(x, own.y * exp(own.x - x) + 1.0);
    }
  }
  parts[lane] = own;
  workgroupBarrier();
  for (var step = WG / 2u; step > 0u; step /= 2u) {
    if (lane < step) {
      parts[lane] = merge(parts[lane], parts[lane + step]);
    }
    workgroupBarrier();
  }
  let all = parts[0];
  var weight = 1.0;
  if (p.has_weights != 0u) {
    weight = weights[n];
  }
  if (lane == 0u) {
    var loss = 0.0;
    if (used) {
      loss = (log(all.y) + (all.x - logits[row + wanted])) * weight;
    }
    losses[n] = loss;
  }
  if (GRADIENT) {
    // Lane 0 has read the target's logit before any lane overwrites it.
    storageBarrier();
    workgroupBarrier();
    var factor = 0.0;
    if (used) {
      factor = weight * p.scale;
    }
    for (var c = lane; c < p.Vp; c += WG) {
      var d = 0.0;
      if (used && c < p.V) {
        d = exp(logits[row + c] - all.x) / all.y * factor;
        if (c == wanted) {
          d -= factor;
        }
      }
      logits[row + c] = d;
    }
  }
}
