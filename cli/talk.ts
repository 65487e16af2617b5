/**
 * A model that goes on writing: prompt in, text out piece by piece, never half a character. Joins sampler, device and
 * tokenizer for `curate sample` and the sample stage.
 */
import { UserError } from "../lib/errors.ts";
import type { DecodeStream } from "../tokenizer/decoder.ts";
import { type OpenedModel, openModel } from "../trainer/checkpoint.ts";
import { type DeviceKind, openDevice } from "../trainer/devices.ts";
import { type SampledToken, type SampleOptions, sample } from "../trainer/sample.ts";
import { type ModelVocabulary, modelVocabulary } from "./model-vocabulary.ts";

export type Piece = { readonly sample: number; readonly text: string; readonly token: SampledToken | null };

export type Talker = {
  readonly model: OpenedModel;
  readonly vocabulary: ModelVocabulary;
  readonly reason: string;
  /** Pieces of text as tokens come; the samples of `n` in turn. Ends a sample at the end-of-text token. */
  stream(prompt: string, options: Partial<SampleOptions>): AsyncGenerator<Piece>;
  close(): Promise<void>;
};

export async function openTalker(
  modelPath: string,
  tokenizerPath: string,
  kind: DeviceKind,
  threads: number | null,
): Promise<Talker> {
  const vocabulary = modelVocabulary(tokenizerPath);
  const { device, reason } = await openDevice(kind, { threads, allowSoftware: kind === "webgpu" });
  try {
    const model = await openModel(modelPath, device);
    if (model.file.tokenizer !== vocabulary.hash && model.file.tokenizer) {
      throw new UserError(
        `${model.dir} was trained with another tokenizer than ${tokenizerPath}`,
        "Name the right one with --tokenizer; its tokenizer.json has the sha256 that the model's config.json names.",
      );
    }
    const { eot } = vocabulary.vocabulary;
    const close = async () => {
      model.free();
      await device.destroy();
    };
    return {
      model,
      vocabulary,
      reason,
      close,
      stream: (prompt, options) => talk(model, vocabulary, eot, prompt, options),
    };
  } catch (error) {
    await device.destroy();
    throw error;
  }
}

/** The prompt follows an end-of-text token, as every document does in training. */
async function* talk(
  model: OpenedModel,
  { encoder, decoder }: ModelVocabulary,
  eot: number,
  prompt: string,
  options: Partial<SampleOptions>,
): AsyncGenerator<Piece> {
  const ids = Uint32Array.from([eot, ...encoder.encode(prompt)]);
  const streams = new Map<number, DecodeStream>();
  const stop = [[eot], ...(options.stop ?? [])];
  for await (const token of sample(model, ids, { ...options, stop })) {
    const stream = streams.get(token.sample) ?? decoder.stream();
    streams.set(token.sample, stream);
    const text = token.token === eot ? "" : stream.push([token.token]);
    yield { sample: token.sample, text: token.end === null ? text : text + stream.end(), token };
  }
}
