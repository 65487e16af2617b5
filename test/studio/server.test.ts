/** The studio's server over the default recipe's run: what it answers is what the files say, what it must refuse it refuses. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import OpenAI from "openai";
import { whatIf } from "../../cli/show-stats.ts";
import type {
  DocumentDetail,
  DocumentPage,
  GeneratedToken,
  Inside,
  Memorised,
  RunOverview,
  StageMeasures,
  Tokenized,
  WhatIfAnswer,
} from "../../studio/api.ts";
import { serve } from "../../studio/server/app.ts";
import { openStudio, statsOf, workdir } from "./setting.ts";

const json = async <T>(response: Response): Promise<T> => (await response.json()) as T;

function post(address: string, path: string, body: unknown): Promise<Response> {
  return fetch(new URL(path, address), {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
}

/** fetch sets Host itself, so that one must be sent by hand. */
function statusWith(port: number, path: string, headers: Record<string, string>): Promise<number> {
  return new Promise((resolve, reject) => {
    request({ host: "127.0.0.1", port, path, headers }, response => {
      response.resume();
      resolve(response.statusCode ?? 0);
    })
      .on("error", reject)
      .end();
  });
}

test("requests of other sites and for other hosts are refused, paths reach no file", async t => {
  const studio = await openStudio(t);
  if (!studio) return;
  const { port, address } = studio;
  assert.equal(await statusWith(port, "/api/run", { host: "evil.example" }), 403);
  assert.equal(await statusWith(port, "/api/run", { host: `evil.example:${port}` }), 403);
  assert.equal(
    await statusWith(port, "/api/run", { host: `127.0.0.1:${port}`, origin: "http://evil.example" }),
    403,
  );
  assert.equal(
    await statusWith(port, "/api/run", { host: `localhost:${port}`, "sec-fetch-site": "cross-site" }),
    403,
  );
  assert.equal(await statusWith(port, "/api/run", { host: `localhost:${port}` }), 200);
  for (const path of [
    "/../package.json",
    "/%2e%2e/package.json",
    "/assets/..%2f..%2fpackage.json",
    "/index.html%00",
    "/etc/passwd",
  ])
    assert.equal(await statusWith(port, path, { host: `127.0.0.1:${port}` }), 404, path);
  const page = await fetch(address);
  assert.match(page.headers.get("content-security-policy") ?? "", /default-src 'none'; script-src 'self'/);
  assert.doesNotMatch(await page.text(), /<script(?![^>]*src=)/);
});

test("only JSON of a bounded size is taken, and mistakes are answered in words", async t => {
  const studio = await openStudio(t);
  if (!studio) return;
  const plain = await fetch(new URL("/api/tokenize", studio.address), {
    method: "POST",
    body: '{"text":"a"}',
  });
  assert.equal(plain.status, 400);
  assert.match((await json<{ error: string }>(plain)).error, /application\/json/);
  const wrong = await post(studio.address, "/api/generate", { prompt: "a", maxTokens: 1e9 });
  assert.deepEqual(
    [wrong.status, (await json<{ error: string }>(wrong)).error],
    [400, "maxTokens: expected 1 to 512, got 1000000000"],
  );
  const odd = await post(studio.address, "/api/generate", { prompt: "a", temperature: "hot" });
  assert.match(await odd.text(), /temperature: expected a number/);
  const stage = await fetch(new URL("/api/measures?stage=gopher-qualty", studio.address));
  assert.equal(
    (await json<{ error: string }>(stage)).error,
    'the run has no filter "gopher-qualty". Did you mean gopher-quality?',
  );
  const fixed = await fetch(
    new URL("/api/what-if?stage=gopher-quality&option=stopWords&value=3", studio.address),
  );
  assert.match(
    (await json<{ error: string }>(fixed)).error,
    /changes what gopher-quality measures or removes/,
  );
  assert.equal((await fetch(new URL("/api/document?id=nobody", studio.address))).status, 404);
  assert.equal((await fetch(new URL("/api/nothing", studio.address))).status, 404);
});

test("the overview's numbers are those of stats.json", async t => {
  const studio = await openStudio(t);
  if (!studio) return;
  const run = await json<RunOverview>(await fetch(new URL("/api/run", studio.address)));
  assert.equal(run.state, "done");
  for (const stage of run.stages.filter(({ in: n }) => n > 0)) {
    const expected = statsOf(stage.name);
    assert.deepEqual(
      [stage.in, stage.out, stage.dropped],
      [expected.in, expected.out, expected.dropped],
      stage.name,
    );
  }
});

