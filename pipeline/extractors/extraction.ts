/** What an extraction engine is given and gives back. Engines are pure: no clock, no files, no memory of other pages. */
import type { Limits } from "./tree.ts";

export type ExtractionOptions = {
  /** Whether posts and comments of readers are part of the text where the page has another text to offer. */
  readonly comments: boolean;
  /** Whether rows of tables are part of the text. */
  readonly tables: boolean;
  readonly limits: Limits;
};

export type Extraction = {
  /** Well-formed Unicode, a block a line; "" where there is nothing to read. */
  readonly text: string;
  readonly title: string | null;
  /** What the page says its language is, as written: `en`, `pt-BR`. */
  readonly language: string | null;
  /** When the page says it was published, ISO 8601 or as written. */
  readonly date: string | null;
  /** The address the page gives itself, absolute where `url` allows. */
  readonly canonical: string | null;
  /** True where the page had more nodes than `limits.maxNodes`; the text is that of the nodes before. */
  readonly cut: boolean;
};

/** `html` is decoded text; `url` is where it came from, for relative addresses. */
export type Engine = (html: string, url: string | null, options: ExtractionOptions) => Extraction;

export const defaultLimits: Limits = { maxNodes: 300_000, maxDepth: 256 };
