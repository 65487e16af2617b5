/**
 * Text from a model, token by token, several samples side by side. Knows only token ids. A sample longer than the
 * context goes on with the second half of what it has: learned positions cannot be shifted, so the cache is read anew.
 * Each sample has a random stream of its own, so the first of eight is the same as the first of one.
 */
import { shown, UserError } from "../lib/errors.ts";
import { hash32, type Random, random } from "../lib/random.ts";
import { openDecoder } from "./decoder.ts";
import type { Model } from "./model.ts";
import { type Candidate, type PickSettings, pick } from "./pick.ts";

export type SampleOptions = PickSettings & {
  readonly maxTokens: number;
  /** Samples made together. */
  readonly n: number;
  readonly seed: number;
  /** Token sequences that end a sample; the one that ended it is part of the output. */
  readonly stop: readonly (readonly number[])[];
  /** Alternatives to report for each token; 0: none. */
  readonly top: number;
  /** Told each token of a sample; true ends it there, as a stop sequence does. For those who know what tokens mean. */
  readonly ends: ((sample: number, token: number) => boolean) | null;
};

export const sampleDefaults: SampleOptions = {
  ...{ maxTokens: 64, n: 1, seed: 1337, stop: [], top: 0, ends: null },
  ...{ temperature: 0.8, topK: 50, topP: 1, minP: 0, repetitionPenalty: 1 },
};

export type SampledToken = {
  /** Which of the n samples. */
  readonly sample: number;
  readonly token: number;
  /** The model's own probability of it (temperature 1, nothing cut). */
  readonly probability: number;
  readonly alternatives: readonly Candidate[];
  /** Set on a sample's last token: a stop sequence, or maxTokens. */
  readonly end: "stop" | "length" | null;
};

const ranges: readonly (readonly [keyof SampleOptions, number, number, boolean])[] = [
  ["maxTokens", 0, 1e9, true],
  ["n", 1, 4096, true],
  ["top", 0, 1e6, true],
  ["topK", 0, 1e9, true],
  ["seed", Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, true],
  ["temperature", 0, 100, false],
  ["topP", 0, 1, false],
  ["minP", 0, 1, false],
  ["repetitionPenalty", 0.01, 100, false],
];

/** UserError for a number out of its range; `nameOf` says what the user knows an option by. */
export function checkSampleOptions(
  options: Partial<SampleOptions>,
  nameOf: (name: keyof SampleOptions) => string = name => name,
) {
  const settings = { ...sampleDefaults, ...options };
  for (const [name, min, max, whole] of ranges) {
    const value = settings[name] as number;
    if (Number.isFinite(value) && value >= min && value <= max && (!whole || Number.isInteger(value)))
      continue;
    const kind = whole ? "a whole number" : "a number";
    throw new UserError(`${nameOf(name)}: expected ${kind} from ${min} to ${max}, got ${shown(value)}`);
  }
}

function check(model: Model, prompt: Uint32Array, options: SampleOptions) {
  checkSampleOptions(options);
  const { vocabulary } = model.config;
  const strange = prompt.find(token => token >= vocabulary);
  if (strange !== undefined) {
    throw new UserError(
      `prompt: expected token ids below ${vocabulary}, got ${strange}`,
      "encode the prompt with the tokenizer the model was trained with",
    );
  }
  if (prompt.length === 0) {
    throw new UserError("prompt: expected at least one token, got none", "begin with the end-of-text token");
  }
}

type Sample = { readonly tokens: number[]; readonly source: Random; done: boolean };

/** Tokens of the samples in turn: of every sample that goes on the first, then of each the second, … */
export async function* sample(
  model: Model,
  prompt: Uint32Array,
  options: Partial<SampleOptions> = {},
): AsyncGenerator<SampledToken, void> {
  const settings = { ...sampleDefaults, ...options };
  check(model, prompt, settings);
  if (settings.maxTokens === 0) return;
  const { n, seed, maxTokens, stop, top, ends } = settings;
  const { context } = model.config;
  const samples: Sample[] = Array.from({ length: n }, (_, i) => {
    return { tokens: Array.from(prompt), source: random(hash32(seed, `sample ${i}`)), done: false };
  });
  const half = Math.max(1, Math.ceil(context / 2));
  const decoder = openDecoder(model, n);
  try {
    decoder.readAll(prompt.subarray(Math.max(0, prompt.length - context), prompt.length - 1));
    for (let made = 1; made <= maxTokens; made++) {
      if (decoder.position() >= context) {
        decoder.readEach(samples.map(({ tokens }) => Uint32Array.from(tokens.slice(-half, -1))));
      }
      const logits = await decoder.step(Uint32Array.from(samples, ({ tokens }) => tokens.at(-1)!));
      for (const [i, one] of samples.entries()) {
        // A sample that has ended stays in the batch: its row repeats its last token and is not reported.
        if (one.done) {
          one.tokens.push(one.tokens.at(-1)!);
          continue;
        }
        const picked = pick(logits[i]!, one.tokens, settings, one.source, top);
        one.tokens.push(picked.token);
        const sequence = stop.some(sequence => endsWith(one.tokens, sequence, made));
        const stopped = (ends?.(i, picked.token) ?? false) || sequence;
        one.done = stopped;
        yield { sample: i, ...picked, end: stopped ? "stop" : made === maxTokens ? "length" : null };
      }
      if (samples.every(({ done }) => done)) return;
    }
  } finally {
    decoder.free();
  }
}

/** Whether the tokens made so far end with the sequence. */
function endsWith(tokens: readonly number[], sequence: readonly number[], made: number): boolean {
  if (sequence.length === 0 || sequence.length > made) return false;
  return sequence.every((token, i) => tokens[tokens.length - sequence.length + i] === token);
}
