/**
 * Numbers of a block's visible characters, counted in one pass over the source: length, words, share in links,
 * punctuation, digits, capitals, how it begins and ends. No string is made. A character reference counts as one
 * letter. Knows nothing of where the block stands; see features.ts.
 */
import type { Blocks } from "./blocks.ts";
import { AFTER_SPACE, IN_LINK, type Tree } from "./tree.ts";

export type Measured = {
  /** Characters, white space folded. */
  readonly chars: Int32Array;
  /** Runs without white space, and half of every ideograph, kana, hangul and Thai character. */
  readonly words: Float32Array;
  readonly linkChars: Int32Array;
  readonly links: Int32Array;
  readonly digits: Int32Array;
  readonly capitals: Int32Array;
  readonly commas: Int32Array;
  /** Marks that end sentences, followed by space, a quote or the end. */
  readonly stops: Int32Array;
  /** Other punctuation that menus and datelines use: | / » › · • ©. */
  readonly marks: Int32Array;
  /** Currency signs. */
  readonly money: Int32Array;
  /** First and last character that is not space. */
  readonly begins: Uint16Array;
  readonly ends: Uint16Array;
  /** Hash of the letters and digits: equal for equal text. */
  readonly hash: Int32Array;
};

const kindOf = {
  none: 0,
  space: 1,
  digit: 2,
  capital: 3,
  comma: 4,
  stop: 5,
  mark: 6,
  money: 7,
  wide: 8,
} as const;
const kinds = new Uint8Array(0x10000);
for (const code of [9, 10, 11, 12, 13, 32, 0x85, 0xa0, 0x3000]) kinds[code] = kindOf.space;
for (let code = 0x2000; code <= 0x200b; code++) kinds[code] = kindOf.space;
for (let code = 48; code <= 57; code++) kinds[code] = kindOf.digit;
for (let code = 65; code <= 90; code++) kinds[code] = kindOf.capital;
for (let code = 0xc0; code <= 0xde; code++) kinds[code] = kindOf.capital;
for (let code = 0x391; code <= 0x3a9; code++) kinds[code] = kindOf.capital;
for (let code = 0x400; code <= 0x42f; code++) kinds[code] = kindOf.capital;
for (const [from, to] of [
  [0x0e00, 0x0e7f],
  [0x3040, 0x30ff],
  [0x3400, 0x9fff],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
]) {
  kinds.fill(kindOf.wide, from, to + 1);
}
for (const sign of ",、，،;；") kinds[sign.charCodeAt(0)] = kindOf.comma;
for (const sign of ".!?。！？…") kinds[sign.charCodeAt(0)] = kindOf.stop;
for (const sign of "|/»›·•©>→@#") kinds[sign.charCodeAt(0)] = kindOf.mark;
for (const sign of "$€£¥₽") kinds[sign.charCodeAt(0)] = kindOf.money;

function endsSentence(next: number): boolean {
  return (
    Number.isNaN(next) ||
    kinds[next] === kindOf.space ||
    next === 60 ||
    next === 34 ||
    next === 39 ||
    next === 41 ||
    next === 0x201d ||
    next === 0x00bb ||
    next === 38
  );
}

/** Letters and digits longest considered after an ampersand: the longest common reference is `&thetasym;`. */
const LONGEST_REFERENCE = 10;

function referenceEnd(source: string, at: number, stop: number): number {
  const limit = Math.min(stop, at + LONGEST_REFERENCE);
  for (let i = at + 1; i < limit; i++) {
    const code = source.charCodeAt(i);
    if (code === 59) return i;
    if (code === 32 || code === 38) return -1;
  }
  return -1;
}

export function measure(tree: Tree, blocks: Blocks): Measured {
  const { source, from, to, flags } = tree;
  const count = blocks.count;
  const chars = new Int32Array(count);
  const words = new Float32Array(count);
  const linkChars = new Int32Array(count);
  const links = new Int32Array(count);
  const digits = new Int32Array(count);
  const capitals = new Int32Array(count);
  const commas = new Int32Array(count);
  const stops = new Int32Array(count);
  const marks = new Int32Array(count);
  const money = new Int32Array(count);
  const begins = new Uint16Array(count);
  const ends = new Uint16Array(count);
  const hash = new Int32Array(count);
  const tally = new Int32Array(9);

  for (let block = 0; block < count; block++) {
    tally.fill(0);
    let length = 0;
    let wordCount = 0;
    let inWord = false;
    let hashed = 0x811c9dc5 | 0;
    let begin = 0;
    let end = 0;
    let inLinks = 0;
    let linkCount = 0;
    let lastInLink = false;
    for (let i = blocks.first[block], last = blocks.first[block + 1]; i < last; i++) {
      const item = blocks.items[i];
      if (item < 0) {
        inWord = false;
        lastInLink = false;
        continue;
      }
      if (flags[item] & AFTER_SPACE) inWord = false;
      const before = length;
      for (let at = from[item], stop = to[item]; at < stop; at++) {
        let code = source.charCodeAt(at);
        if (code === 38) {
          const close = referenceEnd(source, at, stop);
          if (close > 0) {
            const second = source.charCodeAt(at + 1);
            const isSpace =
              (second === 110 && close === at + 5) || (second === 35 && source.startsWith("160", at + 2));
            code = isSpace ? 32 : 0xff;
            at = close;
          }
        }
        const kind = kinds[code];
        if (kind === kindOf.space) {
          inWord = false;
          continue;
        }
        if (!inWord) {
          inWord = true;
          if (length > 0) length++;
          if (kind !== kindOf.wide) wordCount++;
        }
        length++;
        if (begin === 0) begin = code;
        end = code;
        hashed = Math.imul(hashed ^ code, 0x01000193);
        if (kind === kindOf.none) continue;
        if (kind === kindOf.stop && code < 128 && !endsSentence(source.charCodeAt(at + 1))) continue;
        tally[kind]++;
      }
      const inLink = (flags[item] & IN_LINK) !== 0;
      if (inLink) {
        inLinks += length - before;
        if (!lastInLink) linkCount++;
      }
      lastInLink = inLink;
    }
    chars[block] = length;
    words[block] = wordCount + tally[kindOf.wide] / 2;
    linkChars[block] = inLinks;
    links[block] = linkCount;
    digits[block] = tally[kindOf.digit];
    capitals[block] = tally[kindOf.capital];
    commas[block] = tally[kindOf.comma];
    stops[block] = tally[kindOf.stop];
    marks[block] = tally[kindOf.mark];
    money[block] = tally[kindOf.money];
    begins[block] = begin;
    ends[block] = end;
    hash[block] = hashed;
  }
  return {
    chars,
    words,
    linkChars,
    links,
    digits,
    capitals,
    commas,
    stops,
    marks,
    money,
    begins,
    ends,
    hash,
  };
}
