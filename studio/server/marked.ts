/**
 * The page as it was crawled with the words that were taken marked. Only what stands between tags is touched; the
 * result is still hostile and belongs into a frame without scripts. Matching is by pieces of text, so a word that
 * also stands in a menu may be marked there when its whole piece was taken elsewhere: good enough to see by.
 */

const begin = '<span style="background:#ffe28a;color:#1d2430">';
const quiet = /^(?:script|style|template|noscript|textarea|title|select)$/i;
/** Left out: hints to look up and connect to other machines, which no policy forbids, and other bases for links. */
const reaching = /^<(?:link|base|meta)\b/i;
/** Pieces shorter than this are too common to say where they were taken from. */
const leastCharacters = 3;

const squeezed = (text: string) => text.replace(/\s+/g, " ").trim();

function plain(text: string): string {
  return text
    .replace(/&(?:nbsp|#160|#xa0);/gi, " ")
    .replace(/&(?:quot|#34);/gi, '"')
    .replace(/&(?:apos|#39|#x27);/gi, "'")
    .replace(/&(?:rsquo|#8217|#x2019);/gi, "’")
    .replace(/&(?:lt|#60);/gi, "<")
    .replace(/&(?:gt|#62);/gi, ">")
    .replace(/&(?:amp|#38);/gi, "&");
}

export function markTaken(html: string, text: string): string {
  const taken = squeezed(text);
  const parts = html.split(/(<!--[\s\S]*?-->|<[^>]*>)/);
  const out: string[] = [];
  let within = "";
  for (const part of parts) {
    if (part.startsWith("<")) {
      if (reaching.test(part)) continue;
      const [, slash, name = ""] = /^<(\/?)([a-z][a-z0-9]*)/i.exec(part) ?? [];
      if (quiet.test(name)) within = slash ? "" : name;
      out.push(part);
      continue;
    }
    const words = squeezed(plain(part));
    const marks = within === "" && words.length >= leastCharacters && taken.includes(words);
    out.push(marks ? `${begin}${part}</span>` : part);
  }
  return out.join("");
}
