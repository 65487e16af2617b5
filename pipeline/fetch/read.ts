/**
 * Opens an input of a plan, wherever its bytes are, for the readers. Records that came through the index are read from
 * a file of their own; here they get back the place they have in the crawl.
 */
import type { Location } from "../document.ts";
import type { Plan } from "../execute/plan.ts";
import type { Input } from "../inputs.ts";
import { openInput, openStored } from "../readers/input.ts";
import type { ReadEvent } from "../readers/reader.ts";
import { storedInput } from "../store/inputs.ts";
import { isS3 } from "../store/s3.ts";
import { crawlOf } from "./options.ts";
import { readPartNote } from "./records.ts";
import { inputPath } from "./store.ts";

/** The events of an input, or null for a file the host did not have. */
export function readInput(plan: Plan, input: Input): AsyncIterable<ReadEvent> | null {
  if (isS3(input.name)) return openStored(storedInput(input), input.name, plan.recipe.source);
  const path = inputPath(plan, input);
  if (path === null) return null;
  const { source } = plan.recipe;
  const events = openInput(path, input.name, source);
  return crawlOf(source)?.index ? placed(events, path) : events;
}

async function* placed(events: AsyncIterable<ReadEvent>, path: string): AsyncGenerator<ReadEvent> {
  const places = new Map<number, Location>();
  let start = 0;
  for (const place of readPartNote(path)?.places ?? []) {
    places.set(start, place);
    start += place.length;
  }
  const at = (found: Location): Location => places.get(found.offset) ?? found;
  for await (const event of events) {
    if (event.kind === "skip") yield event;
    else if (event.kind === "document")
      yield { ...event, document: { ...event.document, at: at(event.document.at) } };
    else yield { ...event, at: at(event.at) };
  }
}
