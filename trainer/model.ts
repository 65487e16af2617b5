/**
 * The transformer, forward and backward, written once against Device and used by training, evaluation and sampling.
 * Activations and gradients are allocated once, by `planActivations`, and reused every step. The head works by
 * chunks of rows, so that logits never exist for all positions (GPT-2: 13 GB for 64 x 1024 tokens).
 * Names after llm.c: N = B·T rows. Knows no data, optimizer or files.
 */
import type { Device, Tensor } from "../kernels/device.ts";
import { headSize, type ModelConfig, paddedVocabulary, qkvWidth, rotaryFrequencies } from "./config.ts";
import { lengthOf, type Parameter, parametersOf } from "./parameters.ts";

export type Tensors = ReadonlyMap<string, Tensor>;

export type Model = {
  readonly config: ModelConfig;
  readonly device: Device;
  /** By parameter name. */
  readonly weights: Tensors;
  /** Rotary frequencies; null for gpt2. */
  readonly frequencies: Tensor | null;
};

/** What a block leaves behind for its backward pass. */
export type BlockActivations = {
  /** The residual stream before the block (N, width) and between its halves. */
  readonly x: Tensor;
  readonly middle: Tensor;
  readonly norm1: Normed;
  readonly norm2: Normed;
  readonly qkv: Tensor;
  readonly attended: Tensor;
  /** Log of the softmax sums (B, heads, T); null where nothing is trained. */
  readonly lse: Tensor | null;
  readonly up: Tensor;
  readonly active: Tensor;
};

type Normed = { readonly out: Tensor; readonly mean: Tensor; readonly rstd: Tensor };

export type Activations = {
  readonly blocks: readonly BlockActivations[];
  /** The residual stream after the last block. */
  readonly x: Tensor;
  readonly norm: Normed;
  /** Blocks keep their inputs only, share the rest, and are computed again on the way back. */
  readonly recompute: boolean;
};

/** A batch of B rows of T positions that begin at `position`. */
export type Shape = { readonly B: number; readonly T: number; readonly position: number };

export function allocModel(device: Device, config: ModelConfig): Model {
  const weights = allocParameters(device, config, "weight");
  return { config, device, weights, frequencies: allocFrequencies(device, config) };
}

/** One zeroed tensor for each parameter, or for those that are `wanted`. */
export function allocParameters(
  device: Device,
  config: ModelConfig,
  what: string,
  wanted: (parameter: Parameter) => boolean = () => true,
): Tensors {
  const alloc = (parameter: Parameter) => device.alloc(`${what} of ${parameter.name}`, lengthOf(parameter));
  const list = parametersOf(config).filter(wanted);
  return new Map(list.map(parameter => [parameter.name, alloc(parameter)]));
}

export function freeModel({ device, weights, frequencies }: Model) {
  for (const tensor of weights.values()) device.free(tensor);
  if (frequencies) device.free(frequencies);
}

function allocFrequencies(device: Device, config: ModelConfig): Tensor | null {
  if (config.family === "gpt2") return null;
  const frequencies = rotaryFrequencies(config);
  const tensor = device.alloc("rotary frequencies", frequencies.length);
  device.write(tensor, frequencies);
  return tensor;
}

const allocNorm = (device: Device, label: string, N: number, C: number): Normed => ({
  out: device.alloc(label, N * C),
  mean: device.alloc(`${label} means`, N),
  rstd: device.alloc(`${label} deviations`, N),
});

function allocBlock(
  device: Device,
  config: ModelConfig,
  N: number,
  label: string,
  lse: boolean,
): BlockActivations {
  const { width, hidden, family, heads } = config;
  return {
    x: device.alloc(`${label} residual`, N * width),
    middle: device.alloc(`${label} middle residual`, N * width),
    norm1: allocNorm(device, `${label} norm1`, N, width),
    norm2: allocNorm(device, `${label} norm2`, N, width),
    qkv: device.alloc(`${label} qkv`, N * qkvWidth(config)),
    attended: device.alloc(`${label} attention`, N * width),
    lse: lse ? device.alloc(`${label} attention sums`, N * heads) : null,
    up: device.alloc(`${label} up`, N * hidden * (family === "gpt2" ? 1 : 2)),
    active: device.alloc(`${label} hidden`, N * hidden),
  };
}

/**
 * Activations for N positions: kept for every block when training, else one block's, used over and over. With
 * `recompute` a training block keeps its input alone: the memory of one block for a third more arithmetic.
 */
