/**
 * HTML element names as small numbers, and what each of them does to the flow of text and to the elements before it.
 * Knows the vocabulary only: the tokenizer in html.ts applies it. Names are looked up by hash, because cutting a
 * string out of the source for every tag costs more than the rest of the tag.
 */

/** Position in this list is the tag's number; 0 is text. Every name not in it is `Tag.other`. */
const names = [
  "#text",
  "#other",
  ..."html head body title base link meta style script noscript template".split(" "),
  ..."article section nav aside header footer main address hgroup search".split(" "),
  ..."h1 h2 h3 h4 h5 h6 p div pre blockquote ul ol menu li dl dt dd figure figcaption hr".split(" "),
  ..."table caption colgroup col thead tbody tfoot tr td th".split(" "),
  ..."form fieldset legend label input button select optgroup option textarea datalist output".split(" "),
  ..."details summary dialog center dir listing xmp plaintext".split(" "),
  ..."a abbr acronym b bdi bdo big cite code data del dfn em font i ins kbd mark nobr q".split(" "),
  ..."s samp small span strike strong sub sup time tt u var wbr br ruby rb rt rtc rp".split(" "),
  ..."img picture source video audio track iframe embed object param applet map area canvas svg math".split(
    " ",
  ),
  ..."frame frameset noframes noembed marquee slot progress meter annotation annotation-xml".split(" "),
] as const;

export const tagNames: readonly string[] = names;

/** Tag numbers by name: `tagOf.div`. Unknown names are absent; see `tagByHash`. */
export const tagOf: Readonly<Record<string, number>> = Object.fromEntries(
  names.map((name, number) => [name, number]),
);

export const TEXT = 0;
export const OTHER = 1;

/** One step of the rolling hash of a name; feed it lower-case character codes, starting from `hashStart`. */
export const hashStart = 0x811c9dc5 | 0;
export function hashStep(hash: number, code: number): number {
  return Math.imul(hash ^ code, 0x01000193);
}
export function hashOf(name: string): number {
  let hash = hashStart;
  for (let i = 0; i < name.length; i++) hash = hashStep(hash, name.charCodeAt(i));
  return hash;
}

/** A table from name hashes to numbers: open addressing, built once. */
export function hashTable(entries: readonly (readonly [string, number])[]): (hash: number) => number {
  let size = 64;
  while (size < entries.length * 4) size *= 2;
  const keys = new Int32Array(size);
  const values = new Int32Array(size);
  for (const [name, value] of entries) {
    const hash = hashOf(name);
    let slot = (hash ^ (hash >>> 15)) & (size - 1);
    while (keys[slot] !== 0) slot = (slot + 1) & (size - 1);
    keys[slot] = hash;
    values[slot] = value;
  }
  return hash => {
    let slot = (hash ^ (hash >>> 15)) & (size - 1);
    while (keys[slot] !== 0) {
      if (keys[slot] === hash) return values[slot];
      slot = (slot + 1) & (size - 1);
    }
    return 0;
  };
}

const lookUp = hashTable(names.slice(2).map((name, i) => [name, i + 2] as const));

/** The tag with this hash, or OTHER. */
export function tagByHash(hash: number): number {
  return lookUp(hash) || OTHER;
}

function mask(list: string): Uint8Array {
  const flags = new Uint8Array(256);
  for (const name of list.split(" ")) flags[tagOf[name]] = 1;
  return flags;
}

export const isVoid = mask("area base br col embed frame hr img input link meta param source track wbr");

/** Elements whose content is characters up to their own end tag. */
export const isRawText = mask("script style textarea title iframe noembed noframes xmp");

/** Elements that stand on lines of their own. */
export const isBlock = mask(
  "html head body article section nav aside header footer main address hgroup search " +
    "h1 h2 h3 h4 h5 h6 p div pre blockquote ul ol menu li dl dt dd figure figcaption hr " +
    "table caption colgroup thead tbody tfoot tr td th form fieldset legend details summary dialog center dir " +
    "listing xmp plaintext option optgroup frameset noframes title button",
);

export const isHeading = mask("h1 h2 h3 h4 h5 h6");

/** Start tags that close an open paragraph. */
export const closesParagraph = mask(
  "address article aside blockquote center details dialog dir div dl fieldset figcaption figure footer form " +
    "h1 h2 h3 h4 h5 h6 header hgroup hr listing main menu nav ol p pre search section summary table ul xmp plaintext " +
    "li dd dt",
);

/** Elements beyond which an end tag does not look for its start tag. */
export const isBoundary = mask("html table td th caption object applet marquee template button noscript");

/** Inline elements whose end tag may come before that of a block inside them. */
export const isFormatting = mask("a b big code em font i nobr s small strike strong tt u");

/** Elements that may stand in a head. Anything else ends it. */
export const inHead = mask("title base link meta style script noscript template");

/** Elements that never hold text a reader sees. */
export const isInvisible = mask(
  "head script style noscript template iframe noembed noframes object applet audio video canvas svg map datalist " +
    "annotation annotation-xml rp title",
);

/** Form controls: their labels are not part of the text. */
export const isControl = mask("input select optgroup option textarea output progress meter");
