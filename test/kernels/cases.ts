/**
 * The cases every device must pass: each op at awkward shapes (one, odd, beside multiples of any tile).
 * A backward case runs its forward op first, so that saved statistics are the device's own.
 */
import type { Device, Tensor } from "../../kernels/device.ts";
import { freeMuon, muon, planMuon } from "../../kernels/muon.ts";
import { accumulated, type Contents, given, ids, input, output } from "./tensors.ts";

export type Case = {
  readonly op: string;
  readonly shape: string;
  readonly contents: Contents;
  readonly run: (device: Device, t: Readonly<Record<string, Tensor>>) => void;
  /** Multiplies the device's tolerance where cancellation is expected; 1 otherwise. */
  readonly slack: number;
};

type Run = Case["run"];

function of(op: string, shape: Record<string, unknown>, contents: Contents, run: Run, slack = 1): Case {
  const words = Object.entries(shape).map(([name, value]) => `${name} ${value}`);
  return { op, shape: words.join(", "), contents, run, slack };
}

const rows: readonly (readonly [N: number, C: number])[] = [
  [1, 1],
  [1, 8],
  [3, 5],
  [7, 33],
  [65, 64],
  [130, 48],
  [2, 771],
  [33, 1600],
];

function embedding(): Case[] {
  const shapes = [
    [1, 1, 1, 1, 0],
    [2, 3, 5, 7, 0],
    [3, 65, 33, 11, 4],
    [2, 64, 128, 500, 0],
  ] as const;
  return shapes.flatMap(([B, T, C, V, position]) =>
    [true, false].flatMap(learned => {
      const shape = { B, T, C, V, position, positions: learned ? "learned" : "none" };
      const forward = { ids: ids(B * T, V), wte: input(V * C), wpe: input((position + T) * C, 1, "wpe") };
      const backward = { ids: ids(B * T, V), dwte: accumulated(V * C), dwpe: accumulated(T * C, "dwpe") };
      return [
        of("embed", shape, { ...forward, out: output(B * T * C) }, (d, t) =>
          d.embed({ out: t.out!, ids: t.ids!, wte: t.wte!, wpe: learned ? t.wpe! : null, B, T, C, position }),
        ),
        of("embedBackward", shape, { ...backward, dout: input(B * T * C) }, (d, t) =>
          d.embedBackward({
            ...{ dwte: t.dwte!, dwpe: learned ? t.dwpe! : null, ids: t.ids!, dout: t.dout! },
            ...{ B, T, C, V },
          }),
        ),
      ];
    }),
  );
}

function norms(): Case[] {
  return rows.flatMap(([N, C]) => {
    const eps = 1e-5;
    const inputs = { inp: input(N * C, 2, "inp", 0.5), weight: input(C, 0.5, "weight", 1), bias: input(C) };
    const saved = { out: output(N * C), mean: output(N), rstd: output(N) };
    const gradients = { dinp: accumulated(N * C), dweight: accumulated(C), dbias: accumulated(C, "dbias") };
    const layer: Run = (d, t) =>
      d.layerNorm({
        ...{ out: t.out!, mean: t.mean!, rstd: t.rstd!, inp: t.inp!, weight: t.weight!, bias: t.bias! },
        ...{ N, C, eps },
      });
    const rms: Run = (d, t) =>
      d.rmsNorm({ out: t.out!, rstd: t.rstd!, inp: t.inp!, weight: t.weight!, N, C, eps });
    const layerBackward: Run = (d, t) => {
      layer(d, t);
      d.layerNormBackward({
        ...{ dinp: t.dinp!, dweight: t.dweight!, dbias: t.dbias!, dout: t.dout!, inp: t.inp! },
        ...{ weight: t.weight!, mean: t.mean!, rstd: t.rstd!, N, C },
      });
    };
    const rmsBackward: Run = (d, t) => {
      rms(d, t);
      d.rmsNormBackward({
        ...{ dinp: t.dinp!, dweight: t.dweight!, dout: t.dout!, inp: t.inp!, weight: t.weight! },
        ...{ rstd: t.rstd!, N, C },
      });
    };
    const dout = input(N * C, 1, "dout");
    const { mean: _mean, ...rmsSaved } = saved;
    const { bias: _bias, ...rmsInputs } = inputs;
    const { dbias: _dbias, ...rmsGradients } = gradients;
    return [
      of("layerNorm", { N, C }, { ...inputs, ...saved }, layer),
      of("layerNormBackward", { N, C }, { ...inputs, ...saved, ...gradients, dout }, layerBackward, 2),
      of("rmsNorm", { N, C }, { ...rmsInputs, ...rmsSaved }, rms),
      of("rmsNormBackward", { N, C }, { ...rmsInputs, ...rmsSaved, ...rmsGradients, dout }, rmsBackward, 2),
    ];
  });
}

