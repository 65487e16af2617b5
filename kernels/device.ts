/**
 * The one interface that models are written against. Three devices implement it: `reference` (plain float64 loops,
 * the oracle), `cpu` (WebAssembly SIMD on worker threads) and `webgpu` (WGSL). Knows tensors and shapes, not models.
 *
 * Conventions, after llm.c: row-major; B batch, T time, C channels, H heads, KV key/value heads, D head size, V
 * vocabulary, Vp vocabulary padded; N rows where B·T does not matter. A backward op ADDS to parameter gradients
 * (dweight, dbias, dwte, dwpe) and, where it says so, to activation gradients; everything else is overwritten.
 * Work may be queued: results are there after `read`, or after awaiting `finish`.
 */

export type Dtype = "f32" | "u32";

/** Memory on a device. `offset` and `length` count elements; a view shares memory with its base. */
export type Tensor = {
  readonly label: string;
  readonly dtype: Dtype;
  readonly offset: number;
  readonly length: number;
};

/** Offsets of views must be multiples of this many elements (WebGPU binding alignment, 256 bytes). */
export const viewAlignment = 64;

export type Adapter = {
  readonly name: string;
  readonly kind: "cpu" | "gpu" | "software";
  readonly details: Readonly<Record<string, string | number | boolean>>;
};

/** kernel: its name, and the shape of a product. */
export type KernelTime = { readonly kernel: string; readonly launches: number; readonly ms: number };

/** Times every kernel between `begin` and `end`, which lists them, longest first. */
export type Profiler = { begin(): void; end(): Promise<KernelTime[]> };

export interface Device {
  readonly kind: "reference" | "cpu" | "webgpu";
  /** For people: what it is and what it uses, one line. */
  readonly about: string;
  readonly adapter: Adapter;
  /** null: this device cannot tell where its time goes. */
  readonly profiler: Profiler | null;

  /** Zero-filled. */
  alloc(label: string, length: number, dtype?: Dtype): Tensor;
  view(base: Tensor, offset: number, length: number): Tensor;
  free(tensor: Tensor): void;
  write(tensor: Tensor, data: Float32Array | Float64Array | Uint32Array): void;
  read(tensor: Tensor): Promise<Float32Array>;
  readInts(tensor: Tensor): Promise<Uint32Array>;
  fill(tensor: Tensor, value: number): void;
  copy(out: Tensor, inp: Tensor): void;
  /** Resolves when all queued work is done. */
  finish(): Promise<void>;
  /** Bytes allocated now and at most so far. */
  memory(): { readonly bytes: number; readonly peak: number };
  /** Frees everything and ends threads; the device cannot be used afterwards. */
  destroy(): Promise<void>;

  /** out[b,t,:] = wte[ids[b,t],:] (+ wpe[position+t,:]).  ids u32 (B,T), wte (V,C), wpe (maxT,C) or null, out (B,T,C). */
  embed(p: {
    out: Tensor;
    ids: Tensor;
    wte: Tensor;
    wpe: Tensor | null;
    B: number;
    T: number;
    C: number;
    position: number;
  }): void;
  /** dwte[id] += Σ dout rows with that id; dwpe[t] += Σ_b dout. Deterministic: the order of the sums is fixed. */
  embedBackward(p: {
    dwte: Tensor;
    dwpe: Tensor | null;
    ids: Tensor;
    dout: Tensor;
    B: number;
    T: number;
    C: number;
    V: number;
  }): void;

  /** out = (inp-mean)·rstd·weight + bias, rows of C; saves mean, rstd (N). Variance is biased, eps inside the root. */
  layerNorm(p: {
    out: Tensor;
    mean: Tensor;
    rstd: Tensor;
    inp: Tensor;
    weight: Tensor;
    bias: Tensor;
    N: number;
    C: number;
    eps: number;
  }): void;
  /** dinp += …, dweight += …, dbias += … */
  layerNormBackward(p: {
    dinp: Tensor;
    dweight: Tensor;
    dbias: Tensor;
    dout: Tensor;
    inp: Tensor;
    weight: Tensor;
    mean: Tensor;
    rstd: Tensor;
    N: number;
    C: number;
  }): void;
  /** out = inp·rstd·weight, rstd = 1/√(mean(inp²)+eps). */
  rmsNorm(p: {
    out: Tensor;
    rstd: Tensor;
    inp: Tensor;
    weight: Tensor;
    N: number;
    C: number;
    eps: number;
  }): void;
  /** dinp += …, dweight += … */
  rmsNormBackward(p: {
    dinp: Tensor;
    dweight: Tensor;
    dout: Tensor;
    inp: Tensor;
    weight: Tensor;
    rstd: Tensor;
    N: number;
    C: number;
  }): void;

  /**
   * out (M,N) = op(a)·op(b) (+ bias (N)) or, with accumulate, out += …
   * NT: a (M,K), b (N,K): the forward pass, y = x·Wᵀ.   NN: a (M,K), b (K,N): dX = dY·W.   TN: a (K,M), b (K,N): dW += dYᵀ·X.
   * In the same pass, one of these, each (M,N) and another tensor than out: `residual` is added; `gelu` becomes gelu(out);
   * `geluInput` makes out the gradient of GELU's input, out · gelu'(geluInput).
   * A device may round a and b to half precision where it was opened so; never with `exact` (default false).
   * `symmetric`: out is known to equal its transpose, and a device may compute one half of it; the bits are the same.
   */
  matmul(p: {
    layout: "NT" | "NN" | "TN";
    out: Tensor;
    a: Tensor;
    b: Tensor;
    bias: Tensor | null;
    M: number;
    N: number;
    K: number;
    accumulate: boolean;
    residual?: Tensor | null;
    gelu?: Tensor | null;
    geluInput?: Tensor | null;
    exact?: boolean;
    symmetric?: boolean;
  }): void;
  /** dbias (C) += Σ rows of dout (N,C). */
  biasBackward(p: { dbias: Tensor; dout: Tensor; N: number; C: number }): void;

