/**
 * The first of many words that stands anywhere in a text. Words are filed under their first letters, so that a text is
 * walked once whatever their number.
 */

const keyLength = 3;

export function openSubstrings(words: readonly string[]): (text: string) => string | null {
  const distinct = [...new Set(words)].filter(word => word !== "").sort();
  const short = distinct.filter(word => word.length < keyLength);
  const filed = new Map<string, string[]>();
  for (const word of distinct) {
    if (word.length < keyLength) continue;
    const key = word.slice(0, keyLength);
    const list = filed.get(key);
    if (list) list.push(word);
    else filed.set(key, [word]);
  }
  return text => {
    for (let at = 0; at < text.length; at++) {
      const list = filed.get(text.slice(at, at + keyLength));
      const found =
        list?.find(word => text.startsWith(word, at)) ?? short.find(word => text.startsWith(word, at));
      if (found !== undefined) return found;
    }
    return null;
  };
}
