/**
 * Blocks to text: one block a line. References decoded, white space folded to single spaces, no-break spaces made
 * plain, soft hyphens and zero-width characters removed, `<br>` a new line, cells a tab apart, and in preformatted
 * blocks every line and indentation as it stands. Blocks are separated by one "\n", because the line filters that
 * follow take a line for a paragraph. Knows nothing of which blocks are worth keeping.
 */
import { type Blocks, CELL, LINE_BREAK } from "./blocks.ts";
import { decodeReferences } from "./entities.ts";
import { tagOf } from "./tags.ts";
import { AFTER_SPACE, type Tree } from "./tree.ts";

/**
 * Characters with no width and no meaning: soft hyphen, zero-width space, word joiner, byte order mark, directional
 * marks and isolates, noncharacters, and controls other than tab and newline. The zero-width joiners stay where the
 * scripts that need them (from U+0600 on) do.
 */
const invisible =
  /[\0-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ufffe\uffff]|(?<![\u0600-\uffff])[\u200c\u200d]/g;
const needsCleaning =
  /[^\n\x20-\x7e\u00a1-\u00ac\u00ae-\u1fff\u2010-\u2027\u2030-\u205e\u2070-\u2fff\u3001-\ud7ff\uf900-\ufefe\uff00-\ufff8]/;

/** Removes what is not text, whatever the white space. Lone surrogates become U+FFFD. */
export function cleanCharacters(text: string): string {
  return needsCleaning.test(text) ? text.replace(invisible, "").toWellFormed() : text;
}

/** One line of running text: white space folded and trimmed. */
export function foldSpace(text: string): string {
  // Single spaces, nearly all there is, are left as they are.
  return cleanCharacters(text)
    .replace(/[\s\x85]{2,}|[^\S ]|\x85/g, " ")
    .trim();
}

function preformattedText(text: string): string {
  return cleanCharacters(text.replace(/\r\n?/g, "\n"))
    .replace(/[\u00a0\u2000-\u200a\u202f\u205f\u3000]/g, " ")
    .replace(/[ \t\f\v]+$/gm, "")
    .replace(/^\n+|\n+$/g, "");
}

/** The text of one block; "" where nothing visible is left of it. */
export function blockText(tree: Tree, blocks: Blocks, block: number): string {
  const { source, from, to, flags, tag } = tree;
  const keepsSpace = blocks.preformatted[block] === 1;
  const inRow = blocks.element[block] >= 0 && tag[blocks.element[block]] === tagOf.tr;
  let raw = "";
  let lines: string[] | null = null;
  for (let i = blocks.first[block], stop = blocks.first[block + 1]; i < stop; i++) {
    const item = blocks.items[i];
    if (item === LINE_BREAK && inRow) {
      raw += " ";
      continue;
    }
    if (item === LINE_BREAK || item === CELL) {
      lines ??= [];
      lines.push(raw, item === CELL ? "\t" : "\n");
      raw = "";
      continue;
    }
    if (!keepsSpace && flags[item] & AFTER_SPACE) raw += " ";
    raw += source.slice(from[item], to[item]);
  }
  const tidy = (piece: string): string => {
    const text = decodeReferences(piece);
    return keepsSpace ? text : foldSpace(text);
  };
  const text = lines
    ? lines.map((piece, i) => (i % 2 ? piece : tidy(piece))).join("") + tidy(raw)
    : tidy(raw);
  if (keepsSpace) return preformattedText(text);
  return lines ? text.replace(/\n{2,}/g, "\n").replace(/^\n+|[\t\n]+$/g, "") : text;
}

/** The blocks marked 1 in `keep`, in order, a line each. */
export function renderBlocks(tree: Tree, blocks: Blocks, keep: Uint8Array): string {
  let text = "";
  for (let block = 0; block < blocks.count; block++) {
    if (!keep[block]) continue;
    const line = blockText(tree, blocks, block);
    if (line !== "") text += text === "" ? line : "\n" + line;
  }
  return text;
}
