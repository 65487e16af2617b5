/**
 * The `<meta>` tags at the beginning of a page, read as a browser reads tags: what stands in a comment, in a script or
 * in another attribute's value is none. Needs no charset, because all that matters in it is ASCII.
 */

export type MetaTag = {
  readonly at: number;
  /** False behind the end of the head. */
  readonly inHead: boolean;
  /** Names in lower case; the first of a repeated one. */
  readonly attributes: ReadonlyMap<string, string>;
};

const tagRest = /[^"'>]*(?:"[^"]*"[^"'>]*|'[^']*'[^"'>]*)*/y;
const attribute = /[\s/]*([^\s/>][^\s/>=]*)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>"'][^\s>]*)))?/y;
const tagName = /<\/?([a-z][^\s/>]*)/iy;

/** Every meta tag of `text`, which is the page's beginning with one character a byte. */
export function* metaTags(text: string): Generator<MetaTag> {
  let inHead = true;
  let lower: string | null = null;
  for (let at = text.indexOf("<"); at >= 0; ) {
    if (text.startsWith("<!--", at)) {
      const end = text.indexOf("-->", at + 2);
      if (end < 0) return;
      at = text.indexOf("<", end + 3);
      continue;
    }
    tagName.lastIndex = at;
    const name = tagName.exec(text)?.[0].toLowerCase();
    if (name === undefined) {
      const next = text.charAt(at + 1);
      const end = next === "!" || next === "/" || next === "?" ? text.indexOf(">", at) : at;
      if (end < 0) return;
      at = text.indexOf("<", end + 1);
      continue;
    }
    let end: number;
    if (name === "<meta") {
      const read = readAttributes(text, at + name.length);
      yield { at, inHead, attributes: read.attributes };
      end = read.end;
    } else {
      tagRest.lastIndex = at + name.length;
      tagRest.exec(text);
      end = tagRest.lastIndex;
    }
    if (name === "<body" || name === "</head") inHead = false;
    let next = end;
    if (name === "<script" || name === "<style" || name === "<textarea") {
      lower ??= text.toLowerCase();
      next = lower.indexOf(`</${name.slice(1)}`, end);
      if (next < 0) return;
    }
    at = text.indexOf("<", next);
  }
}

function readAttributes(text: string, from: number): { attributes: Map<string, string>; end: number } {
  const attributes = new Map<string, string>();
  attribute.lastIndex = from;
  let end = from;
  for (let match = attribute.exec(text); match; match = attribute.exec(text)) {
    end = attribute.lastIndex;
    const name = match[1]!.toLowerCase();
    if (!attributes.has(name)) attributes.set(name, match[2] ?? match[3] ?? match[4] ?? "");
  }
  return { attributes, end };
}