test("a moved threshold gives the very counts of curate stats --what-if", async t => {
  const studio = await openStudio(t);
  if (!studio) return;
  const { histograms } = await json<StageMeasures>(
    await fetch(new URL("/api/measures?stage=gopher-quality", studio.address)),
  );
  const words = histograms.find(({ measure }) => measure === "words")!;
  assert.equal(words.documents, statsOf("gopher-quality").in);
  assert.deepEqual(
    words.thresholds.map(({ option, at, drops }) => [option, at, drops]),
    [
      ["minWords", 50, "below"],
      ["maxWords", 100_000, "above"],
    ],
  );
  const sum = (list: readonly number[]) => list.reduce((a, b) => a + b, 0);
  assert.equal(sum(words.kept), statsOf("gopher-quality").out);
  const moved = await json<WhatIfAnswer>(
    await fetch(new URL("/api/what-if?stage=gopher-quality&option=minWords&value=200", studio.address)),
  );
  const expected = await whatIf(workdir, "gopher-quality.minWords=200");
  for (const name of ["in", "keptBefore", "keptNow", "newlyKept", "newlyDropped"] as const)
    assert.equal(moved[name], expected[name], name);
  assert.equal(moved.yaml, "- gopher-quality:\n    minWords: 200");
});

test("documents are listed by reason, and each tells its story with page and text", async t => {
  const studio = await openStudio(t);
  if (!studio) return;
  const [reason, n] = Object.entries(statsOf("gopher-quality").dropped)[0]!;
  const rejected = await json<DocumentPage>(
    await fetch(
      new URL(`/api/documents?state=rejected&stage=gopher-quality&reason=${reason}`, studio.address),
    ),
  );
  assert.equal(rejected.rows.length, Math.min(50, n));
  assert.ok(rejected.rows.every(row => row.stage === "gopher-quality" && row.reason === reason));
  const id = rejected.rows[0]!.id;
  const detail = await json<DocumentDetail>(
    await fetch(new URL(`/api/document?id=${encodeURIComponent(id)}`, studio.address)),
  );
  assert.ok(detail.text.length > 0);
  assert.equal(detail.measures.find(({ stage }) => stage === "gopher-quality")!.reason, reason);
  const page = await fetch(new URL(`/api/original?id=${encodeURIComponent(id)}`, studio.address));
  assert.match(page.headers.get("content-security-policy")!, /^sandbox; default-src 'none'/);
  let cursor = "";
  let seen = 0;
  do {
    const kept = await json<DocumentPage>(
      await fetch(new URL(`/api/documents?state=kept&cursor=${cursor}`, studio.address)),
    );
    seen += kept.rows.length;
    cursor = kept.next ?? "";
  } while (cursor !== "");
  assert.equal(seen, statsOf("pii").out);
});

test("tokens joined again are the text, in every vocabulary", async t => {
  const studio = await openStudio(t);
  if (!studio) return;
  const text = "It rained; naïve 東京 🦊\n\tend";
  const { vocabularies } = await json<Tokenized>(await post(studio.address, "/api/tokenize", { text }));
  assert.equal(vocabularies.length, 4);
  for (const { name, segments, tokens } of vocabularies) {
    assert.equal(segments.map(segment => segment.text).join(""), text, name);
    assert.equal(segments.flatMap(({ ids }) => ids).length, tokens, name);
  }
});

async function generated(address: string, body: unknown): Promise<GeneratedToken[]> {
  const text = await (await post(address, "/api/generate", body)).text();
  return text
    .trim()
    .split("\n")
    .map(line => JSON.parse(line) as GeneratedToken);
}

