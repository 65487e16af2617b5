/** The stage: documents in, documents or drop reasons out. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { defaults } from "../../../lib/options.ts";
import type { Document, Page } from "../../../pipeline/document.ts";
import { type EngineName, engineNames, extract } from "../../../pipeline/extractors/extract.ts";
import type { Judge, Verdict } from "../../../pipeline/stage.ts";
import { miniPages } from "./mini-pages.ts";

const context = { load: () => Promise.reject(new Error("loads nothing")), seed: 0 };

async function judge(
  over: Partial<ReturnType<typeof defaults<typeof extract.options>>> = {},
): Promise<Judge> {
  return extract.build({ ...defaults(extract.options), ...over }, context);
}

function documentOf(body: string | Uint8Array | null, contentType = "text/html"): Document {
  const page: Page | null =
    body === null
      ? null
      : {
          status: 200,
          headers: new Map([["content-type", contentType]]),
          mime: "text/html",
          body: typeof body === "string" ? Buffer.from(body) : body,
        };
  const at = { file: "a.warc.gz", offset: 0, length: 1 };
  return {
    id: "<urn:uuid:1>",
    url: "https://example.org/x",
    date: "",
    text: "",
    page,
    meta: { kept: 1 },
    at,
  };
}

function dropped(verdict: Verdict): string | null {
  return "drop" in verdict ? verdict.drop : null;
}

test("a page becomes its text, with what it says of itself and without its bytes", async () => {
  const verdict = (await judge())(documentOf(miniPages["article"]));
  assert.ok("keep" in verdict);
  const { keep } = verdict;
  assert.equal(keep.page, null);
  assert.ok(keep.text.includes("the kiosk on deck"));
  assert.deepEqual(keep.meta, {
    kept: 1,
    charset: "utf-8",
    title: "The island ferry | The Example Gazette",
    html_lang: "en-GB",
    published: "2024-05-03T08:00:00+01:00",
    canonical: "https://example.org/ferry",
  });
  assert.deepEqual(Object.keys(verdict.measures ?? {}), extract.measures);
});

test("the charset of the header and of the page is obeyed", async () => {
  const run = await judge();
  const verdict = run(
    documentOf(Buffer.from("<p>caf\xe9 au lait \x96 for two</p>", "latin1"), "text/html; charset=iso-8859-1"),
  );
  assert.ok("keep" in verdict);
  assert.equal(verdict.keep.text, "café au lait – for two");
  assert.equal(verdict.keep.meta["charset"], "windows-1252");
});

test("a document that came as text passes through", async () => {
  const document = { ...documentOf(null), text: "as it was" };
  assert.deepEqual((await judge())(document), { keep: document });
});

test("pages without text are dropped for it, by every engine", async () => {
  for (const engine of engineNames) {
    const run = await judge({ engine });
    for (const html of [
      "",
      "   ",
      "<script>x</script>",
      "<frameset><frame src=a></frameset>",
      "<!-- only a comment",
      "<p>&nbsp;&shy;</p>",
    ]) {
      assert.equal(dropped(run(documentOf(html))), "no-text", `${engine}: ${html}`);
    }
  }
});

test("pages over the budget are dropped with what was counted", async () => {
  const large = (await judge({ maxBytes: 100 }))(documentOf("x".repeat(101)));
  assert.deepEqual(large, {
    drop: "too-large",
    value: 101,
    threshold: 100,
    measures: { html_bytes: 101, text_chars: 0 },
  });
  const run = await judge({ maxNodes: 1000 });
  assert.equal(dropped(run(documentOf("<p>x".repeat(600)))), "too-many-nodes");
  assert.equal(dropped(run(documentOf("<p>x".repeat(400)))), null);
});

test("every drop reason is declared", async () => {
  assert.deepEqual([...extract.reasons].sort(), ["no-text", "too-large", "too-many-nodes"]);
});

test("each engine has its own taste", async () => {
  const texts = new Map<EngineName, string>();
  for (const engine of engineNames) {
    const verdict = (await judge({ engine }))(documentOf(miniPages["article"]));
    assert.ok("keep" in verdict);
    texts.set(engine, verdict.keep.text);
    assert.ok(verdict.keep.text.includes("after the lighthouse the swell"));
  }
  assert.ok(texts.get("full-text")!.includes("Privacy policy"));
  assert.ok(!texts.get("readability")!.includes("Privacy policy"));
  assert.ok(!texts.get("main-content")!.includes("Privacy policy"));
});