  /** Tanh approximation, as GPT-2. Elementwise over N. */
  gelu(p: { out: Tensor; inp: Tensor; N: number }): void;
  /** dinp = dout · gelu'(inp); dinp may be dout. */
  geluBackward(p: { dinp: Tensor; dout: Tensor; inp: Tensor; N: number }): void;
  /** out = silu(gate)·up, where inp (N, 2F) holds gate in columns 0..F and up in F..2F; out (N,F). */
  swiglu(p: { out: Tensor; inp: Tensor; N: number; F: number }): void;
  /** dinp (N,2F) is overwritten. */
  swigluBackward(p: { dinp: Tensor; dout: Tensor; inp: Tensor; N: number; F: number }): void;
  /** out = a + b; out may be a or b. */
  add(p: { out: Tensor; a: Tensor; b: Tensor; N: number }): void;

  /**
   * Rotates q and k inside qkv (B,T,(H+2KV)·D) in place: pairs (i, i+D/2), angle = (position+t)·frequencies[i].
   * frequencies (D/2). `inverse` rotates by the negative angle: the backward pass, applied to dqkv.
   */
  rope(p: {
    qkv: Tensor;
    frequencies: Tensor;
    B: number;
    T: number;
    H: number;
    KV: number;
    D: number;
    position: number;
    inverse: boolean;
  }): void;

  /** Causal softmax(q·kᵀ/√D)·v. qkv (B,T,(H+2KV)·D): q heads, then k heads, then v heads; out (B,T,H·D); lse (B,H,T). */
  attention(p: {
    out: Tensor;
    lse: Tensor;
    qkv: Tensor;
    B: number;
    T: number;
    H: number;
    KV: number;
    D: number;
  }): void;
  /** dqkv (B,T,(H+2KV)·D) is overwritten. */
  attentionBackward(p: {
    dqkv: Tensor;
    dout: Tensor;
    out: Tensor;
    lse: Tensor;
    qkv: Tensor;
    B: number;
    T: number;
    H: number;
    KV: number;
    D: number;
  }): void;
  /**
   * New positions against a cache: appends k,v of qkv (B,T,…) at `position` to kcache, vcache (B,maxT,KV·D), then
   * attends causally over everything so far; out (B,T,H·D).
   */
  attentionCached(p: {
    out: Tensor;
    qkv: Tensor;
    kcache: Tensor;
    vcache: Tensor;
    B: number;
    T: number;
    H: number;
    KV: number;
    D: number;
    position: number;
    maxT: number;
  }): void;

  /**
   * losses[n] = -log softmax(logits[n])[target] · weight[n]; weights null means 1; a target of 0xffffffff is ignored (loss 0).
   * Columns V..Vp are masked. With `gradient` logits (N,Vp) is overwritten by dlogits = (softmax - onehot)·weight·scale, else left as it is.
   */
  crossEntropy(p: {
    losses: Tensor;
    logits: Tensor;
    targets: Tensor;
    weights: Tensor | null;
    N: number;
    V: number;
    Vp: number;
    scale: number;
    gradient: boolean;
  }): void;

  /** norm[0] = scale · √ Σ over all tensors of Σ x², scale 1 by default. Deterministic. */
  globalNorm(p: { norm: Tensor; tensors: readonly Tensor[]; scale?: number }): void;
  /**
   * AdamW with decoupled decay and bias correction at `step` (from 1). The gradient is first multiplied by gradScale
   * (1 by default; what undoes a loss scale) and by min(1, clip/(norm[0]+1e-6)), read on the device; clip 0 means no
   * clipping. A norm that is not finite leaves everything unchanged.
   */
  adamw(p: {
    param: Tensor;
    grad: Tensor;
    m: Tensor;
    v: Tensor;
    N: number;
    lr: number;
    beta1: number;
    beta2: number;
    eps: number;
    weightDecay: number;
    step: number;
    norm: Tensor;
    clip: number;
    gradScale?: number;
  }): void;
  /**
   * m = beta·m + g; out = g + beta·m (Nesterov), where g is the gradient scaled and clipped as in adamw.
   * A norm that is not finite leaves m unchanged, and out is 0.
   */
  momentum(p: {
    out: Tensor;
    m: Tensor;
    grad: Tensor;
    N: number;
    beta: number;
    norm: Tensor;
    clip: number;
    gradScale?: number;
  }): void;
  /**
   * out = (alpha·a + beta·b) / (divisor[0] + 1e-7), without the division where divisor is null; out may be a or b.
   * A norm that is not finite leaves out unchanged; norm null: always computed.
   */
  combine(p: {
    out: Tensor;
    a: Tensor;
    alpha: number;
    b: Tensor;
    beta: number;
    N: number;
    divisor: Tensor | null;
    norm: Tensor | null;
  }): void;
}
