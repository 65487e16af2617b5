/**
 * One name for a language: the model's own labels (for lid.176: ISO 639-1 where there is one, else 639-3). Any other
 * spelling is the user's mistake and is answered with the right one; guessing would drop a whole corpus in silence,
 * as `eng` for `en` did elsewhere. Knows no model.
 */
import { nearest, shown, UserError } from "../../../lib/errors.ts";

/** Throws UserError for a code that is none of `labels`. `where` is the option's address. */
export function checkCodes(codes: readonly string[], labels: readonly string[], where: string): void {
  for (const code of codes) {
    if (labels.includes(code)) continue;
    const meant = meantCode(code, labels);
    throw new UserError(
      `${where}: unknown language ${shown(code)}${meant ? `, did you mean ${meant}?` : ""}`,
      `The model knows ${labels.length} languages: ${[...labels].sort().join(", ")}`,
    );
  }
}

/** The label that a code of another set, a locale or an English name means: eng, eng_Latn, en-GB and English are en. */
function meantCode(code: string, labels: readonly string[]): string | null {
  const folded = code.trim().toLowerCase();
  if (labels.includes(folded)) return folded;
  try {
    const { language } = new Intl.Locale(code.trim().replaceAll("_", "-"));
    if (labels.includes(language)) return language;
    const same = labels.find(
      label => label.split(/[_-]/, 1)[0] === language || languageOf(label) === language,
    );
    if (same) return same;
  } catch {
    // Not a locale: perhaps a name.
  }
  const names = new Intl.DisplayNames(["en"], { type: "language", fallback: "none" });
  const named = labels.find(label => nameOf(names, label) === folded);
  return named ?? nearest(code, labels);
}

function languageOf(label: string): string | null {
  try {
    return new Intl.Locale(label.replaceAll("_", "-")).language;
  } catch {
    return null;
  }
}

function nameOf(names: Intl.DisplayNames, label: string): string | null {
  try {
    return names.of(label.replaceAll("_", "-"))?.toLowerCase() ?? null;
  } catch {
    return null;
  }
}
