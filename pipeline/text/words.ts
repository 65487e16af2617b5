/**
 * Splits text into words by the rules of spaCy's blank English tokenizer (3.8), written as a scanner: chunks between
 * whitespace; then signs are taken from both ends of a chunk until a word with rules of its own remains or nothing
 * changes; then what is left is cut at hyphens, slashes and the like inside it. Punctuation marks are words.
 * Addresses (something.tld) stay whole. A chunk is split once and remembered: a page of 1,500 chunks takes about
 * 0.2 ms. Knows no language but English and no models; what differs from spaCy is measured in
 * test/pipeline/text/oracle.test.ts.
 */
import { isDigit, isIcon, isLetter, isLower, isPunctuation, isUpper, isWhitespace } from "./characters.ts";
import { cutsOf, isEmoticon, longestPlainSpecial, plainSpecialWords } from "./special-words.ts";

const brackets = "…,:;!?¿؟¡()[]{}<>_#*&。？！，、；：～·।،۔؛٪";
const quotes = "'\"”“`‘´’‚,„»«「」『』（）〔〕【】《》〈〉⟦⟧";
const currency = "$£€¥฿₽﷼₴₠₡₢₣₤₥₦₧₨₩₪₫₭₮₯₰₱₲₳₵₸₹₺₻₼";
const openers = new Set(`§%=—–${brackets}${quotes}${currency}`);
const closers = new Set(`${brackets}${quotes}—–`);
const beforeStop = new Set(`%²-+|${brackets}${quotes}`);
const moneySigns = new Set(currency);
const units = new Set(
  "km km² km³ m m² m³ dm dm² dm³ cm cm² cm³ mm mm² mm³ ha µm nm yd in ft kg g mg µg t lb oz m/s km/h kmh mph hPa Pa mbar mb MB kb KB gb GB tb TB T G M K %".split(
    " ",
  ),
);
const longestUnit = 4;
const hyphens = ["---", "——", "--", "-", "–", "—", "~"];

/** Length of the sign at the start of `text[from, to)`, or 0. */
function prefixLength(text: string, from: number, to: number): number {
  const point = text.codePointAt(from)!;
  const character = String.fromCodePoint(point);
  if (point === 0x2e) {
    let end = from + 1;
    while (end < to && text.charCodeAt(end) === 0x2e) end++;
    return end - from > 1 ? end - from : 0;
  }
  if (point === 0x2b) return from + 1 < to && isDigit(text.charCodeAt(from + 1)) ? 0 : 1;
  if (openers.has(character) || isIcon(point)) return character.length;
  const money = /^(?:US|C|A)\$/.exec(text.slice(from, from + 3));
  return money && from + money[0].length <= to ? money[0].length : 0;
}

const isLowSurrogate = (unit: number): boolean => (unit & 0xfc00) === 0xdc00;

/** Start of the code point that ends before `end`. */
function pointBefore(text: string, end: number, from: number): number {
  return end - 2 >= from && isLowSurrogate(text.charCodeAt(end - 1)) ? end - 2 : end - 1;
}

/** Length of the sign, unit or possessive at the end of `text[from, to)`, or 0. */
function suffixLength(text: string, from: number, to: number): number {
  const last = pointBefore(text, to, from);
  const point = text.codePointAt(last)!;
  const before = last > from ? text.codePointAt(pointBefore(text, last, from))! : -1;
  if (point === 0x2e) {
    let start = last;
    while (start > from && text.charCodeAt(start - 1) === 0x2e) start--;
    if (to - start > 1) return to - start;
    if (before < 0) return 0;
    const previous = String.fromCodePoint(before);
    if (/[FfCcKk]/.test(previous) && text[last - 2] === "°" && last - 2 >= from) return 1;
    if (isDigit(before) || isLower(before) || beforeStop.has(previous)) return 1;
    const second = last - previous.length;
    if (isUpper(before) && second > from) {
      const third = text.codePointAt(pointBefore(text, second, from))!;
      return isUpper(third) ? 1 : 0;
    }
    return 0;
  }
  if ((point === 0x73 || point === 0x53) && (before === 0x27 || before === 0x2019)) return 2;
  const character = String.fromCodePoint(point);
  for (let n = Math.min(longestUnit, to - from - 1); n >= 1; n--) {
    if (isDigit(text.charCodeAt(to - n - 1)) && units.has(text.slice(to - n, to))) return n;
  }
  if (closers.has(character) || isIcon(point)) return character.length;
  if (before >= 0 && isDigit(before) && (point === 0x2b || moneySigns.has(character)))
    return character.length;
  return 0;
}

