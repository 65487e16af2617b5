/**
 * A text as its tokens: which characters each stands for, as data and in colour. Pure; knows no terminal.
 * A token can be part of a character, so a segment is the fewest tokens that together are whole characters.
 */
import { createDecoder } from "../decoder.ts";
import type { Vocabulary } from "../vocabulary.ts";

export type Segment = {
  readonly ids: readonly number[];
  readonly text: string;
  /** Where it begins in the UTF-8 of the text, in bytes, and how many it has. */
  readonly start: number;
  readonly bytes: number;
};

export function segmentsOf(vocabulary: Vocabulary, ids: ArrayLike<number>): Segment[] {
  const decoder = createDecoder(vocabulary);
  const segments: Segment[] = [];
  let held: number[] = [];
  let start = 0;
  let bytes = 0;
  for (let i = 0; i < ids.length; i++) {
    held.push(ids[i]!);
    bytes += decoder.decodeBytes([ids[i]!]).length;
    const whole = decoder.decodeBytes(held);
    if (i + 1 < ids.length && endsWithinCharacter(whole)) continue;
    segments.push({ ids: held, text: decoder.decode(held), start, bytes });
    start += bytes;
    bytes = 0;
    held = [];
  }
  return segments;
}

/** Whether the last character of some bytes lacks bytes. */
export function endsWithinCharacter(bytes: Uint8Array): boolean {
  for (let back = 1; back <= Math.min(4, bytes.length); back++) {
    const byte = bytes[bytes.length - back]!;
    if ((byte & 0xc0) === 0x80) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return length > back;
  }
  return false;
}

/** Backgrounds of the 256-colour terminal palette, dark text on them; neighbours never have the same. */
const backgrounds = [223, 152, 189, 157, 222, 183, 159];

/**
 * The text with a background for each segment, as a terminal shows it, tabs and line feeds as signs. `whitespace` makes
 * spaces visible too. Without `colour` segments stand between bars, and without `whitespace` nothing is marked.
 */
export function coloured(
  segments: readonly Segment[],
  { colour = true, whitespace = false }: { readonly colour?: boolean; readonly whitespace?: boolean } = {},
): string {
  const shown = segments.map(({ text }) => visible(text, whitespace));
  if (!colour) return shown.join("|");
  let out = "";
  shown.forEach((text, i) => {
    const paint = `\x1b[48;5;${backgrounds[i % backgrounds.length]}m\x1b[30m`;
    // A background that crosses a line end would fill the rest of the line, and a terminal paints no tab.
    const painted = text.replaceAll("\t", "→   ").replaceAll(/↵?\n/g, `↵\x1b[0m\n${paint}`);
    out += `${paint}${painted}\x1b[0m`;
  });
  return out;
}

/** Control characters as escapes, so that no text can steer the terminal. */
function visible(text: string, whitespace: boolean): string {
  const marked = whitespace
    ? text.replaceAll(" ", "·").replaceAll("\t", "→").replaceAll("\r", "␍").replaceAll("\n", "↵\n")
    : text;
  return Array.from(marked, character => {
    const point = character.codePointAt(0)!;
    const control = (point < 32 && character !== "\n" && character !== "\t") || (point >= 127 && point < 160);
    return control ? `\\x${point.toString(16).padStart(2, "0")}` : character;
  }).join("");
}
