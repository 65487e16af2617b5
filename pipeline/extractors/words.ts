/**
 * Words of blocks: how many of them stand in the page's title and description, and whether a heading announces
 * comments. Words are compared by hash, so that no string is made. The larger languages of the web have their words
 * for comments here; lists for sharing, buying, menus and the like were tried and told the classifier nothing that
 * links, places and class names do not.
 */
import type { Blocks } from "./blocks.ts";
import type { Measured } from "./measure.ts";
import { hashStart, hashStep, hashTable } from "./tags.ts";
import type { Tree } from "./tree.ts";

const commentWords =
  "comment comments commented reply replies responses kommentar kommentare kommentieren antworten komentarz komentarze komentarzy odpowiedz комментарий комментарии комментариев ответить σχόλιο σχόλια commentaires comentarios";
const isCommentWord = hashTable(commentWords.split(" ").map(word => [word, 1] as const));

/** Words a line about author and date begins with. */
const bylineWords =
  "by author authors written posted published updated modified reviewed von autor autorka veröffentlicht aktualisiert par publié mis por publicado actualizado di pubblicato door автор опубликовано обновлено dodano data opublikowano";
const isBylineWord = hashTable(bylineWords.split(" ").map(word => [word, 1] as const));

/** Blocks with more words do not announce comments. */
const MOST_WORDS = 25;
/** Words of a block that are compared with what the page says of itself. */
const COMPARED = 60;
/** Characters of a hint that are read. */
const LONGEST_HINT = 100_000;

function lower(code: number): number {
  if (code >= 65 && code <= 90) return code | 32;
  if (code < 0xc0) return code;
  if (code <= 0xde || (code >= 0x391 && code <= 0x3a9) || (code >= 0x410 && code <= 0x42f)) return code + 32;
  return code;
}

/** Ideographs and kana stand for a word each: there is no space between theirs. */
function isWide(code: number): boolean {
  return code >= 0x3040 && code <= 0x9fff;
}

function isLetter(code: number): boolean {
  const letter = code | 32;
  return (
    (letter >= 97 && letter <= 122) ||
    (code >= 0xc0 && code < 0x2000) ||
    code > 0x9fff ||
    (code >= 48 && code <= 57)
  );
}

/** Calls `word` with the hash of each word between two positions; stops where it answers false. */
export function eachWord(source: string, from: number, to: number, word: (hash: number) => boolean): boolean {
  let hash = hashStart;
  let letters = 0;
  for (let at = from; at <= to; at++) {
    const code = at < to ? source.charCodeAt(at) : 32;
    if (isLetter(code)) {
      hash = hashStep(hash, lower(code));
      letters++;
      continue;
    }
    if (letters > 0 && !word(hash)) return false;
    hash = hashStart;
    letters = 0;
    if (isWide(code) && !word(hashStep(hashStart, code))) return false;
  }
  return true;
}

/** What the page says of itself elsewhere than in its text. */
export type Hints = {
  readonly title: string | null;
  readonly description: string | null;
  readonly body: string | null;
};

/** Bits by the hash of a word: open addressing, as full as half at most. */
type WordBits = { readonly hashes: Int32Array; readonly bits: Uint8Array };

function slotOf({ hashes, bits }: WordBits, hash: number): number {
  const mask = hashes.length - 1;
  let slot = (hash ^ (hash >>> 15)) & mask;
  while (bits[slot] !== 0 && hashes[slot] !== hash) slot = (slot + 1) & mask;
  return slot;
}

/** Bit i for the words of text i. */
function wordBits(texts: readonly (string | null)[]): WordBits {
  const lengths = texts.map(text => Math.min(text?.length ?? 0, LONGEST_HINT));
  let size = 64;
  while (size < lengths.reduce((sum, length) => sum + length, 0) * 2) size *= 2;
  const known = { hashes: new Int32Array(size), bits: new Uint8Array(size) };
  texts.forEach((text, i) => {
    if (text === null) return;
    eachWord(text, 0, lengths[i]!, hash => {
      const slot = slotOf(known, hash);
      known.hashes[slot] = hash;
      known.bits[slot]! |= 1 << i;
      return true;
    });
  });
  return known;
}

export type Words = {
  /** 1 for blocks of few words, one of which means comment or reply. */
  readonly ofComments: Uint8Array;
  /** 1 for blocks whose first or second word begins a byline. */
  readonly beginsByline: Uint8Array;
  /** Share of a block's first words that stand in the title, the description, the body of the hints; -1 without it. */
  readonly inTitle: Float32Array;
  readonly inDescription: Float32Array;
  readonly inBody: Float32Array;
};

export function readWords(tree: Tree, blocks: Blocks, measured: Measured, hints: Hints): Words {
  const { source, from, to } = tree;
  const { count } = blocks;
  const ofComments = new Uint8Array(count);
  const beginsByline = new Uint8Array(count);
  const inTitle = new Float32Array(count);
  const inDescription = new Float32Array(count);
  const inBody = new Float32Array(count);
  const known = wordBits([hints.title, hints.description, hints.body]);
  let words = 0;
  let found = 0;
  let byline = 0;
  let isShort = false;
  let titleHits = 0;
  let descriptionHits = 0;
  let bodyHits = 0;
  const word = (hash: number): boolean => {
    words++;
    if (words <= 2) byline |= isBylineWord(hash);
    if (isShort) found |= isCommentWord(hash);
    const bits = known.bits[slotOf(known, hash)]!;
    titleHits += bits & 1;
    descriptionHits += (bits >> 1) & 1;
    bodyHits += bits >> 2;
    return words < COMPARED;
  };
  for (let block = 0; block < count; block++) {
    words = 0;
    found = 0;
    byline = 0;
    titleHits = descriptionHits = bodyHits = 0;
    isShort = measured.words[block] <= MOST_WORDS;
    for (let i = blocks.first[block], last = blocks.first[block + 1]; i < last; i++) {
      const item = blocks.items[i];
      if (item >= 0 && !eachWord(source, from[item], to[item], word)) break;
    }
    ofComments[block] = found;
    beginsByline[block] = byline;
    inTitle[block] = hints.title === null ? -1 : titleHits / Math.max(1, words);
    inDescription[block] = hints.description === null ? -1 : descriptionHits / Math.max(1, words);
    inBody[block] = hints.body === null ? -1 : bodyHits / Math.max(1, words);
  }
  return { ofComments, beginsByline, inTitle, inDescription, inBody };
}