const address =
  /^(?:[\p{L}\p{N}_+.-]{2,}:\/\/)?(?:\S+(?::\S*)?@)?(?:(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)\.){3}(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)|(?:[A-Za-z0-9\u00a1-\uffff](?:[A-Za-z0-9\u00a1-\uffff_-]{0,62}))(?:\.(?:[A-Za-z0-9\u00a1-\uffff](?:[A-Za-z0-9\u00a1-\uffff_-]{0,62})?))*\.[a-z\u00a1-\uffff]{2,63}\.?)(?::\d{2,5})?(?:[/?#]\S*)?$/u;

/** Longest chunk that is tried as an address; a longer one is none. */
const longestAddress = 2000;

function isAddress(text: string): boolean {
  return text.length <= longestAddress && text.includes(".") && address.test(text);
}

/** Length of what cuts a chunk in two at `at`, with something on both sides, or 0. */
function infixLength(text: string, at: number): number {
  const unit = text.charCodeAt(at);
  if (unit === 0x2e && text.charCodeAt(at + 1) === 0x2e) {
    let end = at + 1;
    while (text.charCodeAt(end) === 0x2e) end++;
    return end - at;
  }
  if (unit === 0x2026) return 1;
  const point = text.codePointAt(at)!;
  if (isIcon(point)) return point > 0xffff ? 2 : 1;
  if (at === 0) return 0;
  const before = text.codePointAt(pointBefore(text, at, 0))!;
  const after = at + 1 < text.length ? text.codePointAt(at + 1)! : -1;
  if (after < 0) return 0;
  const next = String.fromCodePoint(after);
  if (unit === 0x2e) {
    const left = isLower(before) || quotes.includes(String.fromCodePoint(before));
    return left && (isUpper(after) || quotes.includes(next)) ? 1 : 0;
  }
  if (unit === 0x2c) return isLetter(before) && isLetter(after) ? 1 : 0;
  const leftWord = isLetter(before) || (before >= 0x30 && before <= 0x39);
  if (unit >= 0x30 && unit < 0x3f && ":<>=".includes(text[at]!)) return leftWord && isLetter(after) ? 1 : 0;
  if (unit === 0x2f) return leftWord && isLetter(after) ? 1 : 0;
  const digitBefore = before >= 0x30 && before <= 0x39;
  if ((unit === 0x2b || unit === 0x2a || unit === 0x5e || unit === 0x2d) && digitBefore) {
    if ((after >= 0x30 && after <= 0x39) || after === 0x2d) return 1;
  }
  if (leftWord) {
    for (const hyphen of hyphens) {
      if (!text.startsWith(hyphen, at)) continue;
      const end = at + hyphen.length;
      if (end < text.length && isLetter(text.codePointAt(end)!)) return hyphen.length;
    }
  }
  return 0;
}

function cutInside(text: string, words: string[]): void {
  if (isAddress(text)) {
    words.push(text);
    return;
  }
  let start = 0;
  for (let at = 1; at < text.length; at++) {
    const length = infixLength(text, at);
    if (length === 0) continue;
    if (at > start) words.push(text.slice(start, at));
    words.push(text.slice(at, at + length));
    start = at + length;
    at = start - 1;
  }
  if (start < text.length) words.push(text.slice(start));
}

function pushCuts(text: string, cuts: readonly number[], words: string[]): void {
  let at = 0;
  for (const length of cuts) {
    words.push(text.slice(at, at + length));
    at += length;
  }
}

/** Pieces next to each other that spell an emoticon or a special word ("z" "." inside "z.B.") become that word. */
function joinSpecial(words: string[]): string[] {
  const joined: string[] = [];
  for (let i = 0; i < words.length; ) {
    let text = words[i]!;
    let best = 1;
    let found = text;
    for (let n = 2; n <= 4 && i + n <= words.length && text.length < 12; n++) {
      text += words[i + n - 1]!;
      if (!isEmoticon(text) && (/^\p{L}+$/u.test(text) || !cutsOf(text))) continue;
      best = n;
      found = text;
    }
    const cuts = cutsOf(found);
    if (cuts && best > 1) pushCuts(found, cuts, joined);
    else joined.push(found);
    i += best;
  }
  return joined;
}

function splitChunk(chunk: string): readonly string[] {
  const prefixes: string[] = [];
  const suffixes: string[] = [];
  let from = 0;
  let to = chunk.length;
  let cuts = cutsOf(chunk);
  if (isEmoticon(chunk)) return [chunk];
  while (!cuts && from < to) {
    const prefix = prefixLength(chunk, from, to);
    cuts = prefix > 0 ? cutsOf(chunk.slice(from + prefix, to)) : undefined;
    if (cuts) {
      prefixes.push(chunk.slice(from, from + prefix));
      from += prefix;
      break;
    }
    const suffix = from + prefix < to ? suffixLength(chunk, from + prefix, to) : 0;
    cuts = suffix > 0 ? cutsOf(chunk.slice(from, to - suffix)) : undefined;
    if (suffix > 0) {
      suffixes.push(chunk.slice(to - suffix, to));
      to -= suffix;
      if (cuts) break;
    }
    if (prefix > 0) {
      prefixes.push(chunk.slice(from, from + prefix));
      from += prefix;
    }
    if (prefix === 0 && suffix === 0) break;
    cuts = cutsOf(chunk.slice(from, to));
  }
  const words = prefixes;
  if (from < to) {
    const middle = chunk.slice(from, to);
    if (cuts) pushCuts(middle, cuts, words);
    else cutInside(middle, words);
  }
  words.push(...suffixes.reverse());
  return words.length > 1 ? joinSpecial(words) : words;
}

/** Enough for as many hits as 65,536 have, and two megabytes of heap instead of twenty. */
const rememberedChunks = 8192;
/** A longer chunk is a slice, which would keep its whole text. */
const longestRemembered = 12;
const remembered = new Map<string, readonly string[]>();

function wordsOfChunk(chunk: string): readonly string[] {
  const found = remembered.get(chunk);
  if (found) return found;
  const words = splitChunk(chunk);
  if (chunk.length <= longestRemembered) {
    if (remembered.size >= rememberedChunks) remembered.clear();
    remembered.set(chunk, words);
  }
  return words;
}

/** Bits of hashes of the special words that are letters only; a chunk whose hash is not there is plain. */
const specialHashes = new Uint32Array(512);
for (const word of plainSpecialWords()) {
  const hash = hashOf(word);
  specialHashes[(hash >>> 5) & 511]! |= 1 << (hash & 31);
}

function hashOf(word: string): number {
  let hash = 0;
  for (let i = 0; i < word.length; i++) hash = (Math.imul(hash, 31) + word.charCodeAt(i)) | 0;
  return mixed(hash);
}

function mixed(hash: number): number {
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return hash ^ (hash >>> 12);
}

/** ASCII: 1 letter, 2 digit, 3 whitespace, 0 anything else. */
const ascii = Uint8Array.from({ length: 128 }, (_, unit) => {
  if (isWhitespace(unit)) return 3;
  if (unit >= 0x30 && unit <= 0x39) return 2;
  return isLetter(unit) ? 1 : 0;
});

/** The chunk that `nextChunk` found; module-wide because an object for each of 1,500 chunks a page costs more than the split. */
let chunkStart = 0;
let chunkEnd = 0;
/** Whether it is one word whatever it says: ASCII letters only or digits only, and not special. */
let chunkPlain = false;

/** Finds the next run without whitespace from `from` on; false where there is none. */
function nextChunk(text: string, from: number): boolean {
  const { length } = text;
  let i = from;
  for (; i < length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 128 ? ascii[unit] !== 3 : !isWhitespace(unit)) break;
  }
  if (i === length) return false;
  chunkStart = i;
  let hash = 0;
  let kinds = 0;
  for (; i < length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 128) {
      const kind = ascii[unit]!;
      if (kind === 3) break;
      kinds |= kind === 0 ? 4 : kind;
      hash = (Math.imul(hash, 31) + unit) | 0;
    } else {
      if (isWhitespace(unit)) break;
      kinds = 4;
    }
  }
  chunkEnd = i;
  chunkPlain = kinds === 2;
  if (kinds === 1) {
    hash = mixed(hash);
    chunkPlain =
      i - chunkStart > longestPlainSpecial ||
      ((specialHashes[(hash >>> 5) & 511]! >>> (hash & 31)) & 1) === 0;
  }
  return true;
}

