/**
 * A model that goes on writing: prompt in, text out piece by piece, never half a character. Joins sampler, device and
 * tokenizer for `curate sample` and the sample stage. The sampler knows only tokens, so stop strings are looked for
 * here, in the text: the same words can be cut into tokens in several ways.
 */
import { UserError } from "../lib/errors.ts";
import type { DecodeStream } from "../tokenizer/decoder.ts";
import { type OpenedModel, openModel } from "../trainer/checkpoint.ts";
import { type DeviceKind, openDevice } from "../trainer/devices.ts";
import { type SampledToken, type SampleOptions, sample } from "../trainer/sample.ts";
import { type ModelVocabulary, modelVocabulary } from "./model-vocabulary.ts";

export type Piece = { readonly sample: number; readonly text: string; readonly token: SampledToken | null };

export type TalkOptions = Partial<SampleOptions> & {
  /** Texts that end a sample and are not part of it. */
  readonly stopText?: readonly string[];
};

export type Talker = {
  readonly model: OpenedModel;
  readonly vocabulary: ModelVocabulary;
  readonly reason: string;
  /** Pieces of text as tokens come; the samples of `n` in turn. Ends a sample at the end-of-text token. */
  stream(prompt: string, options: TalkOptions): AsyncGenerator<Piece>;
  close(): Promise<void>;
};

export async function openTalker(
  modelPath: string,
  tokenizerPath: string,
  kind: DeviceKind,
  threads: number | null,
): Promise<Talker> {
  const { device, reason } = await openDevice(kind, { threads, allowSoftware: kind === "webgpu" });
  try {
    const model = await openModel(modelPath, device);
    const vocabulary = modelVocabulary(tokenizerPath, model.file);
    if (model.file.tokenizer !== vocabulary.hash && model.file.tokenizer) {
      throw new UserError(
        `${model.dir} was trained with another tokenizer than ${tokenizerPath}`,
        "Name the right one with --tokenizer; its tokenizer.json has the sha256 that the model's config.json names.",
      );
    }
    const close = async () => {
      model.free();
      await device.destroy();
    };
    return {
      model,
      vocabulary,
      reason,
      close,
      stream: (prompt, options) => talk(model, vocabulary, prompt, options),
    };
  } catch (error) {
    await device.destroy();
    throw error;
  }
}

/** A sample's text so far, as far as it was handed out and as far as a stop string may still begin in it. */
type Writing = { readonly stream: DecodeStream; held: string; ended: boolean };

/** The prompt follows the token that begins a text, as every document does in training. */
async function* talk(
  model: OpenedModel,
  { encoder, decoder }: ModelVocabulary,
  prompt: string,
  { stopText = [], ...options }: TalkOptions,
): AsyncGenerator<Piece> {
  const { eot, bos = eot } = model.file;
  const ids = Uint32Array.from([bos, ...encoder.encode(prompt)]);
  const stops = stopText.filter(text => text !== "");
  const samples = new Map<number, Writing>();
  const writingOf = (which: number) => {
    const writing = samples.get(which) ?? { stream: decoder.stream(), held: "", ended: false };
    samples.set(which, writing);
    return writing;
  };
  /** Takes a token into its sample's text; true where a stop string has come to stand there. */
  const ends = (which: number, token: number): boolean => {
    const writing = writingOf(which);
    // Imported models have rows that no token stands for: they have no text.
    if (token !== eot && decoder.bytesOf(token)) writing.held += writing.stream.push([token]);
    const at = firstOf(writing.held, stops);
    if (at < 0) return false;
    writing.held = writing.held.slice(0, at);
    writing.ended = true;
    return true;
  };
  const stop = [[eot], ...(options.stop ?? [])];
  for await (const token of sample(model, ids, { ...options, stop, ends })) {
    const writing = writingOf(token.sample);
    if (token.end !== null && !writing.ended) writing.held += writing.stream.end();
    const keep = token.end === null ? longestBeginning(writing.held, stops) : 0;
    const text = writing.held.slice(0, writing.held.length - keep);
    writing.held = writing.held.slice(text.length);
    yield { sample: token.sample, text, token };
  }
}

/** Where the first of the texts begins; -1: none is there. */
function firstOf(text: string, stops: readonly string[]): number {
  const places = stops.map(stop => text.indexOf(stop)).filter(at => at >= 0);
  return places.length === 0 ? -1 : Math.min(...places);
}

/** Characters at the end of the text with which one of the stops may begin. */
function longestBeginning(text: string, stops: readonly string[]): number {
  let longest = 0;
  for (const stop of stops) {
    for (let n = Math.min(stop.length - 1, text.length); n > longest; n--) {
      if (text.endsWith(stop.slice(0, n))) longest = n;
    }
  }
  return longest;
}
