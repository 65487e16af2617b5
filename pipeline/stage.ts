/**
 * What a stage is: a function from document to verdict, with its name, its options and where its numbers come from.
 * A stage is pure and synchronous: no clock, no files, no randomness, no memory of earlier documents. What it needs
 * from disk (a model, a list) it asks for once through `load` when it is built. Counting, timing, catching and
 * writing of what was dropped are done around it, in run.ts.
 */
import type { Options, Values } from "../lib/options.ts";
import type { Document } from "./document.ts";

/** Numbers a stage measured on one document; the names are declared by the stage. NaN is never a measure. */
export type Measures = Readonly<Record<string, number>>;

export type Drop = {
  /** Why, in kebab-case: one of the stage's `reasons`; a key of the statistics. */
  readonly drop: string;
  /** What was measured and against what, as `curate explain` shows it. */
  readonly value?: number | string;
  readonly threshold?: number | string;
  readonly measures?: Measures;
};

export type Keep = { readonly keep: Document; readonly measures?: Measures };

export type Verdict = Keep | Drop;

export type Judge = (document: Document) => Verdict;

/** Bytes of a file named in the recipe (relative to the recipe's folder), or of one that ships with a package ("package:name/path"). */
export type Load = (path: string) => Promise<Uint8Array>;

export type StageKind = "filter" | "extractor" | "formatter";

export type Rejection = {
  readonly reason: string;
  readonly value: number | string;
  readonly threshold: number | string;
};

/** Where a rule draws its line on a measure: values on that side of it are dropped. */
export type Mark = {
  readonly measure: string;
  readonly at: number;
  readonly drops: "below" | "above";
  /** One of the stage's reasons, or several with commas between. */
  readonly reason: string;
};

export type Stage<O extends Options = Options> = {
  readonly name: string;
  readonly kind: StageKind;
  /** One sentence: help, report and docs print it. */
  readonly about: string;
  /** Paper or repository and file that the numbers come from. */
  readonly source: string;
  readonly options: O;
  readonly reasons: readonly string[];
  /** Names of the measures recorded for every document that reaches the stage. */
  readonly measures: readonly string[];
  /** Named sets of option values, chosen by the recipe's `preset:` key; keys such as "fineweb@2024-04". */
  readonly presets?: Readonly<Record<string, Partial<Values<O>>>>;
  build(options: Values<O>, context: { readonly load: Load; readonly seed: number }): Judge | Promise<Judge>;
  /** A filter decides from its measures alone, so that other thresholds can be replayed without the text. */
  reject?(measures: Measures, options: Values<O>): Rejection | null;
  /** Options on which what is measured, or the text that is kept, depends: those cannot be replayed. */
  readonly measuring?: readonly (keyof O & string)[];
  /** The lines that the rules draw, for histograms; rules that are no line on one measure are left out. */
  marks?(options: Values<O>): readonly Mark[];
};

/** Declares a filter by its two halves: first it measures, then it decides. */
export function filter<O extends Options, M extends Measures>(definition: {
  readonly name: string;
  readonly about: string;
  readonly source: string;
  readonly options: O;
  readonly reasons: readonly string[];
  readonly measures: readonly (keyof M & string)[];
  readonly presets?: Readonly<Record<string, Partial<Values<O>>>>;
  readonly measuring?: readonly (keyof O & string)[];
  marks?(options: Values<O>): readonly Mark[];
  measure(document: Document, options: Values<O>): M;
  reject(measures: M, options: Values<O>): Rejection | null;
}): Stage<O> {
  const { measure, reject, ...rest } = definition;
  return {
    ...rest,
    kind: "filter",
    reject: (measures, options) => reject(measures as M, options),
    build: options => document => {
      const measures = measure(document, options);
      const rejection = reject(measures, options);
      if (!rejection) return { keep: document, measures };
      return { drop: rejection.reason, value: rejection.value, threshold: rejection.threshold, measures };
    },
  };
}
