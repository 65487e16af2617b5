/**
 * Every filter against its hand-made texts, fixtures/filters/<stage>.jsonl: for each rule one that it drops, for each
 * boundary both sides, for each preset where it differs. One runner for all filters: a declared reason that no text
 * exercises fails, and so does a filter that changes its input or does not give the same verdict twice.
 */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { UserError } from "../../../lib/errors.ts";
import { defaults } from "../../../lib/options.ts";
import { packageRoot } from "../../../lib/package-root.ts";
import type { Document } from "../../../pipeline/document.ts";
import type { Judge, Stage, Verdict } from "../../../pipeline/stage.ts";
import { documentStages } from "../../../pipeline/stages.ts";

type Fixture = {
  readonly why: string;
  readonly text: string;
  /** "keep" or a reason. */
  readonly expect: string;
  readonly preset?: string;
  readonly options?: Readonly<Record<string, unknown>>;
  readonly meta?: Document["meta"];
  /** The text of the document that is kept, where the filter edits. */
  readonly kept?: string;
};

const folder = join(packageRoot, "fixtures", "filters");
const load = async (path: string) => readFileSync(join(folder, path));

function frozenDocument(text: string, meta: Document["meta"] = {}): Document {
  const at = Object.freeze({ file: "fixture", offset: 0, length: text.length });
  return Object.freeze({
    id: "fixture",
    url: null,
    date: "",
    text,
    page: null,
    meta: Object.freeze({ ...meta }),
    at,
  });
}

const reasonOf = (verdict: Verdict): string => ("drop" in verdict ? verdict.drop : "keep");

for (const name of readdirSync(folder).filter(file => file.endsWith(".jsonl"))) {
  const stage = documentStages.get(basename(name, ".jsonl")) as Stage;
  const fixtures = readFileSync(join(folder, name), "utf8")
    .trimEnd()
    .split("\n")
    .map(line => JSON.parse(line) as Fixture);

  const settings = ({ preset, options }: Fixture) => {
    if (preset !== undefined) assert.ok(stage.presets?.[preset], `${stage.name} has no preset ${preset}`);
    for (const key of Object.keys(options ?? {})) assert.ok(key in stage.options, `no option ${key}`);
    return { ...defaults(stage.options), ...(preset ? stage.presets![preset] : {}), ...options };
  };

  test(`${stage.name} decides every hand-made text as expected`, async () => {
    for (const fixture of fixtures) {
      const judge: Judge = await stage.build(settings(fixture), { load, seed: 1 });
      const verdict = judge(frozenDocument(fixture.text, fixture.meta));
      assert.equal(reasonOf(verdict), fixture.expect, fixture.why);
      if (fixture.kept !== undefined)
        assert.equal("keep" in verdict && verdict.keep.text, fixture.kept, fixture.why);
      else if ("keep" in verdict)
        assert.equal(verdict.keep.text, fixture.text, `${fixture.why}: text changed`);
    }
  });

  test(`${stage.name} is pure: the same verdict twice, before and after others`, async () => {
    const judges = await Promise.all(
      fixtures.map(fixture => Promise.resolve(stage.build(settings(fixture), { load, seed: 1 }))),
    );
    const once = fixtures.map((fixture, i) =>
      JSON.stringify(judges[i]!(frozenDocument(fixture.text, fixture.meta))),
    );
    const again = fixtures.map((_, i) => {
      const at = fixtures.length - 1 - i;
      return JSON.stringify(judges[at]!(frozenDocument(fixtures[at]!.text, fixtures[at]!.meta)));
    });
    assert.deepEqual(again.reverse(), once);
  });

  test(`${stage.name} measures what it declares, in finite numbers, and its rejection follows from them`, async () => {
    for (const fixture of fixtures) {
      const values = settings(fixture);
      const verdict = (await stage.build(values, { load, seed: 1 }))(
        frozenDocument(fixture.text, fixture.meta),
      );
      const measures = verdict.measures ?? {};
      assert.deepEqual(Object.keys(measures).sort(), [...stage.measures].sort(), fixture.why);
      for (const [measure, value] of Object.entries(measures))
        assert.ok(Number.isFinite(value), `${fixture.why}: ${measure} is ${value}`);
      if (!stage.reject) continue;
      const rejection = stage.reject(measures, values);
      assert.equal(rejection?.reason ?? "keep", fixture.expect, fixture.why);
      if ("drop" in verdict && typeof verdict.value === "number" && rejection) {
        assert.equal(verdict.value, rejection.value);
        assert.equal(verdict.threshold, rejection.threshold);
        assert.ok(Object.values(measures).includes(verdict.value), `${fixture.why}: value is no measure`);
      }
    }
  });

  test(`every reason of ${stage.name} is exercised, and every preset`, () => {
    const seen = new Set(fixtures.map(fixture => fixture.expect));
    assert.deepEqual(
      stage.reasons.filter(reason => !seen.has(reason)),
      [],
    );
    assert.deepEqual(
      [...seen].filter(reason => reason !== "keep" && !stage.reasons.includes(reason)),
      [],
    );
    const presets = new Set(fixtures.map(fixture => fixture.preset));
    assert.deepEqual(
      Object.keys(stage.presets ?? {}).filter(preset => !presets.has(preset)),
      [],
    );
  });
}

