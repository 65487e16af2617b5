/** From blocks to text: what stands on a line of its own, what white space becomes, what is never text. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { defaultLimits } from "../../../pipeline/extractors/extraction.ts";
import { fullText } from "../../../pipeline/extractors/full-text.ts";

const options = { comments: true, tables: true, limits: defaultLimits };
const textOf = (html: string): string => fullText(html, null, options).text;

const cases: readonly (readonly [rule: string, html: string, expected: string])[] = [
  [
    "blocks stand on lines of their own",
    "<h1>Title</h1><p>One</p><div>Two<p>Three</p>four</div>",
    "Title\nOne\nTwo\nThree\nfour",
  ],
  [
    "inline tags do not split words",
    "<p>un<b>believ</b>able, <i>is</i>n<span>'</span>t it</p>",
    "unbelievable, isn't it",
  ],
  ["white space between inline tags is one space", "<p><b>a</b>\n   <i>b</i></p>", "a b"],
  [
    "a line break is a new line",
    "<p>Roses are red,<br>violets<br/>are blue</p>",
    "Roses are red,\nviolets\nare blue",
  ],
  ["two line breaks make two paragraphs", "<div>One.<br><br>Two.</div>", "One.\nTwo."],
  ["list items have a line each", "<ul><li>a</li><li>b<ol><li>c</li></ol></li></ul>", "a\nb\nc"],
  [
    "a row is a line, its cells a tab apart",
    "<table><tr><th>Name</th><th>Age</th></tr><tr><td>Ada</td><td>36</td></tr></table>",
    "Name\tAge\nAda\t36",
  ],
  [
    "an empty first cell keeps the columns in place",
    "<table><tr><td></td><th>x</th></tr><tr><th>y</th><td>1</td></tr></table>",
    "\tx\ny\t1",
  ],
  [
    "a cell with one paragraph is still a cell",
    "<table><tr><td><p>a</p></td><td><div>b</div></td></tr></table>",
    "a\tb",
  ],
  [
    "a table that lays out a page is no row",
    "<table><tr><td><p>One.</p><p>Two.</p></td><td>side</td></tr></table>",
    "One.\nTwo.\nside",
  ],
  [
    "a cell with paragraphs set apart by line breaks is no row",
    "<table><tr><td>One.<br><br>Two.</td><td>side</td></tr></table>",
    "One.\nTwo.\nside",
  ],
  ["a line break in a row is a space", "<table><tr><td>a<br>b</td><td>c</td></tr></table>", "a b\tc"],
  [
    "preformatted text keeps lines and indentation",
    "<pre>\nif x:\n    y()\n\n\treturn  z\n</pre>",
    "if x:\n    y()\n\n\treturn  z",
  ],
  ["code inside a paragraph is inline", "<p>call <code>f(x)</code>.</p>", "call f(x)."],
  ["no-break spaces become spaces", "<p>10&nbsp;km\u00a0away</p>", "10 km away"],
  [
    "soft hyphens and zero-width characters go",
    "<p>hy&shy;phen&#8203;ation\ufeff to\u2060gether</p>",
    "hyphenation together",
  ],
  [
    "zero-width joiners stay in the scripts that need them",
    "<p>می\u200cخواهم a\u200cb</p>",
    "می\u200cخواهم ab",
  ],
  ["references are decoded once", "<p>&lt;b&gt; &amp;amp;</p>", "<b> &amp;"],
  ["lone surrogates and noncharacters do not survive", "<p>a\ud800b\uffffc\u0000d</p>", "a\ufffdbcd"],
  [
    "scripts, styles, templates and noscript are not text",
    "<p>a</p><script>b</script><style>c</style><template>d</template><noscript>e</noscript>",
    "a",
  ],
  [
    "drawings, frames and media fallbacks are not text",
    "<p>a</p><svg><text>b</text></svg><iframe>c</iframe><object>d</object><video>e</video>",
    "a",
  ],
  [
    "form controls are not text, their labels are",
    "<label>Name <select><option>x</select><textarea>y</textarea></label>",
    "Name",
  ],
  [
    "what says it is hidden is not text",
    '<p>a</p><p hidden>b</p><p style="display: none">c</p><p aria-hidden="true">d</p><p style="VISIBILITY:hidden">e</p>',
    "a",
  ],
  [
    "a hidden part of a paragraph leaves the rest whole",
    '<p>one <span style="display:none">two</span> three</p>',
    "one three",
  ],
  ["a closed details element is text", "<details><summary>Q</summary><p>A</p></details>", "Q\nA"],
  [
    "a shadow root written in the page is text",
    "<x-y><template shadowrootmode=open><p>a</p></template></x-y>",
    "a",
  ],
];

for (const [rule, html, expected] of cases) {
  test(rule, () => assert.equal(textOf(html), expected));
}

test("an empty page, and one of scripts and frames only, has no text", () => {
  for (const html of [
    "",
    " \n",
    "<html></html>",
    "<script>x</script>",
    "<frameset><frame src=a></frameset>",
    "<!-- x",
  ]) {
    assert.equal(textOf(html), "");
  }
});
