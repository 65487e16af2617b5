/**
 * Finite differences: L = Σ out·dout for a fixed random dout, so that dL/dx is what a backward op must add to dx.
 * Central differences in float64 on the reference device; every element is checked, for tensors are small.
 */
import type { Device, Tensor } from "../../kernels/device.ts";
import { openReference, type ReferenceDevice } from "../../kernels/reference/device.ts";
import { hash32, random } from "../../lib/random.ts";
import { assertNear } from "./tensors.ts";

type Named = Readonly<Record<string, Tensor>>;

export type GradientCase = {
  readonly name: string;
  /** Lengths of what the op is differentiated by; `d` + name is its gradient. */
  readonly by: Readonly<Record<string, number>>;
  /** Length of `out`. */
  readonly out: number;
  /** Lengths of what the forward op saves besides. */
  readonly saved: Readonly<Record<string, number>>;
  readonly ids?: readonly number[];
  readonly forward: (device: Device, t: Named) => void;
  readonly backward: (device: Device, t: Named) => void;
};

function randomised(device: ReferenceDevice, name: string, length: number): Tensor {
  const tensor = device.alloc(name, length);
  const source = random(hash32(length, name));
  const values = device.values(tensor);
  for (let i = 0; i < length; i++) values[i] = source.normal();
  return tensor;
}

export function checkGradients({ name, by, out, saved, ids, forward, backward }: GradientCase) {
  const device = openReference();
  const t: Record<string, Tensor> = { out: device.alloc("out", out), dout: randomised(device, "dout", out) };
  for (const [key, length] of Object.entries(by)) t[key] = randomised(device, key, length);
  for (const [key, length] of Object.entries(saved)) t[key] = device.alloc(key, length);
  if (ids) {
    t["ids"] = device.alloc("ids", ids.length, "u32");
    device.write(t["ids"], Uint32Array.from(ids));
  }
  const loss = () => {
    forward(device, t);
    const [values, dout] = [device.values(t["out"]!), device.values(t["dout"]!)];
    return values.reduce((sum, x, i) => sum + x * dout[i]!, 0);
  };
  forward(device, t);
  for (const [key, length] of Object.entries(by)) t["d" + key] = device.alloc("d" + key, length);
  backward(device, t);
  const step = 1e-5;
  for (const [key, length] of Object.entries(by)) {
    const values = device.values(t[key]!);
    const expected = Array.from({ length }, (_, i) => {
      const at = values[i]!;
      values[i] = at + step;
      const above = loss();
      values[i] = at - step;
      const below = loss();
      values[i] = at;
      return (above - below) / (2 * step);
    });
    assertNear(device.values(t["d" + key]!), expected, 1e-7, `${name}: d${key}`);
  }
}

const [B, T, C, V, N, H, KV, D] = [2, 5, 6, 4, 3, 4, 2, 6];
const row = (H + 2 * KV) * D;
const eps = 1e-5;

function products(layout: "NT" | "NN" | "TN"): GradientCase {
  const [M, N, K] = [3, 4, 5];
  const flags = { bias: null, accumulate: true } as const;
  // y = x·Wᵀ: dx = dy·W, dW = dyᵀ·x, and so for the other layouts by renaming the factors.
  const backwards: Record<typeof layout, GradientCase["backward"]> = {
    NT: (d, t) => {
      d.matmul({ layout: "NN", out: t["da"]!, a: t["dout"]!, b: t["b"]!, M, N: K, K: N, ...flags });
      d.matmul({ layout: "TN", out: t["db"]!, a: t["dout"]!, b: t["a"]!, M: N, N: K, K: M, ...flags });
    },
    NN: (d, t) => {
      d.matmul({ layout: "NT", out: t["da"]!, a: t["dout"]!, b: t["b"]!, M, N: K, K: N, ...flags });
      d.matmul({ layout: "TN", out: t["db"]!, a: t["a"]!, b: t["dout"]!, M: K, N, K: M, ...flags });
    },
    TN: (d, t) => {
      d.matmul({ layout: "NT", out: t["da"]!, a: t["b"]!, b: t["dout"]!, M: K, N: M, K: N, ...flags });
      d.matmul({ layout: "NN", out: t["db"]!, a: t["a"]!, b: t["dout"]!, M: K, N, K: M, ...flags });
    },
  };
  return {
    name: `matmul ${layout} with bias`,
    by: { a: M * K, b: K * N, bias: N },
    out: M * N,
    saved: {},
    forward: (d, t) =>
      d.matmul({
        ...{ layout, out: t["out"]!, a: t["a"]!, b: t["b"]!, bias: t["bias"]!, M, N, K },
        accumulate: false,
      }),
    backward: (d, t) => {
      backwards[layout](d, t);
      d.biasBackward({ dbias: t["dbias"]!, dout: t["dout"]!, N: M, C: N });
    },
  };
}