let lastText = "";
let lastWords: readonly string[] = [];

/** Words and punctuation marks of a text, in order. The result for the latest text is remembered. */
export function splitWords(text: string): readonly string[] {
  if (text === lastText) return lastWords;
  const words: string[] = [];
  for (let at = 0; nextChunk(text, at); at = chunkEnd) {
    const chunk = text.slice(chunkStart, chunkEnd);
    if (chunkPlain) words.push(chunk);
    else for (const word of wordsOfChunk(chunk)) words.push(word);
  }
  lastText = text;
  lastWords = words;
  return words;
}

/** As many as `splitWords` gives, without making them. */
export function countWords(text: string): number {
  if (text === lastText) return lastWords.length;
  let count = 0;
  for (let at = 0; nextChunk(text, at); at = chunkEnd)
    count += chunkPlain ? 1 : wordsOfChunk(text.slice(chunkStart, chunkEnd)).length;
  return count;
}

/** Calls `visit` with the words of each chunk, null for a chunk that is one plain word of letters or digits. */
export function visitChunks(text: string, visit: (words: readonly string[] | null) => void): void {
  for (let at = 0; nextChunk(text, at); ) {
    at = chunkEnd;
    visit(chunkPlain ? null : wordsOfChunk(text.slice(chunkStart, chunkEnd)));
  }
}

/** Whether a word consists of punctuation marks only (general category P). */
export function isPunctuationWord(word: string): boolean {
  for (let i = 0; i < word.length; ) {
    const point = word.codePointAt(i)!;
    if (!isPunctuation(point)) return false;
    i += point > 0xffff ? 2 : 1;
  }
  return true;
}
