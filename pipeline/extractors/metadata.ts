/**
 * What a page says of itself: title, language, date of publication, canonical address. The first source that answers
 * wins, in the order given in each function. Knows nothing of the text that is kept.
 */

import { decodeReferences } from "./entities.ts";
import type { Extraction } from "./extraction.ts";
import type { LinkedData } from "./json-ld.ts";
import { foldSpace } from "./render.ts";
import { isHeading, TEXT, tagOf } from "./tags.ts";
import { attribute, attributeOf, type Tree } from "./tree.ts";

export type Metadata = {
  readonly title: string | null;
  readonly language: string | null;
  readonly date: string | null;
  readonly canonical: string | null;
  /** What the page gives search engines as its summary. */
  readonly description: string | null;
  /** `og:type`, lower case. */
  readonly kind: string | null;
};

/** Longest value believed, in characters. */
const LONGEST = 2_000;

function tidy(raw: string | null): string | null {
  if (raw === null || raw.length > LONGEST * 4) return null;
  const text = foldSpace(decodeReferences(raw));
  return text === "" || text.length > LONGEST ? null : text;
}

const dateNames = new Set([
  "article:published_time",
  "og:article:published_time",
  "og:published_time",
  "datepublished",
  "date",
  "pubdate",
  "publishdate",
  "publish-date",
  "publication_date",
  "dc.date",
  "dc.date.issued",
  "dcterms.date",
  "dcterms.created",
  "parsely-pub-date",
  "sailthru.date",
]);

function isDate(value: string | null): value is string {
  return value !== null && value.length <= 64 && /\d{4}|\d{1,2}[./]\d{1,2}[./]\d{2}/.test(value);
}

/** The text inside a node, as far as a title may need it. */
function textOf(tree: Tree, node: number): string | null {
  let text = "";
  for (let i = node + 1; i < tree.end[node] && text.length < LONGEST; i++) {
    if (tree.tag[i] === TEXT) text += " " + tree.source.slice(tree.from[i], tree.to[i]);
  }
  return tidy(text);
}

function absolute(address: string | null, url: string | null): string | null {
  if (address === null) return null;
  const full = URL.canParse(address)
    ? address
    : url !== null && URL.canParse(address, url)
      ? new URL(address, url).href
      : null;
  return full !== null && /^https?:/i.test(full) ? full : null;
}

export function readMetadata(tree: Tree, linked: LinkedData, url: string | null): Metadata {
  const { source, tag, from, to, count } = tree;
  let title: string | null = null;
  let openGraphTitle: string | null = null;
  let heading: string | null = null;
  let language: string | null = null;
  let date: string | null = null;
  let timeDate: string | null = null;
  let canonical: string | null = null;
  let kind: string | null = null;
  let description: string | null = null;

  for (let node = 0; node < count; node++) {
    const name = tag[node];
    if (name === tagOf.html) {
      language ??= tidy(attribute(tree, node, attributeOf.lang));
    } else if (name === tagOf.title) {
      title ??= tidy(source.slice(from[node], to[node]));
    } else if (name === tagOf.meta) {
      const key =
        attribute(tree, node, attributeOf.property) ??
        attribute(tree, node, attributeOf.name) ??
        attribute(tree, node, attributeOf.itemprop);
      if (key === null) continue;
      const lower = key.trim().toLowerCase();
      if (lower === "og:title") openGraphTitle ??= tidy(attribute(tree, node, attributeOf.content));
      else if (lower === "og:type")
        kind ??= tidy(attribute(tree, node, attributeOf.content))?.toLowerCase() ?? null;
      else if (lower === "description" || lower === "og:description")
        description ??= tidy(attribute(tree, node, attributeOf.content));
      else if (dateNames.has(lower) && date === null) {
        const value = tidy(attribute(tree, node, attributeOf.content));
        if (isDate(value)) date = value;
      }
    } else if (name === tagOf.link) {
      if (
        canonical === null &&
        /(?:^|\s)canonical(?:\s|$)/i.test(attribute(tree, node, attributeOf.rel) ?? "")
      ) {
        canonical = absolute(tidy(attribute(tree, node, attributeOf.href)), url);
      }
    } else if (name === tagOf.time) {
      timeDate ??= tidy(attribute(tree, node, attributeOf.datetime));
    } else if (isHeading[name] && name === tagOf.h1) {
      heading ??= textOf(tree, node);
    }
  }
  const linkedDate = tidy(linked.datePublished);
  return {
    title: openGraphTitle ?? title ?? heading,
    language,
    date: date ?? (isDate(linkedDate) ? linkedDate : isDate(timeDate) ? timeDate : null),
    canonical,
    description,
    kind,
  };
}

/** An engine's result: its text with what the page says of itself. */
export function extractionOf(text: string, metadata: Metadata, cut: boolean): Extraction {
  const { title, language, date, canonical } = metadata;
  return { text, title, language, date, canonical, cut };
}
