// matmul for adapters that run on the CPU: out (M, N) (+)= op(a)·op(b) + bias, every row a whole number of vec4s.
// a (M, K), or (K, M) with A_T; b (K, N), or (N, K) with B_T; bias (N). lda4, ldb4, ldo4 are row lengths in vec4s,
// a_column4 and out_column4 the first columns used, in vec4s.
// One invocation keeps 4 rows × 8 columns in registers; a workgroup is 8 invocations, one SIMD vector of lavapipe,
// beside each other along N, so that all read the same part of a, and there is no workgroup memory. 8 rows are up to
// a fifth faster there (5 against 6 GFLOP/s a core, 512³) and take twice as long to compile, which in tests counts.
// epilogue 1: other (M, N) is added; 2: activated (M, N) = gelu(out); 3: out is times gelu's slope at other.
struct Params {
  M: u32,
  N: u32,
  K: u32,
  lda4: u32,
  ldb4: u32,
  ldo4: u32,
  a_column4: u32,
  out_column4: u32,
  has_bias: u32,
  accumulate: u32,
  epilogue: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(2) var<storage, read> a: array<vec4f>;
@group(0) @binding(3) var<storage, read> b: array<vec4f>;
@group(0) @binding(4) var<storage, read> bias: array<vec4f>;
@group(0) @binding(5) var<storage, read> other: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> activated: array<vec4f>;

override WG: u32 = 8;
override A_T: bool = false;
override B_T: bool = true;

// as in gelu.wgsl: fn gelu
// as in gelu-backward.wgsl: fn slope

fn store(at: u32, value: vec4f) {
  var x = value;
  if (p.accumulate != 0u) {
    x += out[at];
  }
  if (p.epilogue == 1u) {
    x += other[at];
  } else if (p.epilogue == 3u) {
    x *= slope(other[at]);
  }
  out[at] = x;
  if (p.epilogue == 2u) {
    activated[at] = gelu(x);
  }
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let n4 = (wid.x * WG + lane) * 2u;
  let N4 = p.N / 4u;
  if (n4 >= N4) {
    return;
  }
  let m0 = wid.y * 4u;
  let last = p.M - 1u;
  // The second vec4 of the last column group may not exist: read the first one again, and do not store it.
  let two = n4 + 1u < N4;
  let next = select(0u, 1u, two);
  var left: array<vec4f, 4>;
  var right: array<vec4f, 4>;

  if (A_T) {
    // a (K, M), b (K, N): one k at a time.
    let a4 = p.a_column4 + m0 / 4u;
    for (var k = 0u; k < p.K; k++) {
      let x = a[k * p.lda4 + a4];
      let y0 = b[k * p.ldb4 + n4];
      let y1 = b[k * p.ldb4 + n4 + next];
      for (var i = 0u; i < 4u; i++) {
        left[i] += x[i] * y0;
        right[i] += x[i] * y1;
      }
    }
  } else {
    var rows: array<u32, 4>;
    for (var i = 0u; i < 4u; i++) {
      rows[i] = min(m0 + i, last) * p.lda4 + p.a_column4;
    }
    for (var k4 = 0u; k4 < p.K / 4u; k4++) {
      var y0: mat4x4f; // y0[j]: columns n..n+4 of op(b) at k + j
      var y1: mat4x4f;
      if (B_T) {
        let at = n4 * 4u * p.ldb4 + k4;
        let step = p.ldb4;
        let far = at + next * 4u * step;
        y0 = transpose(mat4x4f(b[at], b[at + step], b[at + 2u * step], b[at + 3u * step]));
        y1 = transpose(mat4x4f(b[far], b[far + step], b[far + 2u * step], b[far + 3u * step]));
      } else {
        let at = k4 * 4u * p.ldb4 + n4;
        let step = p.ldb4;
        let far = at + next;
        y0 = mat4x4f(b[at], b[at + step], b[at + 2u * step], b[at + 3u * step]);
        y1 = mat4x4f(b[far], b[far + step], b[far + 2u * step], b[far + 3u * step]);
      }
      for (var i = 0u; i < 4u; i++) {
        let x = a[rows[i] + k4];
        left[i] += x.x * y0[0] + x.y * y0[1] + x.z * y0[2] + x.w * y0[3];
        right[i] += x.x * y1[0] + x.y * y1[1] + x.z * y1[2] + x.w * y1[3];
      }
    }
  }

  var extra0 = vec4f(0.0);
  var extra1 = vec4f(0.0);
  if (p.has_bias != 0u) {
    extra0 = bias[p.out_column4 + n4];
    extra1 = bias[p.out_column4 + n4 + next];
  }
  for (var i = 0u; i < 4u && m0 + i < p.M; i++) {
    let at = (m0 + i) * p.ldo4 + p.out_column4 + n4;
    store(at, left[i] + extra0);
    if (two) {
      store(at + 1u, right[i] + extra1);
    }
  }
}