test("fineweb@2024-04 is what the quality filters do by default", () => {
  for (const name of ["gopher-repetition", "gopher-quality", "c4-quality", "fineweb-quality"])
    assert.deepEqual(documentStages.get(name)!.presets!["fineweb@2024-04"], {}, name);
});

test("a million words, one endless word and a million lines pass every quality filter in finite time", async () => {
  const texts = [
    Array.from({ length: 1_000_000 }, (_, i) => `w${(i * 7919) % 10_007}`).join(" "),
    "x".repeat(500_000),
    "yes\n".repeat(100_000),
    "a ".repeat(100_000),
  ];
  for (const name of ["gopher-repetition", "gopher-quality", "c4-quality", "fineweb-quality"]) {
    const stage = documentStages.get(name)!;
    const judge = await stage.build(defaults(stage.options), { load, seed: 1 });
    for (const text of texts) {
      const { measures } = judge(frozenDocument(text));
      for (const value of Object.values(measures!)) assert.ok(Number.isFinite(value));
    }
  }
});

/** Filters of pages and languages have tests of their own beside their data. */
const elsewhere = ["url-filter", "opt-out", "language", "custom", "quality-classifier"];

test("every filter has hand-made texts", () => {
  const missing = [...documentStages.values()]
    .filter(({ name, kind }) => kind === "filter" && !elsewhere.includes(name))
    .filter(({ name }) => !existsSync(join(folder, `${name}.jsonl`)));
  assert.deepEqual(
    missing.map(({ name }) => name),
    [],
  );
});

test("filters that need a file say so, and say which entry of it is wrong", async () => {
  const built = async (name: string, options: Readonly<Record<string, unknown>>, content = "") => {
    const stage = documentStages.get(name)!;
    const context = { load: async () => Buffer.from(content), seed: 1 };
    return stage.build({ ...defaults(stage.options), ...options }, context);
  };
  const refused = (hint: RegExp, message: RegExp) => (error: unknown) =>
    error instanceof UserError && message.test(error.message) && hint.test(error.hint ?? "");
  await assert.rejects(
    built("bad-words", {}),
    refused(/lists: \{ en:/, /expected a list for at least one language, got none/),
  );
  await assert.rejects(
    built("bad-words", { lists: { en: "en.txt" } }, " \n"),
    refused(/^$/, /the list en.txt is empty/),
  );
  await assert.rejects(
    built("decontaminate", {}),
    refused(/against: \[/, /expected at least one evaluation file, got none/),
  );
  await assert.rejects(
    built("decontaminate", { against: ["a.jsonl"] }, '{"q":1}\nnot json\n'),
    refused(/^$/, /a.jsonl:2: expected a JSON value on every line/),
  );
});

test("decontaminate reads gzipped files and every text in nested JSON", async () => {
  const stage = documentStages.get("decontaminate")!;
  const words = Array.from({ length: 13 }, (_, i) => `word${String.fromCharCode(97 + i)}`).join(" ");
  const file = gzipSync(JSON.stringify({ a: [{ b: words }], n: 3, z: null }));
  const judge = await stage.build(
    { ...defaults(stage.options), against: ["x.jsonl.gz"] },
    { load: async () => file, seed: 1 },
  );
  assert.equal(reasonOf(judge(frozenDocument(`so ${words} it goes`))), "evaluation-text");
});
