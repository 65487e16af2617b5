/**
 * Part "matmul": TFLOP/s of every tier at 1024³ to 8192³, each layout, against the card's own peak (part "peak"): f32
 * in register tiles, f32 and f16 in tiles of workgroup memory, and each subgroup-matrix configuration; with the
 * built-in tile and with the one that the autotuner finds. Each result is first held against the f32 tiles.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type MatrixConfig, matrixName } from "../../kernels/webgpu/adapter.ts";
import { trials } from "../../kernels/webgpu/tune.ts";
import {
  gpuTuning,
  matrixUnits,
  type Precision,
  productName,
  type Tuning,
} from "../../kernels/webgpu/tuning.ts";
import {
  digits,
  faultOf,
  gpuMs,
  type Opened,
  open,
  type Part,
  printTable,
  sayReduced,
  tera,
  unitOf,
} from "./part.ts";

type Tier = { readonly name: string; readonly tuning: Tuning; readonly peak: string };

export const matmulPart: Part = async ({ quick, out, save }) => {
  const opened = await open();
  const { device, software, small } = opened;
  sayReduced(opened);
  const peaks = readPeaks(out);
  const unit = unitOf(small);
  if (software)
    console.log("  skipped: the autotuner (its tiles take a software adapter minutes to compile)");
  const sizes = small ? [128, 256] : quick ? [1024, 4096] : [1024, 2048, 4096, 8192];
  const layouts = ["NT", "NN", "TN"] as const;
  const results: object[] = [];
  for (const tier of await tiersOf(opened)) {
    const rows: (string | number)[][] = [];
    for (const size of sizes) {
      const row: (string | number)[] = [`${size}³`];
      for (const layout of layouts) {
        const rate = await rateOf(opened, tier.tuning, { layout, M: size, N: size, K: size });
        results.push({ tier: tier.name, layout, size, teraflops: rate });
        row.push(digits(unit.factor * rate));
        if (layout === "NT" && peaks) row.push(share(rate, peaks[tier.peak]));
      }
      rows.push(row);
    }
    if (!software && (tier.tuning.tile || tier.tuning.matrix)) {
      const size = small ? 256 : 4096;
      const row: (string | number)[] = [`${size}³ tuned`];
      for (const layout of layouts) {
        device.retune(tier.tuning);
        const [best] = await trials(device, opened.connection.device, {
          layout,
          M: size,
          N: size,
          K: size,
        });
        if (!best) continue;
        results.push({ tier: tier.name, layout, size, teraflops: best.teraflops, tuned: best.name });
        row.push(digits(best.teraflops));
        if (layout === "NT" && peaks) row.push(share(best.teraflops, peaks[tier.peak]));
        if (layout === "TN") row.push(best.name);
      }
      rows.push(row);
    }
    console.log(`\n  ${tier.name}, ${unit.name}`);
    save(results);
    printTable(["", "NT", ...(peaks ? [`of ${tier.peak}`] : []), "NN", "TN"], rows);
  }
  if (!peaks) console.log('  no shares of the peak: run the part "peak" first, into the same --out');
  await device.destroy();
  return results;
};

function readPeaks(out: string): Record<string, number> | null {
  try {
    return JSON.parse(readFileSync(join(out, "peak.json"), "utf8")) as Record<string, number>;
  } catch {
    return null;
  }
}

const share = (rate: number, peak: number | undefined) =>
  peak ? `${((100 * rate) / peak).toFixed(0)} %` : "-";

/** The tiers that this adapter can run; what it cannot is said. */
async function tiersOf({ connection, device, software }: Opened): Promise<Tier[]> {
  const { tuning } = device;
  const plain: Tuning = { ...tuning, matrix: null, chosen: new Map(), precision: "f32" };
  // A software adapter compiles large tiles for minutes.
  const tile = software ? { BM: 16, BN: 16, BK: 4 } : (tuning.tile ?? gpuTuning.tile);
  const tiers: Tier[] = [
    { name: "f32, register tiles", tuning: { ...plain, tile: null }, peak: "fma f32" },
    { name: "f32, tiles in workgroup memory", tuning: { ...plain, tile }, peak: "fma f32" },
  ];
  if (connection.features.has("shader-f16")) {
    const half: Tuning = { ...plain, tile, precision: "f16" };
    tiers.push({ name: "f16 operands, f32 sums, tiles in workgroup memory", tuning: half, peak: "fma f32" });
  } else console.log("  skipped: f16 operands (no shader-f16)");
  const usable = connection.matrixConfigs.filter(({ resultComponentType }) => resultComponentType === "f32");
  if (usable.length === 0) console.log("  skipped: matrix units (no configuration with sums in f32)");
  for (const config of usable) {
    const tuning = matrixTuning(connection, plain, config);
    if (typeof tuning === "string") {
      console.log(`  skipped: ${matrixName(config)}: ${tuning}`);
      continue;
    }
    device.retune(tuning);
    const fault = await faultOf({ connection, device });
    if (fault) console.log(`  skipped: ${matrixName(config)}: ${fault}`);
    else
      tiers.push({
        name: `matrix units ${matrixName(config)}`,
        tuning,
        peak: `matrix ${matrixName(config)}`,
      });
  }
  device.retune(tuning);
  return tiers.map(tier => (software ? withFewerTiles(tier) : tier));
}

const withFewerTiles = (tier: Tier): Tier => ({ ...tier, tuning: { ...tier.tuning, workgroups: 1 } });

function matrixTuning(
  connection: Opened["connection"],
  plain: Tuning,
  config: MatrixConfig,
): Tuning | string {
  if (config.componentType !== "f16" && config.componentType !== "f32") return "operands of no use here";
  const precision: Precision = config.componentType;
  const matrix = matrixUnits({ ...connection, matrixConfigs: [config] }, precision);
  return matrix
    ? { ...plain, precision, matrix }
    : "its shape, or the size of subgroups, does not fit our kernel";
}

async function rateOf(
  opened: Opened,
  tuning: Tuning,
  shape: { readonly layout: "NT" | "NN" | "TN"; readonly M: number; readonly N: number; readonly K: number },
): Promise<number> {
  const { device } = opened;
  const { M, N, K } = shape;
  device.retune(tuning);
  const [out, a, b] = [M * N, M * K, N * K].map(length => device.alloc(productName(shape), length));
  for (const tensor of [a, b]) device.fill(tensor!, 0.01);
  const run = () => device.matmul({ ...shape, out: out!, a: a!, b: b!, bias: null, accumulate: false });
  const ms = await gpuMs(opened, run, opened.software ? 2 : 5);
  for (const tensor of [out, a, b]) device.free(tensor!);
  await device.finish();
  return tera(2 * M * N * K, ms);
}
