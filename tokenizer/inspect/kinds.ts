/**
 * What the tokens of a vocabulary are made of, and which of them look like accidents of the corpus. Data only.
 * Pages repeat themselves: a token that many uses but few documents have was learnt from one site's boilerplate, and
 * a model sees it nowhere else. Found by counting documents beside uses, not by lists of bad words.
 */
import type { Occurrences, TokenFacts } from "./tokens.ts";

export const tokenKinds = [
  "word after a space",
  "word or part of one",
  "digits",
  "punctuation",
  "white space",
  "mixed",
  "part of a character",
  "byte",
  "special",
] as const;
export type TokenKind = (typeof tokenKinds)[number];

export function textOf(bytes: Uint8Array): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
}

export function kindOf({ bytes, class: found }: TokenFacts): TokenKind {
  if (found === "special" || found === "byte") return found;
  if (found === "partial") return "part of a character";
  const text = textOf(bytes);
  if (/^\p{White_Space}+$/u.test(text)) return "white space";
  if (/^ [\p{L}\p{M}]+$/u.test(text)) return "word after a space";
  if (/^[\p{L}\p{M}]+$/u.test(text)) return "word or part of one";
  if (/^ ?\p{N}+$/u.test(text)) return "digits";
  return /[\p{L}\p{N}]/u.test(text) ? "mixed" : "punctuation";
}

/** The script of most letters of a token, null where it has none or part of a character. */
export function scriptOf(bytes: Uint8Array): string | null {
  const text = textOf(bytes);
  if (!/\p{L}/u.test(text) || text.includes("\ufffd")) return null;
  return scripts.find(([, letters]) => letters.test(text))?.[0] ?? "other";
}

const scripts = [
  "Latin",
  "Cyrillic",
  "Greek",
  "Han",
  "Hiragana",
  "Katakana",
  "Hangul",
  "Arabic",
  "Hebrew",
  "Devanagari",
  "Thai",
].map(name => [name, new RegExp(`\\p{Script=${name}}`, "u")] as const);

export const oddities = ["repeated", "few-documents", "mojibake", "code-like"] as const;
export type Oddity = (typeof oddities)[number];

export type OddToken = { readonly fact: TokenFacts; readonly oddity: Oddity };

/** At least so many uses in so few documents. */
const fewDocuments = { uses: 16, documents: 2 } as const;
const repeated = /^ ?(.)\1{3,}$/su;
/** UTF-8 read as Latin-1 or Windows-1252, and what could not be read at all. */
const mojibake = /\u00c3[\u0080-\u00bf]|\u00e2\u20ac|\u00c2[\u00a0-\u00bf]|\ufffd/u;
const codeLike = /\p{L}\p{N}+\p{L}|\p{N}\p{L}+\p{N}|[{}<>;]{2}|https?|www\.|&\w/u;

/**
 * Tokens that look like accidents, each under the first oddity it has:
 *   repeated       one character four times or more, such as a ruled line
 *   few-documents  16 uses or more, all of them in one or two documents (needs occurrences)
 *   mojibake       text that was decoded wrongly
 *   code-like      letters and digits alternating, markup, addresses
 */
export function oddTokens(facts: readonly TokenFacts[], occurrences: Occurrences | null): OddToken[] {
  const found: OddToken[] = [];
  for (const fact of facts) {
    if (fact.class === "special" || fact.class === "byte" || fact.class === "partial") continue;
    const text = textOf(fact.bytes);
    const uses = occurrences?.uses[fact.id] ?? 0;
    const documents = occurrences?.documents[fact.id] ?? 0;
    const few = uses >= fewDocuments.uses && documents <= fewDocuments.documents;
    if (repeated.test(text)) found.push({ fact, oddity: "repeated" });
    else if (few) found.push({ fact, oddity: "few-documents" });
    else if (mojibake.test(text)) found.push({ fact, oddity: "mojibake" });
    else if (codeLike.test(text)) found.push({ fact, oddity: "code-like" });
  }
  return found;
}

/** Tokens that are spelled like another but for case and a space before, and how many different spellings they make. */
export function spellings(facts: readonly TokenFacts[]): { readonly tokens: number; readonly words: number } {
  const groups = new Map<string, number>();
  for (const fact of facts) {
    const kind = kindOf(fact);
    if (kind !== "word after a space" && kind !== "word or part of one") continue;
    const word = textOf(fact.bytes).trim().toLowerCase();
    groups.set(word, (groups.get(word) ?? 0) + 1);
  }
  const shared = [...groups.values()].filter(count => count > 1);
  return { tokens: shared.reduce((sum, count) => sum + count, 0), words: shared.length };
}

/** Of tokens that are never used: the token that they were merged into and that is used most, where there is one. */
export function swallowedBy(
  unused: readonly TokenFacts[],
  facts: readonly TokenFacts[],
  uses: ArrayLike<number>,
): Map<number, TokenFacts> {
  const wanted = new Set(unused.map(({ id }) => id));
  const by = new Map<number, TokenFacts>();
  for (const fact of facts)
    for (const parent of fact.parents ?? []) {
      const best = by.get(parent);
      if (wanted.has(parent) && (!best || (uses[fact.id] ?? 0) > (uses[best.id] ?? 0))) by.set(parent, fact);
    }
  return by;
}