export const gradientCases: readonly GradientCase[] = [
  {
    name: "embed",
    by: { wte: V * C, wpe: T * C },
    out: B * T * C,
    saved: {},
    ids: [0, 1, 1, 3, 0, 2, 2, 2, 1, 3],
    forward: (d, { out, ids, wte, wpe }) =>
      d.embed({ out: out!, ids: ids!, wte: wte!, wpe: wpe!, B, T, C, position: 0 }),
    backward: (d, { dwte, dwpe, ids, dout }) =>
      d.embedBackward({ dwte: dwte!, dwpe: dwpe!, ids: ids!, dout: dout!, B, T, C, V }),
  },
  {
    name: "layerNorm",
    by: { inp: N * C, weight: C, bias: C },
    out: N * C,
    saved: { mean: N, rstd: N },
    forward: (d, { out, mean, rstd, inp, weight, bias }) =>
      d.layerNorm({
        ...{ out: out!, mean: mean!, rstd: rstd!, inp: inp!, weight: weight!, bias: bias! },
        ...{ N, C, eps },
      }),
    backward: (d, t) =>
      d.layerNormBackward({
        ...{ dinp: t["dinp"]!, dweight: t["dweight"]!, dbias: t["dbias"]!, dout: t["dout"]!, inp: t["inp"]! },
        ...{ weight: t["weight"]!, mean: t["mean"]!, rstd: t["rstd"]!, N, C },
      }),
  },
  {
    name: "rmsNorm",
    by: { inp: N * C, weight: C },
    out: N * C,
    saved: { rstd: N },
    forward: (d, { out, rstd, inp, weight }) =>
      d.rmsNorm({ out: out!, rstd: rstd!, inp: inp!, weight: weight!, N, C, eps }),
    backward: (d, t) =>
      d.rmsNormBackward({
        ...{ dinp: t["dinp"]!, dweight: t["dweight"]!, dout: t["dout"]!, inp: t["inp"]! },
        ...{ weight: t["weight"]!, rstd: t["rstd"]!, N, C },
      }),
  },
  products("NT"),
  products("NN"),
  products("TN"),
  {
    name: "gelu",
    by: { inp: 40 },
    out: 40,
    saved: {},
    forward: (d, { out, inp }) => d.gelu({ out: out!, inp: inp!, N: 40 }),
    backward: (d, { dinp, dout, inp }) => d.geluBackward({ dinp: dinp!, dout: dout!, inp: inp!, N: 40 }),
  },
  {
    name: "swiglu",
    by: { inp: N * 2 * C },
    out: N * C,
    saved: {},
    forward: (d, { out, inp }) => d.swiglu({ out: out!, inp: inp!, N, F: C }),
    backward: (d, { dinp, dout, inp }) => d.swigluBackward({ dinp: dinp!, dout: dout!, inp: inp!, N, F: C }),
  },
  {
    name: "rope (its backward is the inverse rotation)",
    by: { qkv: B * T * row },
    out: B * T * row,
    saved: { frequencies: D / 2 },
    forward: (d, { out, qkv, frequencies }) => {
      d.write(frequencies!, Float64Array.of(1, 0.3, 0.01));
      d.copy(out!, qkv!);
      d.rope({ qkv: out!, frequencies: frequencies!, B, T, H, KV, D, position: 3, inverse: false });
    },
    backward: (d, { dqkv, dout, frequencies }) => {
      d.copy(dqkv!, dout!);
      d.rope({ qkv: dqkv!, frequencies: frequencies!, B, T, H, KV, D, position: 3, inverse: true });
    },
  },
  {
    name: "attention with grouped queries",
    by: { qkv: B * T * row },
    out: B * T * H * D,
    saved: { lse: B * H * T },
    forward: (d, { out, lse, qkv }) => d.attention({ out: out!, lse: lse!, qkv: qkv!, B, T, H, KV, D }),
    backward: (d, t) =>
      d.attentionBackward({
        ...{ dqkv: t["dqkv"]!, dout: t["dout"]!, out: t["out"]!, lse: t["lse"]!, qkv: t["qkv"]! },
        ...{ B, T, H, KV, D },
      }),
  },
  {
    name: "crossEntropy, in place, masked and scaled by the upstream gradient",
    by: { logits: N * 8 },
    out: N,
    saved: {},
    ids: [1, 0xffffffff, 4],
    forward: (d, { out, logits, ids }) =>
      d.crossEntropy({
        ...{ losses: out!, logits: logits!, targets: ids!, weights: null, N, V: 5, Vp: 8, scale: 1 },
        gradient: false,
      }),
    backward: (d, { out, dlogits, logits, dout, ids }) => {
      d.copy(dlogits!, logits!);
      d.crossEntropy({
        ...{ losses: out!, logits: dlogits!, targets: ids!, weights: dout!, N, V: 5, Vp: 8, scale: 1 },
        gradient: true,
      });
    },
  },
];
