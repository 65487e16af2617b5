/**
 * Lines, stripping and splitting as Python does them, because the published rules were written in Python.
 * `splitLines` knows eleven line ends and gives no empty line for a trailing one; `text.split("\n")` knows one and
 * does. Which rule uses which is part of the rule.
 */
import { isWhitespace } from "./characters.ts";

function endsLine(unit: number): boolean {
  return (
    (unit >= 10 && unit <= 13) ||
    (unit >= 0x1c && unit <= 0x1e) ||
    unit === 0x85 ||
    unit === 0x2028 ||
    unit === 0x2029
  );
}

/** Python's `str.splitlines()`. */
export function splitLines(text: string): string[] {
  const lines: string[] = [];
  let start = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (!endsLine(unit)) continue;
    lines.push(text.slice(start, i));
    if (unit === 13 && text.charCodeAt(i + 1) === 10) i++;
    start = i + 1;
  }
  if (start < text.length) lines.push(text.slice(start));
  return lines;
}

function firstInside(text: string): number {
  let i = 0;
  while (i < text.length && isWhitespace(text.charCodeAt(i))) i++;
  return i;
}

function lastInside(text: string, from: number): number {
  let end = text.length;
  while (end > from && isWhitespace(text.charCodeAt(end - 1))) end--;
  return end;
}

/** Python's `str.strip()`. */
export function strip(text: string): string {
  const start = firstInside(text);
  const end = lastInside(text, start);
  return start === 0 && end === text.length ? text : text.slice(start, end);
}

/** Python's `str.lstrip()`. */
export const stripStart = (text: string): string => text.slice(firstInside(text));

/** Python's `str.rstrip()`. */
export const stripEnd = (text: string): string => text.slice(0, lastInside(text, 0));

/** Python's `str.split()`: pieces between runs of whitespace, none of them empty. */
export function splitWhitespace(text: string): string[] {
  const pieces: string[] = [];
  let start = -1;
  for (let i = 0; i < text.length; i++) {
    if (isWhitespace(text.charCodeAt(i))) {
      if (start >= 0) pieces.push(text.slice(start, i));
      start = -1;
    } else if (start < 0) start = i;
  }
  if (start >= 0) pieces.push(text.slice(start));
  return pieces;
}

/** How many pieces `splitWhitespace` gives, and the code points of the longest. */
export function measureWords(text: string): { readonly count: number; readonly longest: number } {
  let count = 0;
  let longest = 0;
  let length = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit <= 0x20 || unit >= 0x85 ? isWhitespace(unit) : false) {
      length = 0;
      continue;
    }
    if (length === 0) count++;
    const isSecondHalf = (unit & 0xfc00) === 0xdc00 && (text.charCodeAt(i - 1) & 0xfc00) === 0xd800;
    if (!isSecondHalf) length++;
    if (length > longest) longest = length;
  }
  return { count, longest };
}

/** How often `part` occurs, occurrences not overlapping. */
export function countOf(text: string, part: string): number {
  let n = 0;
  for (let i = text.indexOf(part); i >= 0; i = text.indexOf(part, i + part.length)) n++;
  return n;
}
