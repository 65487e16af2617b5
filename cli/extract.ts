/** `curate extract`: what it is called and takes. What it does is loaded when it is called. */
import { command, type Flags } from "./command.ts";

export const extractFlags = {
  engine: { type: "text", value: "NAME", about: "main-content (default), readability or full-text" },
  url: { type: "text", value: "URL", about: "where the page came from" },
  charset: {
    type: "text",
    value: "NAME",
    about: "as an HTTP header would have said; default: look into the page",
  },
  json: { type: "flag", about: "text and metadata as one JSON object" },
} as const satisfies Flags;

export const extract = command({
  name: "extract",
  about: "Prints the main text of one HTML page.",
  usage: "<page.html | ->",
  example: "curate extract page.html --engine main-content --json",
  maxPositionals: 1,
  flags: extractFlags,
  run: async (positionals, flags) => (await import("./extract-page.ts")).extractPage(positionals, flags),
});
