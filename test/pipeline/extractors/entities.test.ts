/** Character references, by the rules of the HTML standard. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeReferences } from "../../../pipeline/extractors/entities.ts";

const cases: readonly (readonly [string, string])[] = [
  ["&amp;&lt;&gt;&quot;&apos;", "&<>\"'"],
  ["caf&eacute; &Eacute;", "café É"],
  ["&#233;&#xE9;&#XE9;", "ééé"],
  ["&#150;&#151;&#133;&#145;&#146;", "–—…‘’"],
  ["&#x80;&#x9f;", "€Ÿ"],
  ["&#0;&#xD800;&#x110000;&#99999999999999999999;", "\ufffd\ufffd\ufffd\ufffd"],
  ["&#128512;", "😀"],
  ["AT&T &copy 2024 &notit; &notin;", "AT&T © 2024 ¬it; ∉"],
  ["&ampamp; &eacutex", "&amp; éx"],
  ["a & b &; &# &#x &#xg; &unknown; &amp", "a & b &; &# &#x &#xg; &unknown; &"],
  ["&NotEqualTilde;", "≂̸"],
  ["&CounterClockwiseContourIntegral;", "∳"],
  ["&", "&"],
];

for (const [source, expected] of cases) {
  test(`${source} reads ${expected}`, () => assert.equal(decodeReferences(source), expected));
}

test("a million ampersands are a million ampersands", () => {
  const many = "&a".repeat(1_000_000);
  assert.equal(decodeReferences(many), many);
});
