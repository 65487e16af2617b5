/**
 * Near-duplicates by MinHash, on disk from end to end: memory holds one task's keys, one merge's buffers or the
 * documents that have a duplicate, never the corpus. Two documents are duplicates if all rows of one bucket agree,
 * for texts that share a part s of their n-grams with probability 1 − (1 − s^rows)^buckets: 92 % at 0.8, 5 % at 0.5 with 14 buckets of 8. A text of fewer
 * than `ngram` tokens has no signature and is kept.
 */
import { choice, fraction, integer, type Options, optional, type Values } from "../../lib/options.ts";
import type { CorpusStage } from "../corpus-stage.ts";
import type { Document } from "../document.ts";
import { keepPolicies } from "./clusters.ts";
import { applyKeyed, collectKeyed, keyedRounds } from "./keyed.ts";
import { normalisations, tokenisations } from "./normalise.ts";
import { createSigner, type Signer } from "./signature.ts";

const options = {
  ngram: integer(5, "tokens that make one shingle", { min: 1, max: 100 }),
  buckets: integer(14, "buckets of a signature; agreeing in one makes duplicates", { min: 1, max: 1000 }),
  rows: integer(8, "hashes in a bucket, all of which must agree", { min: 1, max: 100 }),
  seed: integer(1, "seed of the hash family", { min: 0, max: 4294967295 }),
  hash: choice("sha1", "hash of a shingle: sha1 as in FineWeb's example, or datatrove's newer xxhash64", [
    "sha1",
    "xxhash64",
  ] as const),
  normalisation: choice(
    "fineweb@2024-04",
    "how text is normalised: punctuation deleted, as released, or made a space",
    normalisations,
  ),
  tokens: choice(
    "whitespace",
    "what a token is: script-aware also splits Chinese, Japanese, Thai and the like by character; words splits as the filters do",
    tokenisations,
  ),
  keep: choice("first", "which document of a cluster is kept; ties by id", keepPolicies),
  verify: optional(
    fraction(0.7, "two documents also need this part of their shingles in common; null trusts the signature"),
  ),
} satisfies Options;

/** Signers are dear to build (112 pairs of 61-bit numbers, a module's memory) and hold no state between texts. */
let latest: { readonly key: string; readonly signer: Signer } | null = null;

function signerFor(values: Values<typeof options>): Signer {
  const { ngram, buckets, rows, seed, hash, normalisation, tokens } = values;
  const settings = { ngram, buckets, rows, seed, hash, normalisation, tokens };
  const key = JSON.stringify(settings);
  if (latest?.key !== key) latest = { key, signer: createSigner(settings) };
  return latest.signer;
}

function kept(document: Document, size: number, cluster: string | null): Document {
  const meta = {
    ...document.meta,
    minhash_cluster_size: size,
    ...(cluster === null ? {} : { minhash_cluster_id: cluster }),
  };
  return { ...document, meta };
}

export const minhash: CorpusStage<typeof options> = {
  name: "minhash",
  kind: "dedup",
  about: "drops near-duplicates: documents that share most of their word 5-grams with a kept one",
  source:
    "Broder 1997; Penedo et al. 2024 (FineWeb), section 3.4: 5-grams, 14 buckets of 8; datatrove, pipeline/dedup/minhash.py",
  options,
  reasons: ["duplicate"],
  measures: [],
  collected: ({ keep: _, verify, ...signing }) => ({ ...signing, shingles: verify !== null }),
  collect(values, context) {
    const signer = signerFor(values);
    const fill = (document: Document, keys: Uint32Array): boolean => {
      if (signer.sign(document.text) === 0) return false;
      signer.keys(keys);
      return true;
    };
    return collectKeyed(context, values.buckets, fill, values.verify === null ? null : signer.shingles);
  },
  rounds: (values, tasks) => keyedRounds(values.buckets, tasks, values.keep, values.verify),
  apply: async (_, context) =>
    applyKeyed(context, (document, member) => kept(document, member?.size ?? 1, member?.cluster ?? null)),
};
