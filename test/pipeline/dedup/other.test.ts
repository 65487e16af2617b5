/** Deduplication by whole text, by address and by line. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { random } from "../../../lib/random.ts";
import type { CorpusStage } from "../../../pipeline/corpus-stage.ts";
import { exactDedup } from "../../../pipeline/dedup/exact-dedup.ts";
import { lineDedup } from "../../../pipeline/dedup/line-dedup.ts";
import {
  eachWindow,
  substringDedup,
  withoutWindows,
  wordSpans,
} from "../../../pipeline/dedup/substring-dedup.ts";
import { pageOf, urlDedup } from "../../../pipeline/dedup/url-dedup.ts";
import { deduplicated, document, keptIds, type Outcome } from "./corpus.ts";

const exact = exactDedup as unknown as CorpusStage;
const url = urlDedup as unknown as CorpusStage;
const line = lineDedup as unknown as CorpusStage;
const substring = substringDedup as unknown as CorpusStage;

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

test("paragraphs across documents: whole ones go, a line of one is no repetition", async () => {
  const notice = "All prices include tax.\nDelivery takes three days, four in winter.";
  const tasks = [
    [document("a", `First story, told at some length.\n\n${notice}`)],
    [
      document("b", `${notice.toUpperCase()}\n \n\nSecond story, told at some length.`),
      document("c", "Delivery takes three days, four in winter.\nAnd this follows it."),
      document("d", notice),
    ],
  ];
  const outcomes = await deduplicated({ stage: line, tasks, options: { unit: "paragraph" } });
  assert.equal(textOf(outcomes, "a"), tasks[0]![0]!.text);
  assert.equal(textOf(outcomes, "b"), "Second story, told at some length.");
  assert.equal(textOf(outcomes, "c"), tasks[1]![1]!.text);
  assert.deepEqual(outcomes.get("d")!.verdict, { drop: "only-repeated-lines", value: 1, threshold: 0 });
});

/** Words that a suffix array finds repeated: part of a run of n words whose sorted neighbour began earlier. */
function repeatedBySuffixArray(texts: readonly string[], n: number): boolean[][] {
  const words = texts.map(text => text.split(" "));
  const suffixes = words.flatMap((list, t) => list.map((_, at) => ({ t, at })));
  const key = ({ t, at }: { t: number; at: number }) => words[t]!.slice(at, at + n).join(" ");
  suffixes.sort((a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : a.t - b.t || a.at - b.at));
  const marked = words.map(list => list.map(() => false));
  suffixes.forEach((suffix, i) => {
    const { t, at } = suffix;
    if (i === 0 || at + n > words[t]!.length || key(suffixes[i - 1]!) !== key(suffix)) return;
    for (let k = at; k < at + n; k++) marked[t]![k] = true;
  });
  return marked;
}

test("substring-dedup removes what a suffix array finds, whatever the memory, the tasks and the order of jobs", async () => {
  const next = random(41);
  const phrases = Array.from({ length: 25 }, () =>
    Array.from({ length: 3 + next.below(6) }, () => `w${next.below(9)}`).join(" "),
  );
  const texts = Array.from({ length: 45 }, () => {
    const piece = () =>
      next.below(3) === 0 ? `own${next.below(1e6)}` : phrases[next.below(phrases.length)]!;
    return Array.from({ length: 1 + next.below(5) }, piece).join(" ");
  });
  for (const minWords of [4, 6]) {
    const expected = repeatedBySuffixArray(texts, minWords).map((marked, t) =>
      texts[t]!.split(" ")
        .filter((_, i) => !marked[i])
        .join(" "),
    );
    assert.ok(
      expected.some((text, i) => text !== texts[i] && text !== ""),
      "something is cut out of a text",
    );
    for (const size of [45, 10]) {
      const tasks: ReturnType<typeof document>[][] = [];
      texts.forEach((text, i) => {
        (tasks[Math.floor(i / size)] ??= []).push(document(`d${i}`, text));
      });
      const pass = { stage: substring, tasks, options: { minWords }, memory: 20_000, backwards: size === 10 };
      const outcomes = await deduplicated(pass);
      texts.forEach((_, i) => {
        assert.equal(textOf(outcomes, `d${i}`) ?? "", expected[i], `text ${i}, runs of ${minWords}`);
      });
    }
  }
});

test("substring-dedup keeps the first, leaves line ends alone, and takes a character for a word where words have no spaces", async () => {
  const shared = Array.from({ length: 6 }, (_, i) => `shared${i}`).join(" ");
  const han = "今天天气很好我们去公园散步";
  const tasks = [
    [
      document("a", `One.\n${shared}\nTwo.`),
      document("b", `Three begins\nhere. ${shared}\n\nFour ends here.`),
    ],
    [document("c", han), document("d", `他说${han}。`), document("e", ""), document("f", shared)],
  ];
  const outcomes = await deduplicated({ stage: substring, tasks, options: { minWords: 6 } });
  assert.equal(textOf(outcomes, "a"), tasks[0]![0]!.text);
  assert.equal(textOf(outcomes, "b"), "Three begins\nhere. Four ends here.");
  assert.equal(textOf(outcomes, "c"), han);
  assert.equal(textOf(outcomes, "d"), "他说。");
  assert.equal(textOf(outcomes, "e"), "");
  assert.deepEqual(outcomes.get("f")!.verdict, { drop: "only-repeated-text", value: 6, threshold: 0 });
  const b = outcomes.get("b")!.verdict;
  assert.equal("keep" in b && b.keep.meta["substring_dedup_removed"], 6);
});

test("windows of equal words have equal hashes wherever they stand, and a text without windows has none", () => {
  const seen = new Map<string, string>();
  const text = "a b c d a b c d x a b c y";
  const spans = wordSpans(text);
  const words = text.split(" ");
  eachWindow(text, spans, 3, (hash, first) => {
    const window = words.slice(first, first + 3).join(" ");
    assert.equal(seen.get(window) ?? hash.join(), hash.join());
    seen.set(window, hash.join());
  });
  assert.equal(new Set(seen.values()).size, seen.size);
  eachWindow("a b", wordSpans("a b"), 3, () => assert.fail("no window fits"));
  assert.deepEqual(withoutWindows("a b c", wordSpans("a b c"), 2, new Set([1])), { text: "a", words: 2 });
});
