/**
 * Products with f16 operands and on matrix units. No software adapter has such units, so lavapipe runs the kernel's own
 * text with each subgroup matrix replaced by an array in each invocation: staging, edges, scaling and sums along K are
 * then held against the reference. That the real text compiles is checked on Dawn's null backend.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { openReference } from "../../kernels/reference/device.ts";
import { type Connection, connect, type MatrixConfig } from "../../kernels/webgpu/adapter.ts";
import { openChecked, webgpuDevice } from "../../kernels/webgpu/device.ts";
import { matrixFault, type Tunable } from "../../kernels/webgpu/self-check.ts";
import { remember, trials, withRemembered } from "../../kernels/webgpu/tune.ts";
import { gpuTuning, matrixUnits, productName, type Tuning } from "../../kernels/webgpu/tuning.ts";
import { cases } from "./cases.ts";
import { rewriteShaders, rolled } from "./shaders.ts";
import { assertNear, compute } from "./tensors.ts";

process.env["XDG_RUNTIME_DIR"] ??= "/tmp";
process.env["GALLIVM_PERF"] ??= "nopt";
const required = process.env["CURATE_REQUIRE_WEBGPU"] === "1";

async function connected(backend?: string): Promise<Connection | string> {
  const connection = await connect(backend ? { backend } : { allowSoftware: true });
  if (!("unavailable" in connection)) return connection;
  assert.ok(!required, `CURATE_REQUIRE_WEBGPU=1, but ${connection.unavailable}`);
  return connection.unavailable;
}

/** `matmul-matrix` with arrays for matrices. */
function emulated(code: string): string {
  if (!code.includes("alias Left")) return code;
  const turned = (tile: string, r: string, c: string, major: string) =>
    major === "row"
      ? `f32(${tile}[at + ${r} * stride + ${c} / 4u][${c} % 4u])`
      : `f32(${tile}[at + ${c} * stride + ${r} / 4u][${r} % 4u])`;
  const loader = (what: string, tile: string, rows: string, columns: string, major: string) => `
fn load_${what.toLowerCase()}_${major}(at: u32, stride: u32) -> ${what} {
  var m: ${what};
  for (var r = 0u; r < ${rows}; r++) {
    for (var c = 0u; c < ${columns}; c++) { m.e[r * ${columns} + c] = ${turned(tile, "r", "c", major)}; }
  }
  return m;
}`;
  const matrices = `
struct Left { e: array<f32, MATRIX_M * MATRIX_K> }
struct Right { e: array<f32, MATRIX_K * MATRIX_N> }
struct Result { e: array<f32, MATRIX_M * MATRIX_N> }
${loader("Left", "tile_a", "MATRIX_M", "MATRIX_K", "row")}${loader("Left", "tile_a", "MATRIX_M", "MATRIX_K", "col")}
${loader("Right", "tile_b", "MATRIX_K", "MATRIX_N", "row")}${loader("Right", "tile_b", "MATRIX_K", "MATRIX_N", "col")}
fn load_result_row(at: u32, stride: u32) -> Result {
  var m: Result;
  for (var i = 0u; i < MATRIX_M * MATRIX_N; i++) { m.e[i] = stage[at + i / MATRIX_N * stride + i % MATRIX_N]; }
  return m;
}
fn store_result(at: u32, m: Result, stride: u32) {
  for (var i = 0u; i < MATRIX_M * MATRIX_N; i++) { stage[at + i / MATRIX_N * stride + i % MATRIX_N] = m.e[i]; }
}
fn multiply(left: Left, right: Right, sum: Result) -> Result {
  var m = sum;
  for (var r = 0u; r < MATRIX_M; r++) {
    for (var c = 0u; c < MATRIX_N; c++) {
      for (var k = 0u; k < MATRIX_K; k++) { m.e[r * MATRIX_N + c] += left.e[r * MATRIX_K + k] * right.e[k * MATRIX_N + c]; }
    }
  }
  return m;
}
`;
  return code
    .replace(/^enable (subgroups|chromium_experimental_subgroup_matrix);$/gm, "")
    .replace(/^diagnostic.*$/m, "")
    .replace(/^alias (Left|Right|Result) = .*$/gm, "")
    .replace(
      /subgroupMatrixLoad<(\w+), (row|col)_major>\(&\w+, /g,
      (_, what, major) => `load_${what.toLowerCase()}_${major}(`,
    )
    .replace("subgroupMatrixStore<row_major>(&stage, ", "store_result(")
    .replace("subgroupMatrixMultiplyAccumulate(", "multiply(")
    .replace(/\n\s*@builtin\(subgroup_id\) subgroup: u32,/, "")
    .replace("let sm = subgroup", "let subgroup = lane / LANES;\n  let sm = subgroup")
    .replace("@compute", matrices + "@compute");
}

const emulate = (connection: Connection) => rewriteShaders(connection, code => rolled(emulated(code)));

const config: MatrixConfig = { componentType: "f16", resultComponentType: "f32", M: 8, N: 4, K: 4 };
/** A subgroup of two lanes that do the same, and no dimension of a matrix equal to two others. */
const halves: Tuning = {
  ...gpuTuning,
  precision: "f16",
  tile: { BM: 16, BN: 16, BK: 4 },
  matrix: { config, lanes: 2, sized: false, shapes: [{ WM: 2, WN: 2, TM: 1, TN: 2, BK: 8 }] },
};

/** One shape with whole and one with ragged tiles and a sum cut along K: each mode is a pipeline, seconds to compile here. */
const trained = cases.filter(
  ({ op, shape }) =>
    op === "matmul" &&
    (/NT, M 260, N 12, K 48, mode bias and gelu$/.test(shape) ||
      /TN, M 20, N 24, K 1100, mode accumulate$/.test(shape)),
);
const reference = openReference();

test("products on matrix units, emulated, agree with the reference as far as f16 goes", async t => {
  const connection = await connected();
  if (typeof connection === "string") return t.skip(connection);
  emulate(connection);
  const device = webgpuDevice(connection, halves);
  for (const { contents, run, shape } of trained) {
    const actual = await compute(device, contents, run);
    const expected = await compute(reference, contents, run);
    assertNear(actual["out"]!, expected["out"]!, 4e-3, `matmul (${shape})`);
  }
  await device.destroy();
});

/** The reference, with products on matrix units off by a factor. */
function unreliable(factor: number): Tunable {
  const device = openReference();
  let tuning = halves;
  const matmul: Tunable["matmul"] = p => {
    device.matmul(p);
    const values = device.values(p.out);
    if (tuning.matrix) for (let i = 0; i < values.length; i++) values[i]! *= factor;
  };
  return {
    ...device,
    matmul,
    get tuning() {
      return tuning;
    },
    retune(next) {
      tuning = next;
    },
  };
}

const noScopes = { pushErrorScope: () => {}, popErrorScope: async () => null } as unknown as GPUDevice;

describe("matrix units that fail are found out when the device opens, and it goes on without them", () => {
  test("because they compute something else", async () => {
    for (const [name, factor] of [
      ["4.1e-1", 1.1],
      ["NaN", Number.NaN],
    ] as const) {
      const fault = await matrixFault(unreliable(factor), noScopes);
      assert.ok(fault!.startsWith(`tiles of 16×16: NT products are wrong by ${name}`), fault!);
    }
    const sound = unreliable(1);
    assert.equal(await matrixFault(sound, noScopes), null);
    assert.equal(sound.tuning, halves);
  });
  test("because they do not compile", async t => {
    const connection = await connected("null");
    if (typeof connection === "string") return t.skip(connection);
    rewriteShaders(connection, code => code.replace("subgroup_matrix_left<", "no_such_matrix<"));
    const device = webgpuDevice(connection, {
      ...halves,
      matrix: { ...halves.matrix!, lanes: 32, sized: true },
    });
    assert.match((await matrixFault(device, connection.device))!, /no_such_matrix|matmul-matrix/);
    device.fill(device.alloc("tensor", 4), 3);
    await device.finish();
    await device.destroy();
  });
});

describe("on the null backend", () => {
  const nvidia: MatrixConfig[] = [
    { componentType: "f16", resultComponentType: "f16", M: 16, N: 16, K: 16 },
    { componentType: "f16", resultComponentType: "f32", M: 16, N: 8, K: 8 },
    { componentType: "f16", resultComponentType: "f32", M: 16, N: 16, K: 16 },
    { componentType: "u8", resultComponentType: "u32", M: 16, N: 16, K: 32 },
  ];
  const apple: MatrixConfig[] = [{ componentType: "f32", resultComponentType: "f32", M: 8, N: 8, K: 8 }];
  const intel: MatrixConfig[] = [{ componentType: "f16", resultComponentType: "f32", M: 8, N: 16, K: 16 }];

  for (const [name, matrixConfigs, precision, chosen] of [
    ["NVIDIA", nvidia, "f16", nvidia[2]],
    ["Apple", apple, "f32", apple[0]],
    ["Intel", intel, "f16", intel[0]],
  ] as const) {
    test(`every tile that a ${name} GPU may try on its matrix units compiles`, async t => {
      const connection = await connected("null");
      if (typeof connection === "string") return t.skip(connection);
      const matrix = matrixUnits({ ...connection, matrixConfigs }, precision);
      assert.deepEqual(matrix?.config, chosen);
      const device = webgpuDevice(connection, { ...gpuTuning, precision, matrix });
      await matrixFault(device, connection.device);
      for (const layout of ["NT", "NN", "TN"] as const) {
        const tried = await trials(device, connection.device, { layout, M: 64, N: 48, K: 32 });
        assert.ok(tried.length >= 1 && tried.every(({ choice }) => choice.matrix !== null));
        assert.equal(new Set(tried.map(one => one.name)).size, tried.length);
      }
      await device.destroy();
    });
  }
  test("a device opens with its matrix units, or without them for the reason that is known", async t => {
    const connection = await connected("null");
    if (typeof connection === "string") return t.skip(connection);
    const gpu = { ...connection, matrixConfigs: nvidia };
    const sound = await openChecked(gpu, "f16", { matrixFault: null });
    assert.match(sound.device.about, /matrix units f16→f32 16×16×16$/);
    const faulty = await openChecked(gpu, "f16", { matrixFault: "wrong" });
    assert.equal(faulty.matrixFault, "wrong");
    assert.match(faulty.device.about, /products of f16 in tiles$/);
    const plain = await openChecked(gpu, "f32", { matrixFault: "wrong" });
    assert.equal(plain.matrixFault, null);
    await faulty.device.destroy();
  });
  test("every tile that a GPU without matrix units may try compiles, in f32 and f16", async t => {
    const connection = await connected("null");
    if (typeof connection === "string") return t.skip(connection);
    const device = webgpuDevice(connection, gpuTuning);
    for (const precision of ["f32", "f16"] as const) {
      device.retune({ ...gpuTuning, precision });
      for (const layout of ["NT", "NN", "TN"] as const) {
        const tried = await trials(device, connection.device, { layout, M: 64, N: 48, K: 32 });
        assert.ok(tried.length >= 4);
      }
    }
    await device.destroy();
  });
  test("no matrix units where subgroups vary in size and take none, or no configuration sums in f32", async t => {
    const connection = await connected("null");
    if (typeof connection === "string") return t.skip(connection);
    const gpu = { ...connection, matrixConfigs: nvidia, subgroupSize: { min: 32, max: 32 } };
    assert.equal(matrixUnits(gpu, "f16")!.sized, false);
    const varied = { ...gpu, subgroupSize: { min: 32, max: 64 } };
    assert.deepEqual([matrixUnits(varied, "f16")!.sized, matrixUnits(varied, "f16")!.lanes], [true, 32]);
    const features = new Set([...connection.features].filter(name => name !== "subgroup-size-control"));
    assert.equal(matrixUnits({ ...varied, features }, "f16"), null);
    assert.equal(matrixUnits(gpu, "f32"), null);
    assert.equal(matrixUnits({ ...gpu, matrixConfigs: [] }, "f16"), null);
    connection.device.destroy();
  });
});

describe("the autotuner", () => {
  const product = { layout: "NT", M: 64, N: 48, K: 32 } as const;
  const name = productName(product);
  const folder = mkdtempSync(join(tmpdir(), "curate-tuning-"));
  const before = process.env["XDG_CACHE_HOME"];
  process.env["XDG_CACHE_HOME"] = folder;
  after(() => {
    if (before === undefined) delete process.env["XDG_CACHE_HOME"];
    else process.env["XDG_CACHE_HOME"] = before;
    rmSync(folder, { recursive: true });
  });

  test("remembers a choice for its adapter, precision and matrix units; a damaged file is no harm", () => {
    const adapter = { name: "Some GPU", kind: "gpu", details: {} } as const;
    assert.equal(withRemembered(adapter, gpuTuning), gpuTuning);
    const chosen = new Map([[name, { tile: { BM: 128, BN: 64, BK: 8 }, matrix: null }]]);
    const file = remember(adapter, { ...gpuTuning, chosen });
    assert.deepEqual(withRemembered(adapter, gpuTuning).chosen, chosen);
    assert.equal(withRemembered({ ...adapter, name: "Other GPU" }, gpuTuning), gpuTuning);
    for (const other of [{ ...gpuTuning, precision: "f16" } as const, halves]) {
      assert.equal(withRemembered(adapter, other), other);
    }
    const units = new Map([[name, { tile: null, matrix: { WM: 4, WN: 4, TM: 1, TN: 1, BK: 8 } }]]);
    remember(adapter, { ...halves, chosen: units });
    assert.deepEqual(withRemembered(adapter, halves).chosen, units);
    assert.deepEqual(withRemembered(adapter, gpuTuning).chosen, chosen);
    writeFileSync(file, "{");
    assert.equal(withRemembered(adapter, gpuTuning), gpuTuning);
  });

  test("passes over tiles that the driver does not compile, and the device goes on", async t => {
    const connection = await connected("null");
    if (typeof connection === "string") return t.skip(connection);
    const create = connection.device.createComputePipeline.bind(connection.device);
    connection.device.createComputePipeline = descriptor => {
      const wrong = /BM=64 BN=64/.test(descriptor.label!);
      return create(
        wrong ? { ...descriptor, compute: { ...descriptor.compute, entryPoint: "absent" } } : descriptor,
      );
    };
    const device = webgpuDevice(connection, gpuTuning);
    const names = (await trials(device, connection.device, product)).map(one => one.name);
    assert.ok(names.includes("tile 32×32×8") && !names.some(name => name.startsWith("tile 64×64")));
    device.fill(device.alloc("tensor", 4), 1);
    await device.finish();
    await device.destroy();
  });

  test("measures each product once, uses what it chose and knows it the next time", async t => {
    const connection = await connected("null");
    if (typeof connection === "string") return t.skip(connection);
    const device = webgpuDevice(connection, gpuTuning);
    const lines: string[] = [];
    await device.tune([product, product], line => lines.push(line));
    assert.equal(lines.length, 1);
    assert.match(lines[0]!, /^webgpu: NT 64×48×32: tile \d+×\d+×\d+, /);
    const { tile } = device.tuning.chosen.get(name)!;
    assert.ok(tile);
    await device.tune([product], line => lines.push(line));
    assert.equal(lines.length, 1);
    assert.deepEqual(withRemembered(connection.adapter, gpuTuning).chosen.get(name)!.tile, tile);
    const labels: string[] = [];
    const create = connection.device.createComputePipeline.bind(connection.device);
    connection.device.createComputePipeline = descriptor => {
      labels.push(descriptor.label!);
      return create(descriptor);
    };
    const other = { BM: 32, BN: 128, BK: 4 };
    device.retune({ ...device.tuning, chosen: new Map([[name, { tile: other, matrix: null }]]) });
    const [out, a, b] = [64 * 48, 64 * 32, 48 * 32].map(length => device.alloc("tensor", length));
    device.matmul({ ...product, out: out!, a: a!, b: b!, bias: null, accumulate: false });
    await device.finish();
    assert.match(labels.join(), /matmul-tile BM=32 BN=128 BK=4/);
    await device.destroy();
  });
});
