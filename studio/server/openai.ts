/**
 * The completions of OpenAI's API, so that existing clients talk to the model of a run: POST /v1/completions, streamed
 * as server-sent events or whole, and GET /v1/models. What a base model cannot do is refused by name, not ignored.
 */
import { UserError } from "../../lib/errors.ts";
import type { GenerateRequest } from "../api.ts";
import { checked, generate } from "./generate.ts";
import type { Speaker } from "./model.ts";

export type CompletionRequest = {
  readonly model?: string;
  readonly prompt?: string | readonly string[];
  readonly max_tokens?: number;
  readonly temperature?: number;
  readonly top_p?: number;
  readonly n?: number;
  readonly seed?: number;
  readonly stream?: boolean;
  readonly echo?: boolean;
  readonly logprobs?: number | null;
  readonly stop?: string | readonly string[] | null;
  readonly [more: string]: unknown;
};

const known = [
  ...[
    "model",
    "prompt",
    "max_tokens",
    "temperature",
    "top_p",
    "n",
    "seed",
    "stream",
    "echo",
    "logprobs",
    "stop",
  ],
  ...["user", "stream_options", "presence_penalty", "frequency_penalty", "best_of", "suffix", "logit_bias"],
];

export type Wanted = {
  readonly request: Required<GenerateRequest>;
  readonly stops: readonly string[];
  readonly echo: boolean;
  readonly logprobs: number;
  /** A stream's last piece tells how many tokens there were. */
  readonly withUsage: boolean;
};

/** What is asked for, or a UserError that names the field. Temperature 1 and 16 tokens where not said, as there. */
export function wanted(body: CompletionRequest): Wanted {
  for (const name of Object.keys(body))
    if (!known.includes(name)) throw new UserError(`unknown field ${name}`);
  for (const name of ["suffix", "logit_bias", "presence_penalty", "frequency_penalty"] as const)
    if (body[name]) throw new UserError(`${name} is not supported`);
  if (body["best_of"] !== undefined && body["best_of"] !== null && body["best_of"] !== (body.n ?? 1))
    throw new UserError("best_of is not supported");
  const prompt = Array.isArray(body.prompt) ? body.prompt : [body.prompt ?? ""];
  if (prompt.length !== 1 || typeof prompt[0] !== "string")
    throw new UserError("prompt: expected one text; several prompts are several requests");
  const stops = body.stop === null || body.stop === undefined ? [] : [body.stop].flat();
  if (stops.some(stop => typeof stop !== "string" || stop === ""))
    throw new UserError("stop: expected texts");
  const request = checked({
    prompt: prompt[0],
    maxTokens: body.max_tokens ?? 16,
    temperature: body.temperature ?? 1,
    topP: body.top_p ?? 1,
    topK: 0,
    n: body.n ?? 1,
    ...(body.seed === undefined || body.seed === null ? {} : { seed: body.seed }),
  });
  const options = body["stream_options"] as { include_usage?: unknown } | null | undefined;
  return {
    ...{ request, stops: stops as string[], echo: body.echo === true, logprobs: body.logprobs ?? 0 },
    withUsage: options?.include_usage === true,
  };
}

export type Choice = {
  readonly index: number;
  readonly text: string;
  readonly finish_reason: "stop" | "length" | null;
  readonly logprobs: {
    readonly tokens: string[];
    readonly token_logprobs: number[];
    readonly top_logprobs: Record<string, number>[];
  } | null;
};

/** Pieces as they come; a stop text ends its sample and is not given out, nor is what might become one. */
export async function* pieces(
  speaker: Speaker,
  { request, stops, logprobs }: Wanted,
): AsyncGenerator<Choice> {
  const held = Array.from({ length: request.n }, () => ({ text: "", over: false }));
  const longest = Math.max(0, ...stops.map(stop => stop.length - 1));
  for await (const token of generate(speaker, request, Math.max(0, Math.min(8, logprobs)))) {
    const state = held[token.sample]!;
    if (state.over) {
      if (held.every(({ over }) => over)) return;
      continue;
    }
    state.text += token.text;
    const at = Math.min(...stops.map(stop => state.text.indexOf(stop)).filter(place => place >= 0));
    const stopped = Number.isFinite(at);
    const ends = stopped || token.end !== null;
    const keep = ends ? 0 : longest;
    const text = stopped
      ? state.text.slice(0, at)
      : state.text.slice(0, Math.max(0, state.text.length - keep));
    state.text = stopped ? "" : state.text.slice(text.length);
    state.over = ends;
    yield {
      index: token.sample,
      text,
      finish_reason: stopped ? "stop" : token.end,
      logprobs:
        logprobs > 0
          ? {
              tokens: [token.token],
              token_logprobs: [Math.log(token.probability)],
              top_logprobs: [
                Object.fromEntries(
                  token.alternatives.map(({ text: label, probability }) => [label, Math.log(probability)]),
                ),
              ],
            }
          : null,
    };
  }
}

/** All pieces of one answer joined, a choice for each sample. */
export async function whole(speaker: Speaker, asked: Wanted): Promise<{ choices: Choice[]; tokens: number }> {
  const choices = Array.from({ length: asked.request.n }, (_, index) => ({
    index,
    text: asked.echo ? asked.request.prompt : "",
    finish_reason: "length" as Choice["finish_reason"],
    logprobs: null as Choice["logprobs"],
  }));
  let tokens = 0;
  for await (const { index, text, finish_reason, logprobs } of pieces(speaker, asked)) {
    const choice = choices[index]!;
    choice.text += text;
    choice.finish_reason = finish_reason ?? choice.finish_reason;
    tokens++;
    if (!logprobs) continue;
    choice.logprobs ??= { tokens: [], token_logprobs: [], top_logprobs: [] };
    choice.logprobs.tokens.push(...logprobs.tokens);
    choice.logprobs.token_logprobs.push(...logprobs.token_logprobs);
    choice.logprobs.top_logprobs.push(...logprobs.top_logprobs);
  }
  return { choices, tokens };
}
