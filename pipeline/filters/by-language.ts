/**
 * Settings of a filter for single languages, as FineWeb-2 has them: a mapping from a language's code to the options
 * that differ there. Which mapping judged a document is itself a measure (0 for none), so that thresholds replay
 * exactly in a corpus of many languages. Codes are those the language stage writes: de, zh.
 */
import type { Option, Options, Values } from "../../lib/options.ts";
import type { Document } from "../document.ts";

type Differing<O extends Options> = Readonly<Record<string, Partial<Values<O>>>>;
export type WithLanguages<O extends Options> = O & { readonly languages: Option<Differing<O>> };

/** Name of the measure that says which language's settings were used: 1 for the first code in alphabetical order. */
export const languageMeasure = "language_settings";

/** The options and `languages`, in which each of them may differ. */
export function withLanguages<O extends Options>(options: O): WithLanguages<O> {
  const parseOne = (raw: unknown): Partial<Values<O>> | undefined => {
    if (raw === null || typeof raw !== "object" || Array.isArray(raw)) return undefined;
    const parsed = Object.entries(raw).map(([name, value]) => [name, options[name]?.parse(value)] as const);
    if (parsed.some(([, value]) => value === undefined)) return undefined;
    return Object.fromEntries(parsed) as Partial<Values<O>>;
  };
  const languages: Option<Differing<O>> = {
    about: "by language code, the options that differ for texts of that language: de: { minWords: 40 }",
    expects: "a mapping from language codes to right values of this stage's other options",
    default: {},
    parse(raw) {
      if (raw === null || typeof raw !== "object" || Array.isArray(raw)) return undefined;
      const parsed = Object.entries(raw).map(([code, values]) => [code, parseOne(values)] as const);
      if (parsed.some(([code, values]) => values === undefined || code === "")) return undefined;
      return Object.fromEntries(parsed) as Differing<O>;
    },
  };
  return { ...options, languages };
}

type Sets = { readonly all: readonly unknown[]; readonly numbers: ReadonlyMap<string, number> };
const known = new WeakMap<object, Sets>();

function setsOf(values: { readonly languages: Readonly<Record<string, object>> }): Sets {
  const found = known.get(values);
  if (found) return found;
  const codes = Object.keys(values.languages).sort();
  const sets: Sets = {
    all: [values, ...codes.map(code => ({ ...values, ...values.languages[code] }))],
    numbers: new Map(codes.map((code, i) => [code, i + 1])),
  };
  known.set(values, sets);
  return sets;
}

/** Number of the settings for the document's language. */
export function settingsNumber(
  values: { readonly languages: Readonly<Record<string, object>> },
  document: Document,
): number {
  return setsOf(values).numbers.get(String(document.meta["language"] ?? "")) ?? 0;
}

/** The settings with that number. */
export function settingsAt<V extends { readonly languages: Readonly<Record<string, object>> }>(
  values: V,
  number: number,
): V {
  return (setsOf(values).all[number] ?? values) as V;
}
