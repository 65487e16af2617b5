/**
 * Opens an input of a plan, wherever its bytes are, for the readers. Records that came through the index are read from
 * a file of their own; here they get back the place they have in the crawl.
 */
import { UserError } from "../../lib/errors.ts";
import type { Location } from "../document.ts";
import type { Plan } from "../execute/plan.ts";
import type { Input } from "../inputs.ts";
import { openInput, openStored, openStream } from "../readers/input.ts";
import type { ReadEvent } from "../readers/reader.ts";
import { storedInput } from "../store/inputs.ts";
import { isS3 } from "../store/s3.ts";
import { crawlOf, isStreamed } from "./options.ts";
import { readPartNote } from "./records.ts";
import { inputPath, missing } from "./store.ts";
import type { OpenStreamed } from "./stream-reader.ts";

/** The events of an input, or null for a file the host did not have. */
export function readInput(plan: Plan, input: Input): AsyncIterable<ReadEvent> | null {
  if (isS3(input.name)) return openStored(storedInput(input), input.name, plan.recipe.source);
  const path = inputPath(plan, input);
  if (path === null) return null;
  const { source } = plan.recipe;
  const events = openInput(path, input.name, source);
  return crawlOf(source)?.index ? placed(events, path) : events;
}

export type OpenedEvents = {
  /** Null for a file the host does not have. */
  readonly events: AsyncIterable<ReadEvent> | null;
  readonly warnings: readonly string[];
};

/** As `readInput`, also for inputs that are read as they come. */
export async function openEvents(
  plan: Plan,
  input: Input,
  openStreamed: OpenStreamed | undefined,
): Promise<OpenedEvents> {
  const { source } = plan.recipe;
  if (!isStreamed(source)) return { events: readInput(plan, input), warnings: [] };
  if (!openStreamed)
    throw new UserError(
      "source.cache: none reads files over one process's connections, and this task has none",
      "Name a folder in source.cache, and let  curate run  download the files there.",
    );
  const { name } = input;
  const opened = input.fingerprint === missing ? null : await openStreamed(input);
  if (!opened) return { events: null, warnings: [`${name} is not on the host (404) and was skipped`] };
  return {
    events: openStream(opened, name, source),
    warnings: opened.changed
      ? [`${name} has changed on the host since it was listed; the new one was read`]
      : [],
  };
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
