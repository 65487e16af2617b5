/**
 * Drops copies: documents whose text is the same, whatever their length. MinHash cannot see texts of fewer than five
 * words; this can. Off unless the recipe lists it.
 */
import { createHash } from "node:crypto";
import { choice, type Options } from "../../lib/options.ts";
import type { CorpusStage } from "../corpus-stage.ts";
import { keepPolicies } from "./clusters.ts";
import { applyKeyed, collectKeyed, keyedRounds } from "./keyed.ts";
import { normaliseText } from "./normalise.ts";
import { keyWords } from "./signature.ts";

const options = {
  compare: choice("text", "the text as it is, or without case, accents, punctuation and digits", [
    "text",
    "normalised",
  ] as const),
  keep: choice("first", "which of the copies is kept; ties by id", keepPolicies),
} satisfies Options;

/** The first 96 bits of SHA-256. */
export function digestKey(text: string, into: Uint32Array): void {
  const digest = createHash("sha256").update(text, "utf8").digest();
  for (let k = 0; k < keyWords; k++) into[k] = digest.readUInt32LE(4 * k);
}

export const exactDedup: CorpusStage<typeof options> = {
  name: "exact-dedup",
  kind: "dedup",
  about: "drops documents with the same text as a kept one",
  source: "datatrove, pipeline/dedup/exact_documents.py; the hash is SHA-256 cut to 96 bits",
  options,
  reasons: ["duplicate"],
  measures: [],
  collected: ({ compare }) => ({ compare }),
  collect: (values, context) =>
    collectKeyed(context, 1, ({ text }, keys) => {
      digestKey(values.compare === "text" ? text : normaliseText(text, "fineweb@0.10"), keys);
      return true;
    }),
  rounds: (values, tasks) => keyedRounds(1, tasks, values.keep, null),
  apply: async (_, context) => applyKeyed(context, document => document),
};
