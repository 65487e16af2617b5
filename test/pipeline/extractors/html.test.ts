/** The tree of a page: what browsers do with implied ends, raw text, comments and broken tags, and the bounds on work. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseHtml } from "../../../pipeline/extractors/html.ts";
import { TEXT, tagNames } from "../../../pipeline/extractors/tags.ts";
import { attribute, attributeOf, IN_LINK, type Limits } from "../../../pipeline/extractors/tree.ts";

const limits: Limits = { maxNodes: 100_000, maxDepth: 256 };

/** The tree as nested lists: `div(p("a") p("b"))`. */
function outline(source: string, bounds: Limits = limits): string {
  const tree = parseHtml(source, bounds);
  const show = (node: number): string => {
    if (tree.tag[node] === TEXT) return JSON.stringify(source.slice(tree.from[node], tree.to[node]));
    const inside: string[] = [];
    for (let child = node + 1; child < tree.end[node]; child = tree.end[child]) inside.push(show(child));
    return inside.length > 0 ? `${tagNames[tree.tag[node]]}(${inside.join(" ")})` : tagNames[tree.tag[node]];
  };
  const top: string[] = [];
  for (let node = 0; node < tree.count; node = tree.end[node]) top.push(show(node));
  return top.join(" ");
}

const cases: readonly (readonly [rule: string, source: string, expected: string])[] = [
  ["a paragraph ends where the next begins", "<p>a<p>b", 'p("a") p("b")'],
  ["a paragraph ends at a block", "<p>a<div>b</div>c", 'p("a") div("b") "c"'],
  [
    "a paragraph in a cell is not ended from outside it",
    "<p>a<table><tr><td>b</p>c",
    'p("a") table(tr(td("b" p "c")))',
  ],
  ["list items end each other", "<ul><li>a<li>b</ul>c", 'ul(li("a") li("b")) "c"'],
  [
    "an inner list does not end the outer item",
    "<ul><li>a<ul><li>b</ul>c<li>d</ul>",
    'ul(li("a" ul(li("b")) "c") li("d"))',
  ],
  [
    "terms and definitions end each other",
    "<dl><dt>a<dd>b<dt>c<dd>d</dl>",
    'dl(dt("a") dd("b") dt("c") dd("d"))',
  ],
  [
    "rows and cells end each other",
    "<table><tr><td>a<td>b<tr><th>c</table>",
    'table(tr(td("a") td("b")) tr(th("c")))',
  ],
  [
    "sections of a table end each other",
    "<table><thead><tr><td>a<tbody><tr><td>b</table>",
    'table(thead(tr(td("a"))) tbody(tr(td("b"))))',
  ],
  [
    "an inner table's rows stay inside",
    "<table><tr><td><table><tr><td>a</table>b<td>c</table>",
    'table(tr(td(table(tr(td("a"))) "b") td("c")))',
  ],
  ["options end each other", "<select><option>a<option>b</select>", 'select(option("a") option("b"))'],
  ["a heading ends an open heading", "<h2>a<h3>b</h3>", 'h2("a") h3("b")'],
  ["any heading's end tag ends a heading", "<h2>a</h3>b", 'h2("a") "b"'],
  ["void elements hold nothing", "<p>a<br>b<img src=x>c</p>", 'p("a" br "b" img "c")'],
  ["an end tag with nothing to end is passed over", "a</div></span>b", '"a" "b"'],
  ["a stray paragraph end is an empty paragraph", "a</p>b", '"a" p "b"'],
  ["an unknown inline end tag does not end a block", "<x-a><div>a</x-a>b</div>", '#other(div("a" "b"))'],
  ["a formatting end tag leaves the block inside open", "<b><div>a</b>b</div>c", 'b(div("a" "b") "c")'],
  ["scripts and styles are raw", "<script>if (a<b) '</p>'</script><style>a>b{}</style>c", 'script style "c"'],
  ["a raw element ends only at its own end tag", "<textarea><p>a</textareas></TEXTAREA >b", 'textarea "b"'],
  ["comments are left out", "a<!-- <p>b --><!-->c<!--->d", '"a" "c" "d"'],
  ["CDATA is a comment outside foreign content", "a<![CDATA[ x ]]>b", '"a" "b"'],
  ["processing instructions and doctypes are left out", "<?xml version='1.0'?><!DOCTYPE html>a", '"a"'],
  ["a less-than sign before anything but a letter is text", "1 < 2 <3> <<b>x</b>", '"1 < 2 <3> <" b("x")'],
  ["drawings are skipped, nested ones too", "a<svg><title>t</title><svg></svg>x</svg>b", '"a" svg "b"'],
  ["a drawing that never ends hides nothing", "a<svg><g>b", '"a" svg #other("b")'],
  ["quotes hide the end of a tag", `<p title="a>b" class='c>d'>e`, 'p("e")'],
  [
    "the head ends at the first thing that is not its own",
    "<head><title>t</title><p>a",
    'head(title) p("a")',
  ],
  ["a second body or html is passed over", "<html><body>a<body class=x>b<html>", 'html(body("a" "b"))'],
  ["text after the body's end belongs to the body", "<body>a</body></html>b", 'body("a" "b")'],
  [
    "noscript in the head does not end the head",
    "<head><noscript><img src=x></noscript><title>t</title></head><body>a",
    'head(noscript(img) title) body("a")',
  ],
];

