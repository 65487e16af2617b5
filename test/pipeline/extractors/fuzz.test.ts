/** Mutated pages: no engine throws, the same page gives the same text, and the text is well-formed and clean. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { hasCrawl, labelledPages } from "../../../bench/extraction/corpus.ts";
import { type Random, random } from "../../../lib/random.ts";
import { engineOf } from "../../../pipeline/extractors/extract.ts";
import { defaultLimits, type Engine } from "../../../pipeline/extractors/extraction.ts";
import { parseHtml } from "../../../pipeline/extractors/html.ts";
import { miniPages } from "./mini-pages.ts";

const options = { comments: true, tables: true, limits: { maxNodes: 50_000, maxDepth: 64 } };
const scraps = [
  "<",
  ">",
  "</",
  "<!--",
  "-->",
  "<p>",
  "</p>",
  "<div>",
  "</div>",
  "<table>",
  "<td>",
  "</table>",
  "<a href=x>",
  "</a>",
  "<svg>",
  "</svg>",
  "<script>",
  "</script>",
  "<noscript>",
  "<template>",
  "<pre>",
  "<br>",
  '"',
  "'",
  "=",
  "&",
  "&#",
  "&#x80;",
  "&amp",
  "\0",
  "\ud800",
  "\udc00",
  "\uffff",
  "<![CDATA[",
  "]]>",
  "<title>",
  "<li>",
  "<select>",
  "<option>",
  " hidden ",
  ' style="display:none"',
  "<h1>",
  "</body>",
  "<b>",
  "</b>",
];

function mutated(page: string, random: Random): string {
  let html = page;
  for (let changes = 1 + random.below(8); changes > 0; changes--) {
    const at = random.below(html.length + 1);
    const length = random.below(Math.max(1, Math.min(200, html.length >> 2)));
    const kind = random.below(4);
    const from = random.below(html.length + 1);
    const scrap =
      kind === 0 ? "" : kind === 1 ? html.slice(from, from + length) : scraps[random.below(scraps.length)];
    html = html.slice(0, at) + scrap + html.slice(kind === 2 ? at : Math.min(html.length, at + length));
  }
  return html;
}

function check(engine: Engine, html: string): void {
  const { text } = engine(html, "https://example.org/a", options);
  assert.equal(text.isWellFormed(), true);
  assert.ok(!/[\0\x08\u00ad\u200b\ufeff\u00a0]/.test(text), "characters that are no text are gone");
  assert.ok(!/\n\n/.test(text) || html.includes("<pre") || html.includes("<xmp"), "a block a line");
  assert.equal(engine(html, "https://example.org/a", options).text, text);
}

test("mutations give trees in which everything is inside its parent", () => {
  const draws = random(10);
  const pages = Object.values(miniPages);
  for (let i = 0; i < 3000; i++) {
    const tree = parseHtml(mutated(pages[i % pages.length], draws), {
      maxNodes: 1 + draws.below(400),
      maxDepth: 1 + draws.below(12),
    });
    for (let node = 0; node < tree.count; node++) {
      const parent = tree.parent[node];
      assert.ok(parent < node);
      assert.ok(tree.end[node] > node && tree.end[node] <= (parent < 0 ? tree.count : tree.end[parent]));
      assert.ok(tree.firstAttribute[node] <= tree.firstAttribute[node + 1]);
    }
  }
});

test("mutations of small pages", () => {
  const draws = random(11);
  const pages = Object.values(miniPages);
  for (let i = 0; i < 1500; i++)
    check(engineOf(i % 3 === 0 ? "full-text" : "main-content"), mutated(pages[i % pages.length], draws));
});

test("mutations of small pages through Readability", () => {
  const draws = random(12);
  const pages = Object.values(miniPages);
  for (let i = 0; i < 120; i++) check(engineOf("readability"), mutated(pages[i % pages.length], draws));
});

test("mutations of real pages", t => {
  if (!hasCrawl) {
    if (process.env["CI"] === "true") assert.fail("the shared crawl is absent");
    return t.skip("the shared crawl is absent");
  }
  const draws = random(13);
  const pages = labelledPages();
  for (let i = 0; i < 60; i++) {
    const html = pages[draws.below(pages.length)].html().slice(0, 150_000);
    check(engineOf("main-content"), mutated(html, draws));
  }
  assert.ok(defaultLimits.maxNodes > options.limits.maxNodes);
});