export function planActivations(model: Model, N: number, training: boolean, recompute = false): Activations {
  const { device, config } = model;
  const block = (layer: number) => allocBlock(device, config, N, `layer ${layer}`, training);
  const layers = Array.from({ length: config.layers }, (_, layer) => layer);
  if (training) {
    const one = recompute ? block(0) : null;
    const input = (layer: number) => device.alloc(`layer ${layer} residual`, N * config.width);
    const blocks = layers.map(layer => {
      if (!one) return block(layer);
      return layer === 0 ? one : { ...one, x: input(layer) };
    });
    const x = device.alloc("last residual", N * config.width);
    return { blocks, x, norm: allocNorm(device, "last norm", N, config.width), recompute };
  }
  const one = block(0);
  return { blocks: layers.map(() => one), x: one.x, norm: one.norm1, recompute: false };
}

export function freeActivations(device: Device, { blocks, x, norm }: Activations) {
  const tensors = new Set<Tensor>([x, norm.out, norm.mean, norm.rstd]);
  for (const { norm1, norm2, lse, ...rest } of blocks) {
    for (const { out, mean, rstd } of [norm1, norm2]) for (const t of [out, mean, rstd]) tensors.add(t);
    for (const tensor of Object.values(rest)) tensors.add(tensor);
    if (lse) tensors.add(lse);
  }
  for (const tensor of tensors) device.free(tensor);
}

/** weight and bias of a linear layer or a norm. */
function pair(tensors: Tensors, name: string): { weight: Tensor; bias: Tensor | null } {
  return { weight: tensors.get(`${name}.weight`)!, bias: tensors.get(`${name}.bias`) ?? null };
}

const headOf = (config: ModelConfig, tensors: Tensors) => tensors.get(config.tied ? "wte" : "head")!;

function forwardNorm(model: Model, name: string, inp: Tensor, { out, mean, rstd }: Normed, N: number) {
  const { device, config, weights } = model;
  const { weight, bias } = pair(weights, name);
  const { width: C, eps } = config;
  if (bias) device.layerNorm({ out, mean, rstd, inp, weight, bias, N, C, eps });
  else device.rmsNorm({ out, rstd, inp, weight, N, C, eps });
}

/** out (N, outputs) = inp (N, inputs)·Wᵀ + b, and what is fused with it. */
function forwardLinear(
  model: Model,
  name: string,
  out: Tensor,
  inp: Tensor,
  [N, inputs, outputs]: readonly [number, number, number],
  fused: { readonly residual?: Tensor; readonly gelu?: Tensor } = {},
) {
  const { weight, bias } = pair(model.weights, name);
  model.device.matmul({
    ...{ layout: "NT", out, a: inp, b: weight, bias, M: N, N: outputs, K: inputs, accumulate: false },
    ...fused,
  });
}

/** How a block attends: over its own batch when training, over a cache when sampling. */
export type Attend = (block: BlockActivations, layer: number) => void;

/** Embeds `ids`, runs every block and the last norm; the result is `activations.norm.out` (N, width). */
export function forward(model: Model, activations: Activations, ids: Tensor, shape: Shape, attend: Attend) {
  const { device, config, weights } = model;
  const { B, T, position } = shape;
  const N = B * T;
  const { width: C, hidden, layers } = config;
  const [wte, wpe] = [weights.get("wte")!, weights.get("wpe") ?? null];
  device.embed({ out: activations.blocks[0]!.x, ids, wte, wpe, B, T, C, position });
  for (let layer = 0; layer < layers; layer++) {
    const block = activations.blocks[layer]!;
    const next = activations.blocks[layer + 1]?.x ?? activations.x;
    forwardBlock(model, block, layer, shape, attend);
    const fused = { residual: block.middle };
    forwardLinear(model, `layers.${layer}.down`, next, block.active, [N, hidden, C], fused);
  }
  forwardNorm(model, "norm", activations.x, activations.norm, N);
}

/** A block up to its hidden layer: all that its backward pass needs. */
function forwardBlock(model: Model, block: BlockActivations, layer: number, shape: Shape, attend: Attend) {
  const { device, config, frequencies } = model;
  const { B, T, position } = shape;
  const N = B * T;
  const { width: C, hidden } = config;
  const heads = { H: config.heads, KV: config.kvHeads, D: headSize(config) };
  const at = `layers.${layer}`;
  forwardNorm(model, `${at}.norm1`, block.x, block.norm1, N);
  forwardLinear(model, `${at}.qkv`, block.qkv, block.norm1.out, [N, C, qkvWidth(config)]);
  if (frequencies) device.rope({ qkv: block.qkv, frequencies, B, T, ...heads, position, inverse: false });
  attend(block, layer);
  forwardLinear(model, `${at}.projection`, block.middle, block.attended, [N, C, C], { residual: block.x });
  forwardNorm(model, `${at}.norm2`, block.middle, block.norm2, N);
  if (config.family === "gpt2") {
    forwardLinear(model, `${at}.up`, block.up, block.norm2.out, [N, C, hidden], { gelu: block.active });
  } else {
    forwardLinear(model, `${at}.up`, block.up, block.norm2.out, [N, C, 2 * hidden]);
    device.swiglu({ out: block.active, inp: block.up, N, F: hidden });
  }
}