const products: readonly (readonly [M: number, N: number, K: number])[] = [
  [1, 1, 1],
  [1, 17, 5],
  [2, 64, 64],
  [3, 8, 130],
  [4, 8, 1],
  [5, 9, 7],
  [13, 31, 67],
  [63, 65, 64],
  [64, 64, 64],
  [66, 130, 33],
  [7, 1030, 259],
  [129, 96, 520],
  [260, 12, 48],
  [20, 24, 1100],
];

function matmuls(): Case[] {
  return products.flatMap(([M, N, K]) =>
    (["NT", "NN", "TN"] as const).flatMap(layout =>
      (["plain", "bias", "accumulate", "accumulate and bias"] as const).map(mode => {
        const accumulate = mode.startsWith("accumulate");
        const bias = mode.endsWith("bias");
        const contents = {
          ...{ a: input(M * K, 1, "a"), b: input(K * N, 1, "b"), bias: input(N, 1, "bias") },
          out: accumulate ? accumulated(M * N) : output(M * N),
        };
        return of("matmul", { layout, M, N, K, mode }, contents, (d, t) =>
          d.matmul({
            ...{ layout, out: t.out!, a: t.a!, b: t.b!, bias: bias ? t.bias! : null, M, N, K, accumulate },
          }),
        );
      }),
    ),
  );
}

/** Products with what is done to them in the same pass. */
function fusedMatmuls(): Case[] {
  const shapes = products.filter(([M, N]) => [1, 7, 66, 129, 260, 20].includes(M) && N > 1);
  return shapes.flatMap(([M, N, K]) =>
    (["NT", "NN", "TN"] as const).flatMap(layout =>
      (["residual", "gelu", "geluInput"] as const).map(fused => {
        const mode = layout === "NN" ? fused : `bias and ${fused}`;
        const contents = {
          ...{
            a: input(M * K, 1, "a"),
            b: input(K * N, 1, "b"),
            bias: input(N, 1, "bias"),
            out: output(M * N),
          },
          fused: fused === "gelu" ? output(M * N) : input(M * N, 2, "fused"),
        };
        return of("matmul", { layout, M, N, K, mode }, contents, (d, t) =>
          d.matmul({
            ...{ layout, out: t.out!, a: t.a!, b: t.b!, bias: layout === "NN" ? null : t.bias!, M, N, K },
            ...{ accumulate: false, [fused]: t.fused! },
          }),
        );
      }),
    ),
  );
}

function elementwise(): Case[] {
  const lengths = [1, 3, 64, 257, 5003, 70001];
  const bias = rows.map(([N, C]) =>
    of("biasBackward", { N, C }, { dbias: accumulated(C), dout: input(N * C) }, (d, t) =>
      d.biasBackward({ dbias: t.dbias!, dout: t.dout!, N, C }),
    ),
  );
  const unary = lengths.flatMap(N => [
    of("gelu", { N }, { inp: input(N, 3), out: output(N) }, (d, t) =>
      d.gelu({ out: t.out!, inp: t.inp!, N }),
    ),
    of("geluBackward", { N }, { inp: input(N, 3), dout: input(N, 1, "dout"), dinp: output(N) }, (d, t) =>
      d.geluBackward({ dinp: t.dinp!, dout: t.dout!, inp: t.inp!, N }),
    ),
    of("geluBackward", { N, in: "place" }, { inp: input(N, 3), dout: accumulated(N) }, (d, t) =>
      d.geluBackward({ dinp: t.dout!, dout: t.dout!, inp: t.inp!, N }),
    ),
    of("add", { N }, { a: input(N), b: input(N, 1, "b"), out: output(N) }, (d, t) =>
      d.add({ out: t.out!, a: t.a!, b: t.b!, N }),
    ),
    of("add", { N, in: "place" }, { a: accumulated(N), b: input(N, 1, "b") }, (d, t) =>
      d.add({ out: t.a!, a: t.a!, b: t.b!, N }),
    ),
  ]);
  const extremes = Float32Array.of(0, -0, 1e-20, 20, -20, 88, -88, 150, -150, 1e4, -1e4, 1e10, -1e10);
  const N = extremes.length;
  const limits = [
    of("gelu", { extremes: N }, { inp: given(extremes), out: output(N) }, (d, t) =>
      d.gelu({ out: t.out!, inp: t.inp!, N }),
    ),
    of("geluBackward", { extremes: N }, { inp: given(extremes), dout: input(N), dinp: output(N) }, (d, t) =>
      d.geluBackward({ dinp: t.dinp!, dout: t.dout!, inp: t.inp!, N }),
    ),
    of("swiglu", { extremes: N }, { inp: given(extremes.slice(0, 12)), out: output(6) }, (d, t) =>
      d.swiglu({ out: t.out!, inp: t.inp!, N: 6, F: 1 }),
    ),
  ];
  const gated = [...rows, [5, 172] as const].flatMap(([N, F]) => [
    of("swiglu", { N, F }, { inp: input(N * 2 * F, 3), out: output(N * F) }, (d, t) =>
      d.swiglu({ out: t.out!, inp: t.inp!, N, F }),
    ),
    of(
      "swigluBackward",
      { N, F },
      { inp: input(N * 2 * F, 3), dout: input(N * F, 1, "dout"), dinp: output(N * 2 * F) },
      (d, t) => d.swigluBackward({ dinp: t.dinp!, dout: t.dout!, inp: t.inp!, N, F }),
    ),
  ]);
  return [...bias, ...unary, ...limits, ...gated];
}

