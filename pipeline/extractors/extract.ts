/**
 * The stage `extract`: from a page's bytes to its text, by the engine the recipe names.
 * Does not judge the text; the filters that follow do. The bound on work is a count of bytes, nodes and depth, never
 * a clock, so that a page has the same outcome on every machine.
 */
import { choice, flag, integer, size } from "../../lib/options.ts";
import { decodeHtml } from "../decoding/charset.ts";
import type { Document, MetaValue } from "../document.ts";
import type { Judge, Stage } from "../stage.ts";
import { defaultLimits, type Engine, type Extraction } from "./extraction.ts";
import { fullText } from "./full-text.ts";
import { mainContent } from "./main-content.ts";
import { readability } from "./readability.ts";

const engines = { "main-content": mainContent, readability, "full-text": fullText } as const;
export type EngineName = keyof typeof engines;
export const engineNames = Object.keys(engines) as EngineName[];

export function engineOf(name: EngineName): Engine {
  return engines[name];
}

const options = {
  engine: choice<EngineName>(
    "main-content",
    "main-content: the page's own text, without menus, related stories and notices. readability: Mozilla's, on linkedom. full-text: all a reader sees.",
    engineNames,
  ),
  comments: flag(
    true,
    "Keep readers' posts and comments where they are part of the page's content. main-content only.",
  ),
  tables: flag(true, "Keep tables, a row a line and cells a tab apart. main-content only."),
  maxBytes: size(16 * 2 ** 20, "Pages with more bytes are dropped."),
  maxNodes: integer(defaultLimits.maxNodes, "Pages with more elements and texts are dropped.", { min: 1 }),
  maxDepth: integer(defaultLimits.maxDepth, "Elements nested deeper lose their nesting, not their text.", {
    min: 8,
    max: 10_000,
  }),
};

function metaOf(extraction: Extraction, charset: string): Record<string, MetaValue> {
  const meta: Record<string, MetaValue> = { charset };
  if (extraction.title !== null) meta["title"] = extraction.title;
  if (extraction.language !== null) meta["html_lang"] = extraction.language;
  if (extraction.date !== null) meta["published"] = extraction.date;
  if (extraction.canonical !== null) meta["canonical"] = extraction.canonical;
  return meta;
}

export const extract: Stage<typeof options> = {
  name: "extract",
  kind: "extractor",
  about: "Takes the main text out of HTML pages. Documents that came as text pass through.",
  source: "own engine, in the place trafilatura has in datatrove's src/datatrove/pipeline/extractors",
  options,
  reasons: ["no-text", "too-large", "too-many-nodes"],
  measures: ["html_bytes", "text_chars"],
  build({ engine, comments, tables, maxBytes, maxNodes, maxDepth }): Judge {
    const run = engines[engine];
    return (document: Document) => {
      const { page } = document;
      if (page === null) return { keep: document };
      const bytes = page.body.length;
      if (bytes > maxBytes)
        return {
          drop: "too-large",
          value: bytes,
          threshold: maxBytes,
          measures: { html_bytes: bytes, text_chars: 0 },
        };
      const { text: html, charset } = decodeHtml(page.body, page.headers.get("content-type") ?? null);
      const extraction = run(html, document.url, { comments, tables, limits: { maxNodes, maxDepth } });
      const measures = { html_bytes: bytes, text_chars: extraction.text.length };
      if (extraction.cut)
        return { drop: "too-many-nodes", value: `over ${maxNodes}`, threshold: maxNodes, measures };
      if (extraction.text === "") return { drop: "no-text", value: 0, threshold: 1, measures };
      const meta = { ...document.meta, ...metaOf(extraction, charset) };
      return { keep: { ...document, text: extraction.text, page: null, meta }, measures };
    };
  },
};
