/**
 * The shape of a model. One transformer with two faces: `gpt2` (learned positions, LayerNorm, GELU, biases, tied head)
 * and `llama` (rotary positions, RMSNorm, SwiGLU, grouped key/value heads, no biases). Knows nothing of devices or training.
 */
import { shown, UserError } from "../lib/errors.ts";

export type Family = "gpt2" | "llama";

export type ModelConfig = {
  readonly family: Family;
  readonly layers: number;
  readonly heads: number;
  /** Key/value heads: heads, or a divisor of heads (grouped-query attention). */
  readonly kvHeads: number;
  /** Size of a residual row, a multiple of heads. */
  readonly width: number;
  /** Size of the hidden layer of the feed-forward part. */
  readonly hidden: number;
  /** Positions the model can see. */
  readonly context: number;
  /** Tokens with a meaning; the matrices are padded to a multiple of 64. */
  readonly vocabulary: number;
  /** Whether the output head is the token embedding. */
  readonly tied: boolean;
  /** Added to the variance in a norm. */
  readonly eps: number;
  /** Base of the rotary frequencies; unused by gpt2. */
  readonly ropeBase: number;
  /** How rotary frequencies are stretched beyond the context of pretraining; absent: not at all. */
  readonly ropeScaling?: RopeScaling;
};

/** Llama 3's stretching of the rotary frequencies, by Hugging Face's numbers (rope_type llama3). */
export type RopeScaling = {
  /** Wavelengths longer than originalContext / lowFrequencyFactor are multiplied by it. */
  readonly factor: number;
  readonly lowFrequencyFactor: number;
  /** Wavelengths shorter than originalContext / highFrequencyFactor stay; between the two it is a blend. */
  readonly highFrequencyFactor: number;
  readonly originalContext: number;
};

type Shape = Pick<ModelConfig, "layers" | "heads" | "width" | "context">;

/** Sizes by name. The four of GPT-2 are those of its paper; nano is nanoGPT's CPU model with a longer context. */
export const presets = {
  nano: { layers: 4, heads: 4, width: 128, context: 128 },
  micro: { layers: 4, heads: 4, width: 256, context: 256 },
  mini: { layers: 6, heads: 6, width: 384, context: 256 },
  small: { layers: 8, heads: 8, width: 512, context: 512 },
  gpt2: { layers: 12, heads: 12, width: 768, context: 1024 },
  "gpt2-medium": { layers: 24, heads: 16, width: 1024, context: 1024 },
  "gpt2-large": { layers: 36, heads: 20, width: 1280, context: 1024 },
  "gpt2-xl": { layers: 48, heads: 25, width: 1600, context: 1024 },
} as const satisfies Record<string, Shape>;

export type PresetName = keyof typeof presets;
export const presetNames = Object.keys(presets) as PresetName[];

export const headSize = (config: ModelConfig) => config.width / config.heads;

/** What each of the D/2 rotary frequencies is divided by: 1 without scaling. */
export function rotaryDivisors({ ropeBase, ropeScaling, ...config }: ModelConfig): Float64Array {
  const D = config.width / config.heads;
  return Float64Array.from({ length: D / 2 }, (_, i) => {
    if (!ropeScaling) return 1;
    const { factor, lowFrequencyFactor: low, highFrequencyFactor: high, originalContext } = ropeScaling;
    const turns = (originalContext * ropeBase ** ((-2 * i) / D)) / (2 * Math.PI);
    const kept = Math.min(1, Math.max(0, (turns - low) / (high - low)));
    return 1 / (kept + (1 - kept) / factor);
  });
}

/** Radians a position, of each of the D/2 rotary pairs. */
export function rotaryFrequencies(config: ModelConfig): Float32Array {
  const D = config.width / config.heads;
  return Float32Array.from(rotaryDivisors(config), (by, i) => config.ropeBase ** ((-2 * i) / D) / by);
}

