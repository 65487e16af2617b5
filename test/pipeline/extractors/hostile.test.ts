/**
 * Pages made to hurt. The bound is a count of nodes, so that is what is asserted; a quadratic step anywhere shows as
 * a suite that does not end. Every engine answers, and answers alike twice.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { engineNames, engineOf } from "../../../pipeline/extractors/extract.ts";
import { defaultLimits } from "../../../pipeline/extractors/extraction.ts";
import { parseHtml } from "../../../pipeline/extractors/html.ts";
import { refusal } from "../../../pipeline/extractors/readability.ts";

const options = { comments: true, tables: true, limits: defaultLimits };
const words = "The quick brown fox jumps over the lazy dog. ";

const pages: Readonly<Record<string, () => string>> = {
  "100,000 nested elements": () => `${"<div>".repeat(100_000)}${words}${"</div>".repeat(100_000)}`,
  "100,000 unclosed bold elements": () => `<p>${"<b>".repeat(100_000)}${words}`,
  "100,000 unclosed links": () => `${"<a href=x>y ".repeat(100_000)}${words}`,
  "50,000 nested lists": () => `${"<ul><li>x".repeat(50_000)}${words}`,
  "20,000 nested tables": () => `${"<table><tr><td>x".repeat(20_000)}${words}`,
  "50,000 nested rows without tables": () => `${"<tr>".repeat(50_000)}${words}`,
  "a million siblings": () => `${"<p>x".repeat(1_000_000)}`,
  "140,000 flat paragraphs of text": () => `<p>${words}`.repeat(140_000),
  "290,000 line breaks": () => `${words}${"<br>".repeat(290_000)}${words}`,
  "100,000 cells in one row": () => `<table><tr>${"<td>x".repeat(100_000)}</table>${words}`,
  "20 MB in one text": () => words.repeat(450_000),
  "a million less-than signs": () => "<".repeat(1_000_000) + "0 " + words,
  "a million end tags": () => words + "</b></div></p>".repeat(330_000),
  "a 5 MB attribute": () => `<div class="${"post content ".repeat(400_000)}"><p>${words}</p></div>`,
  "100,000 attributes": () => `<div ${"class=a ".repeat(100_000)}><p>${words}</p></div>`,
  "an unterminated comment": () => `<p>${words}</p><!-- ${"x -- ".repeat(200_000)}`,
  "100,000 comment starts": () => `<p>${words}</p>${"<!-->x<!-".repeat(100_000)}`,
  "an unterminated script": () => `<p>${words}</p><script>${"if (a</b) ".repeat(200_000)}`,
  "an unterminated attribute": () => `<p>${words}</p><a href="${"x>".repeat(500_000)}`,
  "100,000 unclosed drawings": () => `<p>${words}</p>${"<svg><g>".repeat(100_000)}`,
  "100,000 drawings half closed": () => `<p>${words}</p>${"<svg>".repeat(100_000)}${"</svg>".repeat(50_000)}`,
  "100,000 nested drawings": () => `<p>${words}</p>${"<svg>".repeat(100_000)}${"</svg>".repeat(100_000)}`,
  "paragraph ends behind a table": () =>
    `<p><table><tr><td>${"<b>".repeat(200)}${"</p>".repeat(200_000)}${words}`,
  "140,000 hidden spans in a paragraph": () => `<p>${words}${"<span hidden>x</span>".repeat(140_000)}</p>`,
  "a JSON-LD of 200,000 brackets": () =>
    `<script type="application/ld+json">${"[".repeat(200_000)}${"]".repeat(200_000)}</script><p>${words}</p>`,
};

for (const [name, page] of Object.entries(pages)) {
  test(`${name}: bounded, and the same twice`, () => {
    const html = page();
    const tree = parseHtml(html, defaultLimits);
    assert.ok(tree.count <= defaultLimits.maxNodes);
    for (const engine of engineNames) {
      // What the guard refuses goes to main-content, which has had its turn.
      if (engine === "readability" && refusal(html) !== null) continue;
      const { text } = engineOf(engine)(html, null, options);
      assert.equal(text.isWellFormed(), true);
      if (engine === "main-content" && html.length < 1_000_000) {
        assert.equal(engineOf(engine)(html, null, options).text, text);
      }
      if (!tree.cut && engine === "full-text") assert.ok(text.includes("quick brown fox"));
    }
  });
}

test("the guard in front of Readability refuses what it cannot bear, and says why", () => {
  const reasons = (name: keyof typeof pages): string | null => refusal(pages[name]());
  assert.equal(reasons("100,000 nested drawings"), "signs");
  assert.equal(refusal("<div>".repeat(1000)), "depth");
  assert.equal(refusal(`<svg>${"<g>".repeat(1000)}</svg>`), "depth");
  assert.equal(refusal(`<p>${"<b>".repeat(1000)}`), "depth");
  assert.equal(reasons("a million siblings"), "chars");
  assert.equal(refusal("<br>".repeat(100_000)), "nodes");
  assert.equal(refusal(`<p>x${"<div><b></div>".repeat(400)}`), "unclosed");
  assert.equal(refusal(`<p class="${"x".repeat(600_000)}">a</p>`), "attribute");
  assert.equal(refusal("<article><p>An ordinary page.</p></article>"), null);
});

test("a page that Readability refuses has the text of main-content", () => {
  const html = `<article>${`<p>${words}${words}</p>`.repeat(5)}</article>${"<div>".repeat(1000)}`;
  const { text } = engineOf("readability")(html, null, options);
  assert.equal(text, engineOf("main-content")(html, null, options).text);
  assert.ok(text.includes("lazy dog"));
});
