/**
 * The engine `readability`: Mozilla's, on a linkedom document. Kept for comparison and for those who want its taste.
 * It costs twenty times what `main-content` does, and on deep, unclosed or very large pages more than half a minute
 * or a stack overflow. So a page is counted with our own tokenizer first; what is over the limits below, and what
 * the library throws on or finds nothing in, gets the text of `main-content` instead: never slower, never lost.
 */
import { createRequire } from "node:module";
import type { Engine } from "./extraction.ts";
import { fullText } from "./full-text.ts";
import { parseHtml } from "./html.ts";
import { readLinkedData } from "./json-ld.ts";
import { mainContent } from "./main-content.ts";
import { extractionOf, readMetadata } from "./metadata.ts";

/** Limits under which the library stays under about 3 s a page. */
export const readabilityLimits = {
  chars: 3_000_000,
  nodes: 60_000,
  /** Less-than signs, tags or not. */
  signs: 150_000,
  /** Nesting of elements; linkedom and Readability recurse. */
  depth: 200,
  /** Elements that nothing closed: linkedom nests what follows in each of them. */
  unclosed: 300,
  /** One attribute's value, in characters. */
  attribute: 500_000,
} as const;

/** Why a page is not given to the library, or null. */
export function refusal(html: string): string | null {
  if (html.length > readabilityLimits.chars) return "chars";
  let signs = 0;
  for (let at = html.indexOf("<"); at >= 0; at = html.indexOf("<", at + 1)) signs++;
  if (signs > readabilityLimits.signs) return "signs";
  const { nodes, depth } = readabilityLimits;
  const tree = parseHtml(html, { maxNodes: nodes, maxDepth: depth, drawings: true });
  if (tree.cut) return "nodes";
  if (tree.tooDeep > 0) return "depth";
  if (tree.unclosed > readabilityLimits.unclosed) return "unclosed";
  const attributes = tree.firstAttribute[tree.count];
  for (let i = 0; i < attributes; i++) {
    if (tree.attributeTo[i] - tree.attributeFrom[i] > readabilityLimits.attribute) return "attribute";
  }
  return null;
}

type Libraries = Pick<typeof import("linkedom"), "parseHTML"> &
  Pick<typeof import("@mozilla/readability"), "Readability">;
let loaded: Libraries | null = null;

/** Loaded at the first page: they cost every command 0.2 s of CPU time, and few recipes use them. */
function libraries(): Libraries {
  const require = createRequire(import.meta.url);
  loaded ??= { ...require("linkedom"), ...require("@mozilla/readability") } as Libraries;
  return loaded;
}

function articleOf(html: string): string | null {
  const { parseHTML, Readability } = libraries();
  try {
    const { document } = parseHTML(html);
    return new Readability(document, { maxElemsToParse: readabilityLimits.nodes }).parse()?.content ?? null;
  } catch {
    return null;
  }
}

export const readability: Engine = (html, url, options) => {
  const article = refusal(html) === null ? articleOf(html) : null;
  const text = article === null ? "" : fullText(article, url, options).text;
  if (text === "") return mainContent(html, url, options);
  const tree = parseHtml(html, options.limits);
  return extractionOf(text, readMetadata(tree, readLinkedData(tree), url), tree.cut);
};
