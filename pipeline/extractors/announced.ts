/**
 * Parts of a page that say what they are before they say anything else: "Advertisement", "You may also like". The
 * label is the first text of a small element, or its `aria-label`; a link to an ad server tells as well. Real pages
 * rarely hold the text of their advertisements, so no fit can learn this: of 529 labels on 2,241 labelled pages two
 * belong to the text. Knows words of the larger languages of the web, no site.
 */
import type { Blocks } from "./blocks.ts";
import type { Structure } from "./structure.ts";
import { hashStart, hashStep, hashTable, isBlock, tagOf } from "./tags.ts";
import { attributeOf, type Tree } from "./tree.ts";
import { eachWord } from "./words.ts";

/** Never part of the text. */
export const FOREIGN = 1;
/** Often not part of the text: the classifier decides. */
export const RELATED = 2;

/** What a label means. */
const ADVERT = 1;
const LINKS = 2;
const MORE_LINKS = 3;
/** Something follows; the label alone says nothing. */
const SECTION = 4;

const adverts =
  "advertisement|advertisements|advert|ad|ads|sponsor message|sponsored links|anzeige|anzeigen|werbung|publicité|publicidad|publicidade|pubblicità|реклама|reklama|reklam|reklame|annons|reclame|advertentie|διαφημιση|διαφήμιση|广告|廣告|広告|スポンサーリンク";
const moreLinks =
  "you may also like|you might also like|you may like|you might like|you may also enjoy|das könnte sie auch interessieren|das könnte dich auch interessieren|vous aimerez aussi|te puede interesar|ti potrebbe interessare|może cię zainteresować|вам может быть интересно|あわせて読みたい";
const links =
  "see also|read also|also read|read more|read next|more from|more on|related|recommended|don t miss|most read|most popular|trending|lesen sie auch|siehe auch|mehr zum thema|lire aussi|à lire aussi|lee también|leer también|leggi anche|leia também|czytaj też|czytaj także|zobacz też|zobacz także|читайте также|смотрите также|по теме|διαβάστε επίσης|διαβάστε ακόμα|相关阅读|相关新闻|延伸阅读|延伸閱讀|相關新聞|関連記事";

const sections =
  "latest posts|latest news|latest articles|recent posts|recent articles|recent comments|popular posts|newsletter|our newsletter|comment|comments|leave a comment|leave a reply|kommentar|kommentare|commentaires|comentarios|commenti|komentarze|комментарии|σχόλια|评论|評論|コメント";

/** Words of a label: more are not looked at. Ideographs count one by one. */
const LONGEST_LABEL = 9;
/** Characters of an element that a label can speak for. */
const LARGEST_ADVERT = 400;
const LARGEST_LINKS = 1500;
/** An advertisement is a small part of its page, and what is related is links. */
const SHARE = 0.2;
const LINKED = 0.4;

const joined = (hash: number, word: number): number => Math.imul(hash ^ word, 0x01000193);

function phraseHash(phrase: string): number {
  let hash = hashStart;
  eachWord(phrase, 0, phrase.length, word => {
    hash = joined(hash, word);
    return true;
  });
  return hash;
}

const phrases = new Map<number, number>([
  ...adverts.split("|").map(phrase => [phraseHash(phrase), ADVERT] as const),
  ...sections.split("|").map(phrase => [phraseHash(phrase), SECTION] as const),
  ...links.split("|").map(phrase => [phraseHash(phrase), LINKS] as const),
  ...moreLinks.split("|").map(phrase => [phraseHash(phrase), MORE_LINKS] as const),
]);

type Label = { readonly means: number; readonly isWhole: boolean };
const noLabel: Label = { means: 0, isWhole: false };

/** What the text between two positions announces: links by its first words, the rest by all of them. */
function labelOf(source: string, from: number, to: number): Label {
  let hash = hashStart;
  let words = 0;
  let means = 0;
  let end = 0;
  eachWord(source, from, to, word => {
    hash = joined(hash, word);
    words++;
    const found = phrases.get(hash);
    if (found !== undefined) {
      means = found;
      end = words;
    }
    return words < LONGEST_LABEL;
  });
  const isWhole = end === words && words < LONGEST_LABEL;
  return means === 0 || (!isWhole && means !== LINKS && means !== MORE_LINKS) ? noLabel : { means, isWhole };
}

