/**
 * Words looked for in a text: the pattern that finds them, and what stands around the first place. Shared by server and
 * page, so that what a list found is what a document marks. Knows no documents and no markup.
 */
import type { FoundWords } from "./api.ts";

const [before, after, longestMatch] = [44, 96, 160];

/** The words in their order, in any case and with any white space between them. Signs are only signs. */
export function wordsPattern(query: string, flags = "i"): RegExp {
  const words = query.trim().split(/\s+/);
  return new RegExp(words.map(word => word.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&")).join("\\s+"), flags);
}

/** On one line; halves of a pair at a cut would be shown as a sign that the text does not have. */
const oneLine = (piece: string): string =>
  piece.replace(/^[\udc00-\udfff]|[\ud800-\udbff]$/g, "").replace(/\s+/g, " ");

/** The words around the first match on one line, cut between words where one is near; null where nothing matches. */
export function foundIn(text: string, pattern: RegExp): FoundWords | null {
  const match = pattern.exec(text);
  if (!match || match[0] === "") return null;
  const end = match.index + match[0].length;
  const left = oneLine(text.slice(Math.max(0, match.index - before), match.index));
  const right = oneLine(text.slice(end, end + after));
  return {
    before: match.index > before ? `…${left.replace(/^\S{0,20}\s/, "")}` : left.trimStart(),
    match: oneLine(match[0].slice(0, longestMatch)),
    after: end + after < text.length ? `${right.replace(/\s\S{0,20}$/, "")}…` : right.trimEnd(),
  };
}
