/**
 * Finds where a word of ASCII letters ends without looking at its bytes one by one: a space or letter, then letters,
 * in two 32-bit words. Half to three quarters of all pieces are such words, and a loop over their bytes ends in a
 * branch that the processor guesses wrong nearly every time; arithmetic on four bytes at once has none.
 */

/** The top bit of every byte of a little-endian word that is not an ASCII letter. */
function nonLetters(word: number): number {
  const lower = (word | 0x20202020) & 0x7f7f7f7f;
  const letters = ((lower + 0x1f1f1f1f) | 0) & ~((lower + 0x05050505) | 0) & ~word & 0x80808080;
  return letters ^ 0x80808080;
}

/**
 * Bytes of the word that begins with `word0` and `word1`, its space included: 0 where it is no such word, 8 where it
 * has these 8 and may go on. What follows may be a letter that is not ASCII: the caller looks at the byte there.
 */
export function asciiWord(word0: number, word1: number): number {
  let stops = nonLetters(word0);
  if ((word0 & 0xff) === 0x20) {
    stops &= ~0x80;
    if ((stops & 0x8000) !== 0) return 0;
  }
  if (stops !== 0) return (31 - Math.clz32(stops & -stops)) >> 3;
  stops = nonLetters(word1);
  return stops === 0 ? 8 : ((31 - Math.clz32(stops & -stops)) >> 3) + 4;
}

/** Bytes of a word whose first 8 are known, from its next two words; 0 where all of them are letters. */
export function asciiWordOn(word2: number, word3: number): number {
  let stops = nonLetters(word2);
  if (stops !== 0) return ((31 - Math.clz32(stops & -stops)) >> 3) + 8;
  stops = nonLetters(word3);
  return stops === 0 ? 0 : ((31 - Math.clz32(stops & -stops)) >> 3) + 12;
}

/** The top bit of every byte that is an upper-case ASCII letter, where all bytes looked at are letters. */
function capitals(word: number): number {
  return ~(word << 2) & 0x80808080;
}

/** Whether a word of up to 8 bytes has a capital after its first letter, where o200k ends a piece. */
function hasInnerCapital(word0: number, word1: number, length: number): boolean {
  const skipped = (word0 & 0xff) === 0x20 ? 0xffff : 0xff;
  const inFirst = capitals(word0) & ~skipped & (length >= 4 ? -1 : (1 << (length << 3)) - 1);
  const inSecond = length <= 4 ? 0 : capitals(word1) & (length >= 8 ? -1 : (1 << ((length - 4) << 3)) - 1);
  return (inFirst | inSecond) !== 0;
}

/**
 * Whether o200k's pattern takes such a word whole, `next` being the byte behind it: it does not go on, has no inner
 * capital and no contraction.
 */
export function isCasedWord(word0: number, word1: number, length: number, next: number): boolean {
  const goesOn = ((next | 0x20) - 0x61) >>> 0 < 26;
  return !goesOn && next !== 0x27 && !hasInnerCapital(word0, word1, length);
}