const heads: readonly (readonly [B: number, T: number, H: number, KV: number, D: number])[] = [
  [1, 1, 1, 1, 2],
  [1, 7, 1, 1, 8],
  [2, 5, 3, 3, 16],
  [1, 33, 2, 1, 6],
  [2, 64, 2, 2, 32],
  [1, 65, 8, 4, 8],
  [1, 130, 6, 2, 64],
  [3, 11, 4, 1, 80],
  [1, 97, 1, 1, 128],
];

function attentions(): Case[] {
  return heads.flatMap(([B, T, H, KV, D]) => {
    const shape = { B, T, H, KV, D };
    const row = (H + 2 * KV) * D;
    const inputs = { qkv: input(B * T * row), out: output(B * T * H * D), lse: output(B * H * T) };
    const forward: Run = (d, t) => d.attention({ out: t.out!, lse: t.lse!, qkv: t.qkv!, B, T, H, KV, D });
    const backward: Run = (d, t) => {
      forward(d, t);
      d.attentionBackward({
        ...{ dqkv: t.dqkv!, dout: t.dout!, out: t.out!, lse: t.lse!, qkv: t.qkv!, B, T, H, KV, D },
      });
    };
    const gradients = { dqkv: output(B * T * row), dout: input(B * T * H * D, 1, "dout") };
    const ropes = [false, true].map(inverse => {
      const position = inverse ? 0 : 1000;
      const frequencies = Float32Array.from({ length: D / 2 }, (_, i) => 10000 ** ((-2 * i) / D));
      const contents = { qkv: accumulated(B * T * row), frequencies: given(frequencies) };
      return of(
        "rope",
        { ...shape, inverse, position },
        contents,
        (d, t) => d.rope({ qkv: t.qkv!, frequencies: t.frequencies!, ...shape, position, inverse }),
        8,
      );
    });
    return [
      of("attention", shape, inputs, forward),
      of("attentionBackward", shape, { ...inputs, ...gradients }, backward, 2),
      ...ropes,
      ...cached(B, T, H, KV, D),
    ];
  });
}

function cached(B: number, T: number, H: number, KV: number, D: number): Case[] {
  return [
    { position: 0, T },
    { position: 5, T: 1 },
    { position: 131, T: 3 },
    { position: 70, T: 37 },
  ].map(({ position, T }) => {
    const maxT = Math.ceil((position + T + 1) / 64) * 64;
    const contents = {
      qkv: input(B * T * (H + 2 * KV) * D),
      kcache: accumulated(B * maxT * KV * D, "kcache"),
      vcache: accumulated(B * maxT * KV * D, "vcache"),
      out: output(B * T * H * D),
    };
    return of("attentionCached", { B, T, H, KV, D, position, maxT }, contents, (d, t) =>
      d.attentionCached({
        ...{ out: t.out!, qkv: t.qkv!, kcache: t.kcache!, vcache: t.vcache!, B, T, H, KV, D, position, maxT },
      }),
    );
  });
}

function losses(): Case[] {
  const shapes = [
    [1, 1, 64],
    [3, 5, 64],
    [5, 64, 64],
    [7, 257, 320],
    [2, 5003, 5056],
    [66, 100, 128],
  ] as const;
  return shapes.flatMap(([N, V, Vp]) =>
    [false, true].flatMap(weighted =>
      [false, true].map(gradient => {
        const targets = ids(N, V).data as Uint32Array;
        if (N > 2) targets[1] = 0xffffffff;
        const contents = {
          ...{ losses: output(N), logits: accumulated(N * Vp), targets: given(targets) },
          weights: input(N, 0.5, "weights", 1),
        };
        const scale = 0.25;
        return of("crossEntropy", { N, V, Vp, weighted, gradient }, contents, (d, t) =>
          d.crossEntropy({
            ...{ losses: t.losses!, logits: t.logits!, targets: t.targets! },
            ...{ weights: weighted ? t.weights! : null, N, V, Vp, scale, gradient },
          }),
        );
      }),
    ),
  );
}

