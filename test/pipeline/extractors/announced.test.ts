/** What says of itself that it is not the text: advertisements, further reading, comments that are not there. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { FOREIGN, RELATED } from "../../../pipeline/extractors/announced.ts";
import { defaultLimits } from "../../../pipeline/extractors/extraction.ts";
import { fullText } from "../../../pipeline/extractors/full-text.ts";
import { mainContent } from "../../../pipeline/extractors/main-content.ts";
import { readPage } from "../../../pipeline/extractors/page.ts";
import { blockText } from "../../../pipeline/extractors/render.ts";
import { miniPages, miniSentences } from "./mini-pages.ts";

const options = { comments: true, tables: true, limits: defaultLimits };
const article = (inserted: string): string => miniPages["article"].replace("<h2>", `${inserted}<h2>`);
const textOf = (html: string): string => mainContent(html, null, options).text;

/** What each block of the inserted HTML is announced to be. */
function kinds(inserted: string): [string, number][] {
  const { tree, blocks, announced } = readPage(article(`<div id=x>${inserted}</div>`), null, defaultLimits);
  const within = (node: number): boolean => {
    for (let up = node; up >= 0; up = tree.parent[up]) {
      const i = tree.firstAttribute[up];
      if (
        i < tree.firstAttribute[up + 1] &&
        tree.source.slice(tree.attributeFrom[i], tree.attributeTo[i]) === "x"
      )
        return true;
    }
    return false;
  };
  return Array.from({ length: blocks.count }, (_, block) => block)
    .filter(block => within(blocks.element[block]))
    .map(block => [blockText(tree, blocks, block), announced.node[blocks.element[block]]]);
}

for (const [name, html] of [
  [
    "a label within a small element",
    "<div><span>Advertisement</span><a href=/x>New boots, half the price</a></div>",
  ],
  ["a label on its own line", "<div><p>Anzeige</p><a href=/x>Neue Stiefel</a><p>Zum halben Preis.</p></div>"],
  [
    "a label for screen readers",
    '<aside aria-label="Advertisement"><p>New boots, half the price.</p></aside>',
  ],
  [
    "a link to an ad server",
    "<div><a href=https://ads.example/go>Boots</a><br>New ones, half the price.</div>",
  ],
  ["further reading of yours", "<div><b>You may also like:</b> <a href=/y>A museum in a tower</a></div>"],
  ["further reading in an aside", "<aside><span>Read more</span> <a href=/y>A museum in a tower</a></aside>"],
  [
    "a list of further reading",
    '<aside aria-label="Lire aussi"><ul><li><a href=/y>Un</a><li><a href=/z>Deux</a></ul></aside>',
  ],
] as const) {
  test(`never text: ${name}`, () => {
    const found = kinds(html);
    assert.ok(found.length > 0);
    for (const [text, kind] of found) assert.equal(kind, FOREIGN, text);
    const text = textOf(article(html));
    for (const [line] of found) assert.ok(!text.includes(line), line);
    for (const sentence of miniSentences.slice(0, 5)) assert.ok(text.includes(sentence), sentence);
  });
}

test("further reading outside an aside is for the classifier to judge", () => {
  assert.deepEqual(
    kinds("<p>See also: <a href=/y>A museum in a tower</a></p>").map(([, kind]) => kind),
    [RELATED],
  );
});

test("text that speaks of advertisements, of comments and of what is related is text", () => {
  for (const html of [
    "<p>Advertisement pays for the ferry, said the captain, and he was right.</p>",
    "<p><b>Advertisement</b>, in his words, pays for the ferry and for its crew.</p>",
    "<p>Related work was done by the harbour's own carpenters over a long winter.</p>",
    '<p>You may also like the <a href="/y">museum</a>, which stands in a tower by the quay and is open all year.</p>',
    "<p>Boots were sold at <a href=https://badsite.example/>the old shop</a> and at ads.example by the quay.</p>",
  ])
    for (const [text, kind] of kinds(html)) assert.equal(kind, 0, text);
});

test("a label speaks for a small part of its page only", () => {
  const whole = `<div><p>Advertisement</p>${miniSentences.map(s => `<p>${s}</p>`).join("")}</div>`;
  assert.ok(
    kinds(whole)
      .slice(1)
      .every(([, kind]) => kind === 0),
  );
  const { tree, announced } = readPage("<div><p>Advertisement</p><p>Short.</p></div>", null, defaultLimits);
  assert.ok(announced.node.subarray(0, tree.count).every(kind => kind === 0));
});

test("a label goes where nothing that it announces follows it, and stays where something does", () => {
  const { tree, blocks, announced } = readPage(article("<h3>Comments</h3>"), null, defaultLimits);
  const labels = Array.from({ length: blocks.count }, (_, block) => block)
    .filter(block => announced.label[block])
    .map(block => blockText(tree, blocks, block));
  assert.ok(labels.includes("Comments") && labels.length < 6, labels.join(", "));
  for (const end of ["<h3>Comments</h3>", "<p>Latest posts:</p><h3>Comments</h3>"]) {
    const text = textOf(miniPages["article"].replace("</article>", `${end}</article>`));
    assert.ok(!/Comments|Latest posts/.test(text), text);
  }
  const documentation = miniPages["article"].replace(
    "<h2>",
    `<h2>Comments</h2><p>${miniSentences[5]}</p><h2>`,
  );
  assert.ok(textOf(documentation).includes(`Comments\n${miniSentences[5]}`));
});

test("the sign that links to a heading is not part of it", () => {
  const of = (html: string) => fullText(html, null, options).text;
  assert.equal(of('<h2>The pond<a class="hash-link" href="#pond">#</a></h2>'), "The pond");
  assert.equal(of('<h2><a href="#pond">&para;</a> The pond</h2>'), "The pond");
  assert.equal(of('<dt>size<a href="#size">¶</a></dt>'), "size");
  assert.equal(
    of('<p>number <a href="/n">#</a>7, C#, § 5</p><td><a href="/sort">#</a></td>'),
    "number 7, C#, § 5\n#",
  );
});
