/**
 * Keeps the texts that a supervised fastText model scores high for one of its labels: quality in DCLM's and
 * FineWeb-Edu's manner. The text is given as those classifiers were trained: one line, no blanks at the ends. The
 * score is a measure, so any other threshold replays without the text. No model ships with curate.
 */
import { nearest, shown, UserError } from "../../lib/errors.ts";
import {
  choice,
  flag,
  integer,
  number,
  type Options,
  optional,
  text,
  type Values,
} from "../../lib/options.ts";
import type { Rejection, Stage } from "../stage.ts";
import { strip } from "../text/lines.ts";
import { openFastText } from "./language/fasttext.ts";

const options = {
  model: text("", "supervised fastText model, .bin or .ftz"),
  label: text("", "the label that means good, without __label__; of a model with two, by default the second"),
  minScore: number(0.5, "keeps texts whose score for the label reaches this", { min: 0, max: 1 }),
  atThreshold: choice("keep", "what happens to a text whose score equals minScore", [
    "keep",
    "drop",
  ] as const),
  lowerCase: flag(false, "gives the model the text in lower case"),
  maxChars: optional(integer(1, "characters looked at, from the beginning; null looks at all", { min: 1 })),
} satisfies Options;

function reject(score: number, { minScore, atThreshold }: Values<typeof options>): Rejection | null {
  const bound = Math.fround(minScore);
  const keeps = atThreshold === "keep" ? score >= bound : score > bound;
  return keeps ? null : { reason: "low-quality", value: score, threshold: minScore };
}

export const qualityClassifier: Stage<typeof options> = {
  name: "quality-classifier",
  kind: "filter",
  about: "keeps texts that a fastText classifier scores high",
  source:
    "Li et al. 2024 (DCLM), section 4.4: fastText on OpenHermes and ELI5 against RefinedWeb; dclm, baselines/baselines_configs/fasttext_filter.yaml",
  options,
  reasons: ["low-quality"],
  measures: ["quality_score"],
  measuring: ["model", "label", "lowerCase", "maxChars"],
  presets: { dclm: { label: "hq", minScore: 0.018112 } },
  reject: (measures, values) => reject(measures["quality_score"]!, values),
  marks: ({ minScore }) => [
    { measure: "quality_score", at: minScore, drops: "below", reason: "low-quality" },
  ],
  async build(values, { load }) {
    if (values.model === "")
      throw new UserError(
        "quality-classifier: expected a model, got none",
        "Name one, for example  - quality-classifier: { model: models/quality.bin, label: hq }",
      );
    const model = openFastText(await load(values.model));
    const label = labelOf(model.labels, values);
    return document => {
      const { maxChars, lowerCase } = values;
      const seen = maxChars === null ? document.text : document.text.slice(0, maxChars);
      const line = strip(seen.replaceAll("\n", " "));
      // Scores are 32-bit floats that may exceed 1 by a hair.
      const score = Math.min(1, model.scores(lowerCase ? line.toLowerCase() : line)[label]!);
      const measures = { quality_score: score };
      const rejection = reject(score, values);
      if (rejection)
        return { drop: rejection.reason, value: rejection.value, threshold: rejection.threshold, measures };
      return { keep: { ...document, meta: { ...document.meta, quality_score: score } }, measures };
    };
  },
};

function labelOf(labels: readonly string[], { label, model }: Values<typeof options>): number {
  if (label === "" && labels.length === 2) return 1;
  const at = labels.indexOf(label.replace(/^__label__/, ""));
  if (at >= 0) return at;
  const near = nearest(label, labels);
  throw new UserError(
    `quality-classifier.label: ${model} has no label ${shown(label)}`,
    near ? `Did you mean ${near}? It has ${labels.join(", ")}` : `It has ${labels.slice(0, 20).join(", ")}`,
  );
}
