/**
 * Real pages: a sample of the labelled crawl, beside the texts that trafilatura 1.11 makes of the same pages. The
 * model has seen these pages, so this guards against breaking it; what it does on unseen ones is measured by
 * `bench/extraction.ts --held-out`.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { hasCrawl, type LabelledPage, labelledPages, predictions } from "../../../bench/extraction/corpus.ts";
import { scoreOf, summaryOf } from "../../../bench/extraction/score.ts";
import { hash32 } from "../../../lib/random.ts";
import { defaultLimits } from "../../../pipeline/extractors/extraction.ts";
import { mainContent } from "../../../pipeline/extractors/main-content.ts";

const options = { comments: true, tables: true, limits: defaultLimits };
const perType = 24;

test("on a sample of real pages main-content is nearer to gold than trafilatura, whatever the type of page", t => {
  if (!hasCrawl) {
    if (process.env["CI"] === "true") assert.fail("the shared crawl is absent");
    return t.skip("the shared crawl is absent");
  }
  const rival = predictions("trafilatura-standard.jsonl.gz");
  const byType = new Map<string, LabelledPage[]>();
  for (const page of labelledPages().sort((a, b) => hash32(17, a.id) - hash32(17, b.id))) {
    if (!page.gold.text || page.gold.kind === "snippets" || page.type === "other") continue;
    byType.set(page.type, [...(byType.get(page.type) ?? []), page]);
  }
  assert.equal(byType.size, 7);
  for (const [type, all] of byType) {
    const pages = all.slice(0, perType);
    const ours = summaryOf(
      pages.map(page => scoreOf(page.gold, mainContent(page.html(), page.url, options).text)),
    );
    const theirs = summaryOf(pages.map(page => scoreOf(page.gold, rival.get(page.id) ?? "")));
    t.diagnostic(
      `${type}: token F1 ${ours.f1.toFixed(3)}, trafilatura 1.11 standard ${theirs.f1.toFixed(3)}`,
    );
    assert.ok(ours.f1 > theirs.f1, `${type}: ${ours.f1.toFixed(3)} against ${theirs.f1.toFixed(3)}`);
  }
});
