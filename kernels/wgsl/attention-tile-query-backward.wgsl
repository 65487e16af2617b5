// Attention backward, queries, for GPUs: dq[t] = scale·Σ_{j ≤ t} ds·k[j],
// ds = p·(dout[t]·v[j] - delta[t]), p = exp(q[t]·k[j]·scale - lse[t]).
// qkv, dqkv (B, T, (H + 2KV)·D); dout (B, T, H·D); lse, delta (B, H, T). Writes the q heads of dqkv.
// Tiles and invocations as in attention-tile: the workgroup's queries and their dout stay in workgroup memory, k and v
// pass through one tile in turn. No rescaling: lse makes p final at once.
// wid.x counts query tiles from the last; wid.y heads, wid.z sequences.
// With Scalar f16 the tiles of operands are kept in half the memory; scores, weights and sums are f32 always.
struct Params {
  T: u32,
  H: u32,
  KV: u32,
  D4: u32, // vec4s in a head
  scale: f32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> dqkv: array<vec4f>;
@group(0) @binding(2) var<storage, read> qkv: array<vec4f>;
@group(0) @binding(3) var<storage, read> dout: array<vec4f>;
@group(0) @binding(4) var<storage, read> lse: array<f32>;
@group(0) @binding(5) var<storage, read> delta: array<f32>;

alias Scalar = f32; // template: 16 or 32
override TILE: u32 = 16;
override SPACE: u32 = 16; // D4 or more
override TX: u32 = TILE / 4;
override THREADS: u32 = TX * TX;
const COLUMNS = 4u; // template: vec4 columns of an invocation, ceil(D4 / TX)

var<workgroup> q_tile: array<vec4<Scalar>, SPACE * TILE>; // [d][4 queries]
var<workgroup> d_tile: array<vec4<Scalar>, SPACE * TILE>; // dout, [d][4 queries]
var<workgroup> kv_tile: array<vec4<Scalar>, SPACE * TILE>; // [d][4 keys]
var<workgroup> ds_tile: array<vec4f, TILE * TX>; // [key][4 queries]

// Four rows from `row` on, one vec4 of each, turned: [d], 4 rows. Rows past the end repeat the last.
fn block(column: u32, row: u32, width: u32) -> mat4x4f {
  let last = p.T - 1u;
  return transpose(mat4x4f(
    qkv[column + min(row, last) * width],
    qkv[column + min(row + 1u, last) * width],
    qkv[column + min(row + 2u, last) * width],
    qkv[column + min(row + 3u, last) * width],
  ));
}

// The same of dout, from row `row` of sequence and head `first`.
fn dout_block(first: u32, row: u32) -> mat4x4f {
  let last = p.T - 1u;
  let width = p.H * p.D4;
  return transpose(mat4x4f(
    dout[first + min(row, last) * width],
    dout[first + min(row + 1u, last) * width],
    dout[first + min(row + 2u, last) * width],
    dout[first + min(row + 3u, last) * width],
  ));
}

fn load_kv(first: u32, k0: u32, width: u32, lane: u32) {
  for (var i = lane; i < TX * p.D4; i += THREADS) {
    let x = block(first + i / TX, k0 + i % TX * 4u, width);
    for (var j = 0u; j < 4u; j++) {
      kv_tile[(i / TX * 4u + j) * TX + i % TX] = vec4<Scalar>(x[j]);
    }
  }
}

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) wid: vec3u,
  @builtin(num_workgroups) nwg: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let ty = lane / TX;
  let tx = lane % TX;
  let h = wid.y;
  let q0 = (nwg.x - 1u - wid.x) * TILE;
  let width = (p.H + 2u * p.KV) * p.D4;
  let sequence = wid.z * p.T * width;
  let queries = sequence + h * p.D4;
  let keys = sequence + (p.H + h / (p.H / p.KV)) * p.D4;
  let values = keys + p.KV * p.D4;

  let gradients = (wid.z * p.T * p.H + h) * p.D4;
  for (var i = lane; i < TX * p.D4; i += THREADS) {
    let x = block(queries + i / TX, q0 + i % TX * 4u, width);
    let y = dout_block(gradients + i / TX, q0 + i % TX * 4u);
    for (var j = 0u; j < 4u; j++) {
      q_tile[(i / TX * 4u + j) * TX + i % TX] = vec4<Scalar>(x[j] * p.scale);
      d_tile[(i / TX * 4u + j) * TX + i % TX] = vec4<Scalar>(y[j]);
    }
  }
  var l: vec4f;
  var dl: vec4f;
  for (var i = 0u; i < 4u; i++) {
    let at = (wid.z * p.H + h) * p.T + min(q0 + ty * 4u + i, p.T - 1u);
    l[i] = lse[at];
    dl[i] = delta[at];
  }
  var dq: array<vec4f, 4u * COLUMNS>;
  let end = min(p.T, q0 + TILE);
  for (var k0 = 0u; k0 < end; k0 += TILE) {
    workgroupBarrier();
    load_kv(keys, k0, width, lane);
    workgroupBarrier();
    var s = array<vec4f, 4>(); // [query], 4 keys
    for (var d = 0u; d < 4u * p.D4; d++) {
      let x = vec4f(q_tile[d * TX + ty]);
      let y = vec4f(kv_tile[d * TX + tx]);
      for (var i = 0u; i < 4u; i++) {
        s[i] = fma(vec4f(x[i]), y, s[i]);
      }
    }
    workgroupBarrier();
    load_kv(values, k0, width, lane);
    workgroupBarrier();
    var g = array<vec4f, 4>();
    for (var d = 0u; d < 4u * p.D4; d++) {
      let x = vec4f(d_tile[d * TX + ty]);
      let y = vec4f(kv_tile[d * TX + tx]);
      for (var i = 0u; i < 4u; i++) {
        g[i] = fma(vec4f(x[i]), y, g[i]);
      }
    }
    let key = vec4u(k0 + tx * 4u) + vec4u(0u, 1u, 2u, 3u);
    for (var i = 0u; i < 4u; i++) {
      let ds = exp(min(s[i] - l[i], vec4f(0.0))) * (g[i] - dl[i]) * p.scale;
      s[i] = select(vec4f(0.0), ds, key <= vec4u(q0 + ty * 4u + i));
    }
    for (var j = 0u; j < 4u; j++) {
      ds_tile[(tx * 4u + j) * TX + ty] = vec4f(s[0][j], s[1][j], s[2][j], s[3][j]);
    }
    workgroupBarrier();
    for (var k = 0u; k < TILE; k++) {
      let x = ds_tile[k * TX + ty];
      let row = keys + min(k0 + k, p.T - 1u) * width;
      for (var c = 0u; c < COLUMNS; c++) {
        let y = qkv[row + min(tx + c * TX, p.D4 - 1u)];
        for (var i = 0u; i < 4u; i++) {
          dq[i * COLUMNS + c] = fma(vec4f(x[i]), y, dq[i * COLUMNS + c]);
        }
      }
    }
  }
  for (var i = 0u; i < 4u; i++) {
    let t = q0 + ty * 4u + i;
    for (var c = 0u; c < COLUMNS; c++) {
      let d4 = tx + c * TX;
      if (t < p.T && d4 < p.D4) {
        dqkv[queries + t * width + d4] = dq[i * COLUMNS + c];
      }
    }
  }
}
