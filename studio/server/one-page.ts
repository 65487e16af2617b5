/**
 * One page fetched again from the crawl: the record that a document came from, read at its offset. Only files that
 * the run's own plan names are opened; the request's words never become a path.
 */
import { closeSync, existsSync, openSync, readSync } from "node:fs";
import { defaults } from "../../lib/options.ts";
import { decodeHtml } from "../../pipeline/decoding/charset.ts";
import type { Document } from "../../pipeline/document.ts";
import type { Plan } from "../../pipeline/execute/plan.ts";
import { extract } from "../../pipeline/extractors/extract.ts";
import { inputPath } from "../../pipeline/fetch/store.ts";
import { type SourceSettings, sourceOptions } from "../../pipeline/readers/settings.ts";
import { readWarc } from "../../pipeline/readers/warc.ts";
import type { Opened } from "../../pipeline/readers/window.ts";

function openAt(path: string, offset: number): Opened {
  const fd = openSync(path, "r");
  let position = offset;
  return {
    pull(into, at) {
      const got = readSync(fd, into, at, Math.min(into.length - at, 1 << 18), position);
      position += got;
      return got;
    },
    close: () => closeSync(fd),
  };
}

/** The document as the reader gave it, or null where its input is not here or says something else at that place. */
export async function readPage(
  plan: Plan,
  file: string,
  offset: number,
  id: string,
): Promise<Document | null> {
  const input = plan.inputs.find(({ name }) => name === file);
  const path = input ? inputPath(plan, input) : null;
  if (!path || !existsSync(path)) return null;
  const settings = {
    ...(defaults(sourceOptions) as SourceSettings),
    ...plan.recipe.source,
    // Pages that were dropped for these are to be seen too.
    ...{ status: sourceOptions.status.parse("any"), mime: sourceOptions.mime.parse("any"), sniff: false },
  } as SourceSettings;
  try {
    for await (const event of readWarc(path, settings, file, openAt(path, offset))) {
      if (event.kind === "skip") continue;
      return event.kind === "document" && event.document.id === id ? event.document : null;
    }
  } catch {
    return null;
  }
  return null;
}

/** The page's HTML as text, for a sandboxed frame. */
export function htmlOf(document: Document): string | null {
  const { page } = document;
  return page ? decodeHtml(page.body, page.headers.get("content-type") ?? null).text : null;
}

/** What the run's extractor takes from the page today. */
export async function extractAgain(plan: Plan, document: Document): Promise<string> {
  const options = plan.recipe.stages.find(({ name }) => name === "extract")?.options;
  const judge = await extract.build({ ...defaults(extract.options), ...options } as never, {
    load: () => Promise.reject(new Error("extract loads nothing")),
    seed: 0,
  });
  const verdict = judge(document);
  return "keep" in verdict ? verdict.keep.text : "";
}