function optimizer(): Case[] {
  const lengths = [1, 63, 1000, 66003];
  const norm = of(
    "globalNorm",
    { tensors: lengths.join("+") },
    { norm: output(1), a: input(1), b: input(63), c: input(1000), d: input(66003) },
    (d, t) => d.globalNorm({ norm: t.norm!, tensors: [t.a!, t.b!, t.c!, t.d!], scale: 0.5 }),
  );
  const steps = lengths.flatMap(N =>
    [
      { step: 1, clip: 1, weightDecay: 0.1, norm: 4 },
      { step: 7, clip: 0, weightDecay: 0, norm: 4, gradScale: 2 ** -4 },
      { step: 7, clip: 1, weightDecay: 0, norm: 4, gradScale: 2 ** -4 },
      { step: 2000, clip: 1, weightDecay: 0.1, norm: 0.5 },
      { step: 3, clip: 1, weightDecay: 0.1, norm: Number.NaN },
      { step: 3, clip: 0, weightDecay: 0.1, norm: Number.POSITIVE_INFINITY },
    ].map(({ norm, ...settings }) => {
      const contents = {
        ...{ param: accumulated(N, "param"), grad: input(N), m: accumulated(N, "m") },
        v: { role: "accumulated" as const, data: accumulated(N, "v").data.map(Math.abs) as Float32Array },
        norm: given(Float32Array.of(norm)),
      };
      return of("adamw", { N, ...settings, norm }, contents, (d, t) =>
        d.adamw({
          ...{ param: t.param!, grad: t.grad!, m: t.m!, v: t.v!, norm: t.norm!, N },
          ...{ lr: 1e-2, beta1: 0.9, beta2: 0.95, eps: 1e-8, ...settings },
        }),
      );
    }),
  );
  return [norm, ...steps];
}

function muons(): Case[] {
  const gradient = { norm: 4, clip: 1, gradScale: 0.25, beta: 0.9 };
  const steps = [1, 66, 1000, 20003].flatMap(N =>
    [gradient, { ...gradient, clip: 0 }, { ...gradient, norm: Number.NaN }].map(({ norm, ...settings }) => {
      const contents = {
        ...{ out: output(N), m: accumulated(N, "m"), grad: input(N) },
        norm: given(Float32Array.of(norm)),
      };
      return of("momentum", { N, norm, ...settings }, contents, (d, t) =>
        d.momentum({ out: t.out!, m: t.m!, grad: t.grad!, N, norm: t.norm!, ...settings }),
      );
    }),
  );
  const sums = [1, 66, 20003].flatMap(N =>
    [1, Number.POSITIVE_INFINITY].flatMap(norm =>
      (["apart", "a", "b"] as const).map(place => {
        const contents = {
          ...{ out: accumulated(N), b: input(N, 1, "b"), a: input(N, 1, "a") },
          ...{ divisor: given(Float32Array.of(3)), norm: given(Float32Array.of(norm)) },
        };
        return of("combine", { N, norm, place }, contents, (d, t) =>
          d.combine({
            ...{ out: t.out!, a: place === "a" ? t.out! : t.a!, b: place === "b" ? t.out! : t.b!, N },
            ...{ alpha: 1.5, beta: -0.25, divisor: place === "a" ? null : t.divisor! },
            norm: place === "b" && norm === 1 ? null : t.norm!,
          }),
        );
      }),
    ),
  );
  const matrices = [
    [40, 112],
    [64, 24],
    [7, 5],
  ] as const;
  const whole = matrices.map(([rows, columns]) => {
    const N = rows * columns;
    const contents = {
      ...{ param: accumulated(N, "param"), grad: input(N), m: accumulated(N, "m") },
      norm: given(Float32Array.of(4)),
    };
    const settings = { lr: 0.02, beta: 0.95, weightDecay: 0.1, clip: 1, gradScale: 0.5 };
    return of(
      "muon",
      { rows, columns },
      contents,
      (d, t) => {
        const space = planMuon(d, [
          [rows, columns],
          [70, 66],
        ]);
        muon(d, space, {
          param: t.param!,
          grad: t.grad!,
          m: t.m!,
          norm: t.norm!,
          rows,
          columns,
          ...settings,
        });
        freeMuon(d, space);
      },
      8,
    );
  });
  return [...steps, ...sums, ...whole];
}

export const cases: readonly Case[] = [
  ...embedding(),
  ...norms(),
  ...matmuls(),
  ...fusedMatmuls(),
  ...elementwise(),
  ...attentions(),
  ...losses(),
  ...optimizer(),
  ...muons(),
];