/** Columns of logits and rows of the embedding: the vocabulary rounded up to a multiple of 64. */
export const paddedVocabulary = (config: Pick<ModelConfig, "vocabulary">) =>
  Math.ceil(config.vocabulary / 64) * 64;

/** Length of a row of packed queries, keys and values. */
export const qkvWidth = (config: ModelConfig) => (config.heads + 2 * config.kvHeads) * headSize(config);

/** Hidden size by the family's custom: 4·width for gpt2; 8/3·width, rounded up to a multiple of 64, for llama. */
export function customaryHidden(family: Family, width: number): number {
  return family === "gpt2" ? 4 * width : Math.ceil((8 * width) / 3 / 64) * 64;
}

export type ConfigWish = {
  readonly preset: PresetName;
  readonly family: Family;
  readonly layers: number | null;
  readonly heads: number | null;
  readonly kvHeads: number | null;
  readonly width: number | null;
  readonly context: number | null;
  readonly vocabulary: number;
};

/** A preset with what was asked for in its place. UserError where the numbers do not fit each other. */
export function configOf(wish: ConfigWish): ModelConfig {
  const { family, vocabulary } = wish;
  const preset = presets[wish.preset];
  const width = wish.width ?? preset.width;
  const heads = wish.heads ?? preset.heads;
  return checkConfig({
    family,
    layers: wish.layers ?? preset.layers,
    heads,
    kvHeads: wish.kvHeads ?? heads,
    width,
    hidden: customaryHidden(family, width),
    context: wish.context ?? preset.context,
    vocabulary,
    tied: family === "gpt2",
    eps: 1e-5,
    ropeBase: 10000,
  });
}

/** Beyond any model there is: a file that claims more is damaged or hostile, and is refused before it costs memory. */
const mostLayers = 10_000;
const mostOfAll = 2 ** 24;

/** The config itself, or a UserError that names what does not fit. */
export function checkConfig(config: ModelConfig): ModelConfig {
  const { family, heads, kvHeads, width } = config;
  const counts = ["layers", "heads", "kvHeads", "width", "hidden", "context", "vocabulary"] as const;
  for (const name of counts) {
    const value = config[name];
    if (!Number.isSafeInteger(value) || value < 1) {
      throw new UserError(`model ${name}: expected a whole number of at least 1, got ${shown(value)}`);
    }
    const most = name === "layers" ? mostLayers : mostOfAll;
    if (value > most) throw new UserError(`model ${name}: expected at most ${most}, got ${value}`);
  }
  if (family !== "gpt2" && family !== "llama") {
    throw new UserError(`model family: expected gpt2 or llama, got ${shown(family)}`);
  }
  if (width % heads !== 0) {
    const near = Math.max(heads, Math.round(width / heads) * heads);
    throw new UserError(
      `model width: expected a multiple of heads (${heads}), got ${width}`,
      `use width ${near}, or other heads`,
    );
  }
  if (heads % kvHeads !== 0) {
    throw new UserError(`model kvHeads: expected a divisor of heads (${heads}), got ${kvHeads}`);
  }
  if (family === "llama" && (width / heads) % 2 !== 0) {
    throw new UserError(
      `model width / heads: expected an even head size for rotary positions, got ${width / heads}`,
    );
  }
  if (config.ropeScaling) checkScaling(config.ropeScaling);
  return config;
}

function checkScaling({ factor, lowFrequencyFactor, highFrequencyFactor, originalContext }: RopeScaling) {
  const right =
    factor > 0 && lowFrequencyFactor > 0 && highFrequencyFactor > lowFrequencyFactor && originalContext > 0;
  if (right) return;
  throw new UserError(
    "model ropeScaling: expected positive numbers with highFrequencyFactor above lowFrequencyFactor, got " +
      `factor ${factor}, ${lowFrequencyFactor} to ${highFrequencyFactor}, original context ${originalContext}`,
  );
}
