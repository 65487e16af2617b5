/** Deduplication by whole text, by address and by line. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { random } from "../../../lib/random.ts";
import type { CorpusStage } from "../../../pipeline/corpus-stage.ts";
import { exactDedup } from "../../../pipeline/dedup/exact-dedup.ts";
import { lineDedup } from "../../../pipeline/dedup/line-dedup.ts";
import { pageOf, urlDedup } from "../../../pipeline/dedup/url-dedup.ts";
import { deduplicated, document, keptIds, type Outcome } from "./corpus.ts";

const exact = exactDedup as unknown as CorpusStage;
const url = urlDedup as unknown as CorpusStage;
const line = lineDedup as unknown as CorpusStage;

test("exact-dedup sees copies of any length, also of texts without a signature; case counts unless normalised", async () => {
  const tasks = [
    [document("a", "Two words"), document("b", ""), document("c", "two words!")],
    [document("d", "Two words"), document("e", "")],
  ];
  const outcomes = await deduplicated({ stage: exact, tasks });
  assert.deepEqual(keptIds(outcomes), ["a", "b", "c"]);
  assert.deepEqual(outcomes.get("d")!.verdict, { drop: "duplicate", value: "a" });
  const loose = await deduplicated({ stage: exact, tasks, options: { compare: "normalised" } });
  assert.deepEqual(keptIds(loose), ["a", "b"]);
});

test("url-dedup: what makes no difference between two addresses of a page", () => {
  const same = [
    "https://www.example.com/a/",
    "http://example.com/a",
    "https://EXAMPLE.com:443/a#part",
    "https://example.com/a?utm_source=x&fbclid=1",
  ].map(address => pageOf(address, false));
  assert.deepEqual(new Set(same), new Set(["example.com/a"]));
  assert.equal(
    pageOf("https://example.com/a?b=2&a=1", false),
    pageOf("https://example.com/a?a=1&b=2", false),
  );
  assert.notEqual(pageOf("https://example.com/a?b=2", false), pageOf("https://example.com/a", false));
  assert.equal(pageOf("https://example.com/a?b=2", true), "example.com/a");
  assert.equal(pageOf("https://example.com:8080/A", false), "example.com:8080/A");
  assert.equal(pageOf(null, false), null);
  assert.equal(pageOf("no address", false), null);
});

test("url-dedup keeps one fetch of each page and every document without an address", async () => {
  const at = (id: string, address: string | null, text: string) => ({ ...document(id, text), url: address });
  const tasks = [
    [at("a", "https://x.org/p", "short"), at("b", null, "one"), at("c", "https://x.org/q", "other")],
    [at("d", "http://www.x.org/p/", "a longer text"), at("e", null, "one")],
  ];
  assert.deepEqual(keptIds(await deduplicated({ stage: url, tasks })), ["a", "b", "c", "e"]);
  assert.deepEqual(keptIds(await deduplicated({ stage: url, tasks, options: { keep: "longest" } })), [
    "b",
    "c",
    "d",
    "e",
  ]);
});

const textOf = (outcomes: ReadonlyMap<string, Outcome>, id: string): string | null => {
  const { verdict } = outcomes.get(id)!;
  return "keep" in verdict ? verdict.keep.text : null;
};

test("line-dedup removes what was seen before and drops what is left with nothing", async () => {
  const menu = "Home | Products | About us | Contact";
  const tasks = [
    [
      document("a", `${menu}\nThe first page says this.\nshort`),
      document("b", `${menu.toUpperCase()}\nThe second page says that.`),
    ],
    [
      document("c", `${menu}\n\nshort`),
      document("d", `${menu}\n${menu}`),
      document("e", "Nothing here was said before."),
    ],
  ];
  const outcomes = await deduplicated({ stage: line, tasks });
  assert.equal(textOf(outcomes, "a"), `${menu}\nThe first page says this.\nshort`);
  assert.equal(textOf(outcomes, "b"), "The second page says that.");
  assert.equal(textOf(outcomes, "c"), "\nshort");
  assert.deepEqual(outcomes.get("d")!.verdict, { drop: "only-repeated-lines", value: 2, threshold: 0 });
  const b = outcomes.get("b")!.verdict;
  assert.equal("keep" in b && b.keep.meta["line_dedup_removed"], 1);
  const e = outcomes.get("e")!.verdict;
  assert.ok("keep" in e && e.keep === tasks[1]![2]);
  const none = await deduplicated({ stage: line, tasks, options: { keep: "none", copies: 5 } });
  assert.equal(textOf(none, "a"), "The first page says this.\nshort");
  const rarer = await deduplicated({ stage: line, tasks, options: { keep: "none", copies: 6 } });
  assert.equal(textOf(rarer, "a"), textOf(outcomes, "a"));
});

test("line-dedup equals its definition in memory, in any order of jobs and with little memory", async () => {
  const next = random(99);
  const lines = Array.from(
    { length: 400 },
    (_, i) => `a line of its own, number ${i.toString(2).replace(/0/g, "o").replace(/1/g, "l")}`,
  );
  const tasks = Array.from({ length: 3 }, (_, t) =>
    Array.from({ length: 60 }, (_, i) =>
      document(
        `${t}-${i}`,
        Array.from({ length: next.below(40) }, () => lines[next.below(lines.length)]!).join("\n"),
      ),
    ),
  );
  const seen = new Set<string>();
  const expected = tasks.flat().map(({ text }) =>
    text
      .split("\n")
      .filter(item => item === "" || (!seen.has(item) && seen.add(item)))
      .join("\n"),
  );
  const outcomes = await deduplicated({ stage: line, tasks, memory: 40_000, backwards: true });
  tasks.flat().forEach(({ id }, i) => {
    const text = textOf(outcomes, id);
    if (text === null) assert.equal(expected[i], "");
    else assert.equal(text, expected[i]);
  });
});