const isAdHost = hashTable(
  "ad ads adserver adserv adclick adnxs doubleclick googleads googleadservices googlesyndication"
    .split(" ")
    .map(name => [name, 1] as const),
);

/** Whether an address names an ad server with one of the first two names of its host. */
function isAdLink(source: string, from: number, to: number): boolean {
  const begin = source.startsWith("//", from)
    ? from + 2
    : source.startsWith("https://", from)
      ? from + 8
      : source.startsWith("http://", from)
        ? from + 7
        : to;
  let hash = hashStart;
  let names = 0;
  for (let at = begin; at < to && names < 2; at++) {
    const code = source.charCodeAt(at);
    if (code === 46) {
      if (isAdHost(hash)) return true;
      hash = hashStart;
      names++;
    } else if (code === 47) return false;
    else hash = hashStep(hash, code | 32);
  }
  return false;
}

export type Announced = {
  /** Of each node: FOREIGN, RELATED or 0, by what it or an element around it says of itself. */
  readonly node: Uint8Array;
  /** 1 for blocks that announce what follows, such as comments or further reading, and say nothing else. */
  readonly label: Uint8Array;
};

export function readAnnounced(tree: Tree, blocks: Blocks, structure: Structure): Announced {
  const { source, count, tag, parent, from, to, firstAttribute, attributeName, attributeFrom, attributeTo } =
    tree;
  const { chars, linkChars } = structure;
  const kind = new Uint8Array(count);
  const labels = new Uint8Array(blocks.count);
  let all = 0;
  for (let node = 0; node < count; node++) if (parent[node] < 0) all += chars[node];
  const fits = (node: number, label: number): boolean =>
    label === ADVERT
      ? chars[node] <= LARGEST_ADVERT && chars[node] <= all * SHARE
      : chars[node] <= LARGEST_LINKS && linkChars[node] >= chars[node] * LINKED;
  const mark = (node: number, label: number, isAside = tag[node] === tagOf.aside): void => {
    const isForeign = label !== LINKS || isAside;
    if (kind[node] !== FOREIGN) kind[node] = isForeign ? FOREIGN : RELATED;
  };

  for (let node = 0; node < count; node++) {
    for (let i = firstAttribute[node], stop = firstAttribute[node + 1]; i < stop; i++) {
      if (attributeName[i] === attributeOf["aria-label"]) {
        const { means } = labelOf(source, attributeFrom[i], attributeTo[i]);
        if (means !== 0 && means !== SECTION && isBlock[tag[node]] && fits(node, means)) mark(node, means);
      } else if (attributeName[i] === attributeOf.href && tag[node] === tagOf.a) {
        if (!isAdLink(source, attributeFrom[i], attributeTo[i])) continue;
        let holder = node;
        while (holder >= 0 && !isBlock[tag[holder]]) holder = parent[holder];
        if (holder >= 0 && fits(holder, ADVERT)) mark(holder, ADVERT);
      }
    }
  }
  for (let block = 0; block < blocks.count; block++) {
    const text = blocks.items[blocks.first[block]];
    const element = blocks.element[block];
    if (text < 0 || element < 0 || blocks.hidden[block]) continue;
    const { means, isWhole } = labelOf(source, from[text], to[text]);
    if (means === 0) continue;
    const isAlone = blocks.first[block + 1] === blocks.first[block] + 1;
    if (isAlone && isWhole && means !== ADVERT) labels[block] = 1;
    if (means === SECTION) continue;
    // A label within a line speaks for the line where the rest of it is a link.
    if (means === ADVERT && !isAlone && linkChars[element] < chars[element] * LINKED) continue;
    const before = block === 0 ? -1 : blocks.element[block - 1];
    let holder = -1;
    let isAside = false;
    for (let node = element; node > before && fits(node, means); node = parent[node]) {
      holder = node;
      isAside ||= tag[node] === tagOf.aside;
    }
    if (holder >= 0) mark(holder, means, isAside);
  }
  for (let node = 0; node < count; node++) {
    const up = parent[node];
    if (up >= 0 && (kind[node] === 0 || kind[up] === FOREIGN)) kind[node] = kind[up];
  }
  return { node: kind, label: labels };
}
