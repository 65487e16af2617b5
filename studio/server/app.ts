/**
 * The studio's addresses: every request goes through the guard, answers are JSON of api.ts, mistakes of the asker are
 * 400 with words, and nothing is ever written. `serve` listens on 127.0.0.1 only.
 */
import { once } from "node:events";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { serve as listen } from "@hono/node-server";
import { type Context, Hono } from "hono";
import { streamSSE, stream as streamText } from "hono/streaming";
import { UserError } from "../../lib/errors.ts";
import type { DeviceKind } from "../../trainer/devices.ts";
import type { GenerateRequest } from "../api.ts";
import { openDocuments } from "./documents.ts";
import { checked, generate } from "./generate.ts";
import { guard } from "./guard.ts";
import { lookInside, tensorWindow } from "./inside.ts";
import type { Question } from "./listing.ts";
import { openMeasures } from "./measures.ts";
import { findMemorised } from "./memorised.ts";
import { openModelRoom } from "./model.ts";
import { type CompletionRequest, pieces, wanted, whole } from "./openai.ts";
import { readPageFiles } from "./page-files.ts";
import { openSpelling } from "./spelling.ts";
import { readTraining } from "./training.ts";
import { openVocabulary } from "./vocabulary.ts";
import { overview } from "./workdir.ts";

export type StudioOptions = {
  readonly workdir: string;
  /** Other runs whose curves are drawn beside this one's. */
  readonly compare: readonly string[];
  /** 0: any free one. */
  readonly port: number;
  readonly device: DeviceKind;
};

export type Studio = { readonly address: string; readonly port: number; close(): Promise<void> };

const mostBody = 1 << 20;

/** The frame's own policy: nothing runs, nothing is fetched, inline styles of the page are allowed. */
const framePolicy =
  "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'; base-uri 'none'; form-action 'none'";

async function bodyOf<T>(context: Context): Promise<T> {
  if (Number(context.req.header("content-length") ?? 0) > mostBody)
    throw new UserError(`expected a request of at most ${mostBody} bytes`);
  if (!(context.req.header("content-type") ?? "").startsWith("application/json"))
    throw new UserError("expected a body of the type application/json");
  try {
    const body = (await context.req.json()) as T;
    if (body === null || typeof body !== "object" || Array.isArray(body)) throw new Error("not an object");
    return body;
  } catch (error) {
    throw new UserError(`expected a JSON object: ${(error as Error).message}`);
  }
}

function questionOf(context: Context): Question {
  const of = (name: string) => context.req.query(name) ?? "";
  const state = of("state");
  return {
    state: state === "rejected" || state === "all" ? state : "kept",
    ...{ stage: of("stage"), reason: of("reason"), query: of("q"), domain: of("domain") },
    ...{ language: of("language"), minScore: Number(of("minScore")) || 0 },
    cursor: /^\d+\.\d+$/.test(of("cursor")) ? of("cursor") : "",
  };
}

/** The routes; `port` is known only after listening. */
export function studioApp(options: StudioOptions, port: () => number) {
  const { workdir, compare, device } = options;
  const app = new Hono();
  const files = readPageFiles();
  const measures = openMeasures(workdir);
  const documents = openDocuments(workdir, measures);
  const vocabulary = openVocabulary(workdir);
  const spelling = openSpelling(workdir, vocabulary.tokensIn);
  const models = openModelRoom(workdir, device);

  app.use(guard(port));
  app.onError((error, context) => {
    if (error instanceof UserError)
      return context.json({ error: error.message, hint: error.hint ?? null }, 400);
    return context.json({ error: error.message, hint: null }, 500);
  });

  app.get("/api/run", context => context.json(overview(workdir)));
  app.get("/api/measures", async context =>
    context.json(await measures.histograms(context.req.query("stage") ?? "")),
  );
  app.get("/api/what-if", async context => {
    const { stage = "", option = "", value = "" } = context.req.query();
    const given = value === "off" ? null : Number(value);
    return context.json(await measures.whatIf(stage, option, given));
  });
  app.get("/api/documents", async context =>
    context.json(await documents.list(questionOf(context), context.req.raw.signal)),
  );
  app.get("/api/choices", async context => context.json(await documents.choices()));
  app.get("/api/document", async context => {
    const found = await documents.detail(context.req.query("id") ?? "", context.req.query("part") ?? "");
    return found
      ? context.json(found)
      : context.json({ error: "the run has no such document", hint: null }, 404);
  });
  app.get("/api/original", async context => {
    const html = await documents.original(context.req.query("id") ?? "");
    context.header("content-security-policy", framePolicy);
    return html === null ? context.text("The page is not here any more.", 404) : context.html(html);
  });
  app.get("/api/spelling", async context => context.json(await spelling()));
  app.get("/api/training", context => context.json(readTraining([workdir, ...compare])));
  app.post("/api/tokenize", async context => {
    const { text = "", which = "all" } = await bodyOf<{ text?: unknown; which?: unknown }>(context);
    if (typeof text !== "string") throw new UserError("text: expected a text");
    if (which !== "own" && which !== "published" && which !== "all")
      throw new UserError("which: expected own, published or all");
    return context.json(await vocabulary.tokenize(text, which));
  });
  app.get("/api/vocabulary", context =>
    context.json(
      vocabulary.page(context.req.query("q") ?? "", Math.max(0, Number(context.req.query("from")) || 0)),
    ),
  );
  app.post("/api/merges", async context => {
    const { word = "" } = await bodyOf<{ word?: unknown }>(context);
    if (typeof word !== "string") throw new UserError("word: expected a text");
    return context.json(vocabulary.merges(word));
  });
  app.get("/api/compression", async context => context.json(await vocabulary.compression()));
  app.post("/api/generate", async context => {
    const request = checked(await bodyOf<GenerateRequest>(context));
    context.header("content-type", "application/x-ndjson");
    return streamText(context, async stream => {
      await models
        .use(async speaker => {
          for await (const token of generate(speaker, request)) {
            if (stream.aborted) return;
            await stream.writeln(JSON.stringify(token));
          }
        })
        .catch((error: Error) => stream.writeln(JSON.stringify({ error: error.message })));
    });
  });
  app.post("/api/memorised", async context => {
    const { ids = [] } = await bodyOf<{ ids?: unknown }>(context);
    if (!Array.isArray(ids) || ids.length > 4096 || ids.some(id => !Number.isInteger(id)))
      throw new UserError("ids: expected a list of token ids");
    return context.json(
      await models.use(async ({ decoder }) => findMemorised(workdir, ids as number[], decoder)),
    );
  });
  app.post("/api/inside", async context => {
    const { prompt = "" } = await bodyOf<{ prompt?: unknown }>(context);
    if (typeof prompt !== "string") throw new UserError("prompt: expected a text");
    return context.json(await models.use(speaker => lookInside(speaker, prompt)));
  });
  app.get("/api/tensor", async context => {
    const { name = "", row = "0", column = "0" } = context.req.query();
    return context.json(
      await models.use(speaker => tensorWindow(speaker, name, Number(row), Number(column))),
    );
  });
  openaiRoutes(app, options, models);
  app.all("/api/*", context => context.json({ error: `no address ${context.req.path}`, hint: null }, 404));
  app.get("*", context => {
    const file = files.get(context.req.path);
    if (!file) return context.text("not found", 404);
    if (context.req.path.startsWith("/assets/"))
      context.header("cache-control", "max-age=31536000, immutable");
    return context.body(file.body, 200, { "content-type": file.type });
  });
  return { app, close: () => models.close() };
}