/** Causal attention within the batch, keeping what backward needs. */
export const attendBatch =
  ({ device, config }: Model, { B, T }: Shape): Attend =>
  ({ attended, lse, qkv }) =>
    device.attention({
      ...{ out: attended, lse: lse!, qkv, B, T, H: config.heads, KV: config.kvHeads, D: headSize(config) },
    });

/** logits (rows, Vp) of rows of the last norm. */
export function logitsOf(model: Model, logits: Tensor, hidden: Tensor, rows: number) {
  const { device, config, weights } = model;
  const [b, N, K] = [headOf(config, weights), paddedVocabulary(config), config.width];
  device.matmul({ layout: "NT", out: logits, a: hidden, b, bias: null, M: rows, N, K, accumulate: false });
}

/** Buffers of the backward pass and of the head. */
export type Gradients = {
  readonly parameters: Tensors;
  readonly dx: Tensor;
  readonly dnorm: Tensor;
  readonly dattended: Tensor;
  readonly dqkv: Tensor;
  readonly dup: Tensor;
  readonly dactive: Tensor;
};

export function planGradients({ device, config }: Model, N: number): Gradients {
  const { width, hidden, family } = config;
  return {
    parameters: allocParameters(device, config, "gradient"),
    dx: device.alloc("gradient of the residual", N * width),
    dnorm: device.alloc("gradient of a norm's output", N * width),
    dattended: device.alloc("gradient of attention", N * width),
    dqkv: device.alloc("gradient of qkv", N * qkvWidth(config)),
    dup: device.alloc("gradient of up", N * hidden * (family === "gpt2" ? 1 : 2)),
    dactive: device.alloc("gradient of the hidden layer", N * hidden),
  };
}

/** Rows of logits at a time, at most `bytes`: a multiple of 64 (view alignment), or all. */
export function headChunk(config: ModelConfig, N: number, bytes: number): number {
  const most = Math.max(64, Math.floor(bytes / (4 * paddedVocabulary(config)) / 64) * 64);
  const chunks = Math.ceil(N / most);
  return chunks === 1 ? N : Math.ceil(N / chunks / 64) * 64;
}

export type Head = { readonly logits: Tensor; readonly rows: number };

export function planHead({ device, config }: Model, N: number, bytes: number): Head {
  const rows = headChunk(config, N, bytes);
  return { logits: device.alloc("logits", rows * paddedVocabulary(config)), rows };
}

/**
 * Losses (N) of the last norm's rows against targets. With gradients, also the gradient of the mean: `scale` is
 * what each row's loss counts for; dnorm is overwritten and the head's gradient added to.
 */
export function headLosses(
  model: Model,
  activations: Activations,
  head: Head,
  p: {
    readonly losses: Tensor;
    readonly targets: Tensor;
    readonly N: number;
    readonly scale: number;
    readonly gradients: Gradients | null;
  },
) {
  const { device, config, weights } = model;
  const { width: C, vocabulary: V } = config;
  const Vp = paddedVocabulary(config);
  const { gradients } = p;
  for (let row = 0; row < p.N; row += head.rows) {
    const rows = Math.min(head.rows, p.N - row);
    const part = (tensor: Tensor, width: number) =>
      rows === p.N ? tensor : device.view(tensor, row * width, rows * width);
    const hidden = part(activations.norm.out, C);
    const { logits } = head;
    logitsOf(model, logits, hidden, rows);
    device.crossEntropy({
      ...{ losses: part(p.losses, 1), logits, targets: part(p.targets, 1), weights: null },
      ...{ N: rows, V, Vp, scale: p.scale, gradient: gradients !== null },
    });
    if (!gradients) continue;
    const dhidden = part(gradients.dnorm, C);
    const b = headOf(config, weights);
    const dhead = headOf(config, gradients.parameters);
    const shared = { bias: null, N: C } as const;
    device.matmul({ layout: "NN", out: dhidden, a: logits, b, M: rows, K: Vp, accumulate: false, ...shared });
    device.matmul({
      layout: "TN",
      out: dhead,
      a: logits,
      b: hidden,
      M: Vp,
      K: rows,
      accumulate: true,
      ...shared,
    });
  }
}

