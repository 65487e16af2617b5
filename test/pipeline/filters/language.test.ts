/**
 * The language stage: what it keeps, what it says, and which codes it refuses.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { UserError } from "../../../lib/errors.ts";
import { defaults } from "../../../lib/options.ts";
import { packageRoot } from "../../../lib/package-root.ts";
import type { Document } from "../../../pipeline/document.ts";
import { language } from "../../../pipeline/filters/language.ts";
import type { Judge } from "../../../pipeline/stage.ts";
import { sharedLines } from "../shared-data.ts";

const load = async (path: string) =>
  readFileSync(join(packageRoot, "node_modules", path.replace("package:", "")));

type Given = Partial<Parameters<typeof language.build>[0]>;

const build = async (given: Given = {}): Promise<Judge> =>
  language.build({ ...defaults(language.options), ...given }, { load, seed: 1 });

const of = (text: string): Document => ({
  id: "x",
  url: null,
  date: "",
  text,
  page: null,
  meta: { title: "kept" },
  at: { file: "", offset: 0, length: 0 },
});

const english = "This is a page about the weather, and it was written by somebody who likes rain and wind.";
const german = "Dies ist eine Seite über das Wetter, geschrieben von jemandem, der Regen und Wind gern hat.";
const french = "Ceci est une page sur la météo, écrite par quelqu'un qui aime la pluie et le vent.";

test("the wanted language is kept with its code and score, others are dropped with what was found", async () => {
  const judge = await build();
  const kept = judge(of(english));
  assert.ok("keep" in kept);
  assert.equal(kept.keep.meta["language"], "en");
  assert.equal(kept.keep.meta["title"], "kept");
  assert.ok((kept.keep.meta["language_score"] as number) > 0.9);
  const dropped = judge(of(german));
  assert.ok("drop" in dropped);
  assert.equal(dropped.drop, "language");
  assert.match(String(dropped.value), /^de 0\.\d+|^de 1/);
  assert.equal(dropped.threshold, "en");
});

test("several languages, languages with scores of their own, and any", async () => {
  const two = await build({ keep: ["en", "de"] });
  assert.deepEqual(
    [english, german, french].map(text => "keep" in two(of(text))),
    [true, true, false],
  );
  const own = await build({ keep: { en: 0.999999, de: 0.1 } });
  assert.deepEqual(
    [english, german].map(text => "keep" in own(of(text))),
    [false, true],
  );
  const any = await build({ keep: null });
  assert.deepEqual(
    [english, german, french].map(text => "keep" in any(of(text))),
    [true, true, true],
  );
});

test("the threshold itself is not enough: scores are compared as fastText's 32-bit floats", async () => {
  const measured = (await build({ minScore: 0 }))(of(english)).measures!["wanted_score"]!;
  assert.equal(Math.fround(measured), measured);
  const at = (await build({ minScore: measured }))(of(english));
  assert.ok("drop" in at && at.drop === "score" && at.threshold === measured);
  assert.ok("keep" in (await build({ minScore: measured - 1e-9 }))(of(english)));
});

test("a page without anything to read is dropped, not crashed on", async () => {
  const judge = await build();
  for (const text of ["", " \n ", "12345", "\u{1f600}", "=====", "AAAA", "http://x.y/z"]) {
    const score = judge(of(text)).measures!["language_score"]!;
    assert.ok(score >= 0 && score < 1.0001, `${JSON.stringify(text)}: ${score}`);
  }
  assert.ok("drop" in judge(of("")));
});

test("as released, line ends vanish and glue words; now they are blanks", async () => {
  const lines = english.replaceAll(" ", "\n");
  const released = (await build(language.presets!["fineweb@2024-04"]!))(of(lines)).measures!;
  const glued = (await build())(of(english.replaceAll(" ", ""))).measures!;
  assert.deepEqual(released, glued);
  const now = await build({ newlines: "space" });
  assert.deepEqual(now(of(lines)).measures, now(of(english)).measures);
});

test("blanks and line ends around a text change no score", async () => {
  const judge = await build();
  const { measures } = judge(of(english));
  for (const text of [`${english}\n`, `\n\n${english}`, `  ${english} \r\n\n`])
    assert.deepEqual(judge(of(text)).measures, measures, JSON.stringify(text.slice(0, 4)));
});

test("a page in two languages keeps the scores of both where they are asked for", async () => {
  const judge = await build({ keep: ["en", "de"], minScore: 0.1, topScores: 3 });
  const verdict = judge(of(`${english} ${german}`));
  assert.ok("keep" in verdict);
  const { languages } = verdict.keep.meta;
  const found = [...String(languages).matchAll(/([a-z-]+) (0\.\d+)/g)];
  assert.equal(found.length, 3, String(languages));
  assert.deepEqual(
    found
      .slice(0, 2)
      .map(([, code]) => code)
      .sort(),
    ["de", "en"],
  );
  const scores = found.map(([, , score]) => Number(score));
  assert.ok(scores[0]! >= scores[1]! && scores[1]! > 0.1 && scores[1]! >= scores[2]!);
  const without = (await build())(of(english));
  assert.ok("keep" in without && !("languages" in without.keep.meta));
});

test("capitals, code and addresses among the text are judged without a crash, and the same twice", async () => {
  const judge = await build({ keep: null, minScore: 0 });
  for (const text of [
    english.toUpperCase(),
    "if (a) { return b; } // and so on",
    "http://a.example/b ".repeat(30),
  ]) {
    const { measures } = judge(of(text));
    assert.ok(measures!["language_score"]! > 0 && measures!["language_score"]! < 1.0001);
    assert.deepEqual(judge(of(text)).measures, measures);
  }
});

test("maxChars bounds what is looked at", async () => {
  const mixed = english + " " + german.repeat(20);
  assert.ok("drop" in (await build())(of(mixed)));
  assert.ok("keep" in (await build({ maxChars: english.length }))(of(mixed)));
});

test("codes of other sets, names and misspellings are refused with the code that was meant", async () => {
  for (const [given, meant] of [
    ["eng", "en"],
    ["eng_Latn", "en"],
    ["EN", "en"],
    ["en-GB", "en"],
    ["english", "en"],
    ["deu", "de"],
    ["German", "de"],
    ["fra", "fr"],
    ["zho", "zh"],
    ["cmn_Hans", "zh"],
    ["russian", "ru"],
  ] as const) {
    await assert.rejects(build({ keep: ["de", given] }), (error: Error) => {
      assert.ok(error instanceof UserError);
      assert.equal(error.message, `language.keep: unknown language "${given}", did you mean ${meant}?`);
      assert.match(error.hint!, /^The model knows 176 languages: af, als, am, /);
      return true;
    });
  }
  await assert.rejects(build({ keep: { "!?": 0.5 } }), /language\.keep: unknown language "!\?"/);
});

test("keep takes a code, a list, a table or any, and nothing else", () => {
  const { keep } = language.options;
  assert.deepEqual(keep.parse("en"), ["en"]);
  assert.deepEqual(keep.parse(["en", "de"]), ["en", "de"]);
  assert.deepEqual(keep.parse({ en: 0.5 }), { en: 0.5 });
  assert.equal(keep.parse("any"), null);
  for (const wrong of [[], {}, { en: 2 }, { en: "x" }, 5, [1], true])
    assert.equal(keep.parse(wrong), undefined);
});

test("a decision can be replayed from its measures for another threshold", async () => {
  const texts = [english, german, french, "ok", "", "Wetter und weather", english.slice(0, 12)];
  for (const minScore of [0.1, 0.65, 0.95]) {
    const values = { ...defaults(language.options), keep: ["en", "de"], minScore };
    const [recorded, judge] = [await build({ ...values, minScore: 0.5 }), await build(values)];
    for (const text of texts) {
      const verdict = judge(of(text));
      const replayed = language.reject!(recorded(of(text)).measures!, values);
      assert.equal(replayed === null, "keep" in verdict);
      if ("drop" in verdict) assert.equal(replayed!.reason, verdict.drop);
    }
  }
  const own = { ...defaults(language.options), keep: { en: 0.99, de: 0.2 } };
  const judge = await build(own);
  for (const text of texts) {
    const verdict = judge(of(text));
    assert.equal(language.reject!(verdict.measures!, own) === null, "keep" in verdict);
  }
});

test("the same language, score and decision as datatrove 0.10 on the shared crawl", async t => {
  type Row = {
    id: string;
    outcome: string;
    text: string | null;
    language: string | null;
    language_score: number | null;
    en_score: number | null;
  };
  const rows = sharedLines<Row>(t, "oracle/datatrove.jsonl.gz");
  if (rows === null) return;
  const judge = await build({ ...language.presets!["fineweb@0.10"]!, keep: ["en"] });
  let compared = 0;
  for (const { id, outcome, text, language: code, language_score: score, en_score: enScore } of rows.filter(
    (_, i) => i % 3 === 0,
  )) {
    if (text === null || text === undefined || code === null || code === undefined || score === null)
      continue;
    const verdict = judge(of(text));
    compared++;
    assert.ok(
      Math.abs(verdict.measures!["language_score"]! - score) < 2e-5,
      `${id}: ${verdict.measures!["language_score"]}, not ${score}`,
    );
    if (enScore !== null && enScore !== undefined)
      assert.ok(Math.abs(verdict.measures!["wanted_score"]! - enScore) < 2e-5, `${id}: en ${enScore}`);
    assert.equal("drop" in verdict, outcome === "3_language", id);
    if ("keep" in verdict) assert.equal(verdict.keep.meta["language"], code);
    else assert.match(String(verdict.value), new RegExp(`^${code} `));
  }
  assert.ok(compared > 700, `${compared} compared`);
});