function openaiRoutes(app: Hono, { workdir }: StudioOptions, models: ReturnType<typeof openModelRoom>) {
  const name = () => overview(workdir).name;
  const said = (error: unknown) => ({
    error: { message: (error as Error).message, type: "invalid_request_error", param: null, code: null },
  });
  const failed = (context: Context, error: unknown) =>
    context.json(said(error), error instanceof UserError ? 400 : 500);
  let made = 0;
  app.get("/v1/models", context =>
    context.json({ object: "list", data: [{ id: name(), object: "model", created: 0, owned_by: "curate" }] }),
  );
  app.post("/v1/completions", async context => {
    try {
      const body = await bodyOf<CompletionRequest>(context);
      const asked = wanted(body);
      const common = {
        ...{ id: `cmpl-${++made}`, object: "text_completion", model: name() },
        created: Math.floor(Date.now() / 1000),
      };
      if (body.stream) {
        // A model that cannot be loaded is an answer of its own, not an empty stream.
        await models.use(async () => {});
        return streamSSE(context, async stream => {
          const send = (more: object) => stream.writeSSE({ data: JSON.stringify(more) });
          try {
            let tokens = 0;
            let prompt_tokens = 0;
            await models.use(async speaker => {
              prompt_tokens = speaker.encoder.count(asked.request.prompt);
              for await (const choice of pieces(speaker, asked)) {
                if (stream.aborted) return;
                tokens++;
                await send({ ...common, choices: [choice] });
              }
            });
            const usage = { prompt_tokens, completion_tokens: tokens, total_tokens: prompt_tokens + tokens };
            if (asked.withUsage) await send({ ...common, choices: [], usage });
          } catch (error) {
            await send(said(error));
          }
          await stream.writeSSE({ data: "[DONE]" });
        });
      }
      return await models.use(async speaker => {
        const { choices, tokens } = await whole(speaker, asked);
        const prompt_tokens = speaker.encoder.count(asked.request.prompt);
        const usage = { prompt_tokens, completion_tokens: tokens, total_tokens: prompt_tokens + tokens };
        return context.json({ ...common, choices, usage });
      });
    } catch (error) {
      return failed(context, error);
    }
  });
  app.all("/v1/*", context => context.json(said(new Error(`no address ${context.req.path}`)), 404));
}

/** Listens on 127.0.0.1. UserError where the port is taken. */
export async function serve(options: StudioOptions): Promise<Studio> {
  let port = options.port;
  const { app, close } = studioApp(options, () => port);
  const server = listen({ fetch: app.fetch, hostname: "127.0.0.1", port }) as Server;
  try {
    await once(server, "listening");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
    throw new UserError(`port ${port} is taken`, "Another studio may be open; name another with --port N.");
  }
  port = (server.address() as AddressInfo).port;
  return {
    address: `http://127.0.0.1:${port}/`,
    port,
    async close() {
      server.closeAllConnections();
      await new Promise(resolve => server.close(resolve));
      await close();
    },
  };
}