/** From the gradient of the last norm's output (gradients.dnorm) to every parameter's gradient, which is added to. */
export function backward(
  model: Model,
  activations: Activations,
  gradients: Gradients,
  ids: Tensor,
  shape: Shape,
) {
  const { device, config } = model;
  const { B, T, position } = shape;
  const N = B * T;
  const { width: C, hidden, vocabulary: V } = config;
  const { dx, dnorm, dattended, dqkv, dup, dactive, parameters } = gradients;
  const heads = { H: config.heads, KV: config.kvHeads, D: headSize(config) };
  device.fill(dx, 0);
  backwardNorm(model, gradients, "norm", activations.x, activations.norm, N);
  for (let layer = config.layers - 1; layer >= 0; layer--) {
    const block = activations.blocks[layer]!;
    const at = `layers.${layer}`;
    // The last block is still there from the way forward.
    if (activations.recompute && layer < config.layers - 1)
      forwardBlock(model, block, layer, shape, attendBatch(model, shape));
    const geluInput = config.family === "gpt2" ? block.up : null;
    backwardLinear(model, gradients, `${at}.down`, dx, block.active, dactive, [N, hidden, C], geluInput);
    if (config.family === "gpt2") {
      backwardLinear(model, gradients, `${at}.up`, dactive, block.norm2.out, dnorm, [N, C, hidden]);
    } else {
      device.swigluBackward({ dinp: dup, dout: dactive, inp: block.up, N, F: hidden });
      backwardLinear(model, gradients, `${at}.up`, dup, block.norm2.out, dnorm, [N, C, 2 * hidden]);
    }
    backwardNorm(model, gradients, `${at}.norm2`, block.middle, block.norm2, N);
    backwardLinear(model, gradients, `${at}.projection`, dx, block.attended, dattended, [N, C, C]);
    device.attentionBackward({
      ...{ dqkv, dout: dattended, out: block.attended, lse: block.lse!, qkv: block.qkv, B, T, ...heads },
    });
    if (model.frequencies) {
      device.rope({ qkv: dqkv, frequencies: model.frequencies, B, T, ...heads, position, inverse: true });
    }
    backwardLinear(model, gradients, `${at}.qkv`, dqkv, block.norm1.out, dnorm, [N, C, qkvWidth(config)]);
    backwardNorm(model, gradients, `${at}.norm1`, block.x, block.norm1, N);
  }
  const [dwte, dwpe] = [parameters.get("wte")!, parameters.get("wpe") ?? null];
  device.embedBackward({ dwte, dwpe, ids, dout: dx, B, T, C, V });
}

/** Adds to dx the gradient that came through a norm (dnorm), and to the norm's parameters. */
function backwardNorm(model: Model, g: Gradients, name: string, inp: Tensor, normed: Normed, N: number) {
  const { device, config, weights } = model;
  const { weight, bias } = pair(weights, name);
  const { weight: dweight, bias: dbias } = pair(g.parameters, name);
  const { mean, rstd } = normed;
  const shared = { dinp: g.dx, dweight: dweight!, dout: g.dnorm, inp, weight, rstd, N, C: config.width };
  if (bias) device.layerNormBackward({ ...shared, dbias: dbias!, mean });
  else device.rmsNormBackward(shared);
}

/** dinp (N, inputs) = dout (N, outputs)·W, with a geluInput before GELU; dW += doutᵀ·inp; db += column sums. */
function backwardLinear(
  model: Model,
  g: Gradients,
  name: string,
  dout: Tensor,
  inp: Tensor,
  dinp: Tensor,
  [N, inputs, outputs]: readonly [number, number, number],
  geluInput: Tensor | null = null,
) {
  const { device, weights } = model;
  const { weight } = pair(weights, name);
  const { weight: dweight, bias: dbias } = pair(g.parameters, name);
  const shared = { bias: null, N: inputs } as const;
  device.matmul({
    layout: "NN",
    out: dinp,
    a: dout,
    b: weight,
    M: N,
    K: outputs,
    accumulate: false,
    geluInput,
    ...shared,
  });
  device.matmul({
    layout: "TN",
    out: dweight,
    a: dout,
    b: inp,
    M: outputs,
    K: N,
    accumulate: true,
    ...shared,
  });
  if (dbias) device.biasBackward({ dbias, dout, N, C: outputs });
}
