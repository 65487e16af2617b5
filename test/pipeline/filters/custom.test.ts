/** Filters written by the user, and the quality classifier: both come from files that the recipe names. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { UserError } from "../../../lib/errors.ts";
import { defaults } from "../../../lib/options.ts";
import type { Document } from "../../../pipeline/document.ts";
import { custom } from "../../../pipeline/filters/custom.ts";
import { openFastText } from "../../../pipeline/filters/language/fasttext.ts";
import { qualityClassifier } from "../../../pipeline/filters/quality-classifier.ts";
import { modelLabels, writeModel } from "./language/model-file.ts";

const document = (text: string, meta: Document["meta"] = {}): Document => ({
  id: "<urn:uuid:1>",
  url: "https://a.example/",
  date: "",
  text,
  page: null,
  meta,
  at: { file: "", offset: 0, length: 0 },
});

const built = async (files: Readonly<Record<string, string>>, values: Readonly<Record<string, unknown>>) =>
  custom.build({ ...defaults(custom.options), ...values } as never, {
    seed: 1,
    async load(path) {
      const source = files[path];
      if (source === undefined) throw new UserError(`cannot read ${path}`);
      return Buffer.from(source);
    },
  });

const refused = (message: RegExp) => (error: unknown) =>
  error instanceof UserError && message.test(`${error.message}\n${error.hint ?? ""}`);

test("a filter in TypeScript is named by its path, with types, options and modules of its own", async () => {
  const judge = await built(
    {
      "filters/few-links.ts": `
        import type { Document } from "../somewhere/that/need/not/exist.ts";
        import { basename } from "node:path";
        import { linksIn } from "./count/links.ts";
        export default (document: Document, options: { readonly maxLinks: number }) => {
          const links: number = linksIn(document.text);
          if (basename(document.url ?? "") === "bad") return false;
          return links > options.maxLinks ? { drop: "too-many-links", value: links, threshold: options.maxLinks } : null;
        };`,
      "filters/count/links.ts": `export const linksIn = (text: string): number => text.split("http").length - 1;`,
    },
    { modules: ["filters/few-links.ts"], options: { maxLinks: 1 } },
  );
  const good = document("one http link");
  const verdict = judge(good);
  assert.ok("keep" in verdict && verdict.keep === good);
  assert.deepEqual(judge(document("http http http")), { drop: "too-many-links", value: 3, threshold: 1 });
  assert.deepEqual(judge({ ...good, url: "https://a.example/bad" }), { drop: "few-links" });
});

test("several modules are asked in order, and one may change the text", async () => {
  const judge = await built(
    {
      "shout.js": "export default d => ({ keep: { ...d, text: d.text.toUpperCase() } })",
      "no-a.js": 'export default d => (d.text.includes("A") ? "has-a" : true)',
    },
    { modules: ["shout.js", "no-a.js"] },
  );
  const kept = judge(document("hello"));
  assert.equal("keep" in kept && kept.keep.text, "HELLO");
  assert.deepEqual(judge(document("banana")), { drop: "has-a" });
});

test("a user's module that cannot be used is refused before any work, with what to write", async () => {
  await assert.rejects(built({}, {}), refused(/expected at least one module[\s\S]*modules: \[/));
  await assert.rejects(built({}, { modules: ["gone.ts"] }), refused(/cannot read gone\.ts/));
  await assert.rejects(
    built({ "a.ts": "export default 7" }, { modules: ["a.ts"] }),
    refused(/a\.ts: expected a default export that is a function of the document, got 7/),
  );
  await assert.rejects(
    built({ "a.ts": "export default (d: => 1" }, { modules: ["a.ts"] }),
    refused(/a\.ts is not valid TypeScript/),
  );
  await assert.rejects(
    built({ "a.js": "import 'left-pad'; export default () => null" }, { modules: ["a.js"] }),
    refused(/a\.js cannot be loaded/),
  );
  await assert.rejects(
    built({ "a.js": 'import "./b.js"', "b.js": 'import "./a.js"' }, { modules: ["a.js"] }),
    refused(/a\.js imports b\.js imports a\.js/),
  );
});

test("an answer that is none is an error that names it, which costs one document", async () => {
  const judge = await built({ "odd.js": 'export default () => "Not Kebab"' }, { modules: ["odd.js"] });
  assert.throws(() => judge(document("x")), /odd answered "Not Kebab"; a reason is written in kebab-case/);
});

const kind = {
  loss: "softmax",
  dim: 8,
  wordNgrams: 2,
  minn: 0,
  maxn: 0,
  quantised: false,
  kept: 1,
} as const;

test("the classifier's score of its label decides, at the threshold too, and replays", async () => {
  const bytes = writeModel(kind, 5);
  const build = (values: Readonly<Record<string, unknown>>) =>
    qualityClassifier.build(
      { ...defaults(qualityClassifier.options), model: "m.bin", label: "gamma", ...values } as never,
      { seed: 1, load: async () => bytes },
    );
  const text = "the of\nund der the";
  const model = openFastText(bytes);
  const score = model.scores("the of und der the")[modelLabels.indexOf("gamma")]!;
  const judge = await build({ minScore: score });
  const verdict = judge(document(text));
  assert.ok("keep" in verdict, "a score at the threshold is kept");
  assert.equal(verdict.keep.meta["quality_score"], score);
  assert.deepEqual(verdict.measures, { quality_score: score });
  const strict = (await build({ minScore: score, atThreshold: "drop" }))(document(text));
  assert.deepEqual(strict, {
    drop: "low-quality",
    value: score,
    threshold: score,
    measures: { quality_score: score },
  });
  const values = { ...defaults(qualityClassifier.options), minScore: 1 };
  assert.equal(qualityClassifier.reject!({ quality_score: score }, values)?.reason, "low-quality");
  for (const empty of ["", " \n", "…", "unknown words only"])
    assert.ok(Number.isFinite(judge(document(empty)).measures!["quality_score"]), empty);
});

test("a missing model and a wrong label are the user's mistakes, answered with the model's labels", async () => {
  const build = (values: Readonly<Record<string, unknown>>) =>
    Promise.resolve(
      qualityClassifier.build({ ...defaults(qualityClassifier.options), ...values } as never, {
        seed: 1,
        load: async () => writeModel(kind, 5),
      }),
    );
  await assert.rejects(build({}), refused(/expected a model, got none/));
  await assert.rejects(build({ model: "m.bin", label: "gama" }), refused(/no label "gama"[\s\S]*gamma/));
  assert.ok(await build({ model: "m.bin", label: "__label__beta" }));
});
