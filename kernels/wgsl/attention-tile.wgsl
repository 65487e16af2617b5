// Causal attention, forward, for GPUs: out = softmax(q·kᵀ·scale)·v, flash style, in tiles of workgroup memory.
// qkv (B, T, (H + 2KV)·D): q heads, k heads, v heads; out (B, T, H·D); lse (B, H, T) = log Σ exp(q·k·scale).
// Query head h reads key/value head h / (H / KV). A workgroup keeps TILE queries of one head and walks over tiles of
// TILE keys up to the diagonal. Of the TILE × TILE scores an invocation (ty, tx) has 4 queries × 4 keys, and of out
// the same 4 queries × the vec4 columns tx, tx + TX, …; the maxima of rows meet in `fold`.
// wid.x counts query tiles from the last, whose rows are longest; wid.y heads, wid.z sequences.
// With Scalar f16 the tiles of operands are kept in half the memory; scores, weights and sums are f32 always.
struct Params {
  T: u32,
  H: u32,
  KV: u32,
  D4: u32, // vec4s in a head
  scale: f32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> lse: array<f32>;
@group(0) @binding(3) var<storage, read> qkv: array<vec4f>;

alias Scalar = f32; // template: 16 or 32
override TILE: u32 = 16;
override SPACE: u32 = 16; // D4 or more
override TX: u32 = TILE / 4;
override THREADS: u32 = TX * TX;
const COLUMNS = 4u; // template: vec4 columns of an invocation, ceil(D4 / TX)

var<workgroup> q_tile: array<vec4<Scalar>, SPACE * TILE>; // [d][4 queries]
var<workgroup> kv_tile: array<vec4<Scalar>, SPACE * TILE + TX>; // keys [d][4 keys], then values [key][d4]
var<workgroup> weights: array<vec4f, TILE * TX>; // [key][4 queries]
var<workgroup> fold: array<vec4f, THREADS>; // [ty][tx], 4 queries

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

  for (var i = lane; i < TX * p.D4; i += THREADS) {
    let x = block(queries + i / TX, q0 + i % TX * 4u, width);
    for (var j = 0u; j < 4u; j++) {
      q_tile[(i / TX * 4u + j) * TX + i % TX] = vec4<Scalar>(x[j] * p.scale);
    }
  }
  var o: array<vec4f, 4u * COLUMNS>;
  var top = vec4f(-3.0e38);
  var sum = vec4f(0.0);
  let end = min(p.T, q0 + TILE);
  for (var k0 = 0u; k0 < end; k0 += TILE) {
    workgroupBarrier();
    for (var i = lane; i < TX * p.D4; i += THREADS) {
      let x = block(keys + i / TX, k0 + i % TX * 4u, width);
      for (var j = 0u; j < 4u; j++) {
        kv_tile[(i / TX * 4u + j) * TX + i % TX] = vec4<Scalar>(x[j]);
      }
    }
    workgroupBarrier();
    var s = array<vec4f, 4>(); // [query], 4 keys
    for (var d = 0u; d < 4u * p.D4; d++) {
      let x = vec4f(q_tile[d * TX + ty]);
      let y = vec4f(kv_tile[d * TX + tx]);
      for (var i = 0u; i < 4u; i++) {
        s[i] = fma(vec4f(x[i]), y, s[i]);
      }
    }
    var highest: vec4f;
    let key = vec4u(k0 + tx * 4u) + vec4u(0u, 1u, 2u, 3u);
    for (var i = 0u; i < 4u; i++) {
      s[i] = select(vec4f(-3.0e38), s[i], key <= vec4u(q0 + ty * 4u + i));
      highest[i] = max(max(s[i].x, s[i].y), max(s[i].z, s[i].w));
    }
    fold[lane] = highest;
    workgroupBarrier();
    var new_top = top;
    for (var x = 0u; x < TX; x++) {
      new_top = max(new_top, fold[ty * TX + x]);
    }
    let shrink = exp(top - new_top);
    top = new_top;
    sum *= shrink;
    for (var i = 0u; i < 4u; i++) {
      s[i] = exp(s[i] - new_top[i]);
      sum[i] += s[i].x + s[i].y + s[i].z + s[i].w;
    }
    for (var j = 0u; j < 4u; j++) {
      weights[(tx * 4u + j) * TX + ty] = vec4f(s[0][j], s[1][j], s[2][j], s[3][j]);
    }
    for (var i = lane; i < TILE * p.D4; i += THREADS) {
      kv_tile[i] = vec4<Scalar>(qkv[values + min(k0 + i / p.D4, p.T - 1u) * width + i % p.D4]);
    }
    workgroupBarrier();
    for (var i = 0u; i < 4u; i++) {
      for (var c = 0u; c < COLUMNS; c++) {
        o[i * COLUMNS + c] *= shrink[i];
      }
    }
    for (var k = 0u; k < TILE; k++) {
      let x = weights[k * TX + ty];
      for (var c = 0u; c < COLUMNS; c++) {
        let y = vec4f(kv_tile[k * p.D4 + tx + c * TX]);
        for (var i = 0u; i < 4u; i++) {
          o[i * COLUMNS + c] = fma(vec4f(x[i]), y, o[i * COLUMNS + c]);
        }
      }
    }
  }
  workgroupBarrier();
  fold[lane] = sum;
  workgroupBarrier();
  var total = vec4f(0.0);
  for (var x = 0u; x < TX; x++) {
    total += fold[ty * TX + x];
  }
  for (var i = 0u; i < 4u; i++) {
    let t = q0 + ty * 4u + i;
    if (t < p.T) {
      for (var c = 0u; c < COLUMNS; c++) {
        let d4 = tx + c * TX;
        if (d4 < p.D4) {
          out[((wid.z * p.T + t) * p.H + h) * p.D4 + d4] = o[i * COLUMNS + c] / total[i];
        }
      }
      if (tx == 0u) {
        lse[(wid.z * p.H + h) * p.T + t] = top[i] + log(total[i]);
      }
    }
  }
}
