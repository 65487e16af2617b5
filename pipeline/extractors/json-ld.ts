/**
 * The JSON-LD scripts of a page: types, dates, and the article's text where a page gives it there and nowhere else.
 * A script that is not JSON is passed over. Nesting is followed to a fixed depth; nothing is fetched.
 */

import { tagOf } from "./tags.ts";
import { attribute, attributeOf, type Tree } from "./tree.ts";

export type LinkedData = {
  /** Every `@type` of the top objects and of what stands in their `@graph` or `mainEntity`, in order. */
  readonly types: readonly string[];
  readonly headline: string | null;
  /** The first `description`, as written. */
  readonly description: string | null;
  readonly datePublished: string | null;
  /** The longest `articleBody`, or `text` of a posting, as written: it may hold HTML. */
  readonly body: string | null;
};

/** Characters of JSON read in one page. The largest in 2,842 real pages is under 400,000. */
const MOST_JSON = 1_000_000;
const DEEPEST = 6;
const MOST_OBJECTS = 2_000;

export function readLinkedData(tree: Tree): LinkedData {
  const types: string[] = [];
  let headline: string | null = null;
  let description: string | null = null;
  let datePublished: string | null = null;
  let body: string | null = null;
  let left = MOST_JSON;
  let objects = 0;

  const visit = (value: unknown, depth: number): void => {
    if (value === null || typeof value !== "object" || depth > DEEPEST || ++objects > MOST_OBJECTS) return;
    if (Array.isArray(value)) {
      for (const item of value) visit(item, depth + 1);
      return;
    }
    const object = value as Record<string, unknown>;
    const type = object["@type"];
    for (const name of Array.isArray(type) ? type : [type]) if (typeof name === "string") types.push(name);
    if (typeof object["headline"] === "string") headline ??= object["headline"];
    if (typeof object["description"] === "string") description ??= object["description"];
    if (typeof object["datePublished"] === "string") datePublished ??= object["datePublished"];
    for (const text of [object["articleBody"], /Posting$/.test(String(type)) ? object["text"] : null]) {
      if (typeof text === "string" && text.length > (body?.length ?? 0)) body = text;
    }
    for (const key of ["@graph", "mainEntity", "mainEntityOfPage", "hasPart", "itemListElement", "item"]) {
      visit(object[key], depth + 1);
    }
  };

  for (let node = 0; node < tree.count; node++) {
    if (tree.tag[node] !== tagOf.script) continue;
    const type = attribute(tree, node, attributeOf.type);
    if (type === null || !/^\s*application\/ld\+json/i.test(type)) continue;
    const length = tree.to[node] - tree.from[node];
    if (length > left) continue;
    left -= length;
    try {
      visit(JSON.parse(tree.source.slice(tree.from[node], tree.to[node])), 0);
    } catch {
      // Not JSON: the page's own mistake, and common.
    }
  }
  return { types, headline, description, datePublished, body };
}
