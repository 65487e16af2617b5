/** What a page says of itself. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { defaultLimits } from "../../../pipeline/extractors/extraction.ts";
import { fullText } from "../../../pipeline/extractors/full-text.ts";

const options = { comments: true, tables: true, limits: defaultLimits };
const read = (head: string, url: string | null = null, body = "<p>a") => {
  const { title, language, date, canonical } = fullText(
    `<html lang=" de-AT "><head>${head}</head><body>${body}`,
    url,
    options,
  );
  return { title, language, date, canonical };
};
const nothing = { title: null, language: "de-AT", date: null, canonical: null };

test("a page that says nothing but its language", () => assert.deepEqual(read(""), nothing));

test("the title: Open Graph, then title, then the first heading", () => {
  assert.equal(read("<title> A &amp;\n B </title>").title, "A & B");
  assert.equal(read('<title>A</title><meta property="og:title" content="B&#39;s">').title, "B's");
  assert.equal(read("", null, "<h1>C <b>d</b></h1>").title, "C d");
});

test("the date: meta, then JSON-LD, then time; and only what looks like one", () => {
  assert.equal(
    read('<meta property="article:published_time" content="2024-05-03T08:00Z">').date,
    "2024-05-03T08:00Z",
  );
  assert.equal(
    read(
      '<script type="application/ld+json">{"@graph":[{"@type":"Article","datePublished":"2024-05-04"}]}</script>',
    ).date,
    "2024-05-04",
  );
  assert.equal(read("", null, '<time datetime="2024-05-05">May</time>').date, "2024-05-05");
  assert.equal(read('<meta name=date content="yesterday">').date, null);
});

test("the canonical address is made absolute, and only web addresses count", () => {
  assert.equal(
    read('<link rel="canonical" href="/b?c=1">', "https://example.org/a").canonical,
    "https://example.org/b?c=1",
  );
  assert.equal(read('<link rel="canonical" href="/b">').canonical, null);
  assert.equal(read('<link rel="canonical" href="javascript:x()">').canonical, null);
});

test("JSON-LD that is not JSON is passed over", () => {
  assert.deepEqual(read('<script type="application/ld+json">{"headline": </script>'), nothing);
});
