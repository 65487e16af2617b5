/** `curate blocklist`: what it is called and takes. What it does is loaded when it is called. */
import { command, type Flags } from "./command.ts";

export const blocklistFlags = {
  to: { type: "text", value: "DIR", about: "where lists and pins.json lie (blocklists)" },
  as: {
    type: "text",
    value: "NAME",
    about: "file name of the list; default: the last part of its address",
  },
  sha256: { type: "text", value: "HEX", about: "what the list must hash to" },
  update: { type: "flag", about: "accept a list that is not the pinned one any more, and pin the new one" },
} as const satisfies Flags;

export const blocklist = command({
  name: "blocklist",
  about:
    "Downloads lists for url-filter and pins them by sha256: plain lists, hosts files, archives of UT1 categories.\nfetch URL… adds lists; fetch alone restores all that are pinned; check compares the files with their pins.",
  usage: "<fetch [URL…] | check>",
  example: "curate blocklist fetch https://dsi.ut-capitole.fr/blacklists/download/adult.tar.gz",
  maxPositionals: 100,
  flags: blocklistFlags,
  run: async (positionals, flags) => (await import("./fetch-lists.ts")).keepLists(positionals, flags),
});
