/**
 * Where a text may be cut so that its parts have the same pieces as the whole, whatever the pattern. Text that
 * comes in chunks, and text too long for one array, is cut here and nowhere else.
 * Safe for every pattern here: between a letter or number and a following white space or symbol (apostrophes and
 * marks aside), and between a letter and a number. No piece spans those, and no lookahead sees past them.
 */
import { classTable, LOWER, MARK, NUMBER, OTHER, UNCASED, UPPER } from "../unicode.ts";
import { classReader } from "./character.ts";

export type FindCut = (bytes: Uint8Array, start: number, end: number) => number;

const unknown = -1;

/**
 * Finds the last safe cut in (start, end), or `start` where there is none. `end` need not be the end of a character:
 * what stands there may be the beginning of one.
 */
export function cutFinder(unicode?: string): FindCut {
  const classAt = classReader(classTable(unicode));
  const isLetter = (kind: number) => kind === UPPER || kind === LOWER || kind === UNCASED;
  return (bytes, start, end) => {
    let right = unknown;
    for (let at = end; at > start; ) {
      let left = at - 1;
      while (left > start && at - left < 4 && (bytes[left]! & 0xc0) === 0x80) left--;
      const read = classAt(bytes, left, at);
      const kind = read >> 4 === at - left ? read & 15 : unknown;
      if (kind === NUMBER ? right !== NUMBER : isLetter(kind) && !isLetter(right))
        if (right !== unknown && right !== MARK && bytes[at] !== 0x27) return at;
      right = kind === OTHER && bytes[left]! >= 0x80 && at - left === 1 ? unknown : kind;
      at = left;
    }
    return start;
  };
}
