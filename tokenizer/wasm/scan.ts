/**
 * The scanners of tokenizer/pretokenizer/ once more, where the piece that begins at a position ends: gpt2, the family of
 * cl100k, o200k. Those are the reference and say why each step is right; test/tokenizer/kernel.test.ts compares them.
 */
import {
  bitOf,
  characterAt,
  lastCharacter,
  LETTER,
  LOWER,
  MARK,
  NEWLINE,
  NUMBER,
  OTHER,
  runEnd,
  SPACE,
  UNCASED,
  UPPER,
} from "./classes";

const REST: i32 = OTHER | MARK;
const BLANK: i32 = SPACE | NEWLINE;

/** For the family of cl100k: digits in a piece, and whether white space at the end of the text is one piece. */
let digits: i32 = 3;
let wholeTail: bool = false;

export function setFamily(most: i32, whole: bool): void {
  digits = most;
  wholeTail = whole;
}

/** Bytes of s, d, m, t, ll, ve or re at `at`, 0 where there is none; in either case and with the long s if `folded`. */
function contraction(at: usize, end: usize, folded: bool): usize {
  if (at >= end) return 0;
  const bit: u8 = folded ? 0x20 : 0;
  const first = load<u8>(at) | bit;
  if (first == 0x73 || first == 0x64 || first == 0x6d || first == 0x74) return 1;
  if (at + 1 >= end) return 0;
  if (folded && load<u8>(at) == 0xc5) return load<u8>(at, 1) == 0xbf ? 2 : 0;
  const second = load<u8>(at, 1) | bit;
  if (first == 0x6c) return second == 0x6c ? 2 : 0;
  return (first == 0x76 || first == 0x72) && second == 0x65 ? 2 : 0;
}

export function scanGpt2(start: usize, end: usize): usize {
  let at = start;
  const first = load<u8>(at);
  let bit = bitOf(characterAt(at, end));
  if (first == 0x20) {
    if (++at == end) return at;
    bit = bitOf(characterAt(at, end));
  } else if (first == 0x27) {
    const length = contraction(at + 1, end, false);
    if (length > 0) return at + 1 + length;
  }
  if (bit & LETTER) return runEnd(at, end, LETTER);
  if (bit & NUMBER) return runEnd(at, end, NUMBER);
  if (bit & REST) return runEnd(at, end, REST);
  const stop = runEnd(start, end, BLANK);
  if (stop == end) return stop;
  const last = lastCharacter(stop);
  return last > start ? last : stop;
}

function digitsEnd(at: usize, end: usize): usize {
  for (let n = 0; n < digits && at < end; n++) {
    const read = characterAt(at, end);
    if (!(bitOf(read) & NUMBER)) break;
    at += <usize>(read >> 4);
  }
  return at;
}

/** White space where line ends make a piece of what is before them. */
function blanksEnd(start: usize, end: usize, whole: bool): usize {
  let afterBreak: usize = 0;
  let at = start;
  for (;;) {
    at = runEnd(at, end, SPACE);
    if (at == end) break;
    const byte = load<u8>(at);
    if (byte != 0x0a && byte != 0x0d) break;
    afterBreak = ++at;
  }
  if (at == end && whole) return end;
  if (afterBreak > 0) return afterBreak;
  if (at == end) return end;
  const last = lastCharacter(at);
  return last > start ? last : at;
}

/** Symbols from `at` on, then line ends, and slashes too if `slashes`. */
function symbolsEnd(at: usize, end: usize, slashes: bool): usize {
  at = runEnd(at, end, REST);
  while (at < end) {
    const byte = load<u8>(at);
    if (byte != 0x0a && byte != 0x0d && !(slashes && byte == 0x2f)) break;
    at++;
  }
  return at;
}

export function scanCl100k(start: usize, end: usize): usize {
  const read = characterAt(start, end);
  const bit = bitOf(read);
  const next = start + <usize>(read >> 4);
  if (bit & LETTER) return runEnd(next, end, LETTER);
  if (bit & NUMBER) return digitsEnd(start, end);
  if (bit & NEWLINE) return blanksEnd(start, end, wholeTail);
  const first = load<u8>(start);
  if (first == 0x27) {
    const length = contraction(start + 1, end, true);
    if (length > 0) return start + 1 + length;
  }
  if (next < end) {
    const after = bitOf(characterAt(next, end));
    if (after & LETTER) return runEnd(next, end, LETTER);
    if (after & REST && first == 0x20) return symbolsEnd(next, end, false);
  }
  return bit & REST ? symbolsEnd(start, end, false) : blanksEnd(start, end, wholeTail);
}

/** End of the letters from `at` on by the first alternative; the negative of it by the second; 0 where neither fits. */
function wordEnd(start: usize, end: usize): isize {
  let at = start;
  let afterUncased: usize = 0;
  let bit = 0;
  while (at < end) {
    const read = characterAt(at, end);
    bit = bitOf(read);
    if (!(bit & (UPPER | UNCASED | MARK))) break;
    at += <usize>(read >> 4);
    if (bit != UPPER) afterUncased = at;
  }
  if (at < end && bit == LOWER) return runEnd(at, end, LOWER | UNCASED | MARK);
  if (afterUncased > 0) return afterUncased;
  return at > start ? -(<isize>at) : 0;
}

function withSuffix(at: usize, end: usize): usize {
  if (at >= end || load<u8>(at) != 0x27) return at;
  const length = contraction(at + 1, end, true);
  return length > 0 ? at + 1 + length : at;
}

export function scanO200k(start: usize, end: usize): usize {
  const read = characterAt(start, end);
  const bit = bitOf(read);
  if (bit & LETTER) return withSuffix(abs(wordEnd(start, end)), end);
  if (bit & NUMBER) return digitsEnd(start, end);
  if (bit & NEWLINE) return blanksEnd(start, end, false);
  const next = start + <usize>(read >> 4);
  const after = next < end ? wordEnd(next, end) : 0;
  if (after > 0) return withSuffix(after, end);
  if (bit & MARK) return withSuffix(abs(wordEnd(start, end)), end);
  if (after < 0) return withSuffix(-after, end);
  if (bit & OTHER) return symbolsEnd(start, end, true);
  if (load<u8>(start) == 0x20 && next < end && bitOf(characterAt(next, end)) & OTHER)
    return symbolsEnd(next, end, true);
  return blanksEnd(start, end, false);
}
