/** The engine main-content on whole pages: what belongs to the text and what does not. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { defaultLimits } from "../../../pipeline/extractors/extraction.ts";
import { mainContent } from "../../../pipeline/extractors/main-content.ts";
import { miniPages, miniSentences } from "./mini-pages.ts";

const options = { comments: true, tables: true, limits: defaultLimits };
const textOf = (html: string, over: Partial<typeof options> = {}): string =>
  mainContent(html, null, { ...options, ...over }).text;

function has(text: string, parts: readonly string[]): void {
  for (const part of parts) assert.ok(text.includes(part), `lacks ${JSON.stringify(part)} in\n${text}`);
}

function lacks(text: string, parts: readonly string[]): void {
  for (const part of parts) assert.ok(!text.includes(part), `has ${JSON.stringify(part)} in\n${text}`);
}

const boilerplate = ["About us", "Accept all", "cookies to improve", "Privacy policy", "All rights reserved"];

test("an article: its paragraphs, headings and lists; no menu, notice, share buttons, related stories or footer", () => {
  const text = textOf(miniPages["article"]);
  has(text, [...miniSentences.slice(0, 5), "What to bring", "Bread, cheese and apples"]);
  lacks(text, [...boilerplate, "Tweet", "A museum in a water tower", "Read more"]);
});

test("a forum: every post, no reply buttons", () => {
  const text = textOf(miniPages["forum"]);
  has(text, miniSentences);
  lacks(text, [...boilerplate, "Report"]);
});

test("a product: its description", () => {
  const text = textOf(miniPages["product"]);
  has(text, ["taped seams and a hood", "island's own sheep"]);
  lacks(text, boilerplate);
});

test("documentation: code with its indentation, tables a row a line", () => {
  const text = textOf(miniPages["documentation"]);
  has(text, [
    "for crossing in timetable:\n    if crossing.runs:\n        print(crossing.time)",
    "time\twhen the boat leaves",
  ]);
  lacks(text, boilerplate);
});

test("a list of places: each of them", () => {
  has(textOf(miniPages["list"]), ["Harbour Inn", "Quay House", miniSentences[0], miniSentences[3]]);
});

test("a page laid out with a table: the text, without the column of links", () => {
  const text = textOf(miniPages["old"]);
  has(text, miniSentences);
  lacks(text, ["Guestbook"]);
});

test("a page without any frame is its own text", () => {
  has(textOf(miniPages["bare"]), miniSentences);
});

test("an application's page: what it shows without scripts", () => {
  const text = textOf(miniPages["app"]);
  has(text, [miniSentences[0], miniSentences[4]]);
  lacks(text, ["start()"]);
});

test("where the page shows nothing, the article's text comes from JSON-LD; where it does, it does not", () => {
  const data =
    '<script type="application/ld+json">{"@type":"NewsArticle","articleBody":"<p>Only here.</p><p>Twice &amp; again.</p>"}</script>';
  assert.equal(
    textOf(`<html><head>${data}</head><body><div id=app></div></body></html>`),
    "Only here.\nTwice & again.",
  );
  lacks(textOf(miniPages["article"].replace("</head>", `${data}</head>`)), ["Only here"]);
});

test("hidden text stays out whatever it looks like", () => {
  const hidden = `<div style="display:none"><p>${"Words that nobody is shown on this page. ".repeat(5)}</p></div>`;
  lacks(textOf(miniPages["article"].replace("<h2>", `${hidden}<h2>`)), ["nobody is shown"]);
});

test("a page that is hidden until its scripts run is read as if they had", () => {
  const page = miniPages["article"].replace("<main>", '<main style="visibility:hidden">');
  has(textOf(page), miniSentences.slice(0, 5));
});

test("without tables no row is kept, without comments no comment", () => {
  lacks(textOf(miniPages["documentation"], { tables: false }), ["when the boat leaves"]);
  const comments = `<section class="comments">${miniSentences.map(s => `<div class="comment"><p>I was there too. ${s.toUpperCase()}</p></div>`).join("")}</section>`;
  const page = miniPages["article"].replace("</main>", `${comments}</main>`);
  lacks(textOf(page, { comments: false }), ["I was there too"]);
});

test("the same page gives the same text, whatever was seen before", () => {
  const names = Object.keys(miniPages);
  const once = names.map(name => textOf(miniPages[name]));
  const again = [...names].reverse().map(name => textOf(miniPages[name]));
  assert.deepEqual(again.reverse(), once);
});
