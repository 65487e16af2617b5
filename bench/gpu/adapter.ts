/** Part "adapter": what WebGPU says of this machine, and what we take of it. */
import { matrixName } from "../../kernels/webgpu/adapter.ts";
import { matrixTile } from "../../kernels/webgpu/tuning.ts";
import { open, type Part } from "./part.ts";

export const adapterPart: Part = async () => {
  const { connection, device } = await open("f16");
  const { adapter, features, matrixConfigs, subgroupSize } = connection;
  console.log(`  ${adapter.name} (${adapter.kind})`);
  for (const [name, value] of Object.entries(adapter.details)) console.log(`  ${name}: ${value}`);
  const limits: Record<string, number> = {};
  for (const name of [
    "maxStorageBuffersPerShaderStage",
    "maxComputeInvocationsPerWorkgroup",
    "maxComputeWorkgroupsPerDimension",
    "minStorageBufferOffsetAlignment",
  ] as const) {
    limits[name] = connection.device.limits[name];
    console.log(`  ${name}: ${limits[name]}`);
  }
  const missing = [
    "shader-f16",
    "subgroups",
    "timestamp-query",
    "chromium-experimental-subgroup-matrix",
  ].filter(name => !features.has(name));
  if (missing.length > 0) console.log(`  not there: ${missing.join(", ")}`);
  console.log(
    matrixConfigs.length > 0
      ? `  subgroup-matrix configurations: ${matrixConfigs.map(matrixName).join(", ")}`
      : "  subgroup-matrix configurations: none",
  );
  const { matrix } = device.tuning;
  console.log(
    matrix
      ? `  used in f16: ${matrixName(matrix.config)}, tiles ${matrix.shapes
          .map(shape => Object.values(matrixTile(matrix.config, shape)).join("×"))
          .join(", ")}`
      : "  used in f16: no matrix units",
  );
  console.log(`  ${device.about}`);
  await device.destroy();
  return { adapter, features: [...features], matrixConfigs, subgroupSize, limits, about: device.about };
};
