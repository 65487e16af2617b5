/**
 * Tokens of a continuation with the probability of each and what else it might have been; a branch is the same call
 * with the tokens before it forced. Text is given out in whole characters.
 */

import { UserError } from "../../lib/errors.ts";
import { sample } from "../../trainer/sample.ts";
import type { GeneratedToken, GenerateRequest } from "../api.ts";
import type { Speaker } from "./model.ts";
import { tokenText } from "./vocabulary.ts";

export const limits = { maxTokens: 512, n: 8, prompt: 20_000 } as const;

/** What a request asks for, within limits; wrong types are refused by the sampler itself. */
export function checked(request: GenerateRequest): Required<GenerateRequest> {
  const {
    prompt = "",
    forced = [],
    maxTokens = 64,
    temperature = 0.8,
    topK = 50,
    topP = 1,
    seed = 1,
    n = 1,
  } = request;
  if (typeof prompt !== "string" || prompt.length > limits.prompt)
    throw new UserError(`prompt: expected a text of at most ${limits.prompt} characters`);
  if (!Array.isArray(forced) || forced.some(id => !Number.isInteger(id) || id < 0))
    throw new UserError("forced: expected a list of token ids");
  if (!(maxTokens >= 1 && maxTokens <= limits.maxTokens))
    throw new UserError(`maxTokens: expected 1 to ${limits.maxTokens}, got ${JSON.stringify(maxTokens)}`);
  if (!(n >= 1 && n <= limits.n))
    throw new UserError(`n: expected 1 to ${limits.n}, got ${JSON.stringify(n)}`);
  return { prompt, forced, maxTokens, temperature, topK, topP, seed, n };
}

export async function* generate(
  { model, encoder, decoder }: Speaker,
  request: Required<GenerateRequest>,
  top = 8,
): AsyncGenerator<GeneratedToken> {
  const { prompt, forced, ...options } = request;
  const { eot, bos = eot } = model.file;
  const ids = Uint32Array.from([bos, ...encoder.encode(prompt), ...forced]);
  const label = (id: number) => (id === eot ? "end of text" : tokenText(decoder.bytesOf(id)));
  const streams = Array.from({ length: options.n }, () => decoder.stream());
  for await (const { sample: which, token, probability, alternatives, end } of sample(model, ids, {
    ...options,
    ...{ stop: [[eot]], top },
  })) {
    const stream = streams[which]!;
    let text = token === eot || !decoder.bytesOf(token) ? "" : stream.push([token]);
    if (end !== null) text += stream.end();
    yield {
      ...{ sample: which, id: token, text, token: label(token), probability, end },
      alternatives: alternatives.map(({ token: id, probability: p }) => ({
        id,
        text: label(id),
        probability: p,
      })),
    };
  }
}
