/**
 * Part "peak": what the card can do at most in WGSL, by loops that touch no memory (fused multiply-adds in f32 and f16,
 * products on matrix units from registers) and by copying (bandwidth). The denominators of the other parts.
 */
import type { MatrixConfig } from "../../kernels/webgpu/adapter.ts";
import { matrixName } from "../../kernels/webgpu/adapter.ts";
import { matrixUnits } from "../../kernels/webgpu/tuning.ts";
import { digits, gpuMs, type Opened, open, type Part, printTable, sayReduced, tera, unitOf } from "./part.ts";

export const peakPart: Part = async ({ quick }) => {
  const opened = await open();
  const { connection, device, small } = opened;
  sayReduced(opened);
  const rounds = small || quick ? 2 : 5;
  const results: Record<string, number> = {};
  const rows: (string | number)[][] = [];
  const unit = unitOf(small);
  const add = (name: string, teraflops: number) => {
    results[name] = teraflops;
    rows.push([name, digits(unit.factor * teraflops), unit.name]);
  };
  const shaders: [string, string, number, number][] = [
    ["fma f32", fma("f32"), 64, 2 * 4 * 8],
    ...(connection.features.has("shader-f16")
      ? ([["fma f16", fma("f16"), 64, 2 * 4 * 8]] as [string, string, number, number][])
      : []),
  ];
  const configs = connection.matrixConfigs.filter(({ componentType }) => /^f(16|32)$/.test(componentType));
  const lanes = (matrixUnits(connection, "f16") ?? matrixUnits(connection, "f32"))?.lanes ?? 0;
  for (const config of lanes > 0 ? configs : []) {
    const { M, N, K } = config;
    shaders.push([
      `matrix ${matrixName(config)}`,
      matrices(config, lanes),
      lanes * 4,
      (2 * M * N * K * 8) / lanes,
    ]);
  }
  for (const [name, code, lanesOfGroup, flops] of shaders) {
    const groups = small ? 8 : 8192;
    try {
      const { ms, rounds } = await runRaw(opened, name, code, groups, small ? 1 : 50);
      add(name, tera(flops * rounds * groups * lanesOfGroup, ms));
    } catch (error) {
      console.log(`  ${name} failed: ${error instanceof Error ? error.message.split("\n")[0] : error}`);
    }
  }
  if (configs.length === 0) console.log("  skipped: products on matrix units (the adapter lists none)");
  const length = small ? 1 << 22 : 1 << 26;
  const [from, to] = [device.alloc("from", length), device.alloc("to", length)];
  const copy = await gpuMs(opened, () => device.copy(to, from), rounds);
  results["copy"] = (8 * length) / copy / 1e6;
  rows.push(["copy", digits(results["copy"]), "GB/s"]);
  printTable(["", "peak", ""], rows);
  await device.destroy();
  return results;
};

/** Eight independent chains of vec4 multiply-adds in each invocation. */
function fma(type: "f32" | "f16"): string {
  const chains = Array.from({ length: 8 }, (_, i) => i);
  return `${type === "f16" ? "enable f16;" : ""}
alias T = vec4<${type}>;
@group(0) @binding(0) var<storage, read_write> out: array<f32>;
@group(0) @binding(1) var<uniform> rounds: u32;
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
  let a = T(${type}(id.x % 7u) * 0.001 + 0.5);
  let b = T(${type}(id.x % 5u) * 0.01);
  ${chains.map(i => `var c${i} = T(${i}.0);`).join(" ")}
  for (var r = 0u; r < rounds; r++) { ${chains.map(i => `c${i} = fma(c${i}, a, b);`).join(" ")} }
  let sum = ${chains.map(i => `c${i}`).join(" + ")};
  if (f32(sum.x + sum.y + sum.z + sum.w) == 123.456) { out[id.x % 64u] = f32(sum.x); }
}`;
}

/** Two by four matrices of sums in each of four subgroups. */
function matrices({ componentType, resultComponentType, M, N, K }: MatrixConfig, lanes: number): string {
  const left = [0, 1];
  const right = [0, 1, 2, 3];
  const sums = left.flatMap(m => right.map(n => [m, n] as const));
  return `enable f16; enable subgroups; enable chromium_experimental_subgroup_matrix;
alias L = subgroup_matrix_left<${componentType}, ${K}, ${M}>;
alias R = subgroup_matrix_right<${componentType}, ${N}, ${K}>;
alias S = subgroup_matrix_result<${resultComponentType}, ${N}, ${M}>;
@group(0) @binding(0) var<storage, read_write> out: array<${resultComponentType}>;
@group(0) @binding(1) var<uniform> rounds: u32;
@compute @workgroup_size(${lanes * 4}) fn main() {
  ${left.map(m => `var l${m} = L(${componentType}(0.${m + 1}));`).join(" ")}
  ${right.map(n => `var r${n} = R(${componentType}(0.${n + 1}));`).join(" ")}
  ${sums.map(([m, n]) => `var s${m}${n} = S();`).join(" ")}
  for (var r = 0u; r < rounds; r++) {
    ${sums.map(([m, n]) => `s${m}${n} = subgroupMatrixMultiplyAccumulate(l${m}, r${n}, s${m}${n});`).join(" ")}
  }
  ${sums.map(([m, n]) => `subgroupMatrixStore<row_major>(&out, 0u, s${m}${n}, ${N}u);`).join("\n  ")}
}`;
}

/**
 * A shader of our own with an output and a number of rounds, which are doubled until it takes `least` ms; the best of
 * three. So no card is kept for seconds, and none is too fast to be timed from outside.
 */
async function runRaw(
  { connection, device }: Opened,
  label: string,
  code: string,
  groups: number,
  least: number,
) {
  const gpu = connection.device;
  gpu.pushErrorScope("validation");
  gpu.pushErrorScope("internal");
  const module = gpu.createShaderModule({ label, code });
  const pipeline = gpu.createComputePipeline({
    label,
    layout: "auto",
    compute: { module, entryPoint: "main" },
  });
  const out = gpu.createBuffer({ size: 65536, usage: 0x80 });
  const uniform = gpu.createBuffer({ size: 16, usage: 0x40 | 0x08 });
  const entries = [out, uniform].map((buffer, binding) => ({ binding, resource: { buffer } }));
  const group = gpu.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries });
  const faults = [await gpu.popErrorScope(), await gpu.popErrorScope()].filter(error => error !== null);
  if (faults.length > 0) throw new Error(faults[0]!.message);
  const once = async (rounds: number) => {
    gpu.queue.writeBuffer(uniform, 0, Uint32Array.of(rounds, 0, 0, 0));
    await device.finish();
    const began = performance.now();
    const encoder = gpu.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    pass.dispatchWorkgroups(groups);
    pass.end();
    gpu.queue.submit([encoder.finish()]);
    await device.finish();
    return performance.now() - began;
  };
  let rounds = 16;
  await once(rounds); // compiles
  while (rounds < 2 ** 20 && (await once(rounds)) < least) rounds *= 2;
  return { rounds, ms: Math.min(await once(rounds), await once(rounds), await once(rounds)) };
}