test("a branch goes on after the forced tokens as the unbroken text would", async t => {
  const studio = await openStudio(t);
  if (!studio) return;
  const body = { prompt: "In the morning", maxTokens: 12, temperature: 0 };
  const whole = await generated(studio.address, body);
  const forced = whole.slice(0, 5).map(({ id }) => id);
  const rest = await generated(studio.address, { ...body, forced, maxTokens: 7 });
  assert.deepEqual(
    rest.map(({ id }) => id),
    whole.slice(5).map(({ id }) => id),
  );
  for (const { id, alternatives } of whole) assert.equal(alternatives[0]!.id, id);
  const found = await json<Memorised>(
    await post(studio.address, "/api/memorised", { ids: whole.map(({ id }) => id) }),
  );
  assert.ok(found.length >= 1 && found.length <= 12);
  assert.equal(found.searched, found.tokens);
});

test("the last layer's guess is what the sampler finds most probable", async t => {
  const studio = await openStudio(t);
  if (!studio) return;
  const prompt = "The old house";
  const inside = await json<Inside>(await post(studio.address, "/api/inside", { prompt }));
  const [next] = await generated(studio.address, { prompt, maxTokens: 1, temperature: 0 });
  const guess = inside.lens.at(-1)!.at(-1)![0]!;
  assert.equal(guess.id, next!.id);
  assert.ok(Math.abs(guess.probability - next!.probability) < 2e-3);
  const T = inside.tokens.length;
  for (const head of inside.attention.flat()) assert.equal(head.length, (T * (T + 1)) / 2);
  const long = await post(studio.address, "/api/inside", { prompt: "word ".repeat(80) });
  assert.match((await json<{ error: string }>(long)).error, /expected at most 47 tokens/);
});

test("the openai client lists the model, completes whole and streamed, and gets the same text", async t => {
  const studio = await openStudio(t);
  if (!studio) return;
  const client = new OpenAI({ apiKey: "none", baseURL: `${studio.address}v1` });
  const models = await client.models.list();
  assert.equal(models.data[0]!.object, "model");
  const asked = {
    model: models.data[0]!.id,
    prompt: "In the morning",
    max_tokens: 16,
    temperature: 0,
  } as const;
  const whole = await client.completions.create({ ...asked, n: 2 });
  assert.equal(whole.choices.length, 2);
  assert.equal(whole.choices[0]!.text, whole.choices[1]!.text);
  assert.equal(whole.usage!.completion_tokens, 32);
  let streamed = "";
  for await (const chunk of await client.completions.create({ ...asked, stream: true }))
    streamed += chunk.choices[0]!.text;
  assert.equal(streamed, whole.choices[0]!.text);
  const stop = whole.choices[0]!.text.trim().split(/\s+/)[2]!;
  const stopped = await client.completions.create({ ...asked, stop });
  assert.equal(stopped.choices[0]!.finish_reason, "stop");
  assert.ok(!stopped.choices[0]!.text.includes(stop));
  await assert.rejects(
    client.completions.create({ ...asked, max_tokens: 9999 }),
    /maxTokens: expected 1 to 512/,
  );
});

test("a stream tells its usage where asked, and without a model every way of asking answers as OpenAI's error", async t => {
  const studio = await openStudio(t);
  if (!studio) return;
  const client = (address: string) =>
    new OpenAI({ apiKey: "none", baseURL: `${address}v1`, maxRetries: 0 }).completions;
  const asked = { model: "m", prompt: "In the", max_tokens: 3 } as const;
  const usage = { include_usage: true };
  let last = 0;
  for await (const { usage: told } of await client(studio.address).create({
    ...{ ...asked, stream: true, stream_options: usage },
  }))
    last = told?.completion_tokens ?? 0;
  assert.equal(last, 3);
  const dir = mkdtempSync(join(tmpdir(), "curate-no-model-"));
  const empty = await serve({ workdir: dir, compare: [], port: 0, device: "cpu" });
  t.after(async () => {
    await empty.close();
    rmSync(dir, { recursive: true });
  });
  const error = { status: 400, message: "400 this run has no model yet", type: "invalid_request_error" };
  await assert.rejects(client(empty.address).create(asked), error);
  await assert.rejects(client(empty.address).create({ ...asked, stream: true }), error);
  await assert.rejects(client(studio.address).create({ ...asked, n: 99, stream: true }), {
    ...{ status: 400, message: "400 n: expected 1 to 8, got 99" },
  });
  const nowhere = await fetch(new URL("/v1/chat/completions", studio.address), { method: "POST" });
  assert.deepEqual(
    [nowhere.status, ((await nowhere.json()) as { error: { message: string } }).error.message],
    [404, "no address /v1/chat/completions"],
  );
});
