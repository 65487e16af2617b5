/**
 * How well vocabularies compress text, by group (language, source, …) and against one another. Pure data; knows
 * neither where texts come from nor how tables are drawn.
 */
import type { Encoder } from "../encoder.ts";

export type Rival = { readonly name: string; readonly encoder: Encoder };

export type CompressionRow = {
  readonly group: string;
  readonly documents: number;
  /** UTF-8 bytes, Unicode characters, and words: stretches between white space. */
  readonly bytes: number;
  readonly characters: number;
  readonly words: number;
  /** Tokens by each vocabulary, in the order given. */
  readonly tokens: readonly number[];
};

/** Rows in the order in which groups first come, and last the sum of all, named "all". */
export function compression(
  samples: Iterable<{ readonly group: string; readonly text: string }>,
  rivals: readonly Rival[],
): CompressionRow[] {
  type Sums = { documents: number; bytes: number; characters: number; words: number; tokens: number[] };
  const empty = (): Sums => ({
    documents: 0,
    bytes: 0,
    characters: 0,
    words: 0,
    tokens: rivals.map(() => 0),
  });
  const groups = new Map<string, Sums>();
  const all = empty();
  for (const { group, text } of samples) {
    const sums = groups.get(group) ?? empty();
    groups.set(group, sums);
    const bytes = Buffer.byteLength(text);
    const characters = [...text].length;
    const words = text.split(/\s+/).filter(Boolean).length;
    const tokens = rivals.map(({ encoder }) => encoder.count(text));
    for (const target of [sums, all]) {
      target.documents++;
      target.bytes += bytes;
      target.characters += characters;
      target.words += words;
      tokens.forEach((count, i) => {
        target.tokens[i]! += count;
      });
    }
  }
  return [...groups, ["all", all] as const].map(([group, sums]) => ({ group, ...sums }));
}

/**
 * Share of the words of some texts that each vocabulary has as one token, a space before them; words stand as often
 * as the texts have them, without the punctuation around them.
 */
export function wholeWords(texts: Iterable<string>, rivals: readonly Rival[]): number[] {
  const words = new Map<string, number>();
  for (const text of texts)
    for (const [word] of text.matchAll(/[\p{L}\p{M}]+/gu)) words.set(word, (words.get(word) ?? 0) + 1);
  let all = 0;
  const whole = rivals.map(() => 0);
  for (const [word, count] of words) {
    all += count;
    rivals.forEach(({ encoder }, i) => {
      if (encoder.count(` ${word}`, 1) === 1) whole[i]! += count;
    });
  }
  return whole.map(count => (all === 0 ? 0 : count / all));
}

/** Bytes a token, tokens a word, and how many per cent fewer tokens than another vocabulary's (negative: more). */
export function ratios(row: CompressionRow, vocabulary: number, against: number) {
  const own = row.tokens[vocabulary]!;
  const other = row.tokens[against]!;
  return {
    bytesPerToken: own === 0 ? 0 : row.bytes / own,
    tokensPerWord: row.words === 0 ? 0 : own / row.words,
    savedPercent: other === 0 ? 0 : (100 * (other - own)) / other,
  };
}
