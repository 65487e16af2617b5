// Attention backward, keys and values, for GPUs: dv[j] = Σ_{t ≥ j} p·dout[t],  dk[j] = scale·Σ_{t ≥ j} ds·q[t],
// p = exp(q[t]·k[j]·scale - lse[t]), ds = p·(dout[t]·v[j] - delta[t]); summed over the H / KV query heads that share a
// key/value head. qkv, dqkv (B, T, (H + 2KV)·D); dout (B, T, H·D); lse, delta (B, H, T).
// Writes the k and v heads of dqkv. Tiles as in attention-tile, with keys and queries changing places: the workgroup's
// keys and values stay in workgroup memory, q and dout pass through one tile in turn; an invocation has
// 4 keys × 4 queries of the scores. wid.x counts key tiles, wid.y key/value heads, wid.z sequences.
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

var<workgroup> k_tile: array<vec4<Scalar>, SPACE * TILE>; // [d][4 keys]
var<workgroup> v_tile: array<vec4<Scalar>, SPACE * TILE>; // [d][4 keys]
var<workgroup> qd_tile: array<vec4<Scalar>, SPACE * TILE>; // [d][4 queries]
var<workgroup> p_tile: array<vec4f, TILE * TX>; // [query][4 keys]

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

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let ty = lane / TX;
  let tx = lane % TX;
  let k0 = wid.x * TILE;
  let group = p.H / p.KV;
  let width = (p.H + 2u * p.KV) * p.D4;
  let sequence = wid.z * p.T * width;
  let keys = sequence + (p.H + wid.y) * p.D4;
  let values = keys + p.KV * p.D4;

  for (var i = lane; i < TX * p.D4; i += THREADS) {
    let x = block(keys + i / TX, k0 + i % TX * 4u, width);
    let y = block(values + i / TX, k0 + i % TX * 4u, width);
    for (var j = 0u; j < 4u; j++) {
      k_tile[(i / TX * 4u + j) * TX + i % TX] = vec4<Scalar>(x[j] * p.scale);
      v_tile[(i / TX * 4u + j) * TX + i % TX] = vec4<Scalar>(y[j]);
    }
  }
  var dk: array<vec4f, 4u * COLUMNS>;
  var dv: array<vec4f, 4u * COLUMNS>;
  for (var h = wid.y * group; h < (wid.y + 1u) * group; h++) {
    let queries = sequence + h * p.D4;
    let gradients = (wid.z * p.T * p.H + h) * p.D4;
    for (var q0 = k0; q0 < p.T; q0 += TILE) {
      workgroupBarrier();
      for (var i = lane; i < TX * p.D4; i += THREADS) {
        let x = block(queries + i / TX, q0 + i % TX * 4u, width);
        for (var j = 0u; j < 4u; j++) {
          qd_tile[(i / TX * 4u + j) * TX + i % TX] = vec4<Scalar>(x[j]);
        }
      }
      workgroupBarrier();
      var s = array<vec4f, 4>(); // [key], 4 queries
      for (var d = 0u; d < 4u * p.D4; d++) {
        let x = vec4f(k_tile[d * TX + ty]);
        let y = vec4f(qd_tile[d * TX + tx]);
        for (var i = 0u; i < 4u; i++) {
          s[i] = fma(vec4f(x[i]), y, s[i]);
        }
      }
      workgroupBarrier();
      for (var i = lane; i < TX * p.D4; i += THREADS) {
        let x = dout_block(gradients + i / TX, q0 + i % TX * 4u);
        for (var j = 0u; j < 4u; j++) {
          qd_tile[(i / TX * 4u + j) * TX + i % TX] = vec4<Scalar>(x[j]);
        }
      }
      workgroupBarrier();
      var g = array<vec4f, 4>();
      for (var d = 0u; d < 4u * p.D4; d++) {
        let x = vec4f(v_tile[d * TX + ty]);
        let y = vec4f(qd_tile[d * TX + tx]);
        for (var i = 0u; i < 4u; i++) {
          g[i] = fma(vec4f(x[i]), y, g[i]);
        }
      }
      var l: vec4f;
      var dl: vec4f;
      for (var j = 0u; j < 4u; j++) {
        let at = (wid.z * p.H + h) * p.T + min(q0 + tx * 4u + j, p.T - 1u);
        l[j] = lse[at];
        dl[j] = delta[at];
      }
      let query = vec4u(q0 + tx * 4u) + vec4u(0u, 1u, 2u, 3u);
      for (var i = 0u; i < 4u; i++) {
        let seen = (query >= vec4u(k0 + ty * 4u + i)) & (query < vec4u(p.T));
        s[i] = select(vec4f(0.0), exp(min(s[i] - l, vec4f(0.0))), seen);
        g[i] = s[i] * (g[i] - dl) * p.scale;
      }
      for (var j = 0u; j < 4u; j++) {
        p_tile[(tx * 4u + j) * TX + ty] = vec4f(s[0][j], s[1][j], s[2][j], s[3][j]);
      }
      workgroupBarrier();
      for (var t = 0u; t < TILE; t++) {
        let x = p_tile[t * TX + ty];
        let row = gradients + min(q0 + t, p.T - 1u) * p.H * p.D4;
        for (var c = 0u; c < COLUMNS; c++) {
          let y = dout[row + min(tx + c * TX, p.D4 - 1u)];
          for (var i = 0u; i < 4u; i++) {
            dv[i * COLUMNS + c] = fma(vec4f(x[i]), y, dv[i * COLUMNS + c]);
          }
        }
      }
      workgroupBarrier();
      for (var j = 0u; j < 4u; j++) {
        p_tile[(tx * 4u + j) * TX + ty] = vec4f(g[0][j], g[1][j], g[2][j], g[3][j]);
      }
      workgroupBarrier();
      for (var t = 0u; t < TILE; t++) {
        let x = p_tile[t * TX + ty];
        let row = queries + min(q0 + t, p.T - 1u) * width;
        for (var c = 0u; c < COLUMNS; c++) {
          let y = qkv[row + min(tx + c * TX, p.D4 - 1u)];
          for (var i = 0u; i < 4u; i++) {
            dk[i * COLUMNS + c] = fma(vec4f(x[i]), y, dk[i * COLUMNS + c]);
          }
        }
      }
    }
  }
  for (var i = 0u; i < 4u; i++) {
    let j = k0 + ty * 4u + i;
    for (var c = 0u; c < COLUMNS; c++) {
      let d4 = tx + c * TX;
      if (j < p.T && d4 < p.D4) {
        dqkv[keys + j * width + d4] = dk[i * COLUMNS + c];
        dqkv[values + j * width + d4] = dv[i * COLUMNS + c];
      }
    }
  }
}