for (const [rule, source, expected] of cases) {
  test(rule, () => assert.equal(outline(source), expected));
}

test("white space between tags is remembered, not kept", () => {
  const source = "<b>a</b> <i>b</i>";
  const tree = parseHtml(source, limits);
  assert.equal(tree.count, 4);
  assert.equal(tree.flags[3] & 1, 1);
});

test("text in a link is marked, after its end and after a link without address it is not", () => {
  const marks = (source: string): number[] => {
    const tree = parseHtml(source, limits);
    return [...Array(tree.count).keys()]
      .filter(i => tree.tag[i] === TEXT)
      .map(i => (tree.flags[i] & IN_LINK ? 1 : 0));
  };
  assert.deepEqual(marks("<a href=x>a</a>b<a name=y>c"), [1, 0, 0]);
  assert.deepEqual(marks("<a href=x>a<a href=y>b</a>c"), [1, 1, 0]);
  assert.deepEqual(marks("<a href=x><div>a</a>b</div>c"), [1, 0, 0]);
});

test("attributes are read by name, the first of two wins, quotes or none", () => {
  const tree = parseHtml("<p CLASS=a class=b id='c d' data-x=1 hidden>", limits);
  assert.equal(attribute(tree, 0, attributeOf.class), "a");
  assert.equal(attribute(tree, 0, attributeOf.id), "c d");
  assert.equal(attribute(tree, 0, attributeOf.hidden), "");
  assert.equal(attribute(tree, 0, attributeOf.style), null);
});

test("a tag cut off by the end of the page is dropped, the text before it is kept", () => {
  assert.equal(outline("a<p class=x"), '"a"');
  assert.equal(outline('a<p class="x>b'), '"a"');
  assert.equal(outline("a</p"), '"a"');
});

test("elements deeper than allowed keep their text and close what they opened", () => {
  const tree = parseHtml(`${"<div>".repeat(20)}a${"</div>".repeat(20)}<p>b`, { maxNodes: 100, maxDepth: 10 });
  assert.equal(tree.tooDeep, 10);
  assert.equal(tree.parent[tree.count - 2], -1, "the paragraph stands at the top again");
});

test("a page may be cut anywhere", () => {
  const page = "<p>a<xmp>b</xmp><pre> <b>c</b></pre></p><svg/>d</q></p>";
  for (let maxNodes = 1; maxNodes < 14; maxNodes++) {
    const tree = parseHtml(page, { maxNodes, maxDepth: 10 });
    assert.ok(tree.count <= maxNodes);
    for (let node = 0; node < tree.count; node++) {
      assert.ok(tree.parent[node] < node);
      assert.ok(tree.end[node] > node && tree.end[node] <= tree.count);
    }
  }
});

test("a page with more nodes than allowed is cut there", () => {
  const tree = parseHtml("<p>a".repeat(1000), { maxNodes: 100, maxDepth: 10 });
  assert.equal(tree.count, 100);
  assert.equal(tree.cut, true);
  assert.equal(parseHtml("<p>a".repeat(50), { maxNodes: 100, maxDepth: 10 }).cut, false);
});
